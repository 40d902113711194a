"""Where objects spend their time: media seconds on a coarse grid over the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipelines.rules.base import RuleConfig, Surroundings
from pipelines.rules.evidence import Clock
from pipelines.values import CounterKey, Event, Track


class HeatmapConfig(RuleConfig):
    """Keys of ``heatmap``."""

    kind: Literal["heatmap"]
    words: ClassVar[tuple[str, ...]] = ()
    cols: int = Field(64, ge=1, le=256, description="cells from left to right")
    rows: int = Field(36, ge=1, le=256, description="cells from top to bottom")
    half_life_s: float | None = Field(
        None, gt=0, description="media seconds after which old seconds count half; default: for ever"
    )


class Heatmap:
    """Adds up the seconds that objects have stood in each cell. No events, no counters."""

    kind: ClassVar[str] = "heatmap"

    def __init__(self, config: HeatmapConfig, surroundings: Surroundings) -> None:
        """Lay the grid over pictures of ``surroundings.size``."""
        self.name = config.full_name
        self._config = config
        width, height = surroundings.size
        self._points = surroundings.point_sight(config.anchor)
        self._scale = (config.cols / width, config.rows / height)
        self._last = (config.cols - 1, config.rows - 1)
        self._clock = Clock()
        self._grid = np.zeros((config.rows, config.cols))

    @property
    def grid(self) -> NDArray[np.float64]:
        """(rows, cols) float64 media seconds, the newest cells as of the last frame; do not change it."""
        return self._grid

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame: each stands for the seconds since the one before."""
        step_s = self._clock.step(pts_s)
        config = self._config
        if config.half_life_s is not None:
            self._grid *= 0.5 ** (step_s / config.half_life_s)
        points = self._points.points(tracks, pts_s)
        if spots := [points[track.id] for track in tracks if config.wants(track.label)]:
            cols, rows = np.minimum(np.maximum(np.array(spots) * self._scale, 0), self._last).astype(np.intp).T
            np.add.at(self._grid, (rows, cols), step_s)
        return []

    def counters(self) -> Mapping[CounterKey, int]:
        """None: a heatmap is a picture."""
        return {}

    def state(self) -> dict[str, Any]:
        """``{"cols", "rows", "watched_s", "max_s"}``; the seconds themselves are ``rows``."""
        return {
            "cols": self._config.cols,
            "rows": self._config.rows,
            "watched_s": round(self._clock.watched_s, 3),
            "max_s": round(float(self._grid.max()), 3),
        }

    def rows(self) -> list[str]:
        """A line of seconds for each row of the grid; it takes a while, and is not asked for while frames wait."""
        return [" ".join(f"{value:g}" for value in row) for row in np.round(self._grid, 1).tolist()]
