"""Count what is in a zone, now and over time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.rules.base import RuleConfig, Surroundings, event
from pipelines.rules.evidence import GAP_S, Clock
from pipelines.rules.presence import Change, Presence
from pipelines.values import CounterKey, Event, Track


class ZoneCountConfig(RuleConfig):
    """Keys of ``zone_count``."""

    kind: Literal["zone_count"]
    words: ClassVar[tuple[str, ...]] = ("enter", "leave")
    counts_by_place: ClassVar[bool] = True
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left")


class ZoneCount:
    """Occupancy and visits per label, largest and mean occupancy. An event for each entering and leaving."""

    kind: ClassVar[str] = "zone_count"

    def __init__(self, config: ZoneCountConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._occupancy: Counter[CounterKey] = Counter()
        self._visits: Counter[CounterKey] = Counter()
        for label in config.labels or ():
            self._occupancy["occupancy", config.zone, label] = 0
            self._visits["totals", self.name, label] = 0
        self._max = 0
        self._clock = Clock()
        self._object_seconds = 0.0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        self._clock.step(pts_s)
        changes = self._presence.update(tracks, pts_s)
        self._add_seconds(changes, pts_s)
        for key in self._occupancy:
            self._occupancy[key] = 0
        for label, count in Counter(stay.track.label for stay in self._presence.stays).items():
            self._occupancy["occupancy", self._config.zone, label] = count
        occupied = self._occupancy.total()
        self._max = max(self._max, occupied)
        events = []
        for change in changes:
            data: dict[str, Any] = {
                "zone": self._config.zone,
                "action": "enter" if change.entered else "leave",
                "at_pts_s": change.pts_s,
                "occupancy": occupied,
            }
            if change.entered:
                self._visits["totals", self.name, change.track.label] += 1
            else:
                data["dwell_time_sec"] = round(change.stayed_s, 3)
            events.append(event(self, self._source_id, pts_s, change.track, data))
        return events

    def _add_seconds(self, changes: Sequence[Change], pts_s: float) -> None:
        """Add the watched seconds inside of those who are seen there: ``Stay.notes`` says how far they were added."""
        watched_s = self._clock.watched_s
        for change in changes:
            if change.entered:
                change.stay.notes[self] = watched_s - min(pts_s - change.pts_s, GAP_S)
        for stay in self._presence.stays:
            if stay.is_seen(pts_s):
                self._object_seconds += watched_s - stay.notes.get(self, watched_s)
                stay.notes[self] = watched_s

    def counters(self) -> Mapping[CounterKey, int]:
        """Per label: occupancy now, and visits so far (``totals``)."""
        return {**self._occupancy, **self._visits}

    def state(self) -> dict[str, Any]:
        """``{"zone", "visits": {label: n}, "now", "max", "mean"}``; the mean is over the watched seconds."""
        watched_s = self._clock.watched_s
        return {
            "zone": self._config.zone,
            "visits": {key[2]: visits for key, visits in sorted(self._visits.items())},
            "now": self._occupancy.total(),
            "max": self._max,
            "mean": round(self._object_seconds / watched_s, 4) if watched_s > 0 else 0.0,
        }
