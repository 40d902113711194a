"""From the picture to the ground, in metres."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from config.site import Calibration
from pipelines.geometry import Xy

KMH = 3.6
"""Metres a second → kilometres an hour."""
_NEAR_HORIZON = 1e-4
"""What lies ten thousand times as far away as the calibrated points is taken for sky."""


class Ground:
    """The plane that objects stand on, seen by one camera: a homography from pixels to metres.

    It holds for points on the ground: the foot of a box, not its centre.
    """

    def __init__(self, matrix: NDArray[np.float64]) -> None:
        """Take a homography.

        Args:
            matrix: (3, 3), from pixels to metres; its third row is positive for what lies on this side of the horizon.
        """
        self._matrix = matrix
        self._rows: tuple[tuple[float, ...], ...] = tuple(tuple(row) for row in matrix.tolist())

    @classmethod
    def of(cls, calibration: Calibration, width: float, height: float) -> Self:
        """The ground of pictures of this size.

        Args:
            calibration: Four relative points of the picture, and the same points in metres.
            width: Of the pictures, in pixels.
            height: Of the pictures, in pixels.
        """
        matrix = homography(calibration.image, calibration.ground_m)
        corners = np.column_stack([np.array(calibration.image), np.ones(4)])
        matrix = matrix / float(np.mean(corners @ matrix[2]))  # 1 among the calibrated points, 0 at the horizon
        return cls(matrix @ np.diag([1 / width, 1 / height, 1.0]))

    def point(self, xy: Xy) -> Xy | None:
        """Where a point of the picture (pixels) lies in metres; ``None`` at and beyond the horizon."""
        x, y = xy
        (a, b, c), (d, e, f), (g, h, i) = self._rows
        scale = g * x + h * y + i
        if scale <= _NEAR_HORIZON:
            return None
        return (a * x + b * y + c) / scale, (d * x + e * y + f) / scale

    def feet(self, boxes: Iterable[tuple[float, float, float, float]]) -> list[Xy | None]:
        """Where the lower edges of boxes x1, y1, x2, y2 have their middles, as ``point`` says; in one go, for speed."""
        (a, b, c), (d, e, f), (g, h, i) = self._rows
        found: list[Xy | None] = []
        for x1, _, x2, y in boxes:
            x = (x1 + x2) / 2
            scale = g * x + h * y + i
            on_ground = scale > _NEAR_HORIZON
            found.append(((a * x + b * y + c) / scale, (d * x + e * y + f) / scale) if on_ground else None)
        return found

    def points(self, xy: ArrayLike) -> NDArray[np.float64]:
        """The same for many points.

        Args:
            xy: (N, 2), pixels.

        Returns:
            (N, 2), metres; NaN at and beyond the horizon.
        """
        pixels = np.asarray(xy, np.float64).reshape(-1, 2)
        found = pixels @ self._matrix[:, :2].T + self._matrix[:, 2]
        scale = found[:, 2:]
        scale[scale <= _NEAR_HORIZON] = np.nan
        metres: NDArray[np.float64] = found[:, :2] / scale
        return metres


def homography(image: Sequence[Xy], ground: Sequence[Xy]) -> NDArray[np.float64]:
    """The homography that takes four points of one plane to four of another.

    The direct linear transform, solved exactly for four pairs (Hartley and Zisserman, Multiple View Geometry, 2nd ed.,
    section 4.1). In double precision and about the middle of the ground points, so that coordinates of a land survey,
    millions of metres from their origin, lose nothing.

    Args:
        image: Four points, no three of them on one line.
        ground: The same points in metres, likewise.

    Returns:
        (3, 3) float64, up to a factor.
    """
    metres = np.array(ground, np.float64)
    middle = metres.mean(axis=0)
    rows = []
    for (x, y), (u, v) in zip(image, metres - middle, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y, -u], [0, 0, 0, x, y, 1, -v * x, -v * y, -v]]
    null = np.linalg.svd(np.array(rows, np.float64))[2][-1].reshape(3, 3)
    back: NDArray[np.float64] = np.array([[1, 0, middle[0]], [0, 1, middle[1]], [0, 0, 1]]) @ null
    return back
