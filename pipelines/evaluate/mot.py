"""MOTChallenge's ``gt.txt`` and ``seqinfo.ini``.

Source of the format: Milan et al., "MOT16: A Benchmark for Multi-Object Tracking" (2016), sections 3 and 4.
"""

from __future__ import annotations

import configparser
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.errors import ConfigError
from pipelines.evaluate.box_truth import BoxTruth, Role, TrueBox
from pipelines.evaluate.names import Names

CLASSES: Mapping[int, tuple[str, Role]] = {
    -1: ("person", "object"),  # MOT15 has no classes
    1: ("person", "object"),
    2: ("person", "ignored"),  # on a vehicle
    3: ("car", "object"),
    4: ("bicycle", "object"),
    5: ("motorcycle", "object"),
    6: ("non-motorized vehicle", "object"),
    7: ("person", "ignored"),  # static
    8: ("person", "ignored"),  # a distractor: a mannequin, a picture
    12: ("person", "ignored"),  # a reflection
    13: ("person", "crowd"),
}
"""Class number → what YOLO calls it, and what it is for a score. Others (occluders) are no objects."""
MOST_FRAMES = 6_000_000
"""More than a day at 60 frames a second; what counts further is no number of a frame."""
MOST_FPS = 10_000
_MOST_ID = 2**53
_MOST_SIDES = 10
"""A box that is larger than so many pictures is none."""
_FORM = "frame,id,left,top,width,height,consider,class,visibility"


@dataclass(frozen=True, slots=True)
class _Info:
    """What ``seqinfo.ini`` says."""

    fps: float | None = None
    frame_count: int | None = None
    size: tuple[int, int] | None = None


def mot_file(path: Path) -> Path | None:
    """The ``gt.txt`` that a path means: itself, that in a folder, or that in its ``gt``; ``None`` where there is none.

    A sequence that has none, but a ``seqinfo.ini``, is meant to have one.
    """
    if path.is_dir():
        for file in (path / "gt.txt", path / "gt" / "gt.txt"):
            if file.is_file() or ((path / "seqinfo.ini").is_file() and file.parent == path / "gt"):
                return file
        return None
    return path if path.suffix == ".txt" else None


def read_mot(
    file: Path, names: Names, size: tuple[int, int] | None = None, first: int = 1, min_visibility: float = 0.0
) -> BoxTruth:
    """Read a truth in MOTChallenge's format.

    Args:
        file: The ``gt.txt``; ``seqinfo.ini`` beside it, or a folder above, and ``labels.txt`` beside it (a class in
            each line, from 1) are read, too.
        names: How labels, or class numbers, are renamed.
        size: Width and height of the video in pixels, to check boxes against; default: those of ``seqinfo.ini``.
        first: Number of the first frame.
        min_visibility: Boxes that are less visible, 0 to 1, are ignored.

    Returns:
        The boxes; frames between the first and the last that are not listed have none.

    Raises:
        ConfigError: A row is broken, double, or outside of the picture; with file and line.
    """
    if not 0 <= min_visibility <= 1:
        raise ConfigError(f"--min-visibility is {min_visibility:g}; write a number from 0 to 1")
    info = _read_info(file)
    classes = _classes(file)
    rows: dict[int, list[TrueBox]] = {}
    seen: dict[tuple[int, int], int] = {}
    last = first - 1
    for number, words in _rows(file):
        where = f"--truth: {file}, line {number}"
        frame, track, box, consider, class_id, visibility = _values(where, words, first)
        last = max(last, frame)
        if info.frame_count is not None and frame - first >= info.frame_count:
            raise ConfigError(f"{where}: frame {frame} is after the end; seqinfo.ini says seqLength={info.frame_count}")
        if (before := seen.setdefault((frame, track), number)) != number:
            raise ConfigError(f"{where}: object {track} stands in frame {frame} twice, first in line {before}")
        if frame - first >= MOST_FRAMES or abs(track) > _MOST_ID:
            raise ConfigError(
                f"{where}: frame {frame:g} or object {track:g} is beyond every video; is it the right file?"
            )
        _check_inside(where, box, info.size or size)
        name, role = classes.get(class_id, ("", "object"))
        label = names(name, class_id)
        if not label:
            if class_id not in classes and len(classes) != len(CLASSES):
                raise ConfigError(f"{where}: class {class_id} is not one of the {len(classes)} in labels.txt")
            continue
        if role == "object" and (consider == 0 or visibility < min_visibility):
            role = "ignored"
        rows.setdefault(frame - first, []).append(TrueBox(label, box, track, role))
    if not rows:
        raise ConfigError(f"--truth: {file} has no object that counts; a row is {_FORM}")
    count = info.frame_count if info.frame_count is not None else last - first + 1
    frames = {index: tuple(rows.get(index, ())) for index in range(count)}
    return BoxTruth(file, frames, info.fps, info.frame_count, info.size)


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(_text(file).splitlines(), 1):
        if line.strip():
            yield number, [word.strip() for word in line.split(",")]


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"--truth: {file} cannot be read ({reason})") from error


