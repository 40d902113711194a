"""Report what is where it must not be, at the times at which it must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.rules.base import RuleConfig, Surroundings, event
from pipelines.rules.label_counts import LabelCounts
from pipelines.rules.presence import Presence, Stay
from pipelines.schedule import Hours, Schedule
from pipelines.values import CounterKey, Event, Scalar, Track


class ZoneIntrusionConfig(RuleConfig):
    """Keys of ``zone_intrusion``."""

    kind: Literal["zone_intrusion"]
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    seconds: float = Field(0, ge=0, description="media seconds inside after which it is an intrusion")
    schedule: Hours | None = Field(
        None, description="when it is one: `mon-fri 18:00-06:00`, `sat,sun`, or a list of such; default: always"
    )
    share: float | None = Field(
        None, gt=0, le=1, description="how much of the box must be inside; default: its anchor point is enough"
    )
    grace_s: float = Field(2, ge=0, description="media seconds outside after which it has left, and counts again")


class ZoneIntrusion:
    """One event for each stay that lasts ``seconds`` while the schedule is open.

    What is inside when it opens has its seconds counted from then on, and a stay that reaches over a closing is told
    again after the next opening.
    """

    kind: ClassVar[str] = "zone_intrusion"

    def __init__(self, config: ZoneIntrusionConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._wall = surroundings.wall
        self._schedule = None if config.schedule is None else Schedule.of(config.schedule)
        self._presence = Presence.of(config, surroundings, config.grace_s, config.share)
        self._is_open = False
        self._opened_s = 0.0
        self._counts = LabelCounts(self.name, config.labels)

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        self._presence.update(tracks, pts_s)
        self._look_at_the_clock(pts_s)
        events = []
        now = []
        for stay in self._presence.stays if self._is_open else ():
            since = max(stay.entered_s or 0.0, self._opened_s)
            if not self._was_told(stay) and stay.is_seen(pts_s) and pts_s - since >= self._config.seconds:
                stay.notes[self] = stay.entered_s
                events.append(self._intrusion(stay, since, pts_s))
            if self._was_told(stay):
                now.append(stay.track.label)
        self._counts.there(now)
        return events

    def _was_told(self, stay: Stay) -> bool:
        return stay.notes.get(self) == stay.entered_s

    def _look_at_the_clock(self, pts_s: float) -> None:
        is_open = self._schedule is None or self._schedule.is_open(self._wall.local(pts_s))
        if is_open and not self._is_open and self._schedule is not None:
            self._opened_s = pts_s
            for stay in self._presence.stays:
                stay.notes.pop(self, None)
        self._is_open = is_open

    def _intrusion(self, stay: Stay, since: float, pts_s: float) -> Event:
        self._counts.add(stay.track.label)
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "dwell_time_sec": round(pts_s - since, 3),
            "entered_pts_s": stay.entered_s,
        }
        return event(self, self._source_id, pts_s, stay.track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Per label: intrusions so far (``totals``), and intruders now (``values``)."""
        return self._counts.all

    def state(self) -> dict[str, Any]:
        """``{"zone", "schedule", "open", "reported": {label: n}, "now": {label: n}}``."""
        schedule = self._config.schedule
        return {
            "zone": self._config.zone,
            "schedule": list(schedule) if isinstance(schedule, tuple) else schedule,
            "open": self._is_open,
            "reported": self._counts.totals(),
            "now": self._counts.now(),
        }
