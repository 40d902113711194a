"""Boxes of several detectors of one camera become one set, before tracking."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.detector import Image, StageTimes
from detectors.tiles import Finder

MERGE_IOU = 0.6
"""Two boxes of one label from different detectors that overlap by more than this are one object."""


class MergedLabels:
    """One numbering of the labels of several detectors.

    Attributes:
        labels: All labels without repeats, in the order in which the detectors name them.
    """

    def __init__(self, label_lists: Sequence[Sequence[str]]) -> None:
        """Join the labels.

        Args:
            label_lists: The labels of each detector, in the order in which ``merge`` gets their boxes.
        """
        self._lists = tuple(map(tuple, label_lists))
        self.labels = tuple(dict.fromkeys(label for labels in self._lists for label in labels))
        number = {label: index for index, label in enumerate(self.labels)}
        self._ids = tuple(np.array([number[label] for label in labels], np.int64) for labels in self._lists)

    def merge(self, found: Sequence[Detections]) -> Detections:
        """Join what the detectors found in one picture.

        Args:
            found: One per detector, in the order of the label lists.

        Returns:
            All boxes, best score first, without those that a better box of the same label from another detector
            overlaps by more than 0.6. One detector: its own ``Detections``, as it is.

        Raises:
            ValueError: ``found`` does not fit the label lists.
        """
        if tuple(item.labels for item in found) != self._lists:
            raise ValueError(f"the boxes are not those of the {len(self._lists)} detectors these labels were made of")
        if len(found) == 1:
            return found[0]
        if not any(len(item) for item in found):
            return Detections.empty(self.labels)
        xyxy = np.concatenate([item.xyxy for item in found])
        score = np.concatenate([item.score for item in found])
        class_id = np.concatenate([ids[item.class_id] for ids, item in zip(self._ids, found, strict=True)])
        detector = np.repeat(np.arange(len(found)), [len(item) for item in found])
        order = np.argsort(-score, kind="stable")
        merged = Detections(xyxy[order], score[order], class_id[order], self.labels)
        return merged[without_repeats(merged.xyxy, merged.class_id, detector[order], MERGE_IOU)]


class MergedFinder:
    """Several detectors that look at the same pictures, one after the other; what they find is one set."""

    def __init__(self, finders: Sequence[Finder]) -> None:
        """Join them; they stay the caller's to close."""
        self._finders = tuple(finders)
        self._merged = MergedLabels([finder.labels for finder in finders])
        self.last_times = StageTimes(0.0, 0.0, 0.0)
        """Of the last call of ``detect``, all detectors together."""

    @property
    def labels(self) -> tuple[str, ...]:
        """All names they know, without repeats."""
        return self._merged.labels

    def warmup(self, width: int, height: int) -> None:
        """Let each run on grey pictures of the size to come."""
        for finder in self._finders:
            finder.warmup(width, height)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find objects in (H, W, 3) uint8 BGR pictures: one ``Detections`` each, boxes in source pixels."""
        found = []
        spent = StageTimes(0.0, 0.0, 0.0)
        for finder in self._finders:
            found.append(finder.detect(images))
            spent = spent + finder.last_times
        self.last_times = spent
        return [self._merged.merge(row) for row in zip(*found, strict=True)]


def without_repeats(
    xyxy: NDArray[np.float32], class_id: NDArray[np.int64], detector: NDArray[np.intp], iou: float
) -> NDArray[np.bool_]:
    """Greedy non-maximum suppression between detectors only: what one detector says beside itself is left to it.

    Args:
        xyxy: (N, 4) float32 boxes, best first.
        class_id: (N,) int64.
        detector: (N,) which detector found it.
        iou: A box is dropped when it overlaps a kept one of its class from another detector by more than this.

    Returns:
        (N,) bool, whether the box is kept.
    """
    rivals = (pairwise_iou(xyxy) > iou) & (class_id[:, None] == class_id) & (detector[:, None] != detector)
    keep = np.ones(len(xyxy), bool)
    for row in np.flatnonzero(rivals.any(axis=1)):
        if keep[row]:
            keep[row + 1 :] &= ~rivals[row, row + 1 :]
    return keep


def pairwise_iou(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of each box with each: (N, 4) → (N, N) float32; 0 where both are empty."""
    shared_size = np.minimum(xyxy[:, None, 2:], xyxy[:, 2:]) - np.maximum(xyxy[:, None, :2], xyxy[:, :2])
    shared = shared_size.clip(min=0).prod(axis=2)
    area = (xyxy[:, 2:] - xyxy[:, :2]).clip(min=0).prod(axis=1)
    union = area[:, None] + area - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0), np.float32)
