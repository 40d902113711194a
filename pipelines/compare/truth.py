"""Labelled pictures, and how well a detector does on them: mean average precision as COCO defines it (pycocotools)."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from config.errors import ConfigError
from detectors.detections import Detections
from pipelines.compare.coco_labels import read_coco
from pipelines.compare.frames import Laid

SCORE = 0.001
"""Average precision looks at all boxes, however unlikely: those above this."""
_NAMES = "classes.txt"


@dataclass(frozen=True, slots=True)
class Box:
    """What a person has drawn.

    Attributes:
        label: Its class.
        xywh: Left, top, width and height in pixels.
        crowd: Whether it stands for many (COCO's ``iscrowd``): what is found in it is neither right nor wrong.
        track: Its number over pictures of one video (``track_id``), where there is one.
    """

    label: str
    xywh: tuple[float, float, float, float]
    crowd: bool = False
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """The labels of some pictures.

    Attributes:
        boxes: For each picture, in the order asked for.
        labels: All classes of the labels.
    """

    boxes: tuple[tuple[Box, ...], ...]
    labels: tuple[str, ...]


def check_pycocotools(option: str = "--labels", extra: str = "compare") -> None:
    """Refuse what cannot be scored, before anything is measured.

    Args:
        option: What needs it.
        extra: What installs it.

    Raises:
        ConfigError: pycocotools is not installed.
    """
    if find_spec("pycocotools") is None:
        raise ConfigError(f"{option} needs pycocotools; install it with pip install 'sightline[{extra}]'")


def check_labels(path: Path) -> None:
    """Refuse labels that are not there, or cannot be scored against, before anything is measured.

    Raises:
        ConfigError: There are no labels, or pycocotools is not installed.
    """
    _check_is_there(path)
    check_pycocotools()


def _check_is_there(path: Path, option: str = "--labels") -> None:
    if not path.exists():
        raise ConfigError(f"{option}: {path} does not exist; name a COCO .json, or a folder of YOLO .txt files")


def read_truth(
    path: Path,
    pictures: Sequence[Laid],
    names: Sequence[str] | None,
    option: str = "--labels",
    must_share: bool = True,
) -> Truth:
    """Read the labels of pictures.

    Args:
        path: A ``.json`` in COCO's format, or a folder with a YOLO ``.txt`` for each picture (``class x y w h``, of the
            box's centre and size, relative to the picture). The names of YOLO's class numbers stand in its
            ``classes.txt``, one in a line; without it they are the model's.
        pictures: Those that are compared; their names are looked up. A picture that COCO does not list is an error; one
            without a ``.txt`` shows nothing.
        names: The model's labels, in class order; None: not known yet, so that YOLO's numbers stand for themselves
            where there is no ``classes.txt``, and none need be the model's.
        option: What names the path, for errors.
        must_share: Whether labels that have no class in common with the model's are an error.

    Raises:
        ConfigError: There are no such labels, with file and line.
    """
    _check_is_there(path, option)
    if path.is_dir():
        truth = _read_yolo(path, pictures, names, option)
    else:
        truth = _read_coco(path, pictures, option)
    if not must_share or names is None:
        return truth
    known = set(names) & set(truth.labels)
    if not any(box.label in known for boxes in truth.boxes for box in boxes):
        few = ", ".join(truth.labels[:8]) or "none"
        raise ConfigError(
            f"{option}: {path} has no box for these pictures of a class that the model knows (its classes: {few}); "
            "check names of pictures and classes"
        )
    return truth


def _read_yolo(folder: Path, pictures: Sequence[Laid], names: Sequence[str] | None, option: str) -> Truth:
    own = folder / _NAMES
    if own.is_file():
        names = [line.strip() for line in _text(own, option).splitlines() if line.strip()]
    if not any((folder / f"{Path(picture.name).stem}.txt").is_file() for picture in pictures):
        raise ConfigError(
            f"{option}: {folder} has no .txt for any of the pictures, such as {Path(pictures[0].name).stem}.txt"
        )
    boxes = tuple(_yolo_boxes(folder, picture, names, option) for picture in pictures)
    return Truth(boxes, tuple(names) if names is not None else ())


def _yolo_boxes(folder: Path, picture: Laid, names: Sequence[str] | None, option: str) -> tuple[Box, ...]:
    file = folder / f"{Path(picture.name).stem}.txt"
    if not file.is_file():
        return ()
    height, width = picture.size
    boxes = []
    for number, line in enumerate(_text(file, option).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            class_id, (x, y, w, h) = int(words[0]), (float(word) for word in words[1 : 5 if len(words) < 7 else None])
            label = "" if class_id < 0 else str(class_id) if names is None else names[class_id]
        except (ValueError, IndexError):
            label = ""
        if not label or not all(0 <= value <= 1 for value in (x, y, w, h)):
            which = "a class" if names is None else f"a class below {len(names)}"
            raise ConfigError(
                f"{option}: {file}, line {number}: {line[:60]!r} is not 'class x y w h' with {which} and values from 0 "
                "to 1"
            )
        boxes.append(Box(label, ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)))
    return tuple(boxes)


def _read_coco(file: Path, pictures: Sequence[Laid], option: str) -> Truth:
    found = read_coco(_text(file, option), [picture.name for picture in pictures], f"{option}: {file}")
    return Truth(tuple(tuple(Box(*box) for box in boxes) for boxes in found.boxes), found.classes)


def _text(file: Path, option: str) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"{option}: {file} cannot be read ({reason})") from error


def score(truth: Truth, found: Sequence[Detections], pictures: Sequence[Laid]) -> dict[str, Any]:
    """Mean average precision over the classes that both the labels and the model know.

    Source: COCO's detection evaluation: the mean over IoU 0.50 to 0.95 in steps of 0.05, and that at 0.50.

    Args:
        truth: The labels, picture by picture.
        found: What was found above ``SCORE``, likewise.
        pictures: Their names and sizes.

    Returns:
        ``{"map50_95", "map50", "pictures", "objects", "classes"}``.
    """
    judge, ids = judged(truth, found, pictures)
    stats = [0.0, 0.0]
    if judge is not None:
        with contextlib.redirect_stdout(io.StringIO()):
            judge.summarize()
        stats = judge.stats
    boxes = [box for boxes in truth.boxes for box in boxes if box.label in ids]
    return {
        "map50_95": round(float(stats[0]), 4),
        "map50": round(float(stats[1]), 4),
        "pictures": len(pictures),
        "objects": sum(not box.crowd for box in boxes),
        "classes": len({box.label for box in boxes}),
    }


def judged(
    truth: Truth, found: Sequence[Detections], pictures: Sequence[Laid], most: int = 100
) -> tuple[Any, dict[str, int]]:
    """COCO's judge after its work.

    Args:
        truth: The labels, picture by picture.
        found: What was found, likewise.
        pictures: Their names and sizes.
        most: How many boxes of a picture and class are looked at.

    Returns:
        pycocotools' ``COCOeval`` with its matches accumulated, or ``None`` where nothing was found; and its number of
        each class, from 1.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    names = found[0].labels
    ids = {label: number for number, label in enumerate(names, 1) if label in set(truth.labels)}
    boxes = [(picture, box) for picture, boxes in enumerate(truth.boxes, 1) for box in boxes if box.label in ids]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "images": [
                {"id": number, "height": one.size[0], "width": one.size[1]} for number, one in enumerate(pictures, 1)
            ],
            "categories": [{"id": number, "name": label} for label, number in ids.items()],
            "annotations": [
                {
                    "id": number, "image_id": picture, "category_id": ids[box.label], "bbox": list(box.xywh),
                    "area": box.xywh[2] * box.xywh[3], "iscrowd": int(box.crowd),
                }
                for number, (picture, box) in enumerate(boxes, 1)
            ],
        }  # fmt: skip
        coco.createIndex()
        rows = np.concatenate([_rows(number, one) for number, one in enumerate(found, 1)])
        rows = rows[np.isin(rows[:, 6], list(ids.values()))]
        if not len(rows):
            return None, ids
        judge = COCOeval(coco, coco.loadRes(rows), "bbox")
        judge.params.maxDets[-1] = most
        judge.evaluate()
        judge.accumulate()
    return judge, ids


def _rows(picture: int, found: Detections) -> Any:
    """(N, 7): picture, x, y, w, h, score, class, as pycocotools takes them."""
    corners = found.xyxy.astype(np.float64)
    sides = corners[:, 2:] - corners[:, :2]
    return np.column_stack([np.full(len(found), picture), corners[:, :2], sides, found.score, found.class_id + 1])
