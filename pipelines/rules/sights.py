"""What several rules of a camera ask of a frame, found out once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pipelines.geometry import Area, Xy
from pipelines.ground import Ground
from pipelines.rules.course import Course, Window
from pipelines.rules.memory import TrackMemory
from pipelines.values import Track

Anchor = Literal["foot", "centre"]
_NONE: Sequence[Track] = ()


class PointSight:
    """The points of the tracks of the frame at hand that count."""

    def __init__(self, anchor: Anchor) -> None:
        """Look at the feet, or at the centres."""
        self._anchor = anchor
        self._tracks, self._pts_s = _NONE, -1.0
        self._points: Mapping[int, Xy] = {}

    def points(self, tracks: Sequence[Track], pts_s: float) -> Mapping[int, Xy]:
        """Pixels by track id; asked again for the same frame, it knows."""
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            if self._anchor == "foot":
                self._points = {track.id: track.foot for track in tracks}
            else:
                self._points = {track.id: track.centre for track in tracks}
        return self._points


class ZoneSight:
    """Who is in a polygon in the frame at hand."""

    def __init__(
        self,
        polygon: Sequence[Xy],
        points: PointSight,
        share: float | None = None,
        hole: Sequence[Xy] | None = None,
    ) -> None:
        """Look at a zone.

        Args:
            polygon: Corners in pixels.
            points: The points of tracks that count.
            share: How much of a box must be inside, from 0 to 1; ``None``: its point must be.
            hole: A polygon in pixels that is not part of the zone; for points.
        """
        self._area = Area(polygon)
        self._hole = None if hole is None else Area(hole)
        self._points = points
        self._share = share
        self._tracks, self._pts_s = _NONE, -1.0
        self._ids: Mapping[int, None] = {}

    def ids(self, tracks: Sequence[Track], pts_s: float) -> Collection[int]:
        """The ids of the tracks that are inside, in their order; asked again for the same frame, it knows."""
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            self._ids = self._look(tracks, pts_s)
        return self._ids

    def _look(self, tracks: Sequence[Track], pts_s: float) -> dict[int, None]:
        if self._share is not None:
            return {track.id: None for track in tracks if self._area.share_of(track.xyxy) >= self._share}
        contains = self._area.contains
        points = self._points.points(tracks, pts_s)
        found = {key: None for key, point in points.items() if contains(point)}
        return found if self._hole is None else {key: None for key in found if not self._hole.contains(points[key])}


@dataclass(slots=True, eq=False)
class Known:
    """One object, over id switches.

    Attributes:
        track: As it was seen last.
        first: As it was seen first.
        notes: What those who look at it keep of it, by a key of their own.
    """

    track: Track
    first: Track = field(init=False)
    notes: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Remember the beginning."""
        self.first = self.track


class ObjectSight:
    """Which objects the tracks of the frame at hand are, for rules that look at the same labels."""

    def __init__(self, labels: Collection[str] | None, keep_s: float, handover_s: float) -> None:
        """Follow the tracks of these labels, or all.

        Args:
            labels: Those that are followed; ``None``: all.
            keep_s: As of ``TrackMemory``.
            handover_s: Likewise.
        """
        self._labels = labels
        self._memory: TrackMemory[Known] = TrackMemory(Known, keep_s, handover_s)
        self._tracks, self._pts_s = _NONE, -1.0
        self._known: dict[int, Known] = {}

    def by_id(self, tracks: Sequence[Track], pts_s: float) -> Mapping[int, Known]:
        """Objects by the ids of their tracks; asked again for the same frame, it knows."""
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            labels = self._labels
            wanted = tracks if labels is None else [track for track in tracks if track.label in labels]
            self._known = {}
            for track, known in self._memory.update(wanted, pts_s):
                known.track = track
                self._known[track.id] = known
            self._memory.evict(pts_s)
        return self._known


class GroundSight:
    """Where the feet of the tracks of the frame at hand are on the ground."""

    def __init__(self, ground: Ground) -> None:
        """Look at the ground of a calibrated camera."""
        self.ground = ground
        self._tracks, self._pts_s = _NONE, -1.0
        self._feet: Mapping[int, Xy | None] = {}

    def feet(self, tracks: Sequence[Track], pts_s: float) -> Mapping[int, Xy | None]:
        """Metres by track id, ``None`` beyond the horizon; asked again for the same frame, it knows."""
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            feet = self.ground.feet(track.xyxy for track in tracks)
            self._feet = {track.id: foot for track, foot in zip(tracks, feet, strict=True)}
        return self._feet


class MotionSight:
    """How fast the feet of the tracks of the frame at hand go."""

    def __init__(self, window_s: float, keep_s: float, ground: GroundSight | None) -> None:
        """Follow every track.

        Args:
            window_s: Media seconds over which a velocity is smoothed; more where frames are far apart (``Window``).
            keep_s: Media seconds without a track after which it is forgotten.
            ground: Gives metres; ``None``: pixels.
        """
        self._ground = ground
        self._memory: TrackMemory[Course] = TrackMemory(lambda track: Course(window_s), keep_s)
        self._window = Window(window_s)
        self._tracks, self._pts_s = _NONE, -1.0
        self._courses: dict[int, Course] = {}

    @property
    def window_s(self) -> float:
        """Media seconds over which the velocities of the frame at hand are smoothed."""
        return self._window.seconds

    def update(self, tracks: Sequence[Track], pts_s: float) -> None:
        """Take the next frame; the same one again changes nothing.

        Args:
            tracks: All of the frame, whatever the rule looks at.
            pts_s: Media time.
        """
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            window_s = self._window.step(pts_s)
            feet = None if self._ground is None else self._ground.feet(tracks, pts_s)
            self._courses = {}
            for track, course in self._memory.update(tracks, pts_s):
                at = track.foot if feet is None else feet[track.id]
                if at is not None:
                    course.add(pts_s, at, window_s)
                    self._courses[track.id] = course
            self._memory.evict(pts_s)

    def velocity(self, track_id: int) -> Xy | None:
        """Metres or pixels a second of a track of the frame at hand; ``None`` while not known."""
        course = self._courses.get(track_id)
        return None if course is None else course.velocity


def those_in(sight: ZoneSight | None, tracks: Sequence[Track], pts_s: float) -> Sequence[Track]:
    """The tracks of the frame at hand that are in a zone; all of them where there is none."""
    if sight is None:
        return tracks
    ids = sight.ids(tracks, pts_s)
    return [track for track in tracks if track.id in ids]
