"""The life of tracked objects: when one comes, when something of it changes, when it is gone."""

from __future__ import annotations

import math
import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from pipelines.geometry import Xy, inside
from pipelines.ground import KMH, Ground
from pipelines.rules.course import Course, Window
from pipelines.rules.memory import TrackMemory
from pipelines.values import Track

UPDATE_S = 1.0
"""Least media time between two messages of an object that are not its end, in seconds."""
SCORE_STEP = 0.01
"""A best score that rose by less is not worth a message."""
STATIONARY_S = 10.0
"""Media seconds without moving after which an object is stationary."""
STILL_WITHIN = 0.1
"""Of the box's height: what moves less has not moved."""
LEAVES_BEYOND = 0.2
"""Of the box's height: what is stationary moves again when it is further than this from its place."""
SMOOTH_S = 0.5
"""Time constant of the mean position, in media seconds; a trembling box stands still on average."""
SPEED_WINDOW_S = 1.0
"""Media seconds over which a speed is smoothed, at least."""
TINY = 1e-9

Box = tuple[float, float, float, float]
Place = tuple[float, float, float]
_ALPHABET = string.ascii_lowercase + string.digits


def _rounded(box: Box) -> Box:
    return (round(box[0], 2), round(box[1], 2), round(box[2], 2), round(box[3], 2))


