"""Report when too many are in a zone for too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.rules.base import PeopleRuleConfig, Surroundings, scene_event
from pipelines.rules.evidence import Clock, Episode
from pipelines.rules.figures import Level
from pipelines.rules.presence import Presence
from pipelines.values import CounterKey, Event, Scalar, Track


class CrowdingConfig(PeopleRuleConfig):
    """Keys of ``crowding``."""

    kind: Literal["crowding"]
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    limit: int = Field(ge=1, description="so many are a crowd")
    seconds: float = Field(5.0, ge=0, description="media seconds until a crowd is told, and until its end is")
    release: float = Field(0.8, ge=0, lt=1, description="share of the limit to which it must shrink to end")
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left")


class Crowding:
    """An event when a crowd has been there for ``seconds``, and one when it has been gone for as long."""

    kind: ClassVar[str] = "crowding"

    def __init__(self, config: CrowdingConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._presence = Presence(
            surroundings.zones[config.zone], config.anchor_of, config.grace_s, surroundings.lost_s
        )
        self._clock = Clock()
        self._episode = Episode(config.limit, config.release * config.limit, config.seconds)
        self._people = Level()
        self._crowds = 0
        self._crowded_s = 0.0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        step_s = self._clock.step(pts_s)
        self._presence.update([track for track in tracks if self._config.wants(track.label)], pts_s)
        people = len(self._presence.stays)
        self._people.update(people, step_s)
        self._crowded_s += step_s if self._episode.active else 0.0
        happens = self._episode.update(people, step_s, pts_s)
        if happens is None:
            return []
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "action": happens,
            "people": people,
            "peak": int(self._episode.peak),
            "limit": self._config.limit,
            "since_pts_s": self._episode.since_s,
        }
        if happens == "begin":
            self._crowds += 1
        else:
            data["lasted_s"] = round(self._episode.ended_s - self._episode.since_s, 3)
        return [scene_event(self, self._source_id, pts_s, data)]

    def counters(self) -> Mapping[CounterKey, int]:
        """Crowds so far; people and whether they are a crowd, now."""
        return {
            ("totals", self.name, "crowds"): self._crowds,
            ("values", self.name, "crowded"): int(self._episode.active),
            ("values", self.name, "people"): self._people.now,
        }

    def state(self) -> dict[str, Any]:
        """``{"zone", "limit", "crowded", "crowds", "crowded_s", "people": {now, max, mean}}``."""
        return {
            "zone": self._config.zone,
            "limit": self._config.limit,
            "crowded": self._episode.active,
            "crowds": self._crowds,
            "crowded_s": round(self._crowded_s, 3),
            "people": self._people.summary(),
        }
