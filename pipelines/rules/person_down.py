"""Report people who lie on the ground: by a label of the model, or by the shape of their box."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipelines.rules.base import PeopleRuleConfig, Surroundings, event
from pipelines.rules.evidence import Clock, Debounced
from pipelines.rules.memory import TrackMemory
from pipelines.rules.sights import those_in
from pipelines.rules.trail import Trail
from pipelines.values import CounterKey, Event, Scalar, Track

By = Literal["label", "shape"]
_UPRIGHT = 0.8
"""Boxes that are narrower than this, relative to their height, are of somebody upright."""
_UPRIGHT_S = 1.0
"""Watched seconds for which somebody must have been upright before the shape may say that they are down."""


class PersonDownConfig(PeopleRuleConfig):
    """Keys of ``person_down``."""

    kind: Literal["person_down"]
    words: ClassVar[tuple[str, ...]] = ("down", "up")
    label_keys: ClassVar[tuple[str, ...]] = ("labels", "fall_labels")
    brings_labels: ClassVar[tuple[str, ...]] = ("fall_labels",)
    fall_labels: tuple[str, ...] = Field((), description="labels of people who are down (`Fall`)")
    shape: bool = Field(True, description="whether a wide box after an upright one counts, too: a heuristic")
    zone: str | None = Field(None, description='zone that is watched, or "*" for each; default: the picture')
    seconds: float = Field(3.0, gt=0, description="media seconds on the ground, or up again, until that is told")
    share: float = Field(0.8, gt=0.5, le=1, description="share of them in which somebody must be down, or up")
    aspect: float = Field(1.2, gt=_UPRIGHT, description="width over height of a box from which on its shape is down")
    still: float = Field(0.15, gt=0, description="slower than this is lying, in longer box sides a second (shape)")

    @model_validator(mode="after")
    def _has_evidence(self) -> Self:
        if not self.fall_labels and not self.shape:
            raise ValueError("with neither 'fall_labels' nor 'shape' it sees nothing; name labels or set shape: true")
        return self

    @property
    def told_labels(self) -> tuple[str, ...]:
        """Those of people, and of people who are down: a track may be called either."""
        return tuple(dict.fromkeys((*(self.labels or ()), *self.fall_labels)))

    def can_work(self, emptied: Collection[str]) -> bool:
        """It can with labels of people or of falls, as long as it has something to go by."""
        people = "labels" not in emptied and self.labels != ()
        return bool(self.fall_labels) or (self.shape and people)


@dataclass(slots=True)
class _Posture:
    """What is known of a person.

    Attributes:
        label: Whether a detector calls them down, as told.
        shape: Whether their box lies, as told.
        trail: The way of the last second; ``None`` while the box is not wide.
        upright_s: Watched seconds for which they were upright.
        by: What said first that they are down; ``None`` while they are up.
        since_s: Media time at which that was told.
        seen_s: Media time at which they were seen last.
    """

    label: Debounced
    shape: Debounced
    trail: Trail | None = None
    upright_s: float = 0.0
    by: By | None = None
    since_s: float = 0.0
    seen_s: float = 0.0


class PersonDown:
    """One event when somebody has been down for a while, and one when they are up again.

    By label: a detector calls them so. By shape, a heuristic: the box is wide, it hardly moves, and the same track was
    upright before. Boxes that touch the picture's edge have no shape.
    """

    kind: ClassVar[str] = "person_down"

    def __init__(self, config: PersonDownConfig, surroundings: Surroundings) -> None:
        """Watch the picture or ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._zone = None if config.zone is None else surroundings.zone_sight(config.zone, config.anchor)
        self._size = surroundings.size
        self._lost_s = surroundings.lost_s
        self._clock = Clock()
        self._memory: TrackMemory[_Posture] = TrackMemory(self._upright, keep_s=2 * surroundings.lost_s)
        self._down: dict[int, _Posture] = {}
        self._falls: dict[By, int] = {"label": 0, "shape": 0}

    def _upright(self, track: Track) -> _Posture:
        seconds, share = self._config.seconds, self._config.share
        return _Posture(Debounced(seconds, share), Debounced(seconds, share))

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        step_s = self._clock.step(pts_s)
        events = []
        persons = [
            track
            for track in those_in(self._zone, tracks, pts_s)
            if self._config.wants(track.label) or self._is_called_down(track)
        ]
        for track, posture in self._memory.update(persons, pts_s):
            posture.seen_s = pts_s
            self._look(track, posture, step_s, pts_s)
            events += self._tell(track, posture, pts_s)
        for key, posture in list(self._down.items()):
            if pts_s - posture.seen_s > self._lost_s:
                del self._down[key]
        self._memory.evict(pts_s)
        return events

    def _is_called_down(self, track: Track) -> bool:
        for label in track.labels_now:
            if label in self._config.fall_labels:
                return True
        return False

    def _look(self, track: Track, posture: _Posture, step_s: float, pts_s: float) -> None:
        """Take a frame's evidence."""
        config = self._config
        if config.fall_labels:
            posture.label.update(self._is_called_down(track), step_s)
        if not config.shape or self._is_cut(track):
            return
        x1, _, x2, _ = track.xyxy
        width, height = x2 - x1, track.height
        if width < _UPRIGHT * height:
            posture.upright_s += step_s
        posture.shape.update(self._lies(track, posture, width, height, pts_s), step_s)

    def _lies(self, track: Track, posture: _Posture, width: float, height: float, pts_s: float) -> bool:
        """Whether the box is wide and at rest, of somebody who was upright before."""
        if width < self._config.aspect * height or posture.upright_s < _UPRIGHT_S:
            posture.trail = None
            return False
        if posture.trail is None:
            posture.trail = Trail()
        posture.trail.add(track.centre, pts_s)
        speed = posture.trail.speed
        return speed is not None and speed < self._config.still * width

    def _is_cut(self, track: Track) -> bool:
        x1, y1, x2, y2 = track.xyxy
        width, height = self._size
        return x1 <= 1 or y1 <= 1 or x2 >= width - 1 or y2 >= height - 1

    def _tell(self, track: Track, posture: _Posture, pts_s: float) -> list[Event]:
        """Down with the first that says so, up when neither does."""
        by: By | None = "label" if posture.label.holds else "shape" if posture.shape.holds else None
        if by is not None:
            self._down[id(posture)] = posture
            if posture.by is not None:
                return []
            posture.by, posture.since_s = by, pts_s
            self._falls[by] += 1
            return [self._event(track, "down", by, None, pts_s)]
        if posture.by is None:
            return []
        by, posture.by = posture.by, None
        self._down.pop(id(posture), None)
        return [self._event(track, "up", by, pts_s - posture.since_s, pts_s)]

    def _event(self, track: Track, action: str, by: By, lasted_s: float | None, pts_s: float) -> Event:
        data: dict[str, Scalar] = {"action": action, "by": by}
        if self._config.zone is not None:
            data["zone"] = self._config.zone
        if lasted_s is not None:
            data["lasted_s"] = round(lasted_s, 3)
        return event(self, self._source_id, pts_s, track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Falls so far; how many are down now."""
        return {
            ("totals", self.name, "down"): sum(self._falls.values()),
            ("values", self.name, "down"): len(self._down),
        }

    def state(self) -> dict[str, Any]:
        """``{"zone", "falls": {"label": n, "shape": n}, "down_now"}``."""
        return {"zone": self._config.zone, "falls": dict(self._falls), "down_now": len(self._down)}
