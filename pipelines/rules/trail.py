"""How fast something moves, without the trembling of its box."""

from __future__ import annotations

from collections import deque
from math import hypot

from pipelines.geometry import Xy
from pipelines.rules.evidence import GAP_S

_SAMPLES = 10


class Trail:
    """Where an object was over the last second: a dozen points at most, whatever the frame rate.

    Boxes of things that stand still tremble by 1 to 3 % of their height from frame to frame: over a frame that would
    be a walk, over a second it is nothing. (``Course`` is more exact, but needs four pictures in its window; people who
    stand are watched with one a second, too.)
    """

    __slots__ = ("_newest", "_points", "_window_s")

    def __init__(self, window_s: float = 1.0) -> None:
        """Start empty; speeds are those over ``window_s`` media seconds."""
        self._window_s = window_s
        self._points: deque[tuple[float, Xy]] = deque()
        self._newest: tuple[float, Xy] = (0.0, (0.0, 0.0))

    def add(self, point: Xy, pts_s: float) -> None:
        """Take where it is now; after a gap in which it was not seen it starts anew."""
        if self._points and pts_s - self._newest[0] > GAP_S:
            self._points.clear()
        self._newest = (pts_s, point)
        if not self._points or pts_s - self._points[-1][0] >= self._window_s / _SAMPLES - 1e-6:
            self._points.append(self._newest)
        while len(self._points) > 1 and pts_s - self._points[1][0] >= self._window_s - 1e-6:
            self._points.popleft()

    @property
    def since_s(self) -> float:
        """Media time from which on the speed is told."""
        return self._points[0][0] if self._points else self._newest[0]

    @property
    def speed(self) -> float | None:
        """Pixels a second, as the crow flies; ``None`` until it was seen for half the window."""
        now_s, (x, y) = self._newest
        elapsed = now_s - self.since_s
        if elapsed < self._window_s / 2:
            return None
        (x0, y0) = self._points[0][1]
        return hypot(x - x0, y - y0) / elapsed
