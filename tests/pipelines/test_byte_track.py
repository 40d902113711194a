"""It gives what the ``trackers`` library's ByteTrack gives."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from pipelines.byte_track import ByteTrack, CornerFilter, overlaps, pairs
from streams.open import open_source

if TYPE_CHECKING:
    from pipelines.analyze import LoadedModel

sv = pytest.importorskip("supervision")
trackers = pytest.importorskip("trackers", reason="the library to compare with is not installed (extra 'dev')")
SETTINGS = {"activation": 0.4, "min_iou": 0.15, "min_frames": 2, "lost_s": 1.5}
THEIRS = {
    "lost_track_buffer": 45, "frame_rate": 24.0, "track_activation_threshold": 0.4, "minimum_consecutive_frames": 2,
    "minimum_iou_threshold": 0.15, "high_conf_det_threshold": 0.4,
}  # fmt: skip


def both(boxes: list[Any], times: list[float]) -> None:
    """Feed the same boxes to both, and compare ids and filters after each frame."""
    ours = ByteTrack(24.0, **SETTINGS)  # type: ignore[arg-type]
    theirs = trackers.ByteTrackTracker(**THEIRS)
    seen: set[int] = set()
    for found, time_s in zip(boxes, times, strict=True):
        mine = ours.update(found.xyxy, found.confidence, time_s)
        found.class_id = np.arange(len(found))
        expected = theirs.update(found, timestamp=time_s)
        numbers = np.full(len(found), -1)
        if len(expected):
            numbers[expected.class_id] = np.where(expected.tracker_id < 0, -1, expected.tracker_id + 1)
        np.testing.assert_array_equal(mine, numbers)
        assert len(ours) == len(theirs.tracks)
        for one, other in zip(ours._paths, theirs.tracks, strict=True):
            same(one.filter, other.state_estimator.kf)
        seen |= set(mine.tolist())
    assert len(seen) > 3  # else nothing was compared


def same(mine: CornerFilter, kf: Any) -> None:
    """Compare box, velocity and covariance: one (2, 2) block for each coordinate, and nothing between coordinates."""
    np.testing.assert_allclose([*mine._box, *mine._velocity], kf.state[:, 0], rtol=0, atol=1e-9)
    block = [[mine._place, mine._both], [mine._both, mine._speed]]
    np.testing.assert_allclose(np.kron(block, np.eye(4)), kf.state_covariance, rtol=0, atol=1e-9)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (40, 30)])
def test_overlaps_are_the_librarys_to_the_bit(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(5)
    tracks, found = (np.sort(random.uniform(0, 100, (n, 2, 2)), axis=1).reshape(n, 4) for n in shape)
    found = found.astype(np.float32)
    tracks[: len(found) // 2] = found[: len(tracks)][: len(found) // 2]
    np.testing.assert_array_equal(overlaps(tracks, found), trackers.IoU().compute(tracks, found))


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (7, 7), (12, 30), (30, 12)])
def test_pairs_are_scipys(shape: tuple[int, int]) -> None:
    """Also where most overlaps are 0, as they are in pictures."""
    random = np.random.default_rng(7)
    for share in (0.1, 0.4, 1.0):
        overlap = (random.random(shape) * (random.random(shape) < share)).astype(np.float32)
        rows, columns = linear_sum_assignment(overlap, maximize=True)
        best = [(row, column) for row, column in zip(rows.tolist(), columns.tolist(), strict=True)]
        assert pairs(overlap, 0.15) == [pair for pair in best if overlap[pair] >= 0.15]


def test_nothing_belongs_to_nothing() -> None:
    for shape in ((0, 0), (0, 4), (4, 0), (3, 3)):
        assert pairs(np.zeros(shape, np.float32), 0.15) == []


def boxes_of(video: Path, model: LoadedModel, every: int, frames: int) -> tuple[list[Any], list[float]]:
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
