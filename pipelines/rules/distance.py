"""Measure how far objects travel over the ground within a zone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.rules.base import Place, RuleConfig, Surroundings, event, metres_faults
from pipelines.rules.presence import Change, Presence, Stay
from pipelines.rules.way import Way
from pipelines.values import CounterKey, Event, Scalar, Track


class DistanceConfig(RuleConfig):
    """Keys of ``distance``."""

    kind: Literal["distance"]
    words: ClassVar[tuple[str, ...]] = ("leave", "reached")
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    metres: float | None = Field(None, gt=0, description="travelled metres that are told at once; default: none are")
    step_m: float = Field(
        0.5, gt=0, description="shorter ways than this are trembling; the way is measured in such steps"
    )
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left")

    def told(self) -> tuple[str, ...]:
        """Without metres to reach there is nothing but leaving."""
        return self.words if self.metres is not None else ("leave",)

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """Metres."""
        return metres_faults(self, place)


@dataclass(slots=True)
class _Trip:
    """One object's way in this stay, and whether its length was told."""

    way: Way
    told: bool = False


class Distance:
    """Metres travelled by each object during each stay, told when it leaves.

    The way is that of the foot point over the ground, as ``Way`` measures it.
    """

    kind: ClassVar[str] = "distance"

    def __init__(self, config: DistanceConfig, surroundings: Surroundings) -> None:
        """Measure in ``config.zone``, which must be one of the surroundings' zones, of a calibrated camera."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._sight = surroundings.ground_sight()
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._metres: dict[str, float] = {}
        self._way_m = 0.0
        self._objects: Counter[str] = Counter()
        self._longest_m = 0.0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        changes = self._presence.update(tracks, pts_s)
        feet = self._sight.feet(tracks, pts_s)
        events = []
        wanted = math.inf if self._config.metres is None else self._config.metres
        for stay in self._presence.stays:
            if not stay.is_seen(pts_s):
                continue
            trip = self._trip(stay)
            self._count(stay.track.label, trip.way.add(stay.track, feet[stay.track.id]))
            if trip.way.metres >= wanted and not trip.told:
                trip.told = True
                stayed = pts_s - (stay.entered_s or 0.0)
                events.append(self._event(stay.track, trip.way.metres, "reached", pts_s, stayed))
        return events + [self._leave(change, pts_s) for change in changes if not change.entered]

    def _trip(self, stay: Stay) -> _Trip:
        found: _Trip | None = stay.notes.get(self)
        if found is None:
            found = stay.notes[self] = _Trip(Way(self._sight.ground, self._config.step_m))
        return found

    def _count(self, label: str, metres: float) -> None:
        if metres:
            self._way_m += metres
            self._metres[label] = self._metres.get(label, 0.0) + metres

    def _leave(self, change: Change, pts_s: float) -> Event:
        trip = self._trip(change.stay)
        del change.stay.notes[self]
        self._count(change.track.label, trip.way.end())
        self._objects[change.track.label] += 1
        self._longest_m = max(self._longest_m, trip.way.metres)
        return self._event(change.track, trip.way.metres, "leave", pts_s, change.stayed_s, change.pts_s)

    def _event(
        self, track: Track, metres: float, action: str, pts_s: float, seconds: float, at_s: float | None = None
    ) -> Event:
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "action": action,
            "metres": round(metres, 2),
            "seconds": round(seconds, 3),
        }
        return event(self, self._source_id, pts_s, track, data if at_s is None else {**data, "at_pts_s": at_s})

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
