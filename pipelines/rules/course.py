"""Where an object has just been, and how fast it goes, whatever single boxes say."""

from __future__ import annotations

from collections import deque

from pipelines.geometry import Xy
from pipelines.rules.evidence import GAP_S

SAMPLES = 6
"""Positions taken in a window; more add work, and hardly anything else, since each slope spans half of it anyway."""
_LEAST = 4


class Window:
    """From when on positions count: the last seconds, or the last four steps where frames are further apart.

    At two frames a second a window of one second has three positions, too few to tell a wrong one from a move. It is
    never longer than ``GAP_S``.
    """

    def __init__(self, window_s: float) -> None:
        """Look back over so many media seconds at least."""
        self.seconds = window_s
        """How long it is in the frame at hand."""
        self._least_s = window_s
        self._times: deque[float] = deque(maxlen=_LEAST + 1)

    def step(self, pts_s: float) -> float:
        """Go on to a frame, once for each; returns how long the window is now, in media seconds."""
        self._times.append(pts_s)
        self.seconds = max(self._least_s, min(GAP_S, pts_s - self._times[0]))
        return self.seconds


class Course:
    """The last positions of one object, in any plane.

    The velocity is the median slope of pairs that lie half a window apart, each position in one pair, for x and y of
    its own (Theil's incomplete method: A rank-invariant method of linear and polynomial regression analysis, 1950): one
    position of a window may be anywhere without moving it much.
    """

    __slots__ = ("_is_new", "_points", "_reach_s", "_step_s", "_velocity", "_window_s")

    def __init__(self, window_s: float) -> None:
        """Look back over so many media seconds."""
        self._window_s = window_s
        self._step_s = 0.9 * window_s / SAMPLES
        self._points: deque[tuple[float, float, float]] = deque(maxlen=SAMPLES + 2)
        self._velocity: Xy | None = None
        self._is_new = False
        self._reach_s = 0.0

    def __len__(self) -> int:
        return len(self._points)

    def add(self, pts_s: float, xy: Xy, window_s: float | None = None) -> None:
        """Take a position.

        Args:
            pts_s: Media time.
            xy: Where it is.
            window_s: Media seconds to look back over now, if more than usual: as ``Window`` says.
        """
        points = self._points
        if points and pts_s - points[-1][0] < self._step_s:
            return
        window_s = window_s or self._window_s
        points.append((pts_s, *xy))
        while points[0][0] < pts_s - window_s - 1e-9:
            points.popleft()
        self._reach_s = window_s / 2 - 1e-9
        self._is_new = True

    @property
    def velocity(self) -> Xy | None:
        """In its unit per second, made anew about six times in a window; ``None`` until half of it was seen."""
        if self._is_new:
            self._is_new = False
            points = self._points
            reaches = len(points) >= _LEAST and points[-1][0] - points[0][0] >= self._reach_s
            self._velocity = self._slope() if reaches else None
        return self._velocity

    def _slope(self) -> Xy:
        points = list(self._points)
        half = len(points) // 2
        xs, ys = [], []
        for (t0, x0, y0), (t1, x1, y1) in zip(points, points[-half:], strict=False):
            seconds = t1 - t0
            xs.append((x1 - x0) / seconds)
            ys.append((y1 - y0) / seconds)
        xs.sort()
        ys.sort()
        middle = half // 2
        if half % 2:
            return xs[middle], ys[middle]
        return (xs[middle - 1] + xs[middle]) / 2, (ys[middle - 1] + ys[middle]) / 2
