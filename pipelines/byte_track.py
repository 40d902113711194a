"""ByteTrack: boxes of successive frames joined by their overlap, the sure ones first, then the unsure ones.

It decides as ``ByteTrackTracker`` of the ``trackers`` library does, at a fraction of its cost; that library brings
SciPy, supervision and requests with it, 62 MB of memory that a small box does not have. The tests hold both together.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import lap
import numpy as np
from numpy.typing import NDArray

UNTRACKED = -1
Corners = tuple[float, float, float, float]
_MEASUREMENT_NOISE, _PROCESS_NOISE = 0.1, 0.01
"""Variances of one coordinate in square pixels: of what is observed, and of what one nominal frame adds."""
_NOMINAL_S = 0.004
"""A step that is as near as this to a nominal frame counts as one."""


@lru_cache(maxsize=64)
def _process_noise(frame_step: float, frame_rate: float) -> tuple[float, float, float]:
    """Variance of position, covariance, and variance of velocity that one step adds.

    Longer and shorter steps than a nominal frame add what a white noise of the acceleration would.

    Args:
        frame_step: Length of the step in nominal frames.
        frame_rate: Nominal frames a second.
    """
    if abs(frame_step - 1.0) <= _NOMINAL_S * frame_rate:
        return _PROCESS_NOISE, 0.0, _PROCESS_NOISE
    square = frame_step * frame_step
    return _PROCESS_NOISE * (square * square) / 4, _PROCESS_NOISE * (square * frame_step) / 2, _PROCESS_NOISE * square


class CornerFilter:
    """A constant-velocity Kalman filter of a box's corners.

    Its four coordinates do not depend on each other and have the same noise: one (2, 2) covariance, of position and
    velocity, is that of all four.
    """

    __slots__ = ("_both", "_box", "_place", "_speed", "_velocity")

    def __init__(self, bbox: NDArray[np.float32]) -> None:
        """Start with the first (4,) box x1, y1, x2, y2 in pixels, at rest."""
        x1, y1, x2, y2 = bbox.tolist()
        self._box: Corners = (x1, y1, x2, y2)
        self._velocity: Corners = (0.0, 0.0, 0.0, 0.0)
        self._place, self._both, self._speed = 1.0, 0.0, 1.0  # the covariance

    def predict(self, frame_step: float, frame_rate: float) -> None:
        """Go on by ``frame_step`` nominal frames of ``frame_rate`` a second."""
        x1, y1, x2, y2 = self._box
        vx1, vy1, vx2, vy2 = self._velocity
        self._box = (x1 + frame_step * vx1, y1 + frame_step * vy1, x2 + frame_step * vx2, y2 + frame_step * vy2)
        place, both, speed = _process_noise(frame_step, frame_rate)
        crossed = self._both + frame_step * self._speed
        self._place += frame_step * (self._both + crossed) + place
        self._both = crossed + both
        self._speed += speed

    def update(self, bbox: NDArray[np.float32]) -> None:
        """Take an observed (4,) box in."""
        total = self._place + _MEASUREMENT_NOISE
        gain, push = self._place / total, self._both / total
        x1, y1, x2, y2 = self._box
        vx1, vy1, vx2, vy2 = self._velocity
        ox1, oy1, ox2, oy2 = bbox.tolist()
        dx1, dy1, dx2, dy2 = ox1 - x1, oy1 - y1, ox2 - x2, oy2 - y2
        self._box = (x1 + gain * dx1, y1 + gain * dy1, x2 + gain * dx2, y2 + gain * dy2)
        self._velocity = (vx1 + push * dx1, vy1 + push * dy1, vx2 + push * dx2, vy2 + push * dy2)
        self._speed -= push * self._both
        self._both -= gain * self._both
        self._place -= gain * self._place

    @property
    def box(self) -> Corners:
        """The box x1, y1, x2, y2 as it is believed to be, in pixels."""
        return self._box


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

    filter: CornerFilter
    id: int = UNTRACKED
    hits: int = 1
    unseen_s: float = 0.0


class ByteTrack:
    """Gives boxes the numbers of the objects they belong to, by where they are alone."""

    def __init__(self, fps: float, activation: float, min_iou: float, min_frames: int, lost_s: float) -> None:
        """Start without objects.

        Args:
            fps: Nominal frames a second.
            activation: Boxes of at least this score are joined first, and begin an object where there is none.
            min_iou: Boxes that overlap an object's expected place by less are not joined to it.
            min_frames: Frames in a row until an object gets a number.
            lost_s: Seconds that an object outlives its last box.
        """
        self._fps, self._activation, self._min_iou = fps, activation, min_iou
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
            path.filter.predict(elapsed_s * self._fps, self._fps)
            path.hits = 0 if path.unseen_s > 0 else path.hits
            path.unseen_s += elapsed_s
        self._paths = [path for path in self._paths if path.unseen_s <= self._lost_s]
        ids = np.full(len(xyxy), UNTRACKED, np.int64)
        sure = score >= self._activation
        left, alone = self._join(self._paths, np.flatnonzero(sure), xyxy, ids)
        self._join(left, np.flatnonzero(~sure), xyxy, ids)
        self._paths += [_Path(CornerFilter(xyxy[row])) for row in alone]
        self._paths = [path for path in self._paths if path.id != UNTRACKED or path.unseen_s == 0]
        return ids

    def _join(
        self, paths: list[_Path], rows: NDArray[np.intp], xyxy: NDArray[np.float32], ids: NDArray[np.int64]
    ) -> tuple[list[_Path], list[int]]:
        """Join the boxes in these rows to objects, and write down their numbers; returns what stays alone of both."""
        places = np.array([path.filter.box for path in paths]).reshape(-1, 4)
        found = pairs(overlaps(places, xyxy[rows]), self._min_iou)
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
