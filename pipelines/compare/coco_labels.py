"""Boxes in COCO's format, read strictly: one that is wrong is named, and none is guessed at."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from config.errors import ConfigError

FORM = "a COCO file has the lists images (id, file_name), categories (id, name) and annotations"


class CocoBox(NamedTuple):
    """An annotation: its class, (left, top, width, height) in pixels, ``iscrowd``, and ``track_id`` or None."""

    label: str
    xywh: tuple[float, float, float, float]
    crowd: bool
    track: int | None


class CocoLabels(NamedTuple):
    """What was read: the boxes of each picture that was asked for, in that order, and all classes."""

    boxes: tuple[tuple[CocoBox, ...], ...]
    classes: tuple[str, ...]


def read_coco(text: str, pictures: Sequence[str], place: str) -> CocoLabels:
    """Read a COCO file.

    Args:
        text: Its content.
        pictures: Names of the pictures whose boxes are wanted, without folders.
        place: The option and the file, for errors.

    Raises:
        ConfigError: It is no such file, an annotation is wrong, or a picture is not listed, or twice.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{place} is not JSON ({str(error)[:80]}); {FORM}") from error
    images, categories, annotations = (_list(content, key, place) for key in ("images", "categories", "annotations"))
    classes = {key: str(name) for key, name in _pairs(categories, "category", "name", place)}
    names = {key: Path(str(name)).name for key, name in _pairs(images, "image", "file_name", place)}
    boxes: dict[Any, list[CocoBox]] = {key: [] for key in names}
    for number, one in enumerate(annotations, 1):
        image, box = _annotation(one, classes, names, f"{place}: annotation {number}")
        boxes[image].append(box)
    ids = _ids(names, pictures, place)
    return CocoLabels(tuple(tuple(boxes[ids[name]]) for name in pictures), tuple(classes.values()))


def _ids(names: dict[Any, str], pictures: Sequence[str], place: str) -> dict[str, Any]:
    """Name → id of the pictures that are wanted, each of which must be there once."""
    wanted, ids = set(pictures), {}
    for key, name in names.items():
        if name in wanted and name in ids:
            raise ConfigError(
                f"{place} lists two pictures that are called {name}; pictures are found by their names alone: give "
                "each a name of its own"
            )
        ids[name] = key
    if missing := [name for name in pictures if name not in ids]:
        raise ConfigError(f"{place} does not list {missing[0]} ({len(missing)} of {len(pictures)} pictures)")
    return ids


def _list(content: Any, key: str, place: str) -> list[Any]:
    found = content.get(key) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise ConfigError(f"{place} has no list {key!r}; {FORM}")
    return found


def _pairs(entries: list[Any], what: str, value: str, place: str) -> Iterator[tuple[int | str, Any]]:
    """The id and another value of each entry."""
    for number, one in enumerate(entries, 1):
        if not isinstance(one, dict) or not isinstance(one.get("id"), int | str) or one.get(value) is None:
            raise ConfigError(f"{place}: {what} {number} is not one with id and {value}; {FORM}")
        yield one["id"], one[value]


def _annotation(one: Any, classes: dict[Any, str], names: dict[Any, str], place: str) -> tuple[int | str, CocoBox]:
    """An annotation's picture and box."""
    image, category = (one.get("image_id"), one.get("category_id")) if isinstance(one, dict) else (None, None)
    if not isinstance(image, int | str) or not isinstance(category, int | str):
        raise ConfigError(f"{place} is not one with image_id, category_id and bbox; {FORM}")
    if category not in classes:
        few = ", ".join(f"{key} {name}" for key, name in list(classes.items())[:8]) or "it has none"
        raise ConfigError(
            f"{place} has category_id {category}, which its categories lack ({few}); add it, or correct it"
        )
    if image not in names:
        raise ConfigError(f"{place} has image_id {image}, which its images lack; add the picture, or correct it")
    track = one.get("track_id")
    if track is not None and (not isinstance(track, int | float) or track != track // 1):
        raise ConfigError(f"{place}: track_id {track!r:.40} is not a whole number")
    box = CocoBox(
        classes[category],
        _box(one.get("bbox"), place),
        bool(one.get("iscrowd")),
        None if track is None else int(track),
    )
    return image, box


def _box(bbox: Any, place: str) -> tuple[float, float, float, float]:
    values = bbox if isinstance(bbox, list) and len(bbox) == 4 else ()
    try:
        x, y, w, h = (float(value) for value in values if isinstance(value, int | float))
    except (ValueError, OverflowError):
        x = y = w = h = math.nan
    if not all(map(math.isfinite, (x, y, w, h))) or w < 0 or h < 0:
        raise ConfigError(
            f"{place}: bbox {str(bbox)[:60] if isinstance(bbox, list) else repr(bbox)[:60]} is not [left, top, width, "
            "height] in pixels, with width and height of at least 0; correct it, or take the annotation out"
        )
    return x, y, w, h
