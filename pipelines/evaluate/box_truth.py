"""Boxes that are known to be right: MOTChallenge, COCO or YOLO, as one thing."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from config.errors import ConfigError
from pipelines.compare.frames import Laid
from pipelines.compare.truth import Truth, read_truth
from pipelines.evaluate.names import Names

_MOST_DIGITS = 15
Role = Literal["object", "ignored", "crowd"]


@dataclass(frozen=True, slots=True)
class TrueBox:
    """An object in one frame.

    Attributes:
        label: What it is.
        xyxy: Left, top, right and bottom in pixels.
        track: Its number over time, or ``None`` where the truth has none.
        role: ``object``; ``ignored``, found or not is all the same; ``crowd``, so is whatever is found inside of it.
    """

    label: str
    xyxy: tuple[float, float, float, float]
    track: int | None = None
    role: Role = "object"


@dataclass(frozen=True, slots=True)
class BoxTruth:
    """The boxes of a video.

    Attributes:
        file: Where they stand.
        frames: Boxes of each frame that was looked at, by its number from 0.
        fps: Frames per second, where the truth tells.
        frame_count: How many frames the video has, where the truth tells.
        size: Width and height of the pictures, where the truth tells.
        is_sparse: Whether frames that are not there were not looked at; else nothing is in them.
    """

    file: Path
    frames: Mapping[int, tuple[TrueBox, ...]]
    fps: float | None = None
    frame_count: int | None = None
    size: tuple[int, int] | None = None
    is_sparse: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels of the objects, sorted; those of what is ignored do not count."""
        return tuple(sorted({box.label for boxes in self.frames.values() for box in boxes if box.role == "object"}))

    @property
    def is_tracked(self) -> bool:
        """Whether every object has a number over time."""
        boxes = [box for boxes in self.frames.values() for box in boxes if box.role == "object"]
        return bool(boxes) and all(box.track is not None for box in boxes)


def is_yolo(path: Path) -> bool:
    """Whether a folder has YOLO's label files in it."""
    return path.is_dir() and any(file.name != "classes.txt" for file in path.glob("*.txt"))


def read_pictures(path: Path, size: tuple[int, int], labels: tuple[str, ...], names: Names, first: int | None) -> (
    BoxTruth
):  # fmt: skip
    """Read a COCO file, or a folder of YOLO labels, whose pictures are frames of a video.

    The last number in the name of a picture or label file is that of its frame. Frames that are not there were not
    looked at; in COCO an annotation may have a ``track_id``.

    Args:
        path: The ``.json`` or the folder.
        size: Width and height of the video, pixels.
        labels: The results' labels, which name YOLO's class numbers where there is no ``classes.txt``.
        names: How labels are renamed.
        first: Number of the video's first frame; default: 0 where a file has the number 0, else 1.

    Raises:
        ConfigError: Names without numbers, pictures of another size, broken labels; with file and line.
    """
    width, height = size
    stems = [file.stem for file in sorted(path.glob("*.txt")) if file.name != "classes.txt"] if path.is_dir() else None
    pictures = [f"{stem}.jpg" for stem in stems] if stems is not None else _coco_pictures(path, size)
    numbers = {picture: _number_of(path, picture) for picture in pictures}
    start = first if first is not None else 0 if 0 in numbers.values() else 1
    truth = read_truth(path, [Laid(picture, (height, width)) for picture in pictures], labels, "--truth", False)
    frames: dict[int, tuple[TrueBox, ...]] = {}
    for (picture, number), boxes in zip(numbers.items(), _renamed(truth, names), strict=True):
        if number < start or number - start in frames:
            wrong = f"frames are numbered from {start}" if number < start else "there are two with this number"
            raise ConfigError(f"--truth: {path}: {picture} is no frame of the video: {wrong}; see --first-frame")
        tracks = [box.track for box in boxes if box.track is not None and box.role == "object"]
        if len(set(tracks)) < len(tracks):
            raise ConfigError(f"--truth: {path}: {picture} has two boxes of one track_id; an object is in a frame once")
        frames[number - start] = boxes
    return BoxTruth(path, frames, size=size, is_sparse=True)


def _renamed(truth: Truth, names: Names) -> list[tuple[TrueBox, ...]]:
    return [
        tuple(
            TrueBox(label, (x, y, x + w, y + h), box.track, "crowd" if box.crowd else "object")
            for box in boxes
            for x, y, w, h in [box.xywh]
            if (label := names(box.label)) is not None
        )
        for boxes in truth.boxes
    ]


def _number_of(path: Path, picture: str) -> int:
    found = re.findall(r"[0-9]+", Path(picture).stem)
    if not found or len(found[-1]) > _MOST_DIGITS:
        raise ConfigError(
            f"--truth: {path}: the name of {picture[:80]} has no number of a frame; number the files as the frames, "
            "000001 say"
        )
    return int(found[-1])


def _coco_pictures(file: Path, size: tuple[int, int]) -> list[str]:
    """Names of the pictures of a COCO file, all of them of the video's size; its content is checked by ``read_truth``.

    Raises:
        ConfigError: It has none, or one of another size.
    """
    try:
        images: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8-sig"))["images"]
        names = [Path(image["file_name"]).name for image in images]
        sizes = [(image.get("width"), image.get("height")) for image in images]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(f"--truth: {file} is not a COCO file with images ({str(error)[:80]})") from error
    for name, (width, height) in zip(names, sizes, strict=True):
        if width and height and (width, height) != size:
            raise ConfigError(
                f"--truth: {file}: {name} is {width}x{height}, but the video is {size[0]}x{size[1]}; "
                "take the truth of this video, or analyse the one that was annotated"
            )
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"--truth: {file} lists {'a picture twice' if names else 'no pictures'}")
    return names
