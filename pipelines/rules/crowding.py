"""Report when too many are in a zone for too long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipelines.geometry import Xy, signed_area
from pipelines.ground import Ground
from pipelines.rules.base import PeopleRuleConfig, Place, Surroundings, metres_faults, scene_event
from pipelines.rules.evidence import Clock, Episode
from pipelines.rules.figures import Level
from pipelines.rules.presence import Presence
from pipelines.values import CounterKey, Event, Scalar, Track


class CrowdingConfig(PeopleRuleConfig):
    """Keys of ``crowding``."""

    kind: Literal["crowding"]
    words: ClassVar[tuple[str, ...]] = ("begin", "end")
    scene_words: ClassVar[tuple[str, ...]] = words
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    limit: int | None = Field(None, ge=1, description="so many are a crowd")
    per_m2: float | None = Field(
        None, gt=0, description="so many on a square metre are, instead of 'limit'; the camera must be calibrated"
    )
    seconds: float = Field(5.0, ge=0, description="media seconds until a crowd is told, and until its end is")
    release: float = Field(0.8, ge=0, lt=1, description="share of the limit to which it must shrink to end")
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left")

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.limit is None) == (self.per_m2 is None):
            raise ValueError("give either 'limit' or 'per_m2': how many people are a crowd")
        return self

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """People on a square metre where nobody knows metres, or where the zone reaches into the sky."""
        if self.per_m2 is None:
            return []
        return metres_faults(self, place, ", or use 'limit' in place of 'per_m2'")


def ground_area(ground: Ground, zone: Sequence[Xy]) -> float | None:
    """Square metres of a zone; ``None`` where it reaches beyond the horizon."""
    points = [ground.point(corner) for corner in zone]
    known = [point for point in points if point is not None]
    return abs(signed_area(known)) if len(known) == len(points) else None


class Crowding:
    """An event when a crowd has been there for ``seconds``, and one when it has been gone for as long."""

    kind: ClassVar[str] = "crowding"

    def __init__(self, config: CrowdingConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._clock = Clock()
        ground = surroundings.ground
        self._area_m2 = None if ground is None else ground_area(ground, surroundings.zones[config.zone])
        self._limit: float = config.limit or (config.per_m2 or 0.0) * (self._area_m2 or 0.0)
        self._episode = Episode(self._limit, config.release * self._limit, config.seconds)
        self._people = Level()
        self._crowds = 0
        self._crowded_s = 0.0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        step_s = self._clock.step(pts_s)
        self._presence.update(tracks, pts_s)
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
            "limit": round(self._limit, 2),
            "since_pts_s": self._episode.since_s,
        }
        if self._area_m2:
            data["people_per_m2"] = round(people / self._area_m2, 3)
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
        """``{"zone", "area_m2", "limit", "crowded", "crowds", "crowded_s", "people": {now, max, mean}}``."""
        return {
            "zone": self._config.zone,
            "area_m2": None if self._area_m2 is None else round(self._area_m2, 2),
            "limit": round(self._limit, 2),
            "crowded": self._episode.active,
            "crowds": self._crowds,
            "crowded_s": round(self._crowded_s, 3),
            "people": self._people.summary(),
        }
