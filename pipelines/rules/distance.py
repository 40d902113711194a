"""Measure how far objects travel over the ground within a zone."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.geometry import Xy
from pipelines.rules.base import Place, RuleConfig, Surroundings, event, metres_faults
from pipelines.rules.presence import Change, Presence, Stay
from pipelines.values import CounterKey, Event, Scalar, Track

_TREMBLE = 0.1
"""Of a box's height: by so much the foot of what stands still may tremble."""


class DistanceConfig(RuleConfig):
    """Keys of ``distance``."""

    kind: Literal["distance"]
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    metres: float | None = Field(None, gt=0, description="travelled metres that are told at once; default: none are")
    step_m: float = Field(
        0.5, gt=0, description="shorter ways than this are trembling; the way is measured in such steps"
    )
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left")

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """Metres."""
        return metres_faults(self, place)


@dataclass(slots=True)
class _Way:
    """What one object has travelled in this stay.

    Attributes:
        at: The place up to which the way is counted, in metres.
        metres: The way.
        told: Whether its length was told.
        last: The last three positions, in metres.
    """

    at: Xy | None = None
    metres: float = 0.0
    told: bool = False
    last: deque[Xy] = field(default_factory=lambda: deque(maxlen=3))


class Distance:
    """Metres travelled by each object during each stay, told when it leaves.

    The way is that of the foot point over the ground, in steps that are longer than what boxes tremble by: at least
    ``step_m``, and a tenth of the box's height as it lies on the ground there. A single box that is out of place moves
    nothing, since each position is the median of three.
    """

    kind: ClassVar[str] = "distance"

    def __init__(self, config: DistanceConfig, surroundings: Surroundings) -> None:
        """Measure in ``config.zone``, which must be one of the surroundings' zones, of a calibrated camera."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._sight = surroundings.ground_sight()
        self._ground = self._sight.ground
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._metres: dict[str, float] = {}
        self._way_m = 0.0
        self._objects: Counter[str] = Counter()
        self._longest_m = 0.0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        changes = self._presence.update(tracks, pts_s, self._config.labels)
        feet = self._sight.feet(tracks, pts_s)
        events = []
        wanted = math.inf if self._config.metres is None else self._config.metres
        for stay in self._presence.stays:
            if not stay.is_seen(pts_s):
                continue
            way = self._measure(stay, feet[stay.track.id])
            if way.metres >= wanted and not way.told:
                way.told = True
                events.append(self._event(stay.track, way, "reached", pts_s, pts_s - (stay.entered_s or 0.0)))
        return events + [self._leave(change, pts_s) for change in changes if not change.entered]

    def _measure(self, stay: Stay, at: Xy | None) -> _Way:
        """Take an object's position, in metres."""
        if stay.own is None:
            stay.own = _Way()
        way: _Way = stay.own
        if at is not None:
            way.last.append(at)
            self._go(way, _middle(way.last), stay.track)
        return way

    def _go(self, way: _Way, at: Xy, track: Track) -> None:
        """Count the step to this place, if it is one."""
        if way.at is None:
            way.at = at
        step = math.dist(way.at, at)
        if step < self._config.step_m or step < self._tremble(track):
            return
        label, way.at = track.label, at
        way.metres += step
        self._way_m += step
        self._metres[label] = self._metres.get(label, 0.0) + step
        self._longest_m = max(self._longest_m, way.metres)

    def _tremble(self, track: Track) -> float:
        """How far what stands still may seem to go, in metres."""
        x, y = track.foot
        here, above = self._ground.point((x, y)), self._ground.point((x, y - _TREMBLE * track.height))
        return math.inf if here is None or above is None else math.dist(here, above)

    def _leave(self, change: Change, pts_s: float) -> Event:
        way, change.stay.own = change.stay.own or _Way(), None
        if way.last:
            self._go(way, way.last[-1], change.track)  # the median is a frame late
        self._objects[change.track.label] += 1
        return self._event(change.track, way, "leave", pts_s, change.stayed_s)

    def _event(self, track: Track, way: _Way, action: str, pts_s: float, seconds: float) -> Event:
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "action": action,
            "metres": round(way.metres, 2),
            "seconds": round(seconds, 3),
        }
        return event(self, self._source_id, pts_s, track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Whole metres that all objects together have travelled, and objects that have left."""
        return {
            ("totals", self.name, "metres"): int(self._way_m),
            ("totals", self.name, "objects"): self._objects.total(),
        }

    def state(self) -> dict[str, Any]:
        """``{"zone", "metres": {label: m}, "objects": {label: n}, "longest_m"}``."""
        return {
            "zone": self._config.zone,
            "metres": {label: round(metres, 1) for label, metres in sorted(self._metres.items())},
            "objects": dict(sorted(self._objects.items())),
            "longest_m": round(self._longest_m, 2),
        }


def _middle(points: Sequence[Xy]) -> Xy:
    """The median of each coordinate of three points; the last one of fewer."""
    if len(points) < 3:
        return points[-1]
    (x0, y0), (x1, y1), (x2, y2) = points
    return sorted((x0, x1, x2))[1], sorted((y0, y1, y2))[1]
