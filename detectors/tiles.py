"""Small objects: the picture is cut into overlapping tiles, and the boxes of all tiles become one set again.

The whole picture goes along with its tiles, so that what is larger than a tile is still seen in one piece.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from config.site import Tiles
from detectors.detections import Detections
from detectors.detector import Image, StageTimes, check_images

View = tuple[int, int, int, int]
"""(x1, y1, x2, y2) in pixels of the picture; a part of it that is looked at."""

SAME_IOU = 0.5
"""Two boxes of one label that overlap by more than this are one object."""
INSIDE = 0.8
"""So are two of which one lies with more than this share of its area inside the other."""
CUT_INSIDE = 0.5
"""The same for a box that a tile's edge has cut off."""
TWO_NAMES_IOU = 0.8
"""Two boxes of different labels that overlap by more than this are one object that was given two names."""
EDGE_PX = 3.0
"""A box that ends nearer than this to an inner edge of its tile is cut off there."""


class Finder(Protocol):
    """What finds objects in pictures: a ``Detector``, or one that works on tiles."""

    @property
    def last_times(self) -> StageTimes:
        """Of the last call of ``detect``."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """All names it knows."""
        ...

    def warmup(self, width: int, height: int) -> None:
        """Run on grey pictures of the size to come, so that the first real one is as fast as the next."""
        ...

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find objects in (H, W, 3) uint8 BGR pictures: one ``Detections`` each, boxes in source pixels."""
        ...


class TiledDetector:
    """A detector that looks at the tiles of each picture and at the whole of it, in one batch."""

    def __init__(self, detector: Finder, tiles: Tiles) -> None:
        """Join them.

        Args:
            detector: Gets all parts of all pictures in one call; stays the caller's to close.
            tiles: How to cut.
        """
        self.detector = detector
        self.tiles = tiles
        self.last_times = StageTimes(0.0, 0.0, 0.0)

    @property
    def labels(self) -> tuple[str, ...]:
        """All names the model knows."""
        return self.detector.labels

    def warmup(self, width: int, height: int, rounds: int = 2) -> None:
        """Run on grey pictures of the size to come, so that the first real frame is as fast as the next."""
        grey = np.full((height, width, 3), 114, np.uint8)
        for _ in range(rounds):
            self.detect([grey])

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find objects.

        Args:
            images: (H, W, 3) uint8 BGR pictures; sizes may differ.

        Returns:
            One ``Detections`` per picture, same order and length, boxes in source pixels, best score first.

        Raises:
            ValueError: A picture of the wrong shape or type, or without pixels.
        """
        if not images:
            return []
        check_images(images)
        start = time.perf_counter()
        views = [views_of(image.shape[1], image.shape[0], self.tiles) for image in images]
        parts = [part for image, own in zip(images, views, strict=True) for part in cut(image, own)]
        ready = time.perf_counter()
        found = iter(self.detector.detect(parts))
        spent = self.detector.last_times
        done = time.perf_counter()
        merged = [merge([next(found) for _ in own], own) for own in views]
        end = time.perf_counter()
        self.last_times = StageTimes(
            spent.preprocess_ms + (ready - start) * 1e3, spent.inference_ms, spent.postprocess_ms + (end - done) * 1e3
        )
        return merged


def parts_of(tiles: Tiles | None) -> int:
    """How many pictures the network sees for one of the camera's."""
    return 1 if tiles is None or tiles.rows * tiles.cols == 1 else tiles.rows * tiles.cols + 1


