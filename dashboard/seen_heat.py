"""Where objects have stood since somebody looks: for the layer of cameras without a ``heatmap`` rule."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipelines.values import FrameResult

_ROWS, _COLS = 36, 64
_MOST_STEP_S = 2.0


class SeenHeat:
    """Adds up media seconds at the feet of tracks on a coarse grid."""

    def __init__(self) -> None:
        self.grid: NDArray[np.float64] = np.zeros((_ROWS, _COLS))
        """(rows, cols) float64 media seconds over the whole picture."""
        self._last_s: float | None = None

    def add(self, result: FrameResult) -> None:
        """Take the next result; a pause, or a clock that is set back, adds nothing."""
        now = result.frame.pts_s
        step_s = now - self._last_s if self._last_s is not None else 0.0
        self._last_s = now
        if not 0 < step_s <= _MOST_STEP_S:
            return
        for track in result.tracks:
            x, y = track.foot
            col = min(max(int(x / result.frame.width * _COLS), 0), _COLS - 1)
            row = min(max(int(y / result.frame.height * _ROWS), 0), _ROWS - 1)
            self.grid[row, col] += step_s
