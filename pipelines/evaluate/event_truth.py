"""The truth of counts and events: a CSV with a row for each thing that happened."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError
from pipelines.evaluate.happening import Happening
from pipelines.evaluate.names import Names
from pipelines.rules import RULE_KINDS

COLUMNS = ("kind", "name", "label", "direction", "time_s")
OPTIONAL = ("seconds", "value")
DIRECTIONS: Mapping[str, tuple[str, str]] = {
    "line_crossing": ("in", "out"), "zone_count": ("enter", "leave"),
}  # fmt: skip
"""The words of kinds that go both ways, the same at each line or zone."""
_FORM = f"a header {','.join(COLUMNS)} (and {', '.join(OPTIONAL)} if wanted), then a row for each event"


@dataclass(frozen=True, slots=True)
class EventTruth:
    """What happened in a video.

    Attributes:
        file: Where it stands.
        happenings: What happened, by time.
        watched: ``(kind, line or zone)`` that the truth speaks of, those included where nothing happened.
    """

    file: Path
    happenings: tuple[Happening, ...]
    watched: frozenset[tuple[str, str]]


def read_events(file: Path, names: Names, last_s: float | None = None, option: str = "--truth") -> EventTruth:
    """Read a CSV with ``kind,name,label,direction,time_s`` and, if wanted, ``seconds`` and ``value``.

    A row without a time says that ``kind`` was watched at ``name``: if no other row names both, nothing happened there.
    An empty label or direction stands for any.

    Args:
        file: The CSV.
        names: How labels are renamed; rows of those left out are dropped.
        last_s: Media time of the video's last frame, seconds; nothing can have happened later.
        option: What names the file, for errors.

    Raises:
        ConfigError: A row is broken, of an unknown kind or after the end; with file and line.
    """
    happenings: list[Happening] = []
    watched: set[tuple[str, str]] = set()
    for number, row in _rows(file, option):
        where = f"{option}: {file}, line {number}"
        kind, name = row["kind"], row["name"]
        if kind not in RULE_KINDS:
            raise ConfigError(f"{where}: unknown kind {kind!r}; allowed: {', '.join(RULE_KINDS)}")
        if not name:
            raise ConfigError(f"{where}: the column 'name' is empty; it names the line or zone")
        if (ways := DIRECTIONS.get(kind)) and row["direction"] not in ("", *ways):
            raise ConfigError(f"{where}: direction {row['direction']!r} of {kind}; allowed: {', '.join(ways)}, or none")
        watched.add((kind, name))
        time_s = _value(where, row, "time_s")
        if time_s is None:
            continue
        if last_s is not None and time_s > last_s + 1:
            raise ConfigError(
                f"{where}: {time_s:g} s is behind the end of the video, {last_s:.1f} s; is it the truth of another one "
                "or another frame rate?"
            )
        label = names(row["label"]) if row["label"] else ""
        if label is not None:
            seconds, value = _value(where, row, "seconds"), _value(where, row, "value")
            happenings.append(Happening(kind, name, label, row["direction"], time_s, seconds, value))
    return EventTruth(file, tuple(sorted(happenings, key=lambda one: one.time_s)), frozenset(watched))


def check_against(
    truth: EventTruth, places: Iterable[tuple[str, str]], labels: tuple[str, ...], where: str
) -> None:  # fmt: skip
    """Refuse a truth that speaks of what the results could not have found.

    Args:
        truth: What happened.
        places: ``(kind, line or zone)`` of the rules.
        labels: Labels that could be found; without any they are not checked.
        where: What has these rules, for the error.

    Raises:
        ConfigError: A kind, line, zone or label is unknown there; with the file, and the way out.
    """
    known = set(places)
    for kind, name in sorted(truth.watched - known):
        allowed = ", ".join(f"{one} {place}" for one, place in sorted(known)) or "none"
        raise ConfigError(
            f"--truth: {truth.file}: {where} has no rule {kind} at {name!r} (it has: {allowed}); correct the names, or "
            "analyse with a site file that has it"
        )
    unknown = sorted({one.label for one in truth.happenings if one.label} - set(labels))
    if labels and unknown:
        raise ConfigError(unknown_labels(truth.file, unknown, labels))


def unknown_labels(file: Path, unknown: list[str], labels: tuple[str, ...]) -> str:
    """The sentence for labels of the truth that the results cannot have."""
    few = ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")
    return (
        f"--truth: {file}: label {', '.join(map(repr, unknown))} is none of the results' ({few}); rename it with --map "
        f"{unknown[0]}={labels[0]}, or leave it out with --map {unknown[0]}="
    )


def events_csv(happenings: Iterable[Happening], watched: Iterable[tuple[str, str]] = ()) -> str:
    """The text of an events CSV; what was watched without anything happening has rows without a time."""
    rows = sorted(happenings, key=lambda one: (one.time_s, one.kind, one.name))
    silent = sorted(set(watched) - {(one.kind, one.name) for one in rows})
    extra = [name for name in OPTIONAL if any(getattr(one, name) is not None for one in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *extra])
    for one in rows:
        numbers = (getattr(one, name) for name in extra)
        cells = ("" if number is None else f"{number:g}" for number in numbers)
        writer.writerow([one.kind, one.name, one.label, one.direction, round(one.time_s, 3), *cells])
    writer.writerows([kind, name, "", "", "", *("" for _ in extra)] for kind, name in silent)
    return text.getvalue()


def _rows(file: Path, option: str) -> Iterator[tuple[int, Mapping[str, str]]]:
    try:
        reader = csv.reader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline=""))
        header = [word.strip() for word in next(reader, [])]
        if missing := [name for name in COLUMNS if name not in header]:
            raise ConfigError(f"{option}: {file}, line 1: no column {missing[0]!r}; an events CSV has {_FORM}")
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise ConfigError(
                f"{option}: {file}, line 1: the column {twice!r} is there twice; an events CSV has {_FORM}"
            )
        if unknown := [name for name in header if name not in (*COLUMNS, *OPTIONAL)]:
            raise ConfigError(f"{option}: {file}, line 1: unknown column {unknown[0]!r}; an events CSV has {_FORM}")
        for words in reader:
            if not any(word.strip() for word in words):
                continue
            if len(words) != len(header):
                raise ConfigError(
                    f"{option}: {file}, line {reader.line_num}: {len(words)} values, but the header has {len(header)}"
                )
            yield reader.line_num, dict(zip(header, (word.strip() for word in words), strict=True))
    except (OSError, ValueError, csv.Error) as error:
        if isinstance(error, ConfigError):
            raise
        reason = getattr(error, "strerror", None) or "it is no text with commas"
        raise ConfigError(f"{option}: {file} cannot be read ({reason})") from error


def _value(where: str, row: Mapping[str, str], name: str) -> float | None:
    """The number of a cell, or ``None`` where it is empty."""
    text = row.get(name, "")
    if not text:
        return None
    try:
        value = float(text)
        if not math.isfinite(value) or (value < 0 and name != "value"):
            raise ValueError
    except ValueError:
        raise ConfigError(f"{where}: {name} is {text!r}; write seconds from the video's start, 12.5 say") from None
    return value
