"""CSV that spreadsheets open without running anything of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

CHUNK = 65_536
"""Characters that are sent at once: each piece costs a change of threads."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def csv_chunks(head: Sequence[str] | None, rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A table in pieces of whole lines, as they are sent.

    Text that a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection).

    Args:
        head: The first line; ``None``: the rows go on from others.
        rows: Their cells; ``None`` is an empty one.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    if head is not None:
        writer.writerow(head)
    for row in rows:
        writer.writerow([_cell(value) for value in row])
        if out.tell() >= CHUNK:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    if out.tell():
        yield out.getvalue()


def iso(at: float) -> str:
    """Unix seconds as ``2026-11-25T14:00:00.000Z``."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
