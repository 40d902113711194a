"""Label lists: text files with a name a line, as they lie beside models or are packed into them."""

from __future__ import annotations

import re
from pathlib import Path

from detectors.errors import ModelError

UNNAMED = "???"
"""What label lists of the TensorFlow Object Detection API have where a number belongs to no class."""
_BACKGROUND = {UNNAMED, "background", "__background__", "_background_"}
_NUMBERED = re.compile(r"(\d+)[\s:]\s*(\S.*)")


def listed_labels(path: Path, first: int) -> tuple[str, ...]:
    """Labels from ``labels.txt`` beside a graph or inside a SavedModel folder: one a line, class ``first`` first.

    Raises:
        ModelError: There is no such file, or it is empty.
    """
    listing, text = _beside(path)
    labels = tuple(line.strip() for line in text.splitlines() if line.strip())
    if not labels:
        raise _not_said(path, listing, first)
    return labels


def numbered_labels(path: Path, packed: str | None, classes: int) -> tuple[str, ...]:
    """Labels of a ``.tflite`` file by class, without background: those packed into it, or ``labels.txt`` beside it.

    Lines may begin with the number of their class (``15 person``). A first line that stands for the background, which
    the network does not count as a class, is left out.

    Args:
        path: The ``.tflite`` file.
        packed: The label list that it carries, if any.
        classes: How many classes the network has, without background.

    Raises:
        ModelError: There is neither, or it names another number of classes.
    """
    listing, text = _beside(path) if packed is None else (path, packed)
    lines = [line.strip() for line in text.rstrip().splitlines()]
    if not any(lines):
        raise _not_said(path, listing, 0)
    place = "the label list inside" if packed is not None else str(listing)
    numbered = [_NUMBERED.fullmatch(line) for line in lines if line]
    if all(numbered):
        names = {int(match[1]): match[2] for match in numbered if match}
        if max(names) >= classes:
            raise ModelError(f"{place} names class {max(names)}, and model {path} has the classes 0 to {classes - 1}")
        return tuple(names.get(number, UNNAMED) for number in range(classes))
    if len(lines) == classes + 1 and lines[0].lower() in _BACKGROUND:
        lines = lines[1:]
    check_number(lines, classes, path, place)
    return tuple(line or UNNAMED for line in lines)


def check_number(labels: list[str] | tuple[str, ...], classes: int, path: Path, place: str) -> None:
    """Refuse a list that does not name each class of a network.

    Raises:
        ModelError: With both numbers.
    """
    if len(labels) != classes:
        raise ModelError(
            f"{place} names {len(labels)} classes, and model {path} has {classes}: name each of them in their order, "
            f"without the background, and write {UNNAMED} for a number without a name"
        )


def _beside(path: Path) -> tuple[Path, str]:
    """The list beside or inside a model, and what stands in it; nothing where it cannot be read."""
    listing = (path if path.is_dir() else path.parent) / "labels.txt"
    try:
        return listing, listing.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return listing, ""


def _not_said(path: Path, listing: Path, first: int) -> ModelError:
    return ModelError(f"model {path} does not say its labels; write them to {listing}, one a line, class {first} first")
