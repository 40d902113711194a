"""The YOLO family without a network: batches, decoding, suppression."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.errors import ModelError
from detectors.families.yolo import MAX_DETECTIONS, YoloFamily
from detectors.nms import nms
from pipelines.geometry import iou

LABELS = ("person", "car", "bus")


def picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)


def head(rows: list[tuple[float, ...]], anchors: int = 50) -> NDArray[np.float32]:
    """A (1, 4 + C, A) output from rows of centre x, centre y, width, height and a score per class."""
    found = np.zeros((1, 4 + len(LABELS), anchors), np.float32)
    if rows:
        found[0, :, : len(rows)] = np.array(rows, np.float32).T
    return found


@pytest.mark.parametrize(
    ("imgsz", "expected"),
    [(640, (640, 640)), (641, (672, 672)), (33, (64, 64)), ((384, 640), (384, 640)), ((380, 630), (384, 640))],
)
def test_input_size_is_rounded_up_to_the_stride(imgsz: int | tuple[int, int], expected: tuple[int, int]) -> None:
    assert YoloFamily(LABELS, imgsz).imgsz == expected


def test_batch_is_the_picture_padded_to_the_stride() -> None:
    """In its own bytes and channel order: what else it takes is a matter of the network."""
    shown = picture(360, 640)
    batch, (box,) = YoloFamily(LABELS).preprocess([shown])
    assert (batch.shape, batch.dtype) == ((1, 384, 640, 3), np.uint8)
    np.testing.assert_array_equal(batch[0, box.top : box.top + 360], shown)
    assert (batch[0, : box.top] == 114).all() and (batch[0, box.top + 360 :] == 114).all()


def test_pictures_are_padded_to_the_largest_of_the_batch_and_stay_where_they_lie_alone() -> None:
    family = YoloFamily(LABELS)
    assert family.preprocess([picture(360, 640)] * 3)[0].shape == (3, 384, 640, 3)
    images = [picture(360, 640), picture(480, 640), picture(640, 100)]
    batch = family.preprocess(images)[0].copy()
    assert batch.shape == (3, 640, 640, 3)
    for row, image in zip(batch, images, strict=True):
        (alone,) = YoloFamily(LABELS).preprocess([image])[0]
        np.testing.assert_array_equal(row[: alone.shape[0], : alone.shape[1]], alone)
        assert (row[alone.shape[0] :] == 114).all()
        assert (row[:, alone.shape[1] :] == 114).all()


def test_what_was_in_the_memory_before_does_not_show() -> None:
    """Sizes that share a padded size, batches of one and of mixed sizes, one after the other."""
    used = YoloFamily(LABELS, 320)
    calls = [
        [picture(180, 320)], [picture(190, 320)], [picture(170, 320)], [picture(320, 320)], [picture(180, 320)],
        [picture(180, 320), picture(320, 100)], [picture(320, 320), picture(320, 320)],
        [picture(100, 320), picture(320, 180)], [picture(3, 500), picture(500, 3)], [picture(180, 320, 1)],
    ]  # fmt: skip
    for images in calls:
        np.testing.assert_array_equal(used.preprocess(images)[0], YoloFamily(LABELS, 320).preprocess(images)[0])


def test_many_sizes_keep_little_memory() -> None:
    family = YoloFamily(LABELS, 320)
    for count in range(1, 40):
        family.preprocess([picture(180, 320)] * count)
    assert len(family._canvases) <= 8


def test_decode() -> None:
    family = YoloFamily(LABELS, 640, confidence=0.3, iou=0.5)
    _, meta = family.preprocess([picture(320, 640)])
    raw = head(
        [
            (100, 100, 40, 20, 0.1, 0.6, 0.2),
            (101, 100, 40, 20, 0.1, 0.5, 0.2),  # the same car, not as good
            (100, 100, 40, 20, 0.9, 0.0, 0.0),  # a person there
            (300, 300, 40, 80, 0.0, 0.0, 0.3),  # not above the threshold
            (630, 10, 40, 40, 0.0, 0.0, 0.7),  # over the corner
        ]
    )
    (found,) = family.postprocess((raw,), meta)
    assert [found.label(row) for row in range(len(found))] == ["person", "bus", "car"]
    np.testing.assert_allclose(found.score, [0.9, 0.7, 0.6])
    np.testing.assert_allclose(found.xyxy, [[80, 90, 120, 110], [610, 0, 640, 30], [80, 90, 120, 110]], atol=1e-4)
    assert (found.xyxy.dtype, found.score.dtype, found.class_id.dtype) == (np.float32, np.float32, np.int64)


def test_nothing_found() -> None:
    family = YoloFamily(LABELS)
    _, meta = family.preprocess([picture(32, 32)] * 2)
    found = family.postprocess((np.zeros((2, 7, 21), np.float32),), meta)
    assert [len(item) for item in found] == [0, 0]
    assert found[0].labels == LABELS


def test_at_most_300_boxes_the_best_ones() -> None:
    family = YoloFamily(LABELS, 640, confidence=0.01)
    _, meta = family.preprocess([picture(640, 640)])
    rows = [(8 + 16 * (n % 40), 8 + 16 * (n // 40), 10, 10, 0.2 + n / 1000, 0, 0) for n in range(500)]
    (found,) = family.postprocess((head(rows, 500),), meta)
    assert len(found) == MAX_DETECTIONS
    assert found.score.min() == pytest.approx(0.2 + 200 / 1000)


@pytest.mark.parametrize("shape", [(1, 8, 50), (1, 6, 50), (2, 7, 50), (7, 50), (1, 7, 50, 1)])
def test_output_of_another_network_is_refused(shape: tuple[int, ...]) -> None:
    family = YoloFamily(LABELS)
    _, meta = family.preprocess([picture(32, 32)])
    with pytest.raises(ModelError, match="a YOLO head for 3 labels has"):
        family.postprocess((np.zeros(shape, np.float32),), meta)


boxes = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2)),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(boxes, st.sampled_from([0.1, 0.45, 0.7, 0.95]), st.randoms(use_true_random=False))
def test_suppression(rows: list[tuple[int, int, int, int, int]], limit: float, random: object) -> None:
    xyxy = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in rows], np.float32).reshape(-1, 4)
    classes = np.array([row[4] for row in rows], np.int64)
    score = np.linspace(0.95, 0.05, len(rows), dtype=np.float32)
    random.shuffle(order := list(range(len(rows))))  # type: ignore[attr-defined]
    score = score[order]
    kept = nms(xyxy, score, classes, limit).tolist()
    assert len(set(kept)) == len(kept)
    assert (np.diff(score[kept]) <= 0).all()
    for row in range(len(rows)):
        better = [k for k in kept if score[k] > score[row] and classes[k] == classes[row]]
        overlaps = [iou(xyxy[k], xyxy[row]) for k in better]
        if row in kept:
            assert all(value <= limit + 1e-5 for value in overlaps)
        else:
            assert any(value >= limit - 1e-5 for value in overlaps)
    np.testing.assert_array_equal(nms(xyxy[kept], score[kept], classes[kept], limit), np.arange(len(kept)))


def test_classes_never_suppress_each_other() -> None:
    xyxy = np.tile(np.array([[10, 10, 50, 50]], np.float32), (80, 1))
    score = np.linspace(0.9, 0.1, 80, dtype=np.float32)
    assert nms(xyxy, score, np.arange(80, dtype=np.int64), 0.1).tolist() == list(range(80))
    assert nms(xyxy, score, np.zeros(80, np.int64), 0.1).tolist() == [0]


def test_suppressing_nothing() -> None:
    kept = nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64), 0.5)
    assert (kept.shape, kept.dtype) == ((0,), np.intp)
