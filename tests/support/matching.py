"""Match one detector's boxes with another's, one to one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from supervision import box_iou_batch

from detectors.detections import Detections

MIN_IOU = 0.95
MAX_SCORE_DIFFERENCE = 0.01


def matched_share(reference: list[Detections], found: list[Detections], threshold: float) -> tuple[int, int]:
    """How many reference boxes have a partner, and how many there are.

    A partner overlaps by IoU ≥ 0.95, has the same class and a score within 0.01; reference boxes scoring within 0.01
    of the threshold do not count.
    """
    matched = total = 0
    for expected, actual in zip(reference, found, strict=True):
        counts = np.abs(expected.score - threshold) > MAX_SCORE_DIFFERENCE
        total += int(counts.sum())
        matched += int((_partners(expected, actual) & counts).sum())
    return matched, total


def _partners(expected: Detections, actual: Detections) -> NDArray[np.bool_]:
    has_partner = np.zeros(len(expected), bool)
    if len(expected) and len(actual):
        good = box_iou_batch(expected.xyxy, actual.xyxy) >= MIN_IOU
        good &= expected.class_id[:, None] == actual.class_id[None, :]
        good &= np.abs(expected.score[:, None] - actual.score[None, :]) <= MAX_SCORE_DIFFERENCE
        rows, columns = linear_sum_assignment(good, maximize=True)
        has_partner[rows] = good[rows, columns]
    return has_partner
