"""Parts for the ``trackers`` library's ByteTrack that give its results at a fraction of its cost.

The library's filter knows each box by eight numbers and an (8, 8) covariance. Its four coordinates do not depend on
each other there, and have the same noise: one (2, 2) covariance, of position and velocity, is that of all four, and
what remains is arithmetic with a few floats.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from trackers.utils.motion_models import ScalableProcessNoise

_POSITION, _VELOCITY = np.array([0]), np.array([1])
Corners = tuple[float, float, float, float]


@lru_cache(maxsize=64)
def _process_noise(noise: float, frame_step: float, frame_rate: float | None) -> tuple[float, float, float]:
    """Variance of position, covariance, and variance of velocity that one step adds, as the library has it.

    Args:
        noise: Of one nominal frame, of position and velocity alike.
        frame_step: Length of the step in nominal frames.
        frame_rate: Nominal frames a second.
    """
    nominal = noise * np.eye(2)
    model = ScalableProcessNoise(2, _POSITION, _VELOCITY, nominal, np.ones(1), np.diag(nominal))
    model.calibrate(nominal)
    scaled = model.build_Q(frame_step, frame_rate)
    return float(scaled[0, 0]), float(scaled[0, 1]), float(scaled[1, 1])


class CornerFilter:
    """Stands in for the library's ``XYXYStateEstimator``: a constant-velocity Kalman filter of a box's corners."""

    __slots__ = ("_both", "_box", "_place", "_speed", "_velocity", "measurement_noise", "process_noise")

    def __init__(self, bbox: NDArray[np.float32]) -> None:
        """Start with the first (4,) box x1, y1, x2, y2 in pixels, at rest."""
        self.measurement_noise = self.process_noise = 1.0
        self._box: Corners = tuple(bbox.tolist())
        self._velocity: Corners = (0.0, 0.0, 0.0, 0.0)
        self._place, self._both, self._speed = 1.0, 0.0, 1.0  # the covariance

    @property
    def kf(self) -> CornerFilter:
        """What has the noises: variances in square pixels of one coordinate, the library's identity matrices."""
        return self

    def set_kf_covariances(self, measurement_noise: float, process_noise: float) -> None:
        """Set the variances of one coordinate, in square pixels (per nominal frame)."""
        self.measurement_noise, self.process_noise = measurement_noise, process_noise

    def predict(self, frame_step: float = 1.0, frame_rate: float | None = None) -> None:
        """Go on by ``frame_step`` nominal frames of ``frame_rate`` a second."""
        x1, y1, x2, y2 = self._box
        vx1, vy1, vx2, vy2 = self._velocity
        self._box = (x1 + frame_step * vx1, y1 + frame_step * vy1, x2 + frame_step * vx2, y2 + frame_step * vy2)
        place, both, speed = _process_noise(self.process_noise, frame_step, frame_rate)
        crossed = self._both + frame_step * self._speed
        self._place += frame_step * (self._both + crossed) + place
        self._both = crossed + both
        self._speed += speed

    def update(self, bbox: NDArray[np.float32]) -> None:
        """Take an observed (4,) box in."""
        total = self._place + self.measurement_noise
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

    def state_to_bbox(self) -> Corners:
        """The box x1, y1, x2, y2 as it is believed to be, in pixels."""
        return self._box


class Overlap:
    """Stands in for the library's ``IoU``, to the same bits."""

    def compute(self, boxes_1: NDArray[Any], boxes_2: NDArray[Any]) -> NDArray[np.float32]:
        """Intersection over union of each box with each: (N, 4) and (M, 4) → (N, M) float32; 0 where both are empty.

        All coordinates must be finite, which the library's looks at each time.
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


class Boxes:
    """Stands in for ``supervision.Detections``, as much of it as the library reads.

    Attributes:
        xyxy: (N, 4) float32, pixels.
        confidence: (N,) float32.
        rows: (N,) int64, where each box came from: the library returns them in another order.
        tracker_id: (N,) int64, -1 while untracked; set by the library.
    """

    __slots__ = ("confidence", "rows", "tracker_id", "xyxy")

    def __init__(self, xyxy: NDArray[np.float32], confidence: NDArray[np.float32], rows: NDArray[np.intp]) -> None:
        """Take the boxes of one frame."""
        self.xyxy, self.confidence, self.rows = xyxy, confidence, rows
        self.tracker_id: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: NDArray[np.intp]) -> Boxes:
        return Boxes(self.xyxy[index], self.confidence[index], self.rows[index])
