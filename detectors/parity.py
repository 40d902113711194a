"""How far one detector's boxes are from another's, on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from supervision import box_iou_batch

from detectors.detections import Detections

CLEAR = 0.4
"""Boxes of the reference that score above this count."""
OVERLAP = 0.75
POOR = {"fp32": 0.995, "bf16": 0.98, "fp16": 0.98, "int8": 0.93}
"""Shares of matched boxes below which an export is not what one should use."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """What was compared, and what it came to.

    Attributes:
        pictures: How many were looked at.
        boxes: Boxes of the reference that score above 0.4.
        matched: Those with a box of the same class that overlaps them by IoU ≥ 0.75, one to one.
        box_px: The largest distance of a corner's coordinate, in pixels of the picture, over the matched boxes.
        score: The largest difference of scores over the matched boxes.
    """

    pictures: int
    boxes: int
    matched: int
    box_px: float
    score: float

    @property
    def share(self) -> float:
        """Of the boxes that were matched, in [0, 1]; 1 where there were none."""
        return self.matched / self.boxes if self.boxes else 1.0

    def line(self) -> str:
        """One line for people."""
        if not self.boxes:
            return f"the source found no box above a score of {CLEAR} on {self.pictures} pictures: nothing was compared"
        return (
            f"{self.matched} of {self.boxes} boxes matched ({100 * self.share:.1f} %) on {self.pictures} pictures; "
            f"worst box error {self.box_px:.2f} px, worst score error {self.score:.4f}"
        )


def agreement(reference: Sequence[Detections], found: Sequence[Detections]) -> Agreement:
    """Compare picture by picture; both lists have the same order and length."""
    boxes = matched = 0
    box_px = score = 0.0
    for expected, actual in zip(reference, found, strict=True):
        clear = expected[expected.score > CLEAR]
        boxes += len(clear)
        if not len(clear) or not len(actual):
            continue
        rows, columns, _ = partners(clear, actual, OVERLAP)
        if len(rows):
            matched += len(rows)
            box_px = max(box_px, float(np.abs(clear.xyxy[rows] - actual.xyxy[columns]).max()))
            score = max(score, float(np.abs(clear.score[rows] - actual.score[columns]).max()))
    return Agreement(len(reference), boxes, matched, box_px, score)


def partners(
    expected: Detections, actual: Detections, least: float, any_class: bool = False
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Which boxes of two results belong together, one to one, so that the sum of their IoU is largest.

    Args:
        expected: N boxes.
        actual: M boxes of the same picture.
        least: Pairs overlap by at least this IoU.
        any_class: Whether boxes of different classes may be partners.

    Returns:
        Rows of ``expected`` (K,), rows of ``actual`` (K,) and the IoU of each pair (K,).
    """
    overlaps = box_iou_batch(expected.xyxy, actual.xyxy)
    if not any_class:
        overlaps[expected.class_id[:, None] != actual.class_id[None, :]] = 0
    rows, columns = linear_sum_assignment(overlaps, maximize=True)
    reached = overlaps[rows, columns]
    good = reached >= least
    return rows[good], columns[good], reached[good]
