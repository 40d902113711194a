"""The truth of counts and events: a CSV with a row for each thing that happened."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import ConfigError
from pipelines.evaluate.happening import Happening
from pipelines.evaluate.names import Names
from pipelines.rules import RULE_KINDS

COLUMNS = ("kind", "name", "label", "direction", "time_s")
OPTIONAL = ("seconds", "value")
DIRECTIONS: Mapping[str, tuple[str, ...]] = {
    kind: config.words for kind, (config, _) in RULE_KINDS.items() if any(config.words)
}
"""The words of kinds whose events have a direction, where they are the same at each line or zone."""
_FORM = f"a header {','.join(COLUMNS)} (and {', '.join(OPTIONAL)} if wanted), then a row for each event"


@dataclass(frozen=True, slots=True)
class EventTruth:
    """What happened in a video.

    Attributes:
        file: Where it stands.
        happenings: What happened, by time.
        watched: ``(kind, line or zone)`` that the truth speaks of, those included where nothing happened.
        sought: ``(kind, line or zone, label)`` that was looked for, and did not happen.
    """

    file: Path
    happenings: tuple[Happening, ...]
    watched: frozenset[tuple[str, str]]
    sought: frozenset[tuple[str, str, str]] = frozenset()

    @property
    def labels(self) -> frozenset[str]:
        """The labels that the truth names."""
        return frozenset((*(label for *_, label in self.sought), *(one.label for one in self.happenings if one.label)))

    def asks(self, kind: str, name: str, label: str) -> bool:
        """Whether it has something to say of a label at a line or zone.

        It has of the labels that it names, where it names any; and of all where something happened that has none, or
        where it says of all that nothing did.
        """
        if not label or not self.labels or label in self.labels:
            return True
        here = [one for one in self.happenings if (one.kind, one.name) == (kind, name)]
        if here:
            return any(not one.label and has_label(one.kind, one.direction) for one in here)
        return (kind, name) not in {(one, at) for one, at, _ in self.sought}


def has_label(kind: str, direction: str) -> bool:
    """Whether an event of this direction is of something that has a label; those of a table, say, are not."""
    config = RULE_KINDS[kind][0]
    return direction not in config.scene_words and config.scene_words != config.words


def read_events(file: Path, names: Names, last_s: float | None = None, option: str = "--truth") -> EventTruth:
    """Read a CSV with ``kind,name,label,direction,time_s`` and, if wanted, ``seconds`` and ``value``.

    A row without a time says that ``kind`` was watched at ``name``, and its label looked for: if no other row names
    them, nothing happened. An empty label or direction stands for any. Events about a place have no label, whatever is
    written.

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
    sought: set[tuple[str, str, str]] = set()
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
        label = names(row["label"]) if row["label"] and has_label(kind, row["direction"]) else ""
        time_s = _value(where, row, "time_s")
        if time_s is None:
            sought |= {(kind, name, label)} if label else set()
            continue
        if last_s is not None and time_s > last_s + 1:
            raise ConfigError(
                f"{where}: {time_s:g} s is behind the end of the video, {last_s:.1f} s; is it the truth of another one "
                "or another frame rate?"
            )
        if label is not None:
            seconds, value = _value(where, row, "seconds"), _value(where, row, "value")
            happenings.append(Happening(kind, name, label, row["direction"], time_s, seconds, value))
    happened = tuple(sorted(happenings, key=lambda one: one.time_s))
    return EventTruth(file, happened, frozenset(watched), frozenset(sought))


def check_against(
    truth: EventTruth,
    places: Iterable[tuple[str, str]],
    labels: tuple[str, ...],
    where: str,
    rules: Iterable[tuple[str, str]] = (),
    off: Mapping[str, str] | None = None,
) -> EventTruth:
    """Refuse a truth that speaks of what the results could not have found.

    Args:
        truth: What happened.
        places: ``(kind, line or zone)`` of the rules.
        labels: Labels that could be found; without any they are not checked.
        where: What has these rules, for the error.
        rules: ``(kind, name)`` of the rules, by which a truth may call them, too.
        off: Rules that were off, and why.

    Returns:
        The truth without the places of rules that were off, where nothing happened there.

    Raises:
        ConfigError: A kind, line, zone or label is unknown there; with the file, and the way out.
    """
    known = set(places)
    happened = {(one.kind, one.name) for one in truth.happenings}
    silent = set()
    for kind, name in sorted(truth.watched - known - set(rules)):
        reasons = [why for rule, why in (off or {}).items() if _may_be(rule, kind, name)]
        if reasons and (kind, name) not in happened:
            silent.add((kind, name))
            continue
        allowed = ", ".join(f"{one} {place}" for one, place in sorted(known)) or "none"
        was_off = f", and a rule was off there: {reasons[0]}" if reasons else ""
        raise ConfigError(
            f"--truth: {truth.file}: {where} has no rule {kind} at {name!r} (it has: {allowed}{was_off}); correct the "
            "names, or analyse with a site file that has it"
        )
    unknown = sorted({one.label for one in truth.happenings if one.label} - set(labels))
    if labels and unknown:
        raise ConfigError(unknown_labels(truth.file, unknown, labels))
    return replace(truth, watched=truth.watched - silent)


def _may_be(rule: str, kind: str, name: str) -> bool:
    """Whether the name of a rule may be that of one of this kind, by its own name or by its line or zone."""
    return rule == name or (rule.startswith(f"{kind}_") and rule.endswith(f"_{name}"))


def unknown_labels(file: Path, unknown: list[str], labels: tuple[str, ...]) -> str:
    """The sentence for labels of the truth that the results cannot have."""
    few = ", ".join(labels[:12]) + (", …" if len(labels) > 12 else "")
    return (
        f"--truth: {file}: label {', '.join(map(repr, unknown))} is none of the results' ({few}); rename it with --map "
        f"{unknown[0]}={labels[0]}, or leave it out with --map {unknown[0]}="
    )


def events_csv(
    happenings: Iterable[Happening],
    watched: Iterable[tuple[str, str]] = (),
    sought: Iterable[tuple[str, str, str]] = (),
) -> str:
    """The text of an events CSV; what was watched or looked for without anything happening has rows without a time."""
    rows = sorted(happenings, key=lambda one: (one.time_s, one.kind, one.name))
    of_labels = set(sought)
    told = {(one.kind, one.name) for one in rows} | {(kind, name) for kind, name, _ in of_labels}
    silent = sorted({(*place, "") for place in set(watched) - told} | of_labels)
    extra = [name for name in OPTIONAL if any(getattr(one, name) is not None for one in rows)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*COLUMNS, *extra])
    for one in rows:
        numbers = (getattr(one, name) for name in extra)
        cells = ("" if number is None else f"{number:g}" for number in numbers)
        writer.writerow([one.kind, one.name, one.label, one.direction, round(one.time_s, 3), *cells])
    writer.writerows([kind, name, label, "", "", *("" for _ in extra)] for kind, name, label in silent)
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