def _values(
    where: str, words: list[str], first: int
) -> tuple[int, int, tuple[float, float, float, float], float, int, float]:
    """Frame, object, box, whether to consider it, class and visibility of a row; the last three may be missing."""
    try:
        numbers = [float(word) for word in words]
        frame, track, left, top, width, height, *rest = numbers
        consider, class_id = (*rest, 1.0, 1.0)[:2] if len(rest) < 2 else rest[:2]
        visibility = rest[2] if len(rest) == 3 else 1.0  # with 10 columns these are coordinates of the world
        whole = all(float(value).is_integer() for value in (frame, track, class_id))
        if not whole or not all(map(math.isfinite, numbers)) or width <= 0 or height <= 0:
            raise ValueError
    except ValueError:
        raise ConfigError(f"{where}: {','.join(words)[:60]!r} is not {_FORM} with a width and height above 0") from None
    if frame < first:
        raise ConfigError(f"{where}: frame {frame:g} is before the first, which is {first}; see --first-frame")
    box = (left, top, left + width, top + height)
    return int(frame), int(track), box, consider, int(class_id), visibility


def _check_inside(where: str, box: tuple[float, float, float, float], size: tuple[int, int] | None) -> None:
    if size is None:
        return
    left, top, right, bottom = box
    is_far = left >= size[0] or top >= size[1] or right <= 0 or bottom <= 0
    if is_far or right - left > _MOST_SIDES * size[0] or bottom - top > _MOST_SIDES * size[1]:
        words = ", ".join(f"{value:g}" for value in (left, top, right - left, bottom - top))
        lies = "lies outside of" if is_far else "is much larger than"
        raise ConfigError(
            f"{where}: the box {words} {lies} the picture of {size[0]}x{size[1]}; is it the truth of a video "
            "of another size?"
        )


def _classes(file: Path) -> Mapping[int, tuple[str, Role]]:
    beside = file.with_name("labels.txt")
    if not beside.is_file():
        return CLASSES
    lines = [line.strip() for line in _text(beside).splitlines() if line.strip()]
    return {number: (name, "object") for number, name in enumerate(lines, 1)}


def _read_info(file: Path) -> _Info:
    """``seqinfo.ini`` beside the file or one folder above.

    Raises:
        ConfigError: It is there, and is none.
    """
    place = next((path for path in (file.parent, file.parent.parent) if (path / "seqinfo.ini").is_file()), None)
    if place is None:
        return _Info()
    parser = configparser.ConfigParser()
    try:
        parser.read_string((place / "seqinfo.ini").read_text(encoding="utf-8-sig"))
        part = parser["Sequence"]
        fps = float(part["frameRate"]) if "frameRate" in part else None
        count = int(part["seqLength"]) if "seqLength" in part else None
        size = (int(part["imWidth"]), int(part["imHeight"])) if "imWidth" in part and "imHeight" in part else None
        _check_info(fps, count, size)
    except (configparser.Error, KeyError, ValueError, OSError) as error:
        reason = str(error).replace("\n", " ")[:80]
        raise ConfigError(
            f"--truth: {place / 'seqinfo.ini'} has no [Sequence] with numbers of a video ({reason})"
        ) from error
    return _Info(fps, count, size)


def _check_info(fps: float | None, count: int | None, size: tuple[int, int] | None) -> None:
    """Refuse what no video has.

    Raises:
        ValueError: A number is out of range; says which.
    """
    if fps is not None and not 0 < fps <= MOST_FPS:
        raise ValueError(f"frameRate={fps:g}")
    if count is not None and not 0 < count <= MOST_FRAMES:
        raise ValueError(f"seqLength={count}")
    if size is not None and not all(0 < side <= 100_000 for side in size):
        raise ValueError(f"imWidth={size[0]}, imHeight={size[1]}")
