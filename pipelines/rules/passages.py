"""Objects that pass a zone, or from one line to another, with the way and the time it took."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pipelines.geometry import Tripline, Xy
from pipelines.ground import KMH
from pipelines.rules.base import RuleConfig, Surroundings
from pipelines.rules.memory import TrackMemory
from pipelines.rules.presence import Presence, Stay
from pipelines.rules.way import Way
from pipelines.values import Track

_STEP_M = 0.5
_LEAST = 3
"""Places in a zone between which there is a way: each is the median of three."""
_HOLD = 0.75
"""Of a window: for so long it must be too fast on end; a box that jumps ahead once seems so for 0.6 of it."""
_IMPOSSIBLE_MS = 90.0
"""Metres a second that no vehicle does: the tracker went over to another object."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What was measured of one object.

    Attributes:
        track: The object as last seen.
        kmh: Its speed: the way divided by the time; of one that has just become too fast, its speed now.
        max_kmh: Its largest speed; ``None`` where none was known at any moment.
        metres: How far that was measured.
        seconds: How long.
        is_done: Whether the passage is over; else it has just become too fast.
        is_over: Whether it was faster than the limit at some time.
        was_told: Whether that was told before.
        is_forward: Between two lines: whether it came from the first one.
        ended_s: Media time at which it was over; ``None`` while it is not.
    """

    track: Track
    kmh: float
    max_kmh: float | None
    metres: float
    seconds: float
    is_done: bool = True
    is_over: bool = False
    was_told: bool = False
    is_forward: bool = True
    ended_s: float | None = None


@dataclass(slots=True)
class _Run:
    """One object's way through a zone; speeds in metres a second, ``most`` as far as known."""

    way: Way
    first_s: float
    last_s: float
    places: int = 0
    now: float = 0.0
    most: float | None = None
    above_s: float | None = None
    told: bool = False


class ThroughZone:
    """Speeds of the foot points in a zone."""

    def __init__(
        self,
        config: RuleConfig,
        surroundings: Surroundings,
        window_s: float,
        grace_s: float,
        limit_kmh: float | None,
    ) -> None:
        """Measure in the zone of a rule, of a calibrated camera."""
        self._sight = surroundings.ground_sight()
        self._motion = surroundings.motion_sight(window_s)
        self._window_s = window_s
        self._limit_ms = math.inf if limit_kmh is None else limit_kmh / KMH
        self._presence = Presence.of(config, surroundings, grace_s)
        self.unmeasured = 0
        """Stays that were over before a speed could be measured."""

    def update(self, tracks: Sequence[Track], pts_s: float) -> Iterator[Passage]:
        """Take the next frame; give the passages that ended, and those that have just become too fast."""
        changes = self._presence.update(tracks, pts_s)
        self._motion.update(tracks, pts_s)
        feet = self._sight.feet(tracks, pts_s)
        hold_s = _HOLD * self._motion.window_s
        for stay in self._presence.stays:
            if stay.is_seen(pts_s):
                run = self._run(stay, pts_s)
                run.way.add(stay.track, feet[stay.track.id])
                self._look(run, self._motion.velocity(stay.track.id), pts_s)
                if run.above_s is not None and not run.told and pts_s - run.above_s >= hold_s:
                    run.told = True
                    yield _passage(stay.track, run, run.now, is_done=False, was_told=False)
        for change in changes:
            if not change.entered:
                run = change.stay.notes.pop(self, None)
                if run is None or run.places < _LEAST or run.last_s - run.first_s < self._window_s / 2:
                    self.unmeasured += 1
                    continue
                run.way.end()
                mean = run.way.metres / (run.last_s - run.first_s)
                yield _passage(change.track, run, mean, is_done=True, was_told=run.told)

    def _run(self, stay: Stay, pts_s: float) -> _Run:
        run: _Run | None = stay.notes.get(self)
        if run is None:
            run = stay.notes[self] = _Run(Way(self._sight.ground, _STEP_M), pts_s, pts_s)
        run.last_s = pts_s
        run.places += 1
        return run

    def _look(self, run: _Run, velocity: Xy | None, pts_s: float) -> None:
        """See how fast it is now."""
        speed = math.inf if velocity is None else math.hypot(*velocity)
        if speed > _IMPOSSIBLE_MS:
            run.above_s = None
            return
        run.now = speed
        run.most = max(run.most or 0.0, speed)
        if speed <= self._limit_ms:
            run.above_s = None
        elif run.above_s is None:
            run.above_s = pts_s


