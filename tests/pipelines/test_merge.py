"""Merging the boxes of several detectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.detections import Detections
from pipelines.geometry import iou
from pipelines.merge import MERGE_IOU, MergedLabels, pairwise_iou

COCO = ("person", "car", "truck")
SAFETY = ("helmet", "person", "vest")
BOX = (100.0, 100.0, 200.0, 300.0)
NEAR = (105.0, 102.0, 203.0, 305.0)
Found = tuple[str, float, tuple[float, float, float, float]]


def boxes(labels: tuple[str, ...], *found: Found) -> Detections:
    return Detections(
        np.array([box for _, _, box in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        np.array([labels.index(label) for label, _, _ in found], np.int64),
        labels,
    )


def rows(found: Detections) -> list[tuple[str, float]]:
    return [(found.label(row), round(float(found.score[row]), 3)) for row in range(len(found))]


def test_labels_are_joined_without_repeats() -> None:
    assert MergedLabels([COCO, SAFETY, COCO]).labels == ("person", "car", "truck", "helmet", "vest")


def test_class_ids_are_mapped_and_the_best_comes_first() -> None:
    merged = MergedLabels([COCO, SAFETY]).merge(
        [boxes(COCO, ("truck", 0.7, BOX), ("car", 0.3, (0, 0, 50, 50))), boxes(SAFETY, ("vest", 0.9, BOX))]
    )
    assert rows(merged) == [("vest", 0.9), ("truck", 0.7), ("car", 0.3)]
    assert merged.xyxy[2].tolist() == [0, 0, 50, 50]


@pytest.mark.parametrize("better", [0, 1])
def test_one_object_that_both_know_is_one_box_the_better_one(better: int) -> None:
    scores = (0.9, 0.5) if better == 0 else (0.5, 0.9)
    merged = MergedLabels([COCO, SAFETY]).merge(
        [boxes(COCO, ("person", scores[0], BOX)), boxes(SAFETY, ("person", scores[1], NEAR))]
    )
    assert rows(merged) == [("person", 0.9)]
    assert merged.xyxy[0].tolist() == list((BOX, NEAR)[better])


def test_boxes_of_different_labels_stay() -> None:
    merged = MergedLabels([COCO, SAFETY]).merge([boxes(COCO, ("car", 0.9, BOX)), boxes(SAFETY, ("vest", 0.5, BOX))])
    assert len(merged) == 2


def test_boxes_of_one_detector_never_suppress_each_other() -> None:
    own = boxes(COCO, ("person", 0.9, BOX), ("person", 0.8, NEAR))
    assert len(MergedLabels([COCO, SAFETY]).merge([own, boxes(SAFETY)])) == 2
    both = MergedLabels([COCO, SAFETY]).merge([own, boxes(SAFETY, ("person", 0.85, NEAR))])
    assert rows(both) == [("person", 0.9), ("person", 0.8)]


def test_what_was_dropped_drops_nothing() -> None:
    """A of the first, B of the second beside A, C of the first beside B only: B falls to A, C stays."""
    a, b, c = ((100.0 + dx, 0.0, 200.0 + dx, 100.0) for dx in (0, 20, 40))
    assert iou(a, b) > MERGE_IOU > iou(a, c)
    merged = MergedLabels([COCO, SAFETY, COCO]).merge(
        [boxes(COCO, ("person", 0.9, a)), boxes(SAFETY, ("person", 0.8, b)), boxes(COCO, ("person", 0.7, c))]
    )
    assert rows(merged) == [("person", 0.9), ("person", 0.7)]


@pytest.mark.parametrize(("shift", "left"), [(24, 1), (26, 2)], ids=["IoU 0.61", "IoU 0.59"])
def test_the_limit_is_an_overlap_of_0_6(shift: float, left: int) -> None:
    merged = MergedLabels([COCO, COCO]).merge(
        [boxes(COCO, ("car", 0.9, (0, 0, 100, 100))), boxes(COCO, ("car", 0.8, (shift, 0, 100 + shift, 100)))]
    )
    assert len(merged) == left


def test_nothing_found() -> None:
    merged = MergedLabels([COCO, SAFETY]).merge([Detections.empty(COCO), Detections.empty(SAFETY)])
    assert (len(merged), merged.labels) == (0, ("person", "car", "truck", "helmet", "vest"))
    some = MergedLabels([COCO, SAFETY]).merge([Detections.empty(COCO), boxes(SAFETY, ("person", 0.5, BOX))])
    assert rows(some) == [("person", 0.5)]


def test_one_detector_is_returned_as_it_is() -> None:
    own = boxes(COCO, ("person", 0.5, BOX), ("person", 0.9, NEAR))
    assert MergedLabels([COCO]).merge([own]) is own


def test_boxes_of_other_detectors_are_refused() -> None:
    labels = MergedLabels([COCO, SAFETY])
    for found in ([Detections.empty(COCO)], [Detections.empty(SAFETY), Detections.empty(COCO)]):
        with pytest.raises(ValueError, match="not those of the 2 detectors"):
            labels.merge(found)


coordinate = st.integers(0, 200_000).map(lambda thousandths: thousandths / 1000)  # a side of 1e-45 has no area
some_boxes = st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), max_size=8)


@given(some_boxes)
def test_overlaps_are_those_of_geometry(corners: list[tuple[float, float, float, float]]) -> None:
    xyxy = np.array([(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in corners], np.float32)
    found = pairwise_iou(xyxy.reshape(-1, 4))
    expected = [[iou(a, b) for b in xyxy.tolist()] for a in xyxy.tolist()]
    assert found == pytest.approx(np.array(expected, np.float32).reshape(found.shape), abs=1e-4)
