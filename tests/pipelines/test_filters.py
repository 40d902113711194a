"""Which boxes go on to the tracker."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detections import Detections
from pipelines.filters import BoxFilter

LABELS = ("person", "car", "cat")
FOUND = Detections(
    np.array([[0, 0, 10, 40], [100, 0, 180, 100], [50, 50, 60, 60], [0, 0, 20, 100]], np.float32),
    np.array([0.9, 0.8, 0.7, 0.6], np.float32),
    np.array([0, 1, 2, 0], np.int64),
    LABELS,
)
CORNER = [(0.0, 80.0), (15.0, 80.0), (15.0, 101.0), (0.0, 101.0)]


@pytest.mark.parametrize(
    ("labels", "min_height", "masks", "rows"),
    [
        (None, 0, [], [0, 1, 2, 3]),
        (["person"], 0, [], [0, 3]),
        (["cat", "car"], 0, [], [1, 2]),
        ([], 0, [], []),
        (None, 40, [], [0, 1, 3]),
        (None, 40.5, [], [1, 3]),
        (None, 0, [CORNER], [0, 1, 2]),
        (None, 0, [[(-1.0, -1.0), (300.0, -1.0), (300.0, 300.0), (-1.0, 300.0)]], []),
        (["person"], 50, [CORNER], []),
    ],
)
def test_what_is_kept(
    labels: list[str] | None, min_height: float, masks: list[list[tuple[float, float]]], rows: list[int]
) -> None:
    kept = BoxFilter(LABELS, labels, min_height, masks)(FOUND)
    np.testing.assert_array_equal(kept.xyxy, FOUND.xyxy[rows])
    np.testing.assert_array_equal(kept.score, FOUND.score[rows])
    np.testing.assert_array_equal(kept.class_id, FOUND.class_id[rows])
    assert kept.labels == LABELS


def test_a_mask_hides_what_stands_in_it_not_what_rises_over_it() -> None:
    over_the_heads = [(0.0, 0.0), (300.0, 0.0), (300.0, 30.0), (0.0, 30.0)]
    assert len(BoxFilter(LABELS, None, 0, [over_the_heads])(FOUND)) == len(FOUND)


def test_nothing_found() -> None:
    empty = Detections.empty(LABELS)
    assert len(BoxFilter(LABELS, ["person"], 10, [CORNER])(empty)) == 0