def _passage(track: Track, run: _Run, speed: float, is_done: bool, was_told: bool) -> Passage:
    most_kmh = None if run.most is None else run.most * KMH
    return Passage(
        track, speed * KMH, most_kmh, run.way.metres, run.last_s - run.first_s, is_done=is_done,
        is_over=run.told, was_told=was_told, ended_s=run.last_s if is_done else None,
    )  # fmt: skip


@dataclass(slots=True)
class _Walk:
    """Where an object was last: its point, signed distances from both lines, and when and where it met each."""

    point: Xy
    pts_s: float
    sides: list[float]
    met: dict[int, tuple[float, Xy]] = field(default_factory=dict)


class BetweenLines:
    """Speeds from one line to another, either way."""

    unmeasured = 0
    """What passes one line alone is no passage."""

    def __init__(
        self,
        config: RuleConfig,
        lines: tuple[str, str],
        surroundings: Surroundings,
        metres: float | None,
    ) -> None:
        """Measure between two lines.

        Args:
            config: The rule.
            lines: Names of two of the surroundings' lines.
            surroundings: Calibrated, unless the metres are given.
            metres: Between the lines; ``None``: by the calibration.
        """
        first, second = (Tripline(*surroundings.lines[name]) for name in lines)
        self._lines = (first, second)
        self._ground = surroundings.ground_sight().ground if metres is None else None
        self._metres = metres
        self._wants, self._anchor = config.wants, config.anchor_of
        self._memory: TrackMemory[_Walk] = TrackMemory(self._begin, keep_s=2 * surroundings.lost_s)

    def _begin(self, track: Track) -> _Walk:
        point = self._anchor(track)
        return _Walk(point, track.last_seen_s, [line.side(point) for line in self._lines])

    def update(self, tracks: Sequence[Track], pts_s: float) -> Iterator[Passage]:
        """Take the next frame; give the passages that ended in it."""
        for track, walk in self._memory.update(tracks, pts_s):
            for at_s, index, point in self._crossings(walk, self._anchor(track), pts_s):
                came_from = walk.met.pop(1 - index, None)
                walk.met[index] = (at_s, point)
                if came_from is None or not self._wants(track.label):
                    continue
                metres, seconds = self._distance(came_from[1], point), at_s - came_from[0]
                if metres is not None and seconds > 0 and metres / seconds <= _IMPOSSIBLE_MS:
                    kmh = metres / seconds * KMH
                    yield Passage(track, kmh, kmh, metres, seconds, is_forward=index == 1, ended_s=at_s)
        self._memory.evict(pts_s)

    def _crossings(self, walk: _Walk, point: Xy, pts_s: float) -> list[tuple[float, int, Xy]]:
        """Move an object on; when, over which line and where it has gone in this step, in order."""
        found = []
        (x0, y0), (x1, y1) = walk.point, point
        for index, line in enumerate(self._lines):
            after = line.side(point)
            meeting = line.meet(walk.point, point, walk.sides[index], after)
            if meeting is not None and 0 <= meeting[1] <= 1:
                share = meeting[0]
                at_s = walk.pts_s + share * (pts_s - walk.pts_s)
                found.append((at_s, index, (x0 + share * (x1 - x0), y0 + share * (y1 - y0))))
            walk.sides[index] = after
        walk.point, walk.pts_s = point, pts_s
        return sorted(found)

    def _distance(self, start: Xy, end: Xy) -> float | None:
        if self._ground is None:
            return self._metres
        a, b = self._ground.point(start), self._ground.point(end)
        return None if a is None or b is None else math.dist(a, b)
