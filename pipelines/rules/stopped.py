"""Report vehicles that have come to a stop where they should not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.geometry import Xy
from pipelines.rules.base import Place, RuleConfig, Surroundings, event, metres_faults
from pipelines.rules.label_counts import LabelCounts
from pipelines.rules.presence import Presence, Stay
from pipelines.values import CounterKey, Event, Scalar, Track

_AWAY_S = 1.0
"""Media seconds that what stood still must be elsewhere before it has moved: a box may be half hidden for a moment."""
_CAME = 1.0
"""Box heights that it must have come from: what moves less since it was first seen was parked."""


class StoppedConfig(RuleConfig):
    """Keys of ``stopped``."""

    kind: Literal["stopped"]
    words: ClassVar[tuple[str, ...]] = ("stop", "go")
    zone: str = Field(description='name of a zone of the camera, or "*" for each')
    seconds: float = Field(gt=0, description="media seconds without a move after which it has stopped")
    move: float = Field(0.25, gt=0, description="how far is a move, relative to the height of the box")
    metres: float | None = Field(None, gt=0, description="how far is a move on the ground, instead of `move`")
    parked: bool = Field(False, description="whether what has not moved since it was first seen counts, too")
    grace_s: float = Field(1, ge=0, description="media seconds outside after which an object has left")

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """Metres, where they are asked for."""
        return [] if self.metres is None else metres_faults(self, place, ", or write 'move' in place of 'metres'")


@dataclass(slots=True)
class _Rest:
    """Where an object stands, in pixels or metres, and since when.

    Attributes:
        at: The place.
        since_s: Media time at which it came there.
        last_s: Media time at which it was last seen there.
        away_s: Media time since which it has been seen elsewhere, without having moved yet.
        told: Whether this stop was told.
    """

    at: Xy
    since_s: float
    last_s: float
    away_s: float | None = None
    told: bool = False


class Stopped:
    """An event for each stop that lasts ``seconds``, and one at its end with its length."""

    kind: ClassVar[str] = "stopped"

    def __init__(self, config: StoppedConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._ground = None if config.metres is None else surroundings.ground_sight()
        self._points = surroundings.point_sight(config.anchor)
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._counts = LabelCounts(self.name, config.labels)
        self._longest_s = 0.0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        changes = self._presence.update(tracks, pts_s)
        events = []
        for change in changes:
            rest = change.stay.notes.pop(self, None)
            if rest is not None and rest.told:
                is_lost = change.track.last_seen_s <= change.pts_s
                events.append(self._end(change.track, rest, pts_s, "lost" if is_lost else "left"))
        points: Mapping[int, Xy | None] = self._points.points(tracks, pts_s)
        if self._ground is not None:
            points = self._ground.feet(tracks, pts_s)
        for stay in self._presence.stays:
            if stay.is_seen(pts_s) and (point := points[stay.track.id]) is not None:
                events += self._look_at(stay, point, pts_s)
        self._counts.there(stay.track.label for stay in self._presence.stays if self._was_told(stay))
        return events

    def _was_told(self, stay: Stay) -> bool:
        rest: _Rest | None = stay.notes.get(self)
        return rest is not None and rest.told

    def _look_at(self, stay: Stay, point: Xy, pts_s: float) -> Sequence[Event]:
        """Take a vehicle's place, in pixels or metres."""
        rest: _Rest | None = stay.notes.get(self)
        if rest is None:
            rest = stay.notes[self] = _Rest(point, stay.entered_s or pts_s, pts_s)
        if math.dist(point, rest.at) <= self._limit(stay.track):
            rest.away_s, rest.last_s = None, pts_s
            if not rest.told and pts_s - rest.since_s >= self._config.seconds and self._is_meant(stay):
                rest.told = True
                self._counts.add(stay.track.label)
                return [self._event(stay.track, rest, "stop", pts_s, pts_s)]
            if rest.told:
                self._longest_s = max(self._longest_s, pts_s - rest.since_s)
            return ()
        if rest.away_s is None:
            rest.away_s = pts_s
        if pts_s - rest.away_s < min(_AWAY_S, rest.away_s - rest.since_s):
            return ()
        stay.notes[self] = _Rest(point, pts_s, pts_s)
        return [self._end(stay.track, rest, pts_s, "moved")] if rest.told else ()

    def _limit(self, track: Track) -> float:
        return self._config.move * track.height if self._config.metres is None else self._config.metres

    def _is_meant(self, stay: Stay) -> bool:
        """Whether it has come here since it was first seen, or need not have."""
        if self._config.parked:
            return True
        start, now = self._config.anchor_of(stay.first), self._config.anchor_of(stay.track)
        return math.dist(start, now) > _CAME * min(stay.track.height, stay.first.height)

    def _end(self, track: Track, rest: _Rest, pts_s: float, why: str) -> Event:
        return self._event(track, rest, "go", pts_s, rest.last_s, why)

    def _event(self, track: Track, rest: _Rest, action: str, pts_s: float, until_s: float, why: str = "") -> Event:
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "action": action,
            "stopped_s": round(until_s - rest.since_s, 3),
            "since_pts_s": rest.since_s,
        }
        if why:
            data |= {"ended_by": why, "at_pts_s": until_s}
        return event(self, self._source_id, pts_s, track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Per label: stops so far (``totals``), and how many stand there now (``values``)."""
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
