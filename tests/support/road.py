"""A road of 8 m seen by a calibrated camera: scripted drives in metres become rows in pixels, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from config.site import Calibration
from pipelines.geometry import Xy
from pipelines.ground import Ground
from pipelines.rules import Surroundings
from tests.support.tracks import Row, surroundings

SIZE = (1000, 1000)
CALIBRATION = Calibration(
    image=((0.40, 0.30), (0.60, 0.30), (0.95, 0.95), (0.05, 0.95)), ground_m=((0, 60), (8, 60), (8, 0), (0, 0))
)
GROUND = Ground.of(CALIBRATION, *SIZE)
_BACK = Ground(np.linalg.inv(GROUND._matrix))


def pixel(x: float, y: float) -> Xy:
    """Where a point of the road, x metres across and y metres away, is in the picture."""
    found = _BACK._matrix @ (x, y, 1.0)
    return float(found[0] / found[2]), float(found[1] / found[2])


def height_at(x: float, y: float, metres: float = 1.5) -> float:
    """Pixels that an object of this height has there."""
    return metres * (pixel(x + 0.5, y)[0] - pixel(x - 0.5, y)[0])


def stretch(near: float, far: float, left: float = 0.0, right: float = 8.0) -> tuple[Xy, ...]:
    """A piece of the road as a zone in pixels."""
    return pixel(left, near), pixel(right, near), pixel(right, far), pixel(left, far)


def across(y: float) -> tuple[Xy, Xy]:
    """A line across the road, in pixels."""
    return pixel(-1, y), pixel(9, y)


def drive(
    path: Callable[[float], Xy],
    start: float = 0.0,
    end: float = 4.0,
    fps: float = 10,
    id: int = 1,
    label: str = "car",
    metres: float = 1.5,
) -> list[Row]:
    """An object that is at ``path(t)``, in metres, from ``start`` to ``end``, both included."""
    times = [round(start + index / fps, 6) for index in range(round((end - start) * fps) + 1)]
    return [Row(t, id, label, *pixel(*path(t)), height_at(*path(t), metres)) for t in times]


def shaken(rows: Iterable[Row], share: float, seed: int = 1) -> list[Row]:
    """The same rows with boxes that tremble by this share of their height (standard deviation)."""
    random = np.random.default_rng(seed)
    return [
        row._replace(x=row.x + random.normal(0, share * row.height), y=row.y + random.normal(0, share * row.height))
        for row in rows
    ]


def calibrated(lines: dict[str, tuple[Xy, Xy]] | None = None, **zones: tuple[Xy, ...]) -> Surroundings:
    """Surroundings of this camera."""
    more: dict[str, Any] = {"size": SIZE, "ground": GROUND}
    return surroundings(lines, zones, **more)
