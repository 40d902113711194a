"""Which anchors shall find which object, in TensorFlow: task-aligned assignment.

Source: TOOD (arXiv:2108.07755), section 3.2, with the exponents and candidates that YOLOv8 is trained with.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.training.recipe import ALPHA, BETA, TOP_K

_LEAST_SIDE = 16.0
"""Pixels; where anchors are looked for, smaller objects count as being so large."""
_TINY = 1e-9


class Assignment(NamedTuple):
    """What each of A anchors shall find in each of N pictures.

    Attributes:
        found: (N, A) bool: whether it shall find anything.
        boxes: (N, A, 4) float32: corners in pixels, right where ``found``.
        scores: (N, A, C) float32: 0 but for the class to be found, there in [0, 1].
    """

    found: Any
    boxes: Any
    scores: Any


def assign(scores: Any, boxes: Any, anchors: Any, labels: Any, objects: Any, real: Any) -> Assignment:
    """Choose up to ten anchors for each object; of several objects an anchor is given the one it overlaps most.

    Args:
        scores: (N, A, C) float32 probabilities, predicted.
        boxes: (N, A, 4) float32 corners in pixels, predicted.
        anchors: (A, 2) float32 centres of cells in pixels.
        labels: (N, M) int32 classes of the objects, M ≥ 1.
        objects: (N, M, 4) float32 their corners in pixels.
        real: (N, M) bool: which of them there are.
    """
    tf = import_tensorflow()
    inside = tf.logical_and(_inside(tf, anchors, objects), real[..., None])
    metric, overlap = _metrics(tf, scores, boxes, labels, objects, inside)
    chosen = tf.logical_and(_best(tf, metric), inside)
    several = tf.reduce_sum(tf.cast(chosen, tf.int32), 1, keepdims=True) > 1
    nearest = tf.one_hot(tf.argmax(overlap, 1), tf.shape(overlap)[1], True, False, axis=1, dtype=tf.bool)
    chosen = tf.where(several, nearest, chosen)
    index = tf.argmax(tf.cast(chosen, tf.int32), 1)  # (N, A)
    found = tf.reduce_any(chosen, 1)
    strength = tf.where(found, _strength(tf, metric, overlap, chosen), 0.0)
    hot = tf.one_hot(tf.gather(labels, index, batch_dims=1), tf.shape(scores)[-1])
    return Assignment(found, tf.gather(objects, index, batch_dims=1), hot * strength[..., None])


def ciou(one: Any, other: Any) -> Any:
    """Complete IoU of pairs of boxes.

    Source: arXiv:1911.08287, equations 6, 9 and 10: overlap, less the squared distance of the centres over that of the
    enclosing box's corners, less the difference of the aspect ratios, whose weight gets no gradient.

    Args:
        one: (..., 4) float32 corners x1, y1, x2, y2.
        other: Likewise.

    Returns:
        (...) float32, at most 1.
    """
    tf, tiny = import_tensorflow(), 1e-7
    ax1, ay1, ax2, ay2 = tf.unstack(one, axis=-1)
    bx1, by1, bx2, by2 = tf.unstack(other, axis=-1)
    aw, ah, bw, bh = ax2 - ax1, ay2 - ay1 + tiny, bx2 - bx1, by2 - by1 + tiny
    width = tf.maximum(tf.minimum(ax2, bx2) - tf.maximum(ax1, bx1), 0.0)
    height = tf.maximum(tf.minimum(ay2, by2) - tf.maximum(ay1, by1), 0.0)
    common = width * height
    iou = common / (aw * ah + bw * bh - common + tiny)
    wide, high = tf.maximum(ax2, bx2) - tf.minimum(ax1, bx1), tf.maximum(ay2, by2) - tf.minimum(ay1, by1)
    apart = ((bx1 + bx2 - ax1 - ax2) ** 2 + (by1 + by2 - ay1 - ay2) ** 2) / 4
    shape = 4 / math.pi**2 * (tf.atan(bw / bh) - tf.atan(aw / ah)) ** 2
    weight = tf.stop_gradient(shape / (1 - iou + shape + tiny))
    return iou - apart / (wide**2 + high**2 + tiny) - shape * weight


def _inside(tf: Any, anchors: Any, objects: Any) -> Any:
    """(N, M, A) bool: whether the anchor lies inside of the object, small objects being enlarged."""
    low, high = objects[..., :2], objects[..., 2:]
    centre, half = (low + high) / 2, tf.maximum(high - low, _LEAST_SIDE) / 2
    near = anchors - (centre - half)[:, :, None]
    far = (centre + half)[:, :, None] - anchors
    return tf.reduce_all(tf.logical_and(near > _TINY, far > _TINY), -1)


def _metrics(tf: Any, scores: Any, boxes: Any, labels: Any, objects: Any, inside: Any) -> tuple[Any, Any]:
    """Task-aligned metric and overlap, each (N, M, A) float32 and 0 outside of the objects."""
    places = tf.where(inside)  # (K, 3): picture, object, anchor
    picture, row, anchor = places[:, 0], places[:, 1], places[:, 2]
    pair, spot = tf.stack([picture, row], 1), tf.stack([picture, anchor], 1)
    label = tf.cast(tf.gather_nd(labels, pair), tf.int64)
    score = tf.gather_nd(scores, tf.concat([spot, label[:, None]], 1))
    overlap = tf.maximum(ciou(tf.gather_nd(objects, pair), tf.gather_nd(boxes, spot)), 0.0)
    shape = tf.shape(inside, tf.int64)
    return tf.scatter_nd(places, score**ALPHA * overlap**BETA, shape), tf.scatter_nd(places, overlap, shape)


def _best(tf: Any, metric: Any) -> Any:
    """(N, M, A) bool: the anchors of the largest metrics for each object."""
    best = tf.math.top_k(metric, TOP_K).indices  # (N, M, K)
    shape = tf.shape(metric)
    flat = tf.reshape(best, (-1, TOP_K))
    rows = tf.repeat(tf.range(tf.shape(flat)[0])[:, None], TOP_K, 1)
    places = tf.reshape(tf.stack([rows, flat], -1), (-1, 2))
    hits = tf.scatter_nd(places, tf.ones(tf.shape(places)[0], tf.int32), (shape[0] * shape[1], shape[2]))
    return tf.reshape(hits, shape) > 0


def _strength(tf: Any, metric: Any, overlap: Any, chosen: Any) -> Any:
    """(N, A) float32: metrics of the chosen, scaled so that an object's largest is its best overlap."""
    mask = tf.cast(chosen, tf.float32)
    metric, overlap = metric * mask, overlap * mask
    scale = tf.reduce_max(overlap, -1, keepdims=True) / (tf.reduce_max(metric, -1, keepdims=True) + _TINY)
    return tf.reduce_max(metric * scale, 1)
