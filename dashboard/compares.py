"""Comparisons that ``compare`` has written, found where it writes them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from config.errors import SightlineError

Kind = Literal["compare", "train"]
DEFAULT_FOLDERS = (Path("results"),)
"""Where ``compare --out`` writes unless told otherwise, relative to the working folder: ``results/compare``."""
MOST_BYTES = 8_000_000
"""Of a file that is read."""
_MOST_LISTED = 100
_MOST_LOOKED = 2000
_DEEP = 2
_FILES: dict[Kind, str] = {"compare": "compare.json", "train": "train.json"}


class CompareError(SightlineError):
    """A comparison that is not there, or cannot be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """A comparison.

    Attributes:
        id: Of its folder and kind; the same as long as it lies there.
        kind: Of detectors, or of training.
        folder: Where it lies.
        at: When it was written, in Unix seconds.
    """

    id: str
    kind: Kind
    folder: Path
    at: float


def found_in(folders: Iterable[Path]) -> list[Found]:
    """The comparisons in folders, and in the folders below them; the newest first, 100 at most.

    Links to folders are not followed.
    """
    seen: dict[str, Found] = {}
    for folder in dict.fromkeys(path.resolve() for path in folders):
        for place in _below(folder):
            for kind, name in _FILES.items():
                file = place / name
                try:
                    if file.is_file() and not file.is_symlink():
                        one = Found(_id(place, kind), kind, place, file.stat().st_mtime)
                        seen.setdefault(one.id, one)
                except OSError:
                    continue
    return sorted(seen.values(), key=lambda one: one.at, reverse=True)[:_MOST_LISTED]


def result_of(one: Found) -> dict[str, Any]:
    """What was measured.

    Raises:
        CompareError: Its file is gone, too large, or not what ``compare`` writes.
    """
    path = one.folder / _FILES[one.kind]
    try:
        value = json.loads(_bytes(path))
    except ValueError as error:
        raise CompareError(f"{path} is no JSON; run compare again") from error
    if not isinstance(value, dict) or not isinstance(value.get("rows"), list):
        raise CompareError(f"{path} is not a result of compare; run it again")
    return value


def report_of(one: Found) -> bytes:
    """Its page, HTML in UTF-8.

    Raises:
        CompareError: There is none.
    """
    return _bytes(one.folder / f"{one.kind}.html")


def summary_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """What a list says of a comparison: when, on what, how many rows, and the fastest."""
    rows = [row for row in result["rows"] if isinstance(row, dict)]
    measured = [row for row in rows if row.get("error") is None and _is_number(row.get("fps"))]
    best = max(measured, key=lambda row: float(row["fps"]), default=None)
    machine, videos = result.get("machine"), result.get("videos")
    return {
        "made": _text(result.get("made")),
        "videos": [name for name in videos if isinstance(name, str)] if isinstance(videos, list) else [],
        "rows": len(rows),
        "failed": len(rows) - len(measured),
        "cpu": _text(machine.get("cpu")) if isinstance(machine, dict) else None,
        "fastest": None if best is None else {key: best.get(key) for key in ("runtime", "precision", "imgsz", "fps")},
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _id(folder: Path, kind: Kind) -> str:
    return hashlib.sha256(f"{kind}:{folder}".encode()).hexdigest()[:16]


def _below(folder: Path) -> Iterator[Path]:
    """A folder and those in it, two levels deep, a bounded number of them."""
    todo, looked = [(folder, 0)], 0
    while todo and looked < _MOST_LOOKED:
        place, depth = todo.pop()
        looked += 1
        yield place
        if depth == _DEEP:
            continue
        try:
            todo += [(path, depth + 1) for path in place.iterdir() if path.is_dir() and not path.is_symlink()]
        except OSError:
            continue


def _bytes(path: Path) -> bytes:
    try:
        if path.is_symlink():
            raise CompareError(f"{path} is a link; copy the file there")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise CompareError(f"{path} cannot be read ({error.strerror or error}); run compare again") from error
    if len(data) > MOST_BYTES:
        raise CompareError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB; open it in another program")
    return data
