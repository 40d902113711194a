"""The batched filters give what the library gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import supervision as sv
from trackers import ByteTrackTracker

from pipelines.byte_track import BatchedByteTrack
from streams.open import open_source

if TYPE_CHECKING:
    from pipelines.analyze import LoadedModel

SETTINGS = {
    "lost_track_buffer": 45, "frame_rate": 24.0, "track_activation_threshold": 0.4, "minimum_consecutive_frames": 2,
    "minimum_iou_threshold": 0.15, "high_conf_det_threshold": 0.4,
}  # fmt: skip


def both(boxes: list[sv.Detections], times: list[float]) -> None:
    """Feed the same boxes to both, and compare ids, boxes and filters after each frame."""
    ours, theirs = BatchedByteTrack.of(**SETTINGS), ByteTrackTracker(**SETTINGS)
    seen = set()
    for found, time_s in zip(boxes, times, strict=True):
        mine, expected = ours.update(found, timestamp=time_s), theirs.update(found, timestamp=time_s)
        np.testing.assert_array_equal(mine.tracker_id, expected.tracker_id)
        np.testing.assert_array_equal(mine.xyxy, expected.xyxy)
        assert len(ours.tracks) == len(theirs.tracks)
        for one, other in zip(ours.tracks, theirs.tracks, strict=True):
            mine_kf, kf = one.state_estimator.kf, other.state_estimator.kf
            np.testing.assert_allclose(mine_kf.state, kf.state, rtol=0, atol=1e-8)
            np.testing.assert_allclose(mine_kf.state_covariance, kf.state_covariance, rtol=0, atol=1e-8)
        seen |= set(mine.tracker_id.tolist())
    assert len(seen) > 3  # else nothing was compared


def boxes_of(video: Path, model: LoadedModel, every: int, frames: int) -> tuple[list[sv.Detections], list[float]]:
    boxes, times = [], []
    with open_source(video, "cam") as source:
        for frame in source:
            if frame.index % every == 0:
                (found,) = model.detector.detect([frame.image])
                boxes.append(sv.Detections(found.xyxy, confidence=found.score, class_id=found.class_id))
                times.append(frame.pts_s)
            if len(boxes) == frames:
                break
    return boxes, times


@pytest.mark.parametrize(("video", "every"), [("traffic.mp4", 3), ("one-by-one-person-detection.mp4", 7)])
def test_real_videos(video: str, every: int, data_dir: Path, yolov8n: LoadedModel) -> None:
    both(*boxes_of(data_dir / video, yolov8n, every, 60))


def test_odd_steps_gaps_and_empty_frames() -> None:
    """Objects on crossing ways, at uneven times, with frames in which nothing is found."""
    random = np.random.default_rng(3)
    boxes, times, now = [], [], 0.0
    for number in range(300):
        now += float(random.choice([0.02, 0.04, 0.1, 0.5, 1.7], p=[0.3, 0.4, 0.2, 0.08, 0.02]))
        places = np.array([[now * 40, 100], [400 - now * 30, 120], [200, now * 20], [600, 300]]) % 800
        places = places[random.random(4) > 0.15] if number % 17 else places[:0]
        xyxy = np.concatenate([places, places + 60], axis=1) + random.normal(0, 2, (len(places), 4))
        score = random.uniform(0.2, 0.95, len(places))
        boxes.append(sv.Detections(xyxy.astype(np.float32), confidence=score, class_id=np.zeros(len(places), int)))
        times.append(now)
    both(boxes, times)
