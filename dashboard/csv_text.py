"""CSV that spreadsheets open without running anything of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A table, line by line, as it is sent.

    Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).
    """
    yield _line(head)
    for row in rows:
        yield _line([_cell(value) for value in row])


def iso(at: float) -> str:
    """Unix seconds as ``2026-11-25T14:00:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _line(row: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(["" if value is None else value for value in row])
    return out.getvalue()