class ObjectState(BaseModel):
    """What is known of an object at one moment; times are Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="unique for ever: start time and six random letters or digits")
    camera: str
    frame_time: float = Field(description="of the frame this was known at")
    label: str
    sub_label: str | None = None
    top_score: float = Field(description="best score so far")
    score: float = Field(description="of this box")
    false_positive: bool = False
    start_time: float = Field(description="when it was first seen")
    end_time: float | None = Field(None, description="when it was last seen; null while it is there")
    box: Annotated[Box, PlainSerializer(_rounded, when_used="json")] = Field(
        description="x1, y1, x2, y2 in source pixels, where it was last seen"
    )
    area: int = Field(description="of the box, in square pixels")
    current_zones: tuple[str, ...] = Field((), description="zones its foot is in")
    entered_zones: tuple[str, ...] = Field((), description="zones its foot has been in, in order")
    stationary: bool = False
    speed_kmh: float | None = Field(
        None,
        description="over the ground, smoothed over a second, or over four frames where they are further apart; null "
        "without a calibration, or while not known",
    )
    has_snapshot: bool = False
    has_clip: bool = False


@dataclass(frozen=True, slots=True)
class ObjectEvent:
    """A step in an object's life.

    Attributes:
        type: What happened.
        before: As last told; for ``new`` the same as ``after``.
        after: As it is now.
    """

    type: Literal["new", "update", "end"]
    before: ObjectState
    after: ObjectState


@dataclass(slots=True)
class _Life:
    """What is remembered of an object; ``told`` is the state of its last event, ``told_s`` its media time."""

    id: str
    start_time: float
    stillness: Stillness
    track: Track
    seen_time: float = 0.0
    top_score: float = 0.0
    current_zones: tuple[str, ...] = ()
    entered_zones: tuple[str, ...] = ()
    course: Course | None = None
    speed_kmh: float | None = None
    told: ObjectState | None = None
    told_s: float = 0.0

    def news(self) -> bool:
        """Whether something has changed that was not told yet."""
        told = self.told
        return told is None or (
            self.current_zones != told.current_zones
            or self.entered_zones != told.entered_zones
            or self.stillness.stationary != told.stationary
            or self.top_score - told.top_score >= SCORE_STEP - TINY
        )


class ObjectLives:
    """Turns the tracks of a camera into the lives of objects. One per camera, never shared.

    An object goes on under another track id that begins where its own has just vanished (``TrackMemory``), and ends
    when it was not seen for ``lost_s``. Nothing of it is kept after its end. Decisions read media time; the wall clock
    is written on what comes out.
    """

    def __init__(
        self,
        camera: str,
        zones: Mapping[str, Sequence[Xy]],
        lost_s: float,
        has_snapshot: bool = False,
        ground: Ground | None = None,
    ) -> None:
        """Start without objects.

        Args:
            camera: Its name.
            zones: Polygons in pixels, by name.
            lost_s: Media seconds unseen after which an object has ended.
            has_snapshot: What the states say of snapshots.
            ground: From pixels to metres; ``None``: the states have no speed.
        """
        self._ground = ground
        self._camera = camera
        self._zones = {name: tuple(polygon) for name, polygon in zones.items()}
        self._lost_s = lost_s
        self._has_snapshot = has_snapshot
        self._captured_at = 0.0
        self._forget()

    def _forget(self) -> None:
        self._memory: TrackMemory[_Life] = TrackMemory(self._begin, self._lost_s)
        self._lives: dict[str, _Life] = {}
        self._window = Window(SPEED_WINDOW_S)

    @property
    def open(self) -> dict[str, ObjectState]:
        """The objects that have not ended, as they were last seen, by id."""
        return {key: self._state(life, life.seen_time) for key, life in self._lives.items()}

    def update(self, tracks: Sequence[Track], pts_s: float, captured_at: float) -> list[ObjectEvent]:
        """Take the confirmed tracks of the next frame.

        Args:
            tracks: Those seen in it.
            pts_s: Its media time in seconds; must grow until ``end_all``.
            captured_at: Unix seconds at which it was taken.

        Returns:
            Ends first. An object has one ``new``, then an ``update`` when its zones, its being stationary or its best
            score (by 0.01) differ from what was last told, a media second after that at the earliest, and one ``end``.
        """
        self._captured_at = captured_at
        self._window.step(pts_s)
        for track, life in self._memory.update(tracks, pts_s):
            self._look(life, track, pts_s)
        events = [self._end(life) for life in self._memory.evict(pts_s)]
        events += [
            self._tell(life, pts_s)
            for life in self._lives.values()
            if (life.told is None or pts_s - life.told_s >= UPDATE_S - TINY) and life.news()
        ]
        return events

    def end_all(self, captured_at: float) -> list[ObjectEvent]:
        """End every object now, because the camera is not watched any more; media time may start anew.

        Args:
            captured_at: Unix seconds.
        """
        self._captured_at = captured_at
        events = [self._end(life) for life in list(self._lives.values())]
        self._forget()
        return events

    def _begin(self, track: Track) -> _Life:
        life = _Life(object_id(self._captured_at), self._captured_at, Stillness(), track)
        life.course = None if self._ground is None else Course(SPEED_WINDOW_S)
        self._lives[life.id] = life
        return life

    def _look(self, life: _Life, track: Track, pts_s: float) -> None:
        life.track, life.seen_time = track, self._captured_at
        life.top_score = max(life.top_score, track.score)
        life.stillness.look(track, pts_s)
        foot = track.foot
        if life.course is not None and self._ground is not None:
            on_ground = self._ground.point(foot)
            if on_ground is not None:
                life.course.add(pts_s, on_ground, self._window.seconds)
            velocity = None if on_ground is None else life.course.velocity
            life.speed_kmh = None if velocity is None else round(KMH * math.hypot(*velocity), 1)
        now = tuple([name for name, polygon in self._zones.items() if inside(polygon, foot)])
        if now != life.current_zones:
            life.current_zones = now
            life.entered_zones += tuple(name for name in now if name not in life.entered_zones)

    def _tell(self, life: _Life, pts_s: float) -> ObjectEvent:
        before, after = life.told, self._state(life, life.seen_time)
        life.told, life.told_s = after, pts_s
        return ObjectEvent("new", after, after) if before is None else ObjectEvent("update", before, after)

    def _end(self, life: _Life) -> ObjectEvent:
        del self._lives[life.id]
        after = self._state(life, self._captured_at, life.seen_time)
        return ObjectEvent("end", life.told or after, after)

    def _state(self, life: _Life, frame_time: float, end_time: float | None = None) -> ObjectState:
        x1, y1, x2, y2 = box = life.track.xyxy
        return ObjectState(
            id=life.id,
            camera=self._camera,
            frame_time=frame_time,
            label=life.track.label,
            top_score=round(life.top_score, 4),
            score=round(life.track.score, 4),
            start_time=life.start_time,
            end_time=end_time,
            box=box,
            area=round((x2 - x1) * (y2 - y1)),
            current_zones=life.current_zones,
            entered_zones=life.entered_zones,
            stationary=life.stillness.stationary,
            speed_kmh=life.speed_kmh,
            has_snapshot=self._has_snapshot,
        )


@dataclass(slots=True)
class Stillness:
    """Whether an object stands still.

    It does when its mean position (centre and foot) has stayed within a tenth of the box's height of one place for 10
    media seconds. From then on it must be two tenths away to move again, so that a trembling box does not flip it.

    Attributes:
        stationary: The answer.
    """

    stationary: bool = False
    _mean: Place | None = None
    _anchor: Place = (0.0, 0.0, 0.0)
    _since_s: float = 0.0
    _last_s: float = 0.0

    def look(self, track: Track, pts_s: float) -> None:
        """Take the object's box of the next frame that shows it."""
        x1, y1, x2, y2 = track.xyxy
        place = ((x1 + x2) / 2, (y1 + y2) / 2, y2)
        if self._mean is None:
            self._mean, self._anchor, self._since_s, self._last_s = place, place, pts_s, pts_s
            return
        weight = 1 - math.exp(-(pts_s - self._last_s) / SMOOTH_S)
        mx, my, mfoot = self._mean
        self._mean = mean = (
            mx + weight * (place[0] - mx),
            my + weight * (place[1] - my),
            mfoot + weight * (place[2] - mfoot),
        )
        self._last_s = pts_s
        ax, ay, afoot = self._anchor
        away = max(math.hypot(mean[0] - ax, mean[1] - ay), abs(mean[2] - afoot))
        if away > (y2 - y1) * (LEAVES_BEYOND if self.stationary else STILL_WITHIN):
            self.stationary, self._anchor, self._since_s = False, mean, pts_s
        elif pts_s - self._since_s >= STATIONARY_S - TINY:
            self.stationary = True


def object_id(start_time: float) -> str:
    """A name that no other object ever gets: Unix seconds with six decimals, and six random letters or digits."""
    return f"{start_time:.6f}-{''.join(secrets.choice(_ALPHABET) for _ in range(6))}"
