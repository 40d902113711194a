"""How far an object has travelled over the ground."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from pipelines.geometry import Xy
from pipelines.ground import Ground
from pipelines.values import Track

_TREMBLE = 0.1
"""Of a box's height: by so much the foot of what stands still may tremble."""


class Way:
    """The way of one foot point, in steps that are longer than what boxes tremble by.

    A step has ``step_m`` at least, and a tenth of the box's height as it lies on the ground there. A single box that is
    out of place moves nothing, since each position is the median of three. Up to a step is lost at a bend.
    """

    __slots__ = ("_at", "_ground", "_last", "_step_m", "metres")

    def __init__(self, ground: Ground, step_m: float) -> None:
        """Begin at 0."""
        self._ground = ground
        self._step_m = step_m
        self._at: Xy | None = None
        self._last: deque[Xy] = deque(maxlen=3)
        self.metres = 0.0
        """The way so far."""

    def add(self, track: Track, at: Xy | None) -> float:
        """Take the next place, in metres, ``None`` where it is beyond the horizon; return how far that is."""
        if at is None:
            return 0.0
        self._last.append(at)
        if self._at is None:
            self._at = at
        if math.dist(self._at, at) < self._step_m:  # then the median is no step either, or a box late
            return 0.0
        place = _middle(self._last)
        step = math.dist(self._at, place)
        if step < self._step_m or step < self._tremble(track):
            return 0.0
        self._at = place
        self.metres += step
        return step

    def end(self) -> float:
        """Take what is left of the way of an object that has moved; return how far that is."""
        rest = math.dist(self._at, self._end()) if self._at is not None and self.metres else 0.0
        self._at = None
        self.metres += rest
        return rest

    def _end(self) -> Xy:
        """The last place, unless it is out of place: the median is a box late."""
        first, *_, before, last = self._last if len(self._last) > 2 else (self._last[0], *self._last, self._last[-1])
        in_place = math.dist(before, last) <= 2 * math.dist(first, before) + self._step_m
        return last if in_place else before

    def _tremble(self, track: Track) -> float:
        """How far what stands still may seem to go, in metres."""
        x, y = track.foot
        here, above = self._last[-1], self._ground.point((x, y - _TREMBLE * track.height))
        return math.inf if above is None else math.dist(here, above)


def _middle(points: Sequence[Xy]) -> Xy:
    """The median of each coordinate of three points; the first one of fewer."""
    if len(points) < 3:
        return points[0]
    (x0, y0), (x1, y1), (x2, y2) = points
    return sorted((x0, x1, x2))[1], sorted((y0, y1, y2))[1]
