"""The loss of YOLOv8 in TensorFlow: boxes by complete IoU, classes by cross entropy, distances by DFL.

Its value and its gradient are those of Ultralytics' ``v8DetectionLoss``; ``tests/detectors/test_keras_loss.py`` holds
it to that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.training.keras_assigner import assign, ciou
from detectors.training.recipe import BOX, CLS, DFL


def detection_loss(levels: Sequence[Any], strides: Sequence[int], objects: Any, real: Any) -> Any:
    """The loss of a batch, not multiplied by its size.

    Args:
        levels: Raw heads, finest first: (N, h, w, 4·R) float32 logits of the distances to the four sides for each
            level, then (N, h, w, C) logits of the classes.
        strides: Pixels per cell of each level.
        objects: (N, M, 5) float32, M ≥ 1: class, centre x, centre y, width, height relative to the picture.
        real: (N, M) bool: which of them there are.

    Returns:
        (3,) float32: box, class and distance loss, times their gains.
    """
    tf = import_tensorflow()
    count = len(strides)
    sides = tf.concat([_flat(tf, x) for x in levels[:count]], 1)
    logits = tf.concat([_flat(tf, x) for x in levels[count:]], 1)
    sides = tf.reshape(sides, (tf.shape(sides)[0], -1, 4, levels[0].shape[-1] // 4))
    anchors, stride = _anchors(tf, levels[:count], strides)
    boxes = _boxes(tf, sides, anchors)  # in cells
    size = tf.cast(tf.shape(levels[0])[2:0:-1], tf.float32) * float(strides[0])  # width, height in pixels
    aim = assign(
        tf.stop_gradient(tf.sigmoid(logits)), tf.stop_gradient(boxes * stride), anchors * stride,
        tf.cast(objects[..., 0], tf.int32), _corners(tf, objects[..., 1:], size), real,
    )  # fmt: skip
    total = tf.maximum(tf.reduce_sum(aim.scores), 1.0)
    classes = tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(aim.scores, logits)) / total
    places = tf.where(aim.found)
    weight = tf.reduce_sum(tf.gather_nd(aim.scores, places), -1)
    target = tf.gather_nd(aim.boxes / stride, places)
    overlap = ciou(tf.gather_nd(boxes, places), target)
    spread = _spread(tf, tf.gather_nd(sides, places), tf.gather(anchors, places[:, 1]), target)
    box = tf.reduce_sum((1.0 - overlap) * weight) / total
    distance = tf.reduce_sum(spread * weight) / total
    return tf.stack([BOX * box, CLS * classes, DFL * distance])


def _flat(tf: Any, x: Any) -> Any:
    return tf.reshape(x, (tf.shape(x)[0], -1, x.shape[-1]))


def _anchors(tf: Any, levels: Sequence[Any], strides: Sequence[int]) -> tuple[Any, Any]:
    """Centres of all cells (A, 2) in cells, and pixels per cell (A, 1)."""
    centres, pixels = [], []
    for x, stride in zip(levels, strides, strict=True):
        height, width = tf.shape(x)[1], tf.shape(x)[2]
        columns, rows = tf.meshgrid(tf.range(width), tf.range(height))
        centres.append(tf.cast(tf.reshape(tf.stack([columns, rows], -1), (-1, 2)), tf.float32) + 0.5)
        pixels.append(tf.fill((height * width, 1), float(stride)))
    return tf.concat(centres, 0), tf.concat(pixels, 0)


def _boxes(tf: Any, sides: Any, anchors: Any) -> Any:
    """(N, A, 4, R) logits → (N, A, 4) corners in cells: the mean of each side's distribution, off the anchor."""
    bins = tf.range(sides.shape[-1], dtype=tf.float32)
    distance = tf.reduce_sum(tf.nn.softmax(sides) * bins, -1)
    return tf.concat([anchors - distance[..., :2], anchors + distance[..., 2:]], -1)


def _corners(tf: Any, relative: Any, size: Any) -> Any:
    """(N, M, 4) relative centres and sizes → corners in pixels."""
    centre, half = relative[..., :2] * size, relative[..., 2:] * size / 2
    return tf.concat([centre - half, centre + half], -1)


def _spread(tf: Any, sides: Any, anchors: Any, target: Any) -> Any:
    """Distribution focal loss of K anchors, the mean of the four sides.

    Source: arXiv:2006.04388, equation 6: cross entropy to the two whole distances beside the true one, weighted by how
    near they are.

    Args:
        tf: TensorFlow.
        sides: (K, 4, R) float32 logits.
        anchors: (K, 2) float32 in cells.
        target: (K, 4) float32 corners in cells.

    Returns:
        (K,) float32.
    """
    reach = sides.shape[-1]
    true = tf.concat([anchors - target[:, :2], target[:, 2:] - anchors], -1)
    true = tf.clip_by_value(true, 0.0, reach - 1 - 0.01)
    low = tf.floor(true)
    likely = tf.nn.log_softmax(sides)
    below = tf.gather(likely, tf.cast(low, tf.int32), batch_dims=2)
    above = tf.gather(likely, tf.cast(low, tf.int32) + 1, batch_dims=2)
    return -tf.reduce_mean(below * (low + 1 - true) + above * (true - low), -1)
