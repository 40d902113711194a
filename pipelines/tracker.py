"""Follow objects from frame to frame: ByteTrack, with majority labels."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from config.site import Tracker as TrackerConfig
from detectors.detections import Detections
from detectors.nms import nms
from pipelines.byte_track import UNTRACKED, ByteTrack, overlaps
from pipelines.values import Track

TWIN_IOU = 0.8
"""Two boxes that overlap by more than this are one object, mostly one that the model has two names for."""


@dataclass(slots=True)
class _Life:
    """What is remembered of a track."""

    first_seen_s: float
    last_seen_s: float
    votes: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


class Tracker:
    """Gives boxes the ids of the objects they belong to. One per camera, never shared.

    Boxes are joined across classes, so that a vehicle that flickers between car and truck stays one track; its label
    is the one with the largest sum of scores so far. Where the model gives one object two boxes (a car that is also a
    truck), the better one is followed; else the object would be counted twice.
    """

    def __init__(self, config: TrackerConfig, fps: float) -> None:
        """Start without tracks.

        Args:
            config: Thresholds and times.
            fps: Nominal frames per second; 25 is assumed when it is 0.
        """
        self._config = config
        self._fps = fps or 25.0
        self._start()

    def _start(self) -> None:
        config = self._config
        lost_s = max(1, round(config.lost_s * 30)) / 30
        self._tracker = ByteTrack(self._fps, config.activation, config.min_iou, config.min_frames, lost_s)
        self._lives: dict[int, _Life] = {}

    def update(self, detections: Detections, pts_s: float) -> tuple[NDArray[np.int64], tuple[Track, ...]]:
        """Take the boxes of the next frame.

        Args:
            detections: Boxes of one frame.
            pts_s: Its media time in seconds; must grow.

        Returns:
            (N,) int64 track id of each box, -1 while untracked (twins of a better box always are); and the confirmed
            tracks seen in this frame.

        Raises:
            ValueError: A box has a coordinate that is no finite number.
        """
        if not math.isfinite(detections.xyxy.sum()):
            raise ValueError("a box has a coordinate that is no finite number")
        ids = np.full(len(detections), UNTRACKED, np.int64)
        tracks: tuple[Track, ...] = ()
        if len(detections) or len(self._tracker):
            rows = _without_twins(detections)
            ids[rows] = self._tracker.update(detections.xyxy[rows], detections.score[rows], pts_s)
            tracks = self._tracks(ids, detections, _twins(detections, rows), pts_s)
        self._evict(pts_s)
        return ids, tracks

    def _tracks(
        self, ids: NDArray[np.int64], detections: Detections, twins: Mapping[int, tuple[str, ...]], pts_s: float
    ) -> tuple[Track, ...]:
        """The confirmed tracks, in the order of their boxes."""
        labels, columns = detections.labels, (detections.xyxy, detections.score, detections.class_id)
        return tuple(
            [
                self._track(track_id, (labels[class_id], *twins.get(row, ())), tuple(xyxy), score, pts_s)
                for row, (track_id, xyxy, score, class_id) in enumerate(
                    zip(ids.tolist(), *(column.tolist() for column in columns), strict=True)
                )
                if track_id != UNTRACKED
            ]
        )

    def _track(
        self,
        track_id: int,
        seen_as: tuple[str, ...],
        xyxy: tuple[float, float, float, float],
        score: float,
        pts_s: float,
    ) -> Track:
        life = self._lives.get(track_id)
        if life is None:
            life = self._lives[track_id] = _Life(pts_s, pts_s)
        life.last_seen_s = pts_s
        life.votes[seen_as[0]] += score
        majority = max(life.votes, key=life.votes.__getitem__)
        return Track(track_id, majority, xyxy, score, life.first_seen_s, pts_s, seen_as)

    def _evict(self, pts_s: float) -> None:
        limit = pts_s - 2 * self._config.lost_s
        for track_id in [key for key, life in self._lives.items() if life.last_seen_s < limit]:
            del self._lives[track_id]

    def reset(self) -> None:
        """Forget everything, ids included."""
        self._start()


def _without_twins(detections: Detections) -> NDArray[np.intp]:
    """Rows of the boxes that are not the same object as a better box, whatever their labels."""
    one_class = np.zeros(len(detections), np.int64)
    return np.sort(nms(detections.xyxy, detections.score, one_class, TWIN_IOU))


def _twins(detections: Detections, rows: NDArray[np.intp]) -> dict[int, tuple[str, ...]]:
    """What else an object was called: the labels of boxes that were left out, by the row of the better box they lie on.

    Args:
        detections: Boxes of one frame.
        rows: Rows that ``_without_twins`` left.

    Returns:
        Labels, the best score first; nothing for rows without twins.
    """
    if len(rows) == len(detections):
        return {}
    rest = np.setdiff1d(np.arange(len(detections)), rows)
    rest = rest[np.argsort(-detections.score[rest], kind="stable")]
    nearest = rows[overlaps(detections.xyxy[rest], detections.xyxy[rows]).argmax(axis=1)]
    found: dict[int, tuple[str, ...]] = {}
    for row, twin in zip(nearest.tolist(), rest.tolist(), strict=True):
        found[row] = (*found.get(row, ()), detections.label(twin))
    return found
