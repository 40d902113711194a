"""Count movements from zone to zone: turns at a junction, ways over a square."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator

from config.site import Name
from pipelines.geometry import distance_to_edge
from pipelines.rules.base import Place, RuleConfig, Surroundings, event
from pipelines.rules.figures import Durations
from pipelines.rules.memory import HANDOVER_S
from pipelines.rules.presence import SETTLE_S
from pipelines.values import CounterKey, Event, Scalar, Track


class FlowMatrixConfig(RuleConfig):
    """Keys of ``flow_matrix``."""

    kind: Literal["flow_matrix"]
    least_places: ClassVar[int] = 2
    zones: Annotated[tuple[Name, ...], Field(min_length=2)] | str = Field(
        description='names of two zones or more, or "*" for all; where they overlap the first one counts'
    )
    margin: float = Field(
        0.1, ge=0, le=0.5, description="how far out of a zone an object must get, relative to its box height"
    )
    within_s: float | None = Field(
        None, gt=0, description="what takes longer between two zones is no movement; default: no limit"
    )

    @field_validator("zones")
    @classmethod
    def _is_a_list(cls, zones: tuple[str, ...] | str) -> tuple[str, ...] | str:
        if isinstance(zones, str) and "*" not in zones:
            raise ValueError(f"expected a list of zones, or '*' for all, not {zones!r}")
        return zones

    def told(self) -> tuple[str, ...]:
        """Each way as ``north>east``."""
        return tuple(">".join(pair) for pair in permutations(self.zones, 2))

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """One zone twice, or names that make the same word of two movements."""
        faults = [("zones", f"zone {zone!r} is named twice") for zone, n in Counter(self.zones).items() if n > 1]
        words = Counter(word(*pair) for pair in permutations(dict.fromkeys(self.zones), 2))
        for same in (name for name, n in words.items() if n > 1):
            faults.append(("zones", f"two movements between these zones would be called {same!r}; rename a zone"))
        return faults


def word(origin: str, target: str) -> str:
    """A movement as a word of counters and topics."""
    return f"{origin}_to_{target}"


@dataclass(slots=True)
class _Way:
    """Where a track comes from.

    Attributes:
        zone: The zone it was in last; ``None`` before the first.
        last_s: Media time at which it was there last.
        next: Another zone that it is in now, but not for long enough yet.
        since_s: Media time since which it is there.
    """

    zone: str | None = None
    last_s: float = 0.0
    next: str | None = None
    since_s: float = 0.0


@dataclass(slots=True)
class _Movement:
    """What was counted from one zone to another."""

    labels: Counter[str] = field(default_factory=Counter)
    times: Durations = field(default_factory=Durations)


class FlowMatrix:
    """One count for each object and movement: it was in a zone, and the next zone it came to was another.

    It has come to a zone once it was there, and nowhere else, for a tenth of a second, clear of the one before by
    ``margin`` of its height: what stands on the border of two zones goes neither to nor fro.
    """

    kind: ClassVar[str] = "flow_matrix"

    def __init__(self, config: FlowMatrixConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zones``, which must be among the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._zones = {zone: surroundings.zones[zone] for zone in config.zones}
        self._sights = [(zone, surroundings.zone_sight(zone, config.anchor)) for zone in config.zones]
        self._objects = surroundings.object_sight(None, 2 * surroundings.lost_s, HANDOVER_S)
        self._movements = {pair: _Movement() for pair in permutations(self._zones, 2)}

    @property
    def expected(self) -> Iterator[tuple[str, str, str]]:
        """From where, to where, and label, of all that it may count; none where it counts whatever there is."""
        for origin, target in self._movements:
            for label in self._config.labels or ():
                yield origin, target, label

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        events = []
        zones: dict[int, str] = {}
        for zone, sight in reversed(self._sights):  # where they overlap, the first one counts
            zones.update(dict.fromkeys(sight.ids(tracks, pts_s), zone))
        for track_id, known in self._objects.by_id(tracks, pts_s).items():
            track = known.track
            way: _Way = known.notes.get(self) or known.notes.setdefault(self, _Way())
            step = self._step(track, way, zones.get(track_id), pts_s)
            if step is not None and self._config.wants(track.label):
                events.append(self._count(track, *step, way.since_s, pts_s))
        return events

    def _step(self, track: Track, way: _Way, zone: str | None, pts_s: float) -> tuple[str, str, float] | None:
        """Move a track on; return where from, where to, and the seconds between when it has come to another zone."""
        if zone is None or zone == way.zone:
            way.next = None
            if zone is not None:
                way.last_s = pts_s
            return None
        if way.zone is not None and self._is_near(way.zone, track):
            way.next = None
            return None
        if way.next != zone:
            way.next, way.since_s = zone, pts_s
        if pts_s - way.since_s < SETTLE_S:
            return None
        origin, seconds = way.zone, way.since_s - way.last_s
        way.zone, way.last_s, way.next = zone, pts_s, None
        within_s = self._config.within_s
        if origin is None or (within_s is not None and seconds > within_s):
            return None
        return origin, zone, seconds

    def _is_near(self, zone: str, track: Track) -> bool:
        """Whether a track that is out of a zone is so by less than the margin."""
        least = max(1.0, self._config.margin * track.height)
        return distance_to_edge(self._zones[zone], self._config.anchor_of(track)) <= least

    def _count(self, track: Track, origin: str, target: str, seconds: float, at_s: float, pts_s: float) -> Event:
        movement = self._movements[origin, target]
        movement.labels[track.label] += 1
        movement.times.add(seconds)
        data: dict[str, Scalar] = {
            "from": origin,
            "to": target,
            "seconds": round(seconds, 3),
            "at_pts_s": at_s,
            "total": movement.times.count,
        }
        return event(self, self._source_id, pts_s, track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Movements so far, of each pair of zones."""
        return {("totals", self.name, word(*pair)): movement.times.count for pair, movement in self._movements.items()}

    def state(self) -> dict[str, Any]:
        """``{"zones", "movements": {from: {to: {"labels", "count", "mean_s", ...}}}}``; times are from zone to zone."""
        movements: dict[str, dict[str, Any]] = {zone: {} for zone in self._zones}
        for (origin, target), movement in self._movements.items():
            figures = {"labels": dict(sorted(movement.labels.items())), **movement.times.summary()}
            movements[origin][target] = figures
        return {"zones": list(self._zones), "movements": movements}
