"""Report what goes against the direction of a zone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipelines.geometry import Xy
from pipelines.rules.base import Place, RuleConfig, Surroundings, event
from pipelines.rules.label_counts import LabelCounts
from pipelines.rules.presence import Presence, Stay
from pipelines.values import CounterKey, Event, Scalar, Track


class WrongWayConfig(RuleConfig):
    """Keys of ``wrong_way``."""

    kind: Literal["wrong_way"]
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    along: str | None = Field(None, description="the right way: from A to B of this line of the camera; or:")
    angle: float | None = Field(
        None, ge=0, lt=360, description="the right way in degrees: 0 is up in the picture, 90 to the right"
    )
    tolerance: float = Field(60, gt=0, le=90, description="degrees to each side of the opposite way that are wrong")
    distance: float = Field(1.0, gt=0, description="how far it must have gone so, relative to the height of its box")
    seconds: float = Field(1.0, ge=0, description="media seconds for which it must have gone so")
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left")

    @model_validator(mode="after")
    def _has_one_direction(self) -> Self:
        if (self.along is None) == (self.angle is None):
            raise ValueError("say which way is right: either 'along' a line, from A to B, or by its 'angle'")
        return self

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """The line that says which way is right."""
        if self.along is None and self.angle is None:
            return [("along", f"no line says which way is right in zone {self.zone!r}; draw one from A to B")]
        if self.along is None or self.along in place.lines:
            return []
        allowed = ", ".join(place.lines) or "none: the camera has no lines"
        return [("along", f"unknown line {self.along!r}; allowed: {allowed}")]


@dataclass(slots=True)
class _Heading:
    """How far an object has got the right way in this stay, and whether it was told.

    Attributes:
        furthest: Its way along the right direction, in pixels, at most.
        at: Where it was then.
        at_s: When it was last so far.
        told: Whether it was reported; it is once.
    """

    furthest: float
    at: Xy
    at_s: float
    told: bool = False


class WrongWay:
    """One event for each object that goes back by ``distance`` from the furthest it had got the right way."""

    kind: ClassVar[str] = "wrong_way"

    def __init__(self, config: WrongWayConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._right = _direction(config, surroundings)
        self._cosine = math.cos(math.radians(config.tolerance))
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._points = surroundings.point_sight(config.anchor)
        self._counts = LabelCounts(self.name, config.labels)

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        changes = self._presence.update(tracks, pts_s)
        for change in changes:
            if change.entered and self in change.stay.notes:  # it came back: what it did outside does not count
                change.stay.notes[self].furthest = -math.inf
        events = []
        points = self._points.points(tracks, pts_s)
        for stay in self._presence.stays:
            if stay.is_seen(pts_s) and (found := self._look_at(stay, points[stay.track.id], pts_s)) is not None:
                events.append(found)
        self._counts.there(stay.track.label for stay in self._presence.stays if self._was_told(stay))
        return events

    def _was_told(self, stay: Stay) -> bool:
        heading: _Heading | None = stay.notes.get(self)
        return heading is not None and heading.told

    def _look_at(self, stay: Stay, point: Xy, pts_s: float) -> Event | None:
        track = stay.track
        along = point[0] * self._right[0] + point[1] * self._right[1]
        heading: _Heading | None = stay.notes.get(self)
        if heading is None:
            heading = stay.notes[self] = _Heading(along, point, pts_s)
        if along >= heading.furthest:
            heading.furthest, heading.at, heading.at_s = along, point, pts_s
            return None
        back, seconds = heading.furthest - along, pts_s - heading.at_s
        if heading.told or back < self._config.distance * track.height or seconds < self._config.seconds:
            return None
        if back < self._cosine * math.dist(point, heading.at):  # rather across than against
            return None
        heading.told = True
        self._counts.add(track.label)
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "heading_deg": round(_bearing(point[0] - heading.at[0], point[1] - heading.at[1]), 1),
            "heights": round(back / track.height, 2),
            "seconds": round(seconds, 3),
            "since_pts_s": heading.at_s,
        }
        return event(self, self._source_id, pts_s, track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Per label: how many went the wrong way so far (``totals``), and how many of them are there now."""
        return self._counts.all

    def state(self) -> dict[str, Any]:
        """``{"zone", "direction_deg", "reported": {label: n}, "now": {label: n}}``."""
        return {
            "zone": self._config.zone,
            "direction_deg": round(_bearing(*self._right), 1),
            "reported": self._counts.totals(),
            "now": self._counts.now(),
        }


def _direction(config: WrongWayConfig, surroundings: Surroundings) -> Xy:
    """The right way as a step of one pixel."""
    if config.along is None:
        angle = math.radians(config.angle or 0.0)
        return math.sin(angle), -math.cos(angle)
    (x0, y0), (x1, y1) = surroundings.lines[config.along]
    length = math.hypot(x1 - x0, y1 - y0)
    return (x1 - x0) / length, (y1 - y0) / length


def _bearing(dx: float, dy: float) -> float:
    """The direction of a step in the picture: degrees clockwise from up."""
    return math.degrees(math.atan2(dx, -dy)) % 360
