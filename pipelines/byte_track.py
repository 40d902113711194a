"""ByteTrack: boxes of successive frames joined by their overlap, the sure ones first, then the unsure ones.

It decides in the order of ByteTrack (Zhang et al., 2022); where an object is expected is a filter of our own, whose
noise is measured in heights of the box and in seconds, so that near and far objects and all frame rates are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import lap
import numpy as np
from numpy.typing import NDArray

UNTRACKED = -1
Corners = tuple[float, float, float, float]
PLACE_NOISE = 0.05
"""Standard deviation of an observed centre, in heights of the box."""
PUSH = 0.5
"""Root of the spectral density of the acceleration: heights of the box for s to the power 1.5."""
FIRST_SPEED = 1.0
"""Standard deviation of the speed of what has just been seen, in heights of the box a second."""
SIZE_GAIN = 0.5
"""How much of a new width and height is believed at once."""
WEAK_IOU = 0.5
"""Overlap that joins a box that is not sure: with less of it, parts of objects and of what stands beside are joined."""


class MotionFilter:
    """A Kalman filter of a box's centre that goes on at constant velocity, and a width and height that lag a little.

    Both coordinates have the same noise, relative to the box's height: one (2, 2) covariance of place and velocity, in
    heights and seconds, is that of both. The acceleration is white noise (Bar-Shalom, Li and Kirubarajan, "Estimation
    with Applications to Tracking and Navigation", 2001, section 6.2.2). The size does not go on by itself: a box that
    shrinks behind something else would vanish while it is not seen.
    """

    __slots__ = ("_both", "_centre", "_place", "_size", "_speed", "_velocity")

    def __init__(self, bbox: NDArray[np.float32]) -> None:
        """Start with the first (4,) box x1, y1, x2, y2 in pixels, at rest."""
        x1, y1, x2, y2 = bbox.tolist()
        self._centre = ((x1 + x2) / 2, (y1 + y2) / 2)
        self._size = (x2 - x1, y2 - y1)
        self._velocity = (0.0, 0.0)
        self._place, self._both, self._speed = PLACE_NOISE**2, 0.0, FIRST_SPEED**2  # the covariance

    def predict(self, seconds: float) -> None:
        """Go on by ``seconds`` of media time."""
        (x, y), (vx, vy) = self._centre, self._velocity
        self._centre = (x + vx * seconds, y + vy * seconds)
        push = PUSH**2 * seconds
        self._place += seconds * (2 * self._both + seconds * self._speed + seconds * push / 3)
        self._both += seconds * (self._speed + push / 2)
        self._speed += push

    def update(self, bbox: NDArray[np.float32]) -> None:
        """Take an observed (4,) box in."""
        x1, y1, x2, y2 = bbox.tolist()
        (x, y), (vx, vy), (width, height) = self._centre, self._velocity, self._size
        dx, dy = (x1 + x2) / 2 - x, (y1 + y2) / 2 - y
        total = self._place + PLACE_NOISE**2
        gain, push = self._place / total, self._both / total
        self._centre = (x + gain * dx, y + gain * dy)
        self._velocity = (vx + push * dx, vy + push * dy)
        self._speed -= push * self._both
        self._both -= gain * self._both
        self._place -= gain * self._place
        self._size = (width + SIZE_GAIN * (x2 - x1 - width), height + SIZE_GAIN * (y2 - y1 - height))

    @property
    def box(self) -> Corners:
        """The box x1, y1, x2, y2 as it is believed to be, in pixels."""
        (x, y), (width, height) = self._centre, self._size
        return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def overlaps(boxes_1: NDArray[Any], boxes_2: NDArray[Any]) -> NDArray[np.float32]:
    """Intersection over union of each box with each: (N, 4) and (M, 4) → (N, M) float32; 0 where both are empty.

    All coordinates must be finite.
    """
    shared = np.zeros((len(boxes_1), len(boxes_2)), np.float32)
    if not shared.size:
        return shared
    a, b = boxes_1.astype(np.float64), boxes_2.astype(np.float64)
    sides = np.minimum(a[:, None, 2:], b[:, 2:]) - np.maximum(a[:, None, :2], b[:, :2])
    np.maximum(sides, 0.0, out=sides)
    inter = sides[..., 0] * sides[..., 1]
    sizes_a, sizes_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    union = (sizes_a[:, 0] * sizes_a[:, 1])[:, None] + sizes_b[:, 0] * sizes_b[:, 1] - inter
    np.divide(inter, union, out=shared, where=union > 0)
    return shared


def pairs(overlap: NDArray[np.float32], least: float) -> list[tuple[int, int]]:
    """Which row belongs to which column, one to one, so that the sum of overlaps is largest; none below ``least``.

    Args:
        overlap: (N, M) float32.
        least: Pairs of less are not made.

    Returns:
        Pairs of row and column, by rows.
    """
    if not (overlap >= least).any():
        return []
    columns, _ = lap.lapjv(-overlap.astype(np.float64), extend_cost=True, return_cost=False)
    rows = np.flatnonzero(columns >= 0)
    rows = rows[overlap[rows, columns[rows]] >= least]
    return list(zip(rows.tolist(), columns[rows].tolist(), strict=True))


@dataclass(slots=True)
class _Path:
    """One object on its way.

    Attributes:
        filter: Where it is believed to be.
        id: Its number, or -1 while it is not confirmed.
        hits: Frames in a row in which it was seen.
        unseen_s: Seconds since it was seen.
    """

    filter: MotionFilter
    id: int = UNTRACKED
    hits: int = 1
    unseen_s: float = 0.0


class ByteTrack:
    """Gives boxes the numbers of the objects they belong to, by where they are alone."""

    def __init__(self, activation: float, sure: float, min_iou: float, min_frames: int, lost_s: float) -> None:
        """Start without objects.

        Args:
            activation: Boxes of at least this score begin an object where there is none.
            sure: Boxes of at least this score are joined first, the others to what is left then.
            min_iou: Sure boxes that overlap an object's expected place by less are not joined to it; the others have
                to overlap it by ``WEAK_IOU``.
            min_frames: Frames in a row until an object gets a number.
            lost_s: Seconds that an object outlives its last box.
        """
        self._activation, self._sure, self._min_iou = activation, sure, min_iou
        self._min_frames, self._lost_s = min_frames, lost_s
        self._paths: list[_Path] = []
        self._last_s = 0.0
        self._count = 0

    def __len__(self) -> int:
        """How many objects are followed, confirmed or not."""
        return len(self._paths)

    def update(self, xyxy: NDArray[np.float32], score: NDArray[np.float32], pts_s: float) -> NDArray[np.int64]:
        """Take the boxes of the next frame.

        Args:
            xyxy: (N, 4) float32 boxes, pixels, finite.
            score: (N,) float32.
            pts_s: Media time in seconds; must grow.

        Returns:
            (N,) int64 number of each box's object, from 1, or -1 where there is none that is confirmed.
        """
        elapsed_s, self._last_s = pts_s - self._last_s, pts_s
        for path in self._paths:
            path.filter.predict(elapsed_s)
            path.hits = 0 if path.unseen_s > 0 else path.hits
            path.unseen_s += elapsed_s
        self._paths = [path for path in self._paths if path.unseen_s <= self._lost_s]
        ids = np.full(len(xyxy), UNTRACKED, np.int64)
        sure = score >= min(self._sure, self._activation)
        left, alone = self._join(self._paths, np.flatnonzero(sure), self._min_iou, xyxy, ids)
        self._join(left, np.flatnonzero(~sure), max(WEAK_IOU, self._min_iou), xyxy, ids)
        self._paths += [_Path(MotionFilter(xyxy[row])) for row in alone if score[row] >= self._activation]
        self._paths = [path for path in self._paths if path.id != UNTRACKED or path.unseen_s == 0]
        return ids

    def _join(
        self,
        paths: list[_Path],
        rows: NDArray[np.intp],
        least: float,
        xyxy: NDArray[np.float32],
        ids: NDArray[np.int64],
    ) -> tuple[list[_Path], list[int]]:
        """Join the boxes in these rows to objects, and write down their numbers; returns what stays alone of both."""
        places = np.array([path.filter.box for path in paths]).reshape(-1, 4)
        found = pairs(overlaps(places, xyxy[rows]), least)
        numbers: list[int] = rows.tolist()
        for number, column in found:
            path, row = paths[number], numbers[column]
            path.filter.update(xyxy[row])
            path.unseen_s = 0.0
            path.hits += 1
            if path.id == UNTRACKED and path.hits >= self._min_frames:
                self._count += 1
                path.id = self._count
            ids[row] = path.id
        joined, taken = {number for number, _ in found}, {column for _, column in found}
        left = [path for number, path in enumerate(paths) if number not in joined]
        return left, [row for column, row in enumerate(numbers) if column not in taken]