def spans(length: int, count: int, overlap: float) -> tuple[tuple[int, int], ...]:
    """Cut a side into parts of one size that cover it.

    Args:
        length: The side in pixels, at least 1.
        count: Number of parts, at least 1.
        overlap: Share of a part that it has in common with the next, 0 ≤ ``overlap`` < 1, to the pixel.

    Returns:
        (first, last + 1) pixel of each part, in order; the first begins at 0, the last ends at ``length``.
    """
    if count == 1:
        return ((0, length),)
    size = min(length, math.ceil(length / (count - (count - 1) * overlap)))
    starts = [index * (length - size) // (count - 1) for index in range(count)]
    return tuple((start, start + size) for start in starts)


@lru_cache(maxsize=64)
def views_of(width: int, height: int, tiles: Tiles) -> tuple[View, ...]:
    """The parts of a picture of this size to look at: all of it, then the tiles row by row."""
    whole = (0, 0, width, height)
    rows, cols = spans(height, tiles.rows, tiles.overlap), spans(width, tiles.cols, tiles.overlap)
    return whole, *(view for (y1, y2), (x1, x2) in product(rows, cols) if (view := (x1, y1, x2, y2)) != whole)


def cut(image: Image, views: Sequence[View]) -> Iterator[Image]:
    """The parts of an (H, W, 3) picture, without copying a pixel."""
    return (image[y1:y2, x1:x2] for x1, y1, x2, y2 in views)


def merge(found: Sequence[Detections], views: Sequence[View]) -> Detections:
    """Join what was found in the parts of one picture.

    Boxes of one label that overlap are one object, and so are two of different labels that are all but equal: the best
    is kept, and a whole one before any that a tile's edge has cut off. What a tile saw of a kept box is no object of
    its own, whatever its label. Two that are cut off and continue each other in neighbouring tiles become one.

    Args:
        found: One per view, in pixels of that view.
        views: The first one is the whole picture.

    Returns:
        Boxes in pixels of the picture, best score first.

    Raises:
        ValueError: There is not one ``Detections`` for each view.
    """
    if len(found) != len(views):
        raise ValueError(f"{len(views)} parts of a picture need as many results, got {len(found)}")
    if len(views) == 1 or not any(map(len, found)):
        return found[0]
    view = np.repeat(np.asarray(views, np.float32), [len(item) for item in found], axis=0)
    xyxy = np.concatenate([item.xyxy for item in found]) + view[:, [0, 1, 0, 1]]
    score = np.concatenate([item.score for item in found])
    class_id = np.concatenate([item.class_id for item in found])
    is_cut = cut_off(xyxy, view, views[0])
    order = np.lexsort((-score, is_cut))
    kept = _join(Detections(xyxy[order], score[order], class_id[order], found[0].labels), view[order], is_cut[order])
    return kept[np.argsort(-kept.score, kind="stable")]


def cut_off(xyxy: NDArray[np.float32], view: NDArray[np.float32], whole: View) -> NDArray[np.bool_]:
    """Whether boxes end at an edge of their tile that is not one of the picture.

    Args:
        xyxy: (N, 4) float32 boxes in pixels of the picture.
        view: (N, 4) float32, the tile each was found in.
        whole: The picture.

    Returns:
        (N,) bool.
    """
    return np.asarray(((np.abs(xyxy - view) < EDGE_PX) & (view != np.asarray(whole))).any(axis=1))


def _join(boxes: Detections, view: NDArray[np.float32], is_cut: NDArray[np.bool_]) -> Detections:
    """Greedy suppression over boxes in order of preference; pieces of one object grow together."""
    xyxy = boxes.xyxy.copy()
    left = np.ones(len(xyxy), bool)
    kept = []
    for row in range(len(xyxy)):
        if not left[row]:
            continue
        kept.append(row)
        rest = np.flatnonzero(left[row + 1 :]) + row + 1
        same = boxes.class_id[rest] == boxes.class_id[row]
        if is_cut[row]:
            for other in rest[same & _continues(xyxy[row], view[row], xyxy[rest], view[rest])]:
                xyxy[row, :2] = np.minimum(xyxy[row, :2], xyxy[other, :2])
                xyxy[row, 2:] = np.maximum(xyxy[row, 2:], xyxy[other, 2:])
        left[rest[_repeats(xyxy[row], xyxy[rest], view[rest], is_cut[rest], same)]] = False
    return Detections(xyxy[kept], boxes.score[kept], boxes.class_id[kept], boxes.labels)


def _repeats(
    box: NDArray[np.float32],
    others: NDArray[np.float32],
    views: NDArray[np.float32],
    is_cut: NDArray[np.bool_],
    same: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Which of (N, 4) boxes are the same object as ``box``, or a part of it; ``same`` says which have its label."""
    shared = _shared(box, others)
    inside = shared / np.maximum(np.minimum(_area(box), _area(others)), 1e-6)
    iou = _iou(box, others)
    seen = np.hstack([np.maximum(box[:2], views[:, :2]), np.minimum(box[2:], views[:, 2:])])
    piece = is_cut & (_iou(seen, others) > SAME_IOU)
    repeat = same & ((iou > SAME_IOU) | (inside > np.where(is_cut, CUT_INSIDE, INSIDE)))
    return np.asarray(repeat | piece | (iou > TWO_NAMES_IOU))


def _continues(
    box: NDArray[np.float32], view: NDArray[np.float32], others: NDArray[np.float32], views: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Which of (N, 4) boxes agree with ``box`` about the strip that both of their tiles see."""
    low, high = np.maximum(view[:2], views[:, :2]), np.minimum(view[2:], views[:, 2:])
    mine = np.hstack([np.maximum(box[:2], low), np.minimum(box[2:], high)])
    theirs = np.hstack([np.maximum(others[:, :2], low), np.minimum(others[:, 2:], high)])
    return np.asarray((_iou(mine, theirs) > SAME_IOU) & (view != views).any(axis=1))


def _iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of (4,) or (N, 4) boxes with (N, 4) boxes: (N,) float32."""
    shared = _shared(a, b)
    return np.asarray(shared / np.maximum(_area(a) + _area(b) - shared, 1e-6), np.float32)


def _shared(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Area of the intersections of (4,) or (N, 4) boxes with (N, 4) boxes: (N,) float32."""
    size = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.asarray(size.clip(min=0).prod(axis=-1), np.float32)


def _area(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Area of (…, 4) boxes: (…,) float32."""
    return np.asarray((xyxy[..., 2:] - xyxy[..., :2]).clip(min=0).prod(axis=-1), np.float32)
