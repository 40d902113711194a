"""Who waits in a queue, how long, and whether they were served."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.geometry import Area, Xy, crossing_position
from pipelines.rules.base import PeopleRuleConfig, Place, Surroundings, event, scene_event
from pipelines.rules.evidence import Clock, Episode
from pipelines.rules.figures import Durations, Level
from pipelines.rules.presence import Presence, Stay
from pipelines.rules.sights import ZoneSight
from pipelines.rules.trail import Trail
from pipelines.values import CounterKey, Event, Scalar, Track

_RATE_S = 3600.0
_LEAST_RATE_S = 60.0
_MOVING_S = 1.0
"""Media seconds of moving after which somebody who is not in the queue yet has to stand anew."""


class QueueConfig(PeopleRuleConfig):
    """Keys of ``queue``."""

    kind: Literal["queue"]
    words: ClassVar[tuple[str, ...]] = ("leave", "long_wait", "long_queue", "long_queue_over")
    scene_words: ClassVar[tuple[str, ...]] = ("long_queue", "long_queue_over")
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    service: str | None = Field(None, description="zone where people are served; who is in it does not wait")
    exit: str | None = Field(None, description="line behind which people have been served, whatever its direction")
    still: float = Field(0.3, gt=0, description="slower than this is standing, in box heights a second")
    stand_s: float = Field(2.0, gt=0, description="media seconds of standing after which somebody is in the queue")
    grace_s: float = Field(1.0, ge=0, description="media seconds outside after which somebody has left")
    absence_s: float = Field(3.0, ge=0, description="media seconds hidden after which somebody has left")
    served_within_s: float = Field(3.0, ge=0, description="media seconds from leaving to the service zone or exit line")
    alert_length: int | None = Field(None, ge=1, description="people waiting that make a long queue")
    alert_after_s: float = Field(10.0, ge=0, description="media seconds for which it must be long")
    alert_wait_s: float | None = Field(None, gt=0, description="media seconds that make a long wait")

    def told(self) -> tuple[str, ...]:
        """Leaving, and what is long where somebody said how long that is."""
        wait = () if self.alert_wait_s is None else ("long_wait",)
        return ("leave", *wait, *(() if self.alert_length is None else self.scene_words))

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """A service zone or exit line that the camera does not have."""
        faults = []
        for key, word, name, known in (
            ("service", "zone", self.service, place.zones),
            ("exit", "line", self.exit, place.lines),
        ):
            if name is not None and name not in known:
                allowed = ", ".join(known) or f"none: the camera has no {word}s"
                faults.append((key, f"unknown {word} {name!r}; allowed: {allowed}"))
        if self.service is not None and self.service == self.zone:
            faults.append(("service", f"{self.zone!r} cannot be the queue and the place of service; draw two zones"))
        return faults


@dataclass(slots=True)
class _Waiter:
    """What is known of somebody in the zone.

    Attributes:
        trail: The way of the last second.
        stood_s: Media time since which they stand; ``None`` while they walk.
        still_s: Media time at which they stood last.
        since_s: Media time since which they wait; ``None`` as long as they are not in the queue.
        point: Where they were inside last.
        left_s: Media time at which they left, where it is not decided yet whether they were served.
        served: Whether they were seen in the service zone or behind the exit line.
        seen_outside: Whether they were seen outside since.
        told: Whether the long wait was told.
    """

    trail: Trail = field(default_factory=Trail)
    stood_s: float | None = None
    still_s: float = 0.0
    since_s: float | None = None
    point: Xy = (0.0, 0.0)
    left_s: float = 0.0
    served: bool = False
    seen_outside: bool = False
    told: bool = False


class Queue:
    """Length, waiting times and service rate of a queue.

    In the queue is who has stood in the zone for ``stand_s``, from the moment they stood until they leave the zone,
    however they move up. Who walks through does not wait.
    """

    kind: ClassVar[str] = "queue"

    def __init__(self, config: QueueConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._service = None if config.service is None else Area(surroundings.zones[config.service])
        self._exit = surroundings.lines[config.exit] if config.exit is not None else None
        self._lost_s = max(surroundings.lost_s, config.absence_s)
        hole = None if config.service is None else surroundings.zones[config.service]
        sight = ZoneSight(surroundings.zones[config.zone], surroundings.point_sight(config.anchor), hole=hole)
        self._presence = Presence(sight, surroundings, config.labels, config.grace_s, self._lost_s, config.absence_s)
        self._undecided: dict[int, Stay] = {}
        self._clock = Clock()
        self._length = Level()
        self._waits = Durations()
        self._departures: deque[float] = deque(maxlen=10_000)
        words = ("waited", *(("served", "unserved") if self._decides else ()))
        self._totals: dict[str, int] = dict.fromkeys(words, 0)
        limit = config.alert_length
        self._long = None if limit is None else Episode(limit, limit - 1, config.alert_after_s)

    @property
    def _decides(self) -> bool:
        return self._service is not None or self._exit is not None

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        step_s = self._clock.step(pts_s)
        events: list[Event] = []
        for change in self._presence.update(tracks, pts_s):
            if change.entered:
                self._enter(change.stay)
            else:
                events += self._leave(change.stay, change.pts_s, pts_s)
        stays = self._presence.stays
        for stay in stays:
            self._look(stay, pts_s)
        events += self._decide(pts_s)
        waiting = [stay for stay in stays if self._waiter(stay).since_s is not None]
        self._length.update(len(waiting), step_s)
        return events + self._alerts(waiting, step_s, pts_s)

    def _enter(self, stay: Stay) -> None:
        """Somebody comes in; who left a moment ago and was not served goes on waiting."""
        if self._undecided.pop(id(stay), None) is None:
            stay.notes[self] = _Waiter()

    def _waiter(self, stay: Stay) -> _Waiter:
        found: _Waiter | None = stay.notes.get(self)
        if found is None:
            found = stay.notes[self] = _Waiter()
        return found

    def _look(self, stay: Stay, pts_s: float) -> None:
        """See whether somebody in the zone stands, or has stepped out of it, and whereto."""
        waiter = self._waiter(stay)
        track, config = stay.track, self._config
        if track.last_seen_s < pts_s:
            return
        point = config.anchor_of(track)
        if stay.last_inside_s < pts_s:
            self._look_outside(waiter, point)
            return
        waiter.point, waiter.served, waiter.seen_outside = point, False, False
        waiter.trail.add(point, pts_s)
        speed = waiter.trail.speed
        if speed is not None and speed < config.still * track.height:
            waiter.still_s = pts_s
            if waiter.stood_s is None:
                waiter.stood_s = max(waiter.trail.since_s, stay.entered_s or 0.0)
        elif pts_s - waiter.still_s > _MOVING_S:
            waiter.stood_s = None
        if waiter.since_s is None and waiter.stood_s is not None and pts_s - waiter.stood_s >= config.stand_s - 1e-6:
            waiter.since_s = waiter.stood_s

    def _look_outside(self, waiter: _Waiter, point: Xy) -> None:
        waiter.seen_outside = True
        if self._service is not None and self._service.contains(point):
            waiter.served = True
        if self._exit is not None:
            position = crossing_position(*self._exit, waiter.point, point)
            waiter.served |= position is not None and 0 <= position <= 1

    def _leave(self, stay: Stay, left_s: float, pts_s: float) -> list[Event]:
        waiter = self._waiter(stay)
        if waiter.since_s is None:
            return []
        waiter.left_s = left_s
        if self._decides:
            self._undecided[id(stay)] = stay
            return []
        return [self._left(stay, None, pts_s)]

    def _decide(self, pts_s: float) -> list[Event]:
        """Tell of those who have left: once they were served, or it is too late for that."""
        events = []
        for key, stay in list(self._undecided.items()):
            waiter = self._waiter(stay)
            if stay.track.last_seen_s == pts_s:
                self._look_outside(waiter, self._config.anchor_of(stay.track))
            is_late = pts_s - waiter.left_s >= self._config.served_within_s
            is_gone = pts_s - stay.track.last_seen_s > self._lost_s
            if waiter.served or is_late or is_gone:
                del self._undecided[key]
                events.append(self._left(stay, waiter.served if waiter.seen_outside else None, pts_s))
        return events

    def _left(self, stay: Stay, served: bool | None, pts_s: float) -> Event:
        waiter = self._waiter(stay)
        wait_s = waiter.left_s - (waiter.since_s or 0.0)
        waiter.since_s = None
        self._waits.add(wait_s)
        self._totals["waited"] += 1
        if served is not None:
            self._totals["served" if served else "unserved"] += 1
        if served or not self._decides:
            self._departures.append(self._clock.watched_s)
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "action": "leave",
            "wait_s": round(wait_s, 3),
            "served": served,
            "left_pts_s": waiter.left_s,
            "at_pts_s": waiter.left_s,
        }
        return event(self, self._source_id, pts_s, stay.track, data)

    def _alerts(self, waiting: Sequence[Stay], step_s: float, pts_s: float) -> list[Event]:
        """A wait that has become long, a queue that has, or is no more."""
        zone = self._config.zone
        events = []
        limit_s = self._config.alert_wait_s
        for stay in waiting if limit_s is not None else ():
            waiter = self._waiter(stay)
            wait_s = stay.last_inside_s - (waiter.since_s or 0.0)
            if limit_s is not None and wait_s >= limit_s and not waiter.told:
                waiter.told = True
                data: dict[str, Scalar] = {"zone": zone, "action": "long_wait", "wait_s": round(wait_s, 3)}
                events.append(event(self, self._source_id, pts_s, stay.track, data))
        happens = self._long.update(len(waiting), step_s, pts_s) if self._long is not None else None
        if self._long is not None and happens is not None:
            begins = happens == "begin"
            data = {
                "zone": zone,
                "action": "long_queue" if begins else "long_queue_over",
                "length": len(waiting),
                "peak": int(self._long.peak),
                "since_pts_s": self._long.since_s,
            }
            events.append(scene_event(self, self._source_id, pts_s, data))
        return events

    def counters(self) -> Mapping[CounterKey, int]:
        """Those who have waited so far, and whether they were served; the length now."""
        counters: dict[CounterKey, int] = {("totals", self.name, word): n for word, n in self._totals.items()}
        counters["values", self.name, "length"] = self._length.now
        return counters

    def state(self) -> dict[str, Any]:
        """``{"zone", "length": {now, max, mean}, "totals", "wait", "longest_now_s", "served_per_hour"}``."""
        waits = [
            stay.last_inside_s - stay.notes[self].since_s
            for stay in self._presence.stays
            if self in stay.notes and stay.notes[self].since_s is not None
        ]
        return {
            "zone": self._config.zone,
            "length": self._length.summary(),
            "totals": dict(self._totals),
            "wait": self._waits.summary(),
            "longest_now_s": round(max(waits, default=0.0), 3),
            "served_per_hour": self._rate(),
        }

    def _rate(self) -> float | None:
        """Served in the last watched hour; where nobody says who was served, all that left. ``None`` in a minute."""
        watched_s = self._clock.watched_s
        if watched_s < _LEAST_RATE_S:
            return None
        recent = sum(watched_s - left_s <= _RATE_S for left_s in self._departures)
        return round(recent * _RATE_S / min(watched_s, _RATE_S), 2)
