"""The last step of YOLOv8 as a Keras layer: distances to the four sides → boxes, logits → probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def decode_layer(bins: NDArray[np.float32], strides: tuple[int, ...]) -> Any:
    """Make the layer.

    Args:
        bins: (R,) distances, in cells, that the distribution of each side is spread over.
        strides: Pixels per cell of each level.

    Returns:
        A layer from [(N, h, w, 4·R) side logits per level…, (N, h, w, C) class logits per level…] to
        (N, 4 + C, A): centre x, centre y, width, height in pixels, then class probabilities.
    """
    import tensorflow as tf
    from keras import layers

    reach = len(bins)

    class Decode(layers.Layer):  # type: ignore[misc]
        def call(self, levels: list[Any]) -> Any:
            boxes = [_boxes(tf, x, bins, stride) for x, stride in zip(levels, strides, strict=False)]
            scores = [_flat(tf, x, x.shape[-1]) for x in levels[len(strides) :]]
            both = tf.concat([tf.concat(boxes, 1), tf.sigmoid(tf.concat(scores, 1))], 2)
            return tf.transpose(both, (0, 2, 1))

        def compute_output_shape(self, shapes: list[tuple[int | None, ...]]) -> tuple[int | None, ...]:
            return (shapes[0][0], shapes[0][3] // reach + shapes[-1][3], None)  # type: ignore[operator]

    return Decode(name="decode")


def _flat(tf: Any, x: Any, channels: int) -> Any:
    shape = tf.shape(x)
    return tf.reshape(x, (shape[0], shape[1] * shape[2], channels))


def _boxes(tf: Any, x: Any, bins: NDArray[np.float32], stride: int) -> Any:
    shape = tf.shape(x)
    n, h, w = shape[0], shape[1], shape[2]
    sides = tf.nn.softmax(tf.reshape(x, (n, h * w, 4, len(bins))))
    sides = tf.reduce_sum(sides * bins, -1)
    xs = tf.tile((tf.cast(tf.range(w), tf.float32) + 0.5)[None, :], (h, 1))
    ys = tf.tile((tf.cast(tf.range(h), tf.float32) + 0.5)[:, None], (1, w))
    centres = tf.reshape(tf.stack([xs, ys], -1), (1, h * w, 2))
    low, high = sides[..., :2], sides[..., 2:]
    return tf.concat([centres + (high - low) / 2, low + high], -1) * float(stride)
