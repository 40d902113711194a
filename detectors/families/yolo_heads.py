"""Decode of YOLOv8's raw heads, outside the network: only boxes that score are ever computed.

A network that ends in its heads has no pixels and no probabilities inside: nothing of it spoils the range of the other
when it is computed in integers, and nothing of it depends on the size of the picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors.detector import Tensor

Float = NDArray[np.float32]


def decode_heads(
    levels: Sequence[tuple[Tensor, Tensor, Tensor]], input_height: int, confidence: float
) -> tuple[Float, Float, NDArray[np.int64]]:
    """Boxes of one picture that score above ``confidence``, in the order of their anchors.

    Args:
        levels: For each level, finest first: (h, w, 4·R) logits of the distances left, top, right and bottom,
            (h, w, C) logits of the classes, and (h, w) the largest of these.
        input_height: Height of the network's input in pixels; with h it tells the pixels per cell.
        confidence: In (0, 1).

    Returns:
        xyxy (K, 4) float32 in input pixels, score (K,) float32, class_id (K,) int64.
    """
    least = math.log(confidence / (1 - confidence))
    rows = [np.flatnonzero(best.reshape(-1).astype(np.float32, copy=False) > least) for *_, best in levels]
    reach = levels[0][0].shape[2] // 4
    bins: Float = _picked([sides.reshape(-1, 4, reach) for sides, *_ in levels], rows)
    logits: Float = _picked([classes.reshape(-1, classes.shape[2]) for _, classes, _ in levels], rows)
    grids = [_grid(sides.shape[0], sides.shape[1], input_height) for sides, *_ in levels]
    cells = _picked(grids, rows)
    centres, stride = cells[:, :2], cells[:, 2:]
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    distances = (weights @ _bins(reach)) / weights.sum(axis=2)
    xyxy = np.concatenate((centres - distances[:, :2], centres + distances[:, 2:]), axis=1) * stride
    score = 1 / (1 + np.exp(-logits.max(axis=1)))
    return xyxy, score, logits.argmax(axis=1).astype(np.int64, copy=False)


@lru_cache(maxsize=8)
def _bins(reach: int) -> Float:
    return np.arange(reach, dtype=np.float32)


@lru_cache(maxsize=64)
def _grid(height: int, width: int, input_height: int) -> Float:
    """(h · w, 3): x and y of the centre of each cell, in cells, and the pixels per cell."""
    y, x = np.divmod(np.arange(height * width), width)
    return np.stack((x + 0.5, y + 0.5, np.full(len(x), input_height / height)), axis=1).astype(np.float32)


def _picked(levels: Sequence[Tensor], rows: Sequence[NDArray[np.intp]]) -> Float:
    parts = [level[some] for level, some in zip(levels, rows, strict=True)]
    return np.concatenate(parts).astype(np.float32, copy=False)
