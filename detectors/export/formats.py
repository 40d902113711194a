"""From a checkpoint to the file of a format."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.checkpoint import Checkpoint
from detectors.detector import Image, Tensor
from detectors.export.calibration import calibration_batches
from detectors.export.facts import FILES, Target


@dataclass(frozen=True, slots=True)
class Job:
    """What to write.

    Attributes:
        checkpoint: The network.
        path: Its file.
        target: The format.
        precision: ``fp32``, ``fp16`` or ``int8``.
        size: (height, width) in pixels and a batch of one, or None: any.
        frames: Real pictures, (H, W, 3) uint8 BGR, for int8.
        imgsz: Into what they are fitted where ``size`` is None.
    """

    checkpoint: Checkpoint
    path: Path
    target: Target
    precision: str
    size: tuple[int, int] | None
    frames: Sequence[Image] | None
    imgsz: int | tuple[int, int]

    def batches(self) -> list[Tensor] | None:
        """(1, H, W, 3) uint8 BGR pictures to calibrate on, or None where it is not int8."""
        if self.precision != "int8":
            return None
        labels, stride = self.checkpoint.labels, self.checkpoint.stride
        return calibration_batches(self.frames or (), labels, self.size or self.imgsz, stride, self.size is not None)


def write(job: Job, folder: Path) -> tuple[str, ...]:
    """Write the files of an export; return the names of the network's outputs.

    Raises:
        ModelError: It cannot be converted.
        RuntimeUnavailableError: A package that is needed is missing.
    """
    target = folder / FILES[job.target]
    match job.target:
        case "onnx":
            return _onnx(job, target)
        case "openvino":
            return _openvino(job, target)
        case "litert":
            return _litert(job, target)
        case "saved_model":
            return _saved_model(job, folder)
        case "tensorrt":
            return _tensorrt(job, target)


def _onnx(job: Job, target: Path) -> tuple[str, ...]:
    from detectors.export.to_onnx import OUTPUT, write_onnx

    write_onnx(job.path, target, job.size, job.checkpoint.end2end)
    return (OUTPUT,)


def _openvino(job: Job, target: Path) -> tuple[str, ...]:
    from detectors.export.to_openvino import import_nncf, write_openvino

    if job.precision == "int8":
        import_nncf()  # before anything takes long
    with tempfile.TemporaryDirectory(prefix="sightline-") as scratch:
        onnx_file = Path(scratch) / FILES["onnx"]
        outputs = _onnx(job, onnx_file)
        write_openvino(onnx_file, target, job.batches())
    return outputs


def _litert(job: Job, target: Path) -> tuple[str, ...]:
    from detectors.export.tflite_pixels import take_bytes
    from detectors.export.to_litert import OUTPUTS, import_quantizer, quantize_tflite, write_tflite
    from detectors.pixels import bgr_state

    state = bgr_state(_yolov8_state(job))
    if job.precision == "int8":
        import_quantizer()  # before anything takes long
    batches = job.batches()
    size = job.size or (batches[0].shape[1:3] if batches else (384, 640))  # a start: the runtime resizes it
    model = write_tflite(state, size, half=job.precision == "fp16")
    target.write_bytes(take_bytes(model if batches is None else quantize_tflite(model, batches)))
    return OUTPUTS


def _saved_model(job: Job, folder: Path) -> tuple[str, ...]:
    from detectors.keras_yolov8 import build
    from detectors.pixels import bytes_state
    from detectors.saved_model import save_saved_model

    save_saved_model(build(bytes_state(_yolov8_state(job))), folder, dtype="uint8")
    return ("predictions",)


def _yolov8_state(job: Job) -> dict[str, NDArray[np.float32]]:
    """The arrays of a checkpoint, of which is known that Keras can rebuild it."""
    from detectors.keras_yolov8 import check_is_yolov8_detect

    state = {name: tensor.float().numpy() for name, tensor in job.checkpoint.module.state_dict().items()}
    check_is_yolov8_detect(state)
    return state


def _tensorrt(job: Job, target: Path) -> tuple[str, ...]:
    from detectors.export.to_tensorrt import write_engine

    with tempfile.TemporaryDirectory(prefix="sightline-") as scratch:
        onnx_file = Path(scratch) / FILES["onnx"]
        outputs = _onnx(job, onnx_file)
        write_engine(onnx_file, target, half=job.precision == "fp16")
    return outputs
