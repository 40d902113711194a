"""Training on TensorFlow: the Keras rebuild of YOLOv8, and its loss written in TensorFlow."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from detectors.keras_yolov8 import STRIDES, build
from detectors.runtimes.quiet import quiet_stderr
from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.runtimes.tensorflow_session import resolve_placement
from detectors.runtimes.threads import cpu_threads
from detectors.training.keras_loss import detection_loss
from detectors.training.recipe import CLIP, FROZEN, MOMENTUM, RATE, SEED, Batch, Float, Slope, read_weights


class TensorFlowTrainer:
    """Trains the Keras rebuild of a YOLOv8; see ``detectors.training.recipe.Trainer``. It needs no torch."""

    def __init__(self, weights: Path, device: str = "auto") -> None:
        """Build the network with the arrays that training begins with.

        Args:
            weights: What ``prepare`` has written.
            device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.

        Raises:
            ModelError: They are not those of a plain YOLOv8.
            RuntimeUnavailableError: TensorFlow or the device is not there.
        """
        self._tf = tf = import_tensorflow()
        with suppress(RuntimeError):  # somebody in this process has begun to compute, and has set them
            tf.config.threading.set_intra_op_parallelism_threads(cpu_threads())
            tf.config.threading.set_inter_op_parallelism_threads(2)
        self.device = resolve_placement(device, "fp32").device
        self._place = f"/{self.device}" if ":" in self.device else f"/{self.device}:0"
        with quiet_stderr(), tf.device(self._place):
            import keras

            keras.utils.set_random_seed(SEED)
            self._model = build(read_weights(weights))
            decode = self._model.get_layer("decode")
            self._heads = keras.Model(self._model.input, decode.input)
            for layer in self._heads.layers:
                layer.trainable = _is_trained(layer.name)
            self._variables = self._heads.trainable_variables
            self._optimiser = keras.optimizers.SGD(RATE, momentum=MOMENTUM, nesterov=True)
            self._optimiser.build(self._variables)
        self.trained = sum(int(np.prod(one.shape)) for one in self._variables)
        self._gradients = tf.function(self._of_batch, input_signature=_signature(tf))
        self._update = tf.function(self._move)
        self._predict = tf.function(lambda pictures: self._model(pictures, training=False), reduce_retracing=True)

    def slope(self, batch: Batch) -> Slope:
        """Loss and gradient; nothing is changed."""
        tf = self._tf
        with tf.device(self._place):
            parts, grads = self._gradients(batch.pictures, batch.objects, batch.real)
            self._update([tf.zeros_like(one) for one in grads])  # so that its graph is there before the first step
            return Slope(parts.numpy(), float(tf.linalg.global_norm(grads)))

    def step(self, batch: Batch) -> Float:
        """One step of the optimiser; the (3,) parts of the loss before it."""
        with self._tf.device(self._place):
            parts, grads = self._gradients(batch.pictures, batch.objects, batch.real)
            self._update(grads)
            found: Float = parts.numpy()
        return found

    def predict(self, pictures: Float) -> Float:
        """(N, H, W, 3) → (N, 4 + C, A)."""
        with self._tf.device(self._place):
            output: Float = self._predict(pictures).numpy()
        return output

    def _of_batch(self, pictures: Any, objects: Any, real: Any) -> tuple[Any, list[Any]]:
        tf = self._tf
        with tf.GradientTape() as tape:
            parts = detection_loss(self._heads(pictures, training=False), STRIDES, objects, real)
            total = tf.reduce_sum(parts)
        return parts, tape.gradient(total, [one.value for one in self._variables])

    def _move(self, grads: list[Any]) -> None:
        clipped, _ = self._tf.clip_by_global_norm(grads, CLIP)
        self._optimiser.apply(clipped, self._variables)


def _is_trained(layer: str) -> bool:
    """Whether a layer such as ``model_12_cv1`` lies behind the backbone; those without a number have no weights."""
    number = layer.split("_")[1] if layer.startswith("model_") else ""
    return number.isdigit() and int(number) >= FROZEN


def _signature(tf: Any) -> list[Any]:
    """Batches of any size, pictures of any size, any number of objects: one graph for all."""
    return [
        tf.TensorSpec((None, None, None, 3), tf.float32),
        tf.TensorSpec((None, None, 5), tf.float32),
        tf.TensorSpec((None, None), tf.bool),
    ]
