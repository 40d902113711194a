"""Report what stays in a zone for too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.rules.base import RuleConfig, Surroundings, event
from pipelines.rules.label_counts import LabelCounts
from pipelines.rules.presence import Presence
from pipelines.values import CounterKey, Event, Scalar, Track


class DwellConfig(RuleConfig):
    """Keys of ``dwell``."""

    kind: Literal["dwell"]
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    seconds: float = Field(gt=0, description="media seconds inside after which a stay is reported")
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left")


class Dwell:
    """One event for each stay that reaches ``seconds``."""

    kind: ClassVar[str] = "dwell"

    def __init__(self, config: DwellConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._counts = LabelCounts(self.name, config.labels)
        self._longest_s = 0.0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        self._presence.update(tracks, pts_s)
        events = []
        long = []
        for stay in self._presence.stays:
            stayed = stay.last_inside_s - (stay.entered_s or 0.0)
            self._longest_s = max(self._longest_s, stayed)
            if stayed < self._config.seconds:
                continue
            long.append(stay.track.label)
            if stay.notes.get(self) != stay.entered_s:  # not told of this stay
                stay.notes[self] = stay.entered_s
                self._counts.add(stay.track.label)
                data: dict[str, Scalar] = {
                    "zone": self._config.zone,
                    "dwell_time_sec": round(stayed, 3),
                    "entered_pts_s": stay.entered_s,
                }
                events.append(event(self, self._source_id, pts_s, stay.track, data))
        self._counts.there(long)
        return events

    def counters(self) -> Mapping[CounterKey, int]:
        """Per label: stays that were told so far (``totals``), and how many of them go on (``values``)."""
        return self._counts.all

    def state(self) -> dict[str, Any]:
        """``{"zone", "seconds", "reported": {label: n}, "now": {label: n}, "longest_s"}``."""
        return {
            "zone": self._config.zone,
            "seconds": self._config.seconds,
            "reported": self._counts.totals(),
            "now": self._counts.now(),
            "longest_s": round(self._longest_s, 3),
        }
