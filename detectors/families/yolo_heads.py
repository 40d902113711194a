"""Decode of YOLOv8's raw heads, outside the network: only boxes that score are ever computed.

A network that ends in its heads has no pixels and no probabilities inside: nothing of it spoils the range of the other
when it is computed in integers, and nothing of it depends on the size of the picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.detector import Tensor

Float = NDArray[np.float32]


def decode_heads(
    levels: Sequence[tuple[Tensor, Tensor]], input_height: int, confidence: float
) -> tuple[Float, Float, NDArray[np.int64]]:
    """Boxes of one picture that score above ``confidence``, in the order of their anchors.

    Args:
        levels: For each level, finest first: (h, w, 4·R) logits of the distances left, top, right and bottom, and
            (h, w, C) logits of the classes.
        input_height: Height of the network's input in pixels; with h it tells the pixels per cell.
        confidence: In (0, 1).

    Returns:
        xyxy (K, 4) float32 in input pixels, score (K,) float32, class_id (K,) int64.
    """
    least = float(np.log(confidence / (1 - confidence)))
    found = [_level(sides, classes, input_height / sides.shape[0], least) for sides, classes in levels]
    xyxy, logit, class_id = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return xyxy, (1 / (1 + np.exp(-logit))).astype(np.float32), class_id


def _level(sides: Tensor, classes: Tensor, stride: float, least: float) -> tuple[Float, Float, NDArray[np.int64]]:
    width, reach = sides.shape[1], sides.shape[2] // 4
    flat: Float = classes.reshape(-1, classes.shape[2]).astype(np.float32, copy=False)
    hits = np.flatnonzero(flat.reshape(-1) > least)  # one pass; the best class of each cell would be the slowest step
    rows = np.unique(hits // flat.shape[1])
    best = flat[rows]
    bins = sides.reshape(-1, 4, reach)[rows].astype(np.float32, copy=False)
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    distances = (weights @ np.arange(reach, dtype=np.float32)) / weights.sum(axis=2)
    centres = np.stack((rows % width, rows // width), axis=1).astype(np.float32) + np.float32(0.5)
    xyxy = np.concatenate((centres - distances[:, :2], centres + distances[:, 2:]), axis=1) * np.float32(stride)
    return xyxy, best.max(axis=1), best.argmax(axis=1).astype(np.int64)
