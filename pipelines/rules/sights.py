"""What several rules of a camera ask of a frame, found out once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from pipelines.geometry import Area, Xy
from pipelines.ground import Ground
from pipelines.rules.course import Course
from pipelines.rules.memory import TrackMemory
from pipelines.values import Track

_NONE: Sequence[Track] = ()


class ZoneSight:
    """Who is in a polygon in the frame at hand."""

    def __init__(
        self,
        polygon: Sequence[Xy],
        anchor: Callable[[Track], Xy],
        share: float | None = None,
        hole: Sequence[Xy] | None = None,
    ) -> None:
        """Look at a zone.

        Args:
            polygon: Corners in pixels.
            anchor: The point of a track that counts.
            share: How much of its box must be inside, from 0 to 1; ``None``: its point must be.
            hole: A polygon in pixels that is not part of the zone; for points.
        """
        self._area = Area(polygon)
        self._hole = None if hole is None else Area(hole)
        self._anchor = anchor
        self._share = share
        self._tracks, self._pts_s = _NONE, -1.0
        self._ids: Collection[int] = ()

    def ids(self, tracks: Sequence[Track], pts_s: float) -> Collection[int]:
        """The ids of the tracks that are inside; asked again for the same frame, it knows."""
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            self._ids = {track.id for track in tracks if self._holds(track)}
        return self._ids

    def _holds(self, track: Track) -> bool:
        if self._share is not None:
            return self._area.share_of(track.xyxy) >= self._share
        point = self._anchor(track)
        return self._area.contains(point) and (self._hole is None or not self._hole.contains(point))


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
            window_s: Media seconds over which a velocity is smoothed.
            keep_s: Media seconds without a track after which it is forgotten.
            ground: Gives metres; ``None``: pixels.
        """
        self._ground = ground
        self._memory: TrackMemory[Course] = TrackMemory(lambda track: Course(window_s), keep_s)
        self._tracks, self._pts_s = _NONE, -1.0
        self._velocities: dict[int, Xy | None] = {}

    def velocities(self, tracks: Sequence[Track], pts_s: float) -> Mapping[int, Xy | None]:
        """Metres or pixels a second by track id, ``None`` while not known; asked again for the same frame, it knows.

        Args:
            tracks: All of the frame, whatever the rule looks at.
            pts_s: Media time.
        """
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            feet = None if self._ground is None else self._ground.feet(tracks, pts_s)
            self._velocities = {}
            for track, course in self._memory.update(tracks, pts_s):
                at = track.foot if feet is None else feet[track.id]
                self._velocities[track.id] = None if at is None else course.add(pts_s, at)
            self._memory.evict(pts_s)
        return self._velocities
