"""Count what crosses a directed line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.geometry import Tripline, Xy
from pipelines.rules.base import RuleConfig, Surroundings, event
from pipelines.rules.memory import HANDOVER_S
from pipelines.values import CounterKey, Event, Scalar, Track


class LineCrossingConfig(RuleConfig):
    """Keys of ``line_crossing``."""

    kind: Literal["line_crossing"]
    words: ClassVar[tuple[str, ...]] = ("in", "out")
    counts_by_place: ClassVar[bool] = True
    line: str = Field(description='name of a line of the camera, or "*" for each')
    margin: float = Field(
        0.1, ge=0, le=0.5, description="how far past the line an object must get, relative to its box height"
    )


@dataclass(slots=True)
class _Walk:
    """Where a track stands towards the line.

    Attributes:
        point: Its last anchor point, in pixels.
        distance: Signed distance of that point from the line, in pixels.
        side: +1 on the left hand, -1 on the right hand, 0 as long as it has not been clear of the line.
        position: Where it last met the endless line: 0 at A, 1 at B.
        met_s: Media time of the frame at which it had met it.
    """

    point: Xy
    distance: float
    side: int = 0
    position: float | None = None
    met_s: float = 0.0


class LineCrossing:
    """Counts per direction and label.

    ``in`` ends on the left hand of someone walking from A to B. An object counts when it has left a narrow band
    around the line on the other side from where it was clear of it before, having passed between A and B. What
    trembles on the line, or begins on it, does not count; what comes back counts again. ``at_pts_s`` of the event is
    when it met the line, a little before it was clear of it. (Boxes of things that stand
    still tremble by 1 to 3 % of their height: with a margin of 5 % that was 4 to 30 false crossings a minute, with the
    default of 10 % none.)
    """

    kind: ClassVar[str] = "line_crossing"

    def __init__(self, config: LineCrossingConfig, surroundings: Surroundings) -> None:
        """Watch ``config.line``, which must be one of the surroundings' lines."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._line = Tripline(*surroundings.lines[config.line])
        self._points = surroundings.point_sight(config.anchor)
        self._objects = surroundings.object_sight(None, 2 * surroundings.lost_s, HANDOVER_S)
        self._counts: Counter[CounterKey] = Counter()
        for label in config.labels or ():
            for direction in ("in", "out"):
                self._counts["counts", config.line, direction, label] = 0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        events = []
        points = self._points.points(tracks, pts_s)
        side = self._line.side
        for known in self._objects.by_id(tracks, pts_s).values():
            track = known.track
            point = points[track.id]
            distance = side(point)
            walk: _Walk | None = known.notes.get(self)
            if walk is None:
                walk = known.notes[self] = _Walk(point, distance)
            if walk.side * distance > 0 and walk.distance * distance > 0:  # it stays where it was
                walk.point, walk.distance = point, distance
                continue
            direction = self._step(track, walk, point, distance, pts_s)
            if direction is not None and self._config.wants(track.label):
                events.append(self._count(track, direction, walk.met_s, pts_s))
        return events

    def _step(self, track: Track, walk: _Walk, point: Xy, distance: float, pts_s: float) -> str | None:
        """Move a track on; return the direction when it has crossed."""
        if meeting := self._line.meet(walk.point, point, walk.distance, distance):
            walk.position, walk.met_s = meeting[1], pts_s
        walk.point, walk.distance = point, distance
        if abs(distance) <= max(1.0, self._config.margin * track.height):
            return None
        now = 1 if distance > 0 else -1
        before, walk.side = walk.side, now
        passed = walk.position is not None and 0 <= walk.position <= 1
        if before in (0, now) or not passed:
            return None
        return "in" if now > 0 else "out"

    def _count(self, track: Track, direction: str, met_s: float, pts_s: float) -> Event:
        line = self._config.line
        self._counts["counts", line, direction, track.label] += 1
        data: dict[str, Scalar] = {
            "line": line,
            "direction": direction,
            "at_pts_s": met_s,
            "tripwire_crossings": self._counts.total(),
        }
        return event(self, self._source_id, pts_s, track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Crossings so far per direction and label."""
        return self._counts

    def state(self) -> dict[str, Any]:
        """Crossings so far: ``{"line", "in": {label: n}, "out": {label: n}}``."""
        totals: dict[str, Any] = {"line": self._config.line, "in": {}, "out": {}}
        for (_, _, direction, label), value in sorted(self._counts.items()):
            totals[direction][label] = value
        return totals
