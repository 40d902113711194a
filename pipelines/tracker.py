"""Follow objects from frame to frame: ByteTrack of the ``trackers`` library, with majority labels."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import supervision as sv
from numpy.typing import NDArray

from config.site import Tracker as TrackerConfig
from detectors.detections import Detections
from detectors.nms import nms
from pipelines.byte_track import BatchedByteTrack
from pipelines.values import Track

UNTRACKED = -1
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
        self._tracker = BatchedByteTrack.of(
            lost_track_buffer=max(1, round(self._config.lost_s * 30)),  # in frames of 30 a second, says the library
            frame_rate=self._fps,
            track_activation_threshold=self._config.activation,
            minimum_consecutive_frames=self._config.min_frames,
            minimum_iou_threshold=self._config.min_iou,
            high_conf_det_threshold=self._config.activation,
        )
        self._lives: dict[int, _Life] = {}

    def update(self, detections: Detections, pts_s: float) -> tuple[NDArray[np.int64], tuple[Track, ...]]:
        """Take the boxes of the next frame.

        Args:
            detections: Boxes of one frame.
            pts_s: Its media time in seconds; must grow.

        Returns:
            (N,) int64 track id of each box, -1 while untracked (twins of a better box always are); and the confirmed
            tracks seen in this frame.
        """
        ids = np.full(len(detections), UNTRACKED, np.int64)
        rows = _without_twins(detections)
        boxes = sv.Detections(
            xyxy=detections.xyxy[rows], confidence=detections.score[rows], class_id=rows
        )  # class_id carries the row: the library returns the boxes in another order
        found = self._tracker.update(boxes, timestamp=pts_s)
        if len(found) and found.tracker_id is not None and found.class_id is not None:
            confirmed = found.tracker_id >= 0
            ids[found.class_id[confirmed]] = found.tracker_id[confirmed] + 1
        tracks = tuple(
            self._track(int(ids[row]), int(row), detections, pts_s) for row in np.flatnonzero(ids != UNTRACKED)
        )
        self._evict(pts_s)
        return ids, tracks

    def _track(self, track_id: int, row: int, detections: Detections, pts_s: float) -> Track:
        life = self._lives.get(track_id)
        if life is None:
            life = self._lives[track_id] = _Life(pts_s, pts_s)
        score = float(detections.score[row])
        life.last_seen_s = pts_s
        life.votes[detections.label(row)] += score
        label = max(life.votes, key=life.votes.__getitem__)
        x1, y1, x2, y2 = detections.xyxy[row].tolist()
        return Track(track_id, label, (x1, y1, x2, y2), score, life.first_seen_s, pts_s)

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
