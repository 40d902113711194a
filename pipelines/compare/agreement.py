"""How far one combination's boxes are from the reference's, as engineers ask for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from detectors.detections import Detections
from detectors.parity import CLEAR, partners


@dataclass(frozen=True, slots=True)
class Closeness:
    """Against the reference's boxes that score above 0.4.

    Attributes:
        boxes: How many there are.
        iou50: Share of them with a box of the same class at IoU ≥ 0.5, one to one; None without any box.
        iou75: The same at IoU ≥ 0.75.
        class_flips: Boxes matched at IoU ≥ 0.5 whatever the class, that have another class.
        score_mean: Mean difference of scores over those of ``iou50``.
        score_max: The largest.
    """

    boxes: int
    iou50: float | None
    iou75: float | None
    class_flips: int
    score_mean: float
    score_max: float

    def as_dict(self) -> dict[str, float | int | None]:
        """For JSON."""
        return asdict(self)


def closeness(reference: Sequence[Detections], found: Sequence[Detections]) -> Closeness:
    """Compare picture by picture; both lists have the same order and length."""
    boxes = half = most = flips = 0
    differences: list[float] = []
    for expected, actual in zip(reference, found, strict=True):
        clear = expected[expected.score > CLEAR]
        boxes += len(clear)
        if not len(clear) or not len(actual):
            continue
        rows, columns, _ = partners(clear, actual, 0.5, any_class=True)
        flips += int((clear.class_id[rows] != actual.class_id[columns]).sum())
        rows, columns, reached = partners(clear, actual, 0.5)
        half += len(rows)
        most += int((reached >= 0.75).sum())
        differences += np.abs(clear.score[rows] - actual.score[columns]).tolist()
    return Closeness(
        boxes,
        round(half / boxes, 4) if boxes else None,
        round(most / boxes, 4) if boxes else None,
        flips,
        round(float(np.mean(differences)), 5) if differences else 0.0,
        round(max(differences, default=0.0), 5),
    )
