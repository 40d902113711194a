"""LiteRT: the Keras rebuild, ending in its raw heads, through TensorFlow's converter; integers by ai-edge-quantizer."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np

from detectors.detector import Tensor
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.keras_yolov8 import State, build_heads
from detectors.pixels import WHITE
from detectors.runtimes.quiet import quiet_stderr
from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.runtimes.threads import cpu_threads
from detectors.saved_model import save_saved_model

OUTPUTS = tuple(f"{name}_{level}" for name in ("sides", "classes", "best") for level in range(3))
"""Names of the outputs, in the order of ``detectors.families.yolo_heads``."""

SIGNATURE = "serving_default"
_FLOAT = ("Identity", "model_0_", "model_1_")
"""What the names of the last convolutions and of the first two have in them. In integers they cost most of what
integers cost in agreement; as floats they are a twentieth of the arithmetic."""


def write_tflite(state: State, size: tuple[int, int], half: bool) -> bytes:
    """A YOLOv8 as a LiteRT model from ``picture`` to the outputs of ``OUTPUTS``.

    Args:
        state: The state dict of the checkpoint, as for ``detectors.keras_yolov8.build``.
        size: (height, width) of the picture in pixels, multiples of 32. Nothing in the network depends on it: LiteRT
            can resize the input to any other.
        half: Keep the weights as fp16.

    Raises:
        ModelError: It is no plain YOLOv8, or cannot be converted.
        RuntimeUnavailableError: TensorFlow is not installed.
    """
    tf = import_tensorflow()
    network = build_heads(state, size)
    with tempfile.TemporaryDirectory(prefix="sightline-") as scratch:
        folder = Path(scratch) / "heads"
        save_saved_model(network, folder, OUTPUTS)
        try:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(folder), signature_keys=[SIGNATURE])
            if half:
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
                converter.target_spec.supported_types = [tf.float16]
            with quiet_stderr():
                return bytes(converter.convert())
        except (tf.errors.OpError, ValueError, OSError) as error:
            reason = str(error).strip().split("\n")[0][:160]
            raise ModelError(f"the network cannot be converted for LiteRT ({reason})") from error


def quantize_tflite(model: bytes, batches: Sequence[Tensor]) -> bytes:
    """The same model with int8 weights and activations, except the first two and the last convolutions and the outside.

    Args:
        model: Of ``write_tflite``, fp32.
        batches: (1, H, W, 3) uint8 BGR, real frames of the size that ``model`` was written for.

    Raises:
        RuntimeUnavailableError: ai-edge-quantizer is not installed.
    """
    qtyping, quantizer = import_quantizer()
    every = qtyping.TFLOperationName.ALL_SUPPORTED
    inside_out = (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT)
    with tempfile.TemporaryDirectory(prefix="sightline-") as folder, open(os.devnull, "w") as nowhere:
        path = Path(folder) / "float.tflite"
        path.write_bytes(model)
        with quiet_stderr(), redirect_stderr(nowhere), warnings.catch_warnings():  # progress bars
            warnings.simplefilter("ignore")
            work = quantizer.Quantizer(str(path))
            work.add_static_config(".*", every, activation_num_bits=8, weight_num_bits=8)
            for name in _FLOAT:
                work.update_quantization_recipe(name, every, algorithm_key="no_quantize")
            for operation in inside_out:
                work.update_quantization_recipe(".*", operation, algorithm_key="no_quantize")
            pictures = [{"picture": batch.astype(np.float32) / WHITE} for batch in batches]
            ranges = work.calibrate({SIGNATURE: pictures}, num_threads=cpu_threads())
            return bytes(work.quantize(ranges, enable_progress_report=False).quantized_model)


def import_quantizer() -> tuple[Any, Any]:
    """The modules ``qtyping`` and ``quantizer`` of ai-edge-quantizer.

    Raises:
        RuntimeUnavailableError: It is not installed.
    """
    try:
        from ai_edge_quantizer import qtyping, quantizer
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"int8 for LiteRT needs ai-edge-quantizer ({error}); install it with pip install 'sightline[export]'"
        ) from error
    return qtyping, quantizer
