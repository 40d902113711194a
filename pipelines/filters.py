"""Drop boxes nobody asked for, before tracking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.detections import Detections
from pipelines.geometry import Xy, inside


class BoxFilter:
    """Keeps boxes of the wanted labels, tall enough, and not standing in a mask."""

    def __init__(
        self,
        model_labels: Sequence[str],
        labels: Sequence[str] | None,
        min_height: float,
        masks: Sequence[Sequence[Xy]],
    ) -> None:
        """Set the conditions.

        Args:
            model_labels: All labels of the model.
            labels: Labels to keep; ``None`` keeps all.
            min_height: Least height of a box in pixels.
            masks: Polygons in pixels; a box whose bottom centre lies in one is dropped.
        """
        self._wanted = None if labels is None else np.array([label in labels for label in model_labels])
        self._min_height = min_height
        self._masks = masks

    def __call__(self, found: Detections) -> Detections:
        """The boxes to keep, in order."""
        if not len(found):
            return found
        keep = np.ones(len(found), bool)
        if self._wanted is not None:
            keep &= self._wanted[found.class_id]
        if self._min_height > 0:
            keep &= found.xyxy[:, 3] - found.xyxy[:, 1] >= self._min_height
        if self._masks:
            feet = [((x1 + x2) / 2, y2) for x1, _, x2, y2 in found.xyxy.tolist()]
            keep &= np.array([not any(inside(mask, foot) for mask in self._masks) for foot in feet])
        return found if keep.all() else found[keep]
