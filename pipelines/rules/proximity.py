"""Report people who are too near to vehicles."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pipelines.geometry import Xy
from pipelines.ground import KMH
from pipelines.rules.base import Place, RuleConfig, Surroundings, event, metres_faults
from pipelines.rules.label_counts import LabelCounts
from pipelines.rules.memory import TrackMemory
from pipelines.values import CounterKey, Event, Scalar, Track

_APART = 1.2
"""An encounter ends when the distance is larger than the limit by this factor: at the limit itself it would flicker."""


class ProximityConfig(RuleConfig):
    """Keys of ``proximity``."""

    label_keys: ClassVar[tuple[str, ...]] = ("labels", "to")

    kind: Literal["proximity"]
    words: ClassVar[tuple[str, ...]] = ("near", "apart")
    labels: tuple[str, ...] = Field(min_length=1, description="labels of those in danger: `[person]`")
    to: tuple[str, ...] = Field(min_length=1, description="labels of what is dangerous: `[truck, car]`")
    zone: str | None = Field(None, description="only those in danger who stand in this zone; default: everywhere")
    metres: float = Field(gt=0, description="what is nearer is too near")
    seconds: float = Field(0.5, ge=0, description="media seconds for which it must be so")
    moving_kmh: float = Field(0, ge=0, description="a vehicle counts only while it is at least so fast")
    grace_s: float = Field(2, ge=0, description="media seconds apart after which an encounter is over")

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """Metres, and labels that are one or the other."""
        both = [label for label in self.labels if label in self.to]
        twice = [("to", f"{label!r} is among the 'labels', too; write it once") for label in both]
        return twice + metres_faults(self, place)


@dataclass(slots=True)
class _Who:
    """One object, under a number that outlasts an id switch."""

    number: int


@dataclass(slots=True)
class _Encounter:
    """A person near a vehicle: since when, until when, and how near at least."""

    person: Track
    vehicle: Track
    since_s: float
    last_s: float
    least_m: float
    told: bool = False


class Proximity:
    """An event for each encounter that lasts ``seconds``, and one at its end with the least distance and its length.

    The distance is that from the foot of the person to the nearest point of the lower edge of the vehicle's box, both
    on the ground: a long vehicle is near with its tail, too.
    """

    kind: ClassVar[str] = "proximity"

    def __init__(self, config: ProximityConfig, surroundings: Surroundings) -> None:
        """Watch a calibrated camera."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._ground = surroundings.ground_sight().ground
        self._motion = surroundings.motion_sight(1.0) if config.moving_kmh else None
        self._zone = None if config.zone is None else surroundings.zone_sight(config.zone, config.anchor)
        self._lost_s = max(surroundings.lost_s, config.grace_s)
        numbers = count()
        self._memory: TrackMemory[_Who] = TrackMemory(lambda track: _Who(next(numbers)), keep_s=2 * surroundings.lost_s)
        self._near: dict[tuple[int, int], _Encounter] = {}
        self._counts = LabelCounts(self.name, config.labels)
        self._least_m: float | None = None

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        config = self._config
        people: list[tuple[Track, _Who]] = []
        vehicles: list[tuple[Track, _Who]] = []
        wanted = [track for track in tracks if track.label in config.labels or track.label in config.to]
        inside = None if self._zone is None else self._zone.ids(tracks, pts_s)
        if self._motion is not None:
            self._motion.update(tracks, pts_s)
        here = set()
        for track, who in self._memory.update(wanted, pts_s):
            here.add(who.number)
            if track.label in config.labels:
                if inside is None or track.id in inside:
                    people.append((track, who))
            elif self._motion is None or self._moves(self._motion.velocity(track.id)):
                vehicles.append((track, who))
        self._memory.evict(pts_s)
        for row, column, metres in self._pairs(people, vehicles):
            self._meet(people[row], vehicles[column], metres, pts_s)
        events = [self._begin(one, pts_s) for one in self._near.values() if self._is_new(one, pts_s)]
        events += self._part(here, pts_s)
        self._counts.there(one.person.label for one in self._near.values() if one.told)
        return events

    def _moves(self, velocity: Xy | None) -> bool:
        """Whether a vehicle is fast enough to count, by its metres a second."""
        return velocity is not None and math.hypot(*velocity) * KMH >= self._config.moving_kmh

    def _pairs(
        self, people: Sequence[tuple[Track, _Who]], vehicles: Sequence[tuple[Track, _Who]]
    ) -> list[tuple[int, int, float]]:
        """Rows and columns of the pairs that are not clearly apart, with their distance in metres."""
        if not people or not vehicles:
            return []
        boxes = [track.xyxy for track, _ in vehicles]
        points = [track.foot for track, _ in people]
        points += [(x1, y2) for x1, _, _, y2 in boxes] + [(x2, y2) for _, _, x2, y2 in boxes]
        feet, left, right = np.split(self._ground.points(points), [len(people), len(people) + len(boxes)])
        metres = _to_segments(feet, left, right)
        near = np.nonzero(metres <= self._config.metres * _APART)  # nothing is near that is beyond the horizon (NaN)
        return list(zip(near[0].tolist(), near[1].tolist(), metres[near].tolist(), strict=True))

    def _meet(self, person: tuple[Track, _Who], vehicle: tuple[Track, _Who], metres: float, pts_s: float) -> None:
        key = (person[1].number, vehicle[1].number)
        found = self._near.get(key)
        if found is None:
            if metres <= self._config.metres:
                self._near[key] = _Encounter(person[0], vehicle[0], pts_s, pts_s, metres)
            return
        found.person, found.vehicle, found.last_s = person[0], vehicle[0], pts_s
        found.least_m = min(found.least_m, metres)

    def _is_new(self, encounter: _Encounter, pts_s: float) -> bool:
        return not encounter.told and encounter.last_s == pts_s and pts_s - encounter.since_s >= self._config.seconds

    def _begin(self, encounter: _Encounter, pts_s: float) -> Event:
        encounter.told = True
        self._counts.add(encounter.person.label)
        return self._event(encounter, "near", pts_s)

    def _part(self, here: Collection[int], pts_s: float) -> list[Event]:
        """End what is over: both were seen apart for ``grace_s``, or one was not seen for longer than it may be lost.

        What was not told yet is forgotten when both are seen apart.
        """
        events = []
        for key, one in list(self._near.items()):
            if key[0] in here and key[1] in here:
                patience = self._config.grace_s if one.told else 0.0
            else:
                patience = self._lost_s
            if pts_s - one.last_s > patience:
                del self._near[key]
                if one.told:
                    self._least_m = min(one.least_m, self._least_m or math.inf)
                    events.append(self._event(one, "apart", pts_s))
        return events

    def _event(self, encounter: _Encounter, action: str, pts_s: float) -> Event:
        data: dict[str, Scalar] = {
            "action": action,
            "vehicle_id": encounter.vehicle.id,
            "vehicle_label": encounter.vehicle.label,
            "least_m": round(encounter.least_m, 2),
            "seconds": round(encounter.last_s - encounter.since_s, 3),
            "since_pts_s": encounter.since_s,
        }
        if action == "apart":
            data["at_pts_s"] = encounter.last_s
        if self._config.zone is not None:
            data["zone"] = self._config.zone
        return event(self, self._source_id, pts_s, encounter.person, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Per label of those in danger: encounters so far (``totals``), and now (``values``)."""
        return self._counts.all

    def state(self) -> dict[str, Any]:
        """``{"zone", "metres", "reported": {label: n}, "now": {label: n}, "least_m"}``; the latter of what is over."""
        return {
            "zone": self._config.zone,
            "metres": self._config.metres,
            "reported": self._counts.totals(),
            "now": self._counts.now(),
            "least_m": None if self._least_m is None else round(self._least_m, 2),
        }


def _to_segments(
    points: NDArray[np.float64], starts: NDArray[np.float64], ends: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Distances of points from segments.

    Args:
        points: (N, 2).
        starts: (M, 2).
        ends: (M, 2).

    Returns:
        (N, M), NaN where one of them is.
    """
    along = ends - starts
    square = np.maximum((along**2).sum(axis=1), 1e-12)
    offset = points[:, None] - starts[None]
    share = np.clip((offset * along).sum(axis=2) / square, 0.0, 1.0)
    distances: NDArray[np.float64] = np.linalg.norm(offset - share[:, :, None] * along, axis=2)
    return distances
