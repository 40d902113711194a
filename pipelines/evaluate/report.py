"""What ``evaluate`` found, as JSON, CSV, Markdown and for the terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from pipelines.analyze import make_folder
from pipelines.evaluate.settings import SETTINGS
from streams.files import write_json_atomic, write_text_atomic

DETECTION = ("map50", "map50_95", "precision", "recall", "objects", "found", "matched")
TRACKING = ("mota", "motp", "idf1", "hota", "id_switches", "false_positives", "misses", "objects", "tracks")
EVENTS = ("truth", "found", "matched", "precision", "recall", "error")
SHOWN = 10
"""Settings of a sweep that a table shows; all of them are in ``sweep.csv``."""
ERRORS = ("n", "mean", "median", "abs_median", "abs_p95")
_HEADS = {
    "map50": "mAP50", "map50_95": "mAP50-95", "mota": "MOTA", "motp": "MOTP", "idf1": "IDF1", "hota": "HOTA",
    "id_switches": "switches", "false_positives": "false", "misses": "missed",
}  # fmt: skip
_NARROW = {
    "time error s": "time\nerror s", "seconds error": "seconds\nerror", "value error": "value\nerror",
    "confidence": "confi-\ndence", "activation": "acti-\nvation", "min_iou": "min_\niou", "lost_s": "lost\n_s",
    "min_frames": "min_\nframes", "switches": "swit-\nches",
}  # fmt: skip
"""Heads in two lines, for a terminal."""
Rows = tuple[str, list[str], list[list[str]]]
"""Title, heads, cells."""
_Part = tuple[str, tuple[str, str, str, str], Mapping[str, Any], tuple[str, ...]]
"""Part, (kind, name, direction, label), figures, and which of them to write."""


def write_reports(result: Mapping[str, Any], folder: Path) -> None:
    """Write ``evaluation.json``, ``evaluation.csv`` and ``evaluation.md``, and ``sweep.csv`` where there was a sweep.

    Raises:
        OutputError: They cannot be written.
    """
    make_folder(folder)
    write_json_atomic(folder / "evaluation.json", result)
    write_text_atomic(folder / "evaluation.csv", to_csv(result))
    write_text_atomic(folder / "evaluation.md", to_markdown(result))
    if (found := result.get("sweep")) is not None:
        heads = list(found["rows"][0])
        write_text_atomic(folder / "sweep.csv", _csv([heads, *(row.values() for row in found["rows"])]))


def to_csv(result: Mapping[str, Any]) -> str:
    """One figure in each row: part, kind, name, direction, label, figure, value."""
    rows: list[tuple[Any, ...]] = [("part", "kind", "name", "direction", "label", "figure", "value")]
    for part, key, row, names in _parts(result):
        rows += ((part, *key, name, row[name]) for name in names if row.get(name) is not None)
        for group in ("time_s", "seconds", "value") if part == "events" else ():
            rows += ((part, *key, f"{group}_{name}", row[group][name]) for name in ERRORS if row[group])
    return _csv(rows)


def _csv(rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _parts(result: Mapping[str, Any]) -> Iterator[_Part]:
    for part, names in (("detection", DETECTION), ("tracking", (*TRACKING, "deta", "assa", "fragments"))):
        if (scores := result[part]) is not None:
            for label, row in (("*", scores["all"]), *scores["labels"].items()):
                yield part, ("", "", "", label), row, names
    for row in result["events"] or ():
        yield "events", (row["kind"], row["name"], row["direction"], row["label"]), row, EVENTS


def to_markdown(result: Mapping[str, Any]) -> str:
    """The same as the terminal's, with what it was made of."""
    lines = [f"# Evaluation of `{result['results']}`", ""]
    lines += [f"Truth: {', '.join(f'`{path}`' for path in result['truth'])}; {words(result)}"]
    for title, heads, rows in tables(result):
        lines += ["", f"## {title}", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
        lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    if (found := result.get("sweep")) is not None:
        best = ["The best setting, for a site file:", "", "```yaml", found["yaml"].rstrip(), "```"]
        lines += ["", *([found["remark"]] if found["remark"] else best)]
    return "\n".join(lines) + "\n"


def words(result: Mapping[str, Any]) -> str:
    """What a reader of the figures has to know."""
    parts = [f"{result['frames']} frames analysed at {result['fps']:g} a second"]
    detection, events = result["detection"], result["events_total"]
    if detection is not None:
        least = detection["least_score"]
        kept = f"boxes below a score of {least:g} were not kept" if least is not None else "no boxes were kept"
        parts.append(f"{detection['frames']} of them compared; {kept}, so average precision is that of what was kept")
    if events is not None:
        parts.append(f"events joined within {result['tolerance_s']:g} s")
        if others := result["events_left_out"]:
            counts = ", ".join(f"{count} {label}" for label, count in others.items())
            parts.append(f"events of labels that the truth does not name are left out: {counts}")
    return "; ".join(parts)


def tables(result: Mapping[str, Any]) -> Iterator[Rows]:
    """Detection, tracking and events, where the truth tells of them."""
    for title, part, names in (("Detection", "detection", DETECTION), ("Tracking", "tracking", TRACKING)):
        if (scores := result[part]) is not None:
            rows = [("all", scores["all"]), *scores["labels"].items()]
            if len(rows) == 2:
                rows = rows[1:]
            heads = ["label", *(_HEADS.get(name, name) for name in names)]
            yield title, heads, [[label, *(cell(row[name]) for name in names)] for label, row in rows]
    if result["events"] is not None:
        yield "Counts and events", *_event_table(result["events"])
    if (found := result.get("sweep")) is not None:
        title = (
            f"Sweep: {len(found['rows'])} settings, the best {SHOWN} by {_HEADS.get(found['metric'], found['metric'])}"
        )
        yield title, *sweep_rows(found, SHOWN)


def sweep_rows(found: Mapping[str, Any], most: int | None = None) -> tuple[list[str], list[list[str]]]:
    """Heads and cells of a sweep, the best first.

    Args:
        found: ``sweep``'s result.
        most: How many rows; default: all.
    """
    metric = found["metric"]
    rows = sorted(found["rows"], key=lambda row: -1.0 if row[metric] is None else row[metric], reverse=True)
    names = [name for name in rows[0] if name not in ("precision", "recall")]  # F1 says both
    heads = [_HEADS.get(name, name) for name in names]
    return heads, [[f"{row[n]:g}" if n in SETTINGS else cell(row[n]) for n in names] for row in rows[:most]]


def _event_table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    extra = [name for name in ("seconds", "value") if any(row[name] for row in rows)]
    heads = ["kind", "at", "direction", "label", *EVENTS, "time error s", *(f"{name} error" for name in extra)]
    cells = []
    for row in rows:
        errors = [_error(row[name]) for name in ("time_s", *extra)]
        figures = [f"{row['error']:+d}" if name == "error" else cell(row[name]) for name in EVENTS]
        cells.append([row["kind"], row["name"], row["direction"] or "-", row["label"] or "any", *figures, *errors])
    return heads, cells


def _error(errors: Mapping[str, float] | None) -> str:
    """Median and 95th percentile of the errors' sizes, with the signed median."""
    if errors is None:
        return "-"
    return f"{errors['median']:+.2f} (±{errors['abs_median']:.2f}, p95 {errors['abs_p95']:.2f})"


def cell(value: float | int | None) -> str:
    """A figure for people."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"


def rich_tables(result: Mapping[str, Any]) -> Iterator[Table]:
    """The tables for a terminal of 80 columns."""
    for title, heads, rows in tables(result):
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        if result["events"] is not None and heads[0] == "kind":
            heads = ["what", "truth", "found", "right", "prec.", "recall", *heads[9:]]
            rows = [_folded(row) for row in rows]
        for number, head in enumerate(heads):
            head = _NARROW.get(head, head)
            table.add_column(head, justify="right" if number else "left", overflow="fold", no_wrap=bool(number))
        for row in rows:
            table.add_row(*(Text(text) for text in row))
        yield table


def _folded(row: Sequence[str]) -> list[str]:
    """A row of events in fewer columns: its names in one, its errors with their spread below them."""
    kind, name, direction, label, *figures = row
    who = "in all" if label == "*" else " ".join(word for word in (direction, label) if word != "-")
    short = [figure.replace(" (±", "\n±").replace(", p95 ", "\np95 ").removesuffix(")") for figure in figures]
    return [f"{kind}\n  {name}\n  {who}", *short]
