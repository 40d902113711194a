"""From an export's folder to a detector; needs neither torch nor what made the export."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from config.site import Detector as DetectorConfig
from detectors.detector import Detector, Runtime
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.export.facts import FILES, RUNTIMES, ExportFacts, Target
from detectors.export.store import PRECISIONS, file_precision
from detectors.families.yolo import YoloFamily

TARGETS: dict[str, Target] = {runtime: target for target, runtime in RUNTIMES.items()}
"""Runtime → the file format that it takes."""

PACKAGES = {
    "tensorflow": "tensorflow",
    "onnxruntime": "onnxruntime",
    "openvino": "openvino",
    "litert": "ai_edge_litert",
    "tensorrt": "tensorrt",
}
"""Runtime with exports → the package that it is."""


def check_runtime(config: DetectorConfig) -> None:
    """Refuse a runtime that is not installed, before anything is exported for it.

    Raises:
        RuntimeUnavailableError: With the extra to install.
    """
    package = PACKAGES.get(config.runtime)
    if package is not None and find_spec(package) is None:
        what = "tensorrt cuda-python" if config.runtime == "tensorrt" else f"'sightline[{config.runtime}]'"
        raise RuntimeUnavailableError(
            f"runtime {config.runtime!r} is not installed; install it with pip install {what}, "
            "or choose another runtime"
        )


def check_device(config: DetectorConfig) -> None:
    """Refuse a device or precision that is not there, before anything is exported for it.

    Raises:
        RuntimeUnavailableError: With what is there.
    """
    file_precision(TARGETS[config.runtime], config.precision)
    match config.runtime:
        case "onnxruntime":
            from detectors.runtimes.onnxruntime_runtime import check
        case "openvino":
            from detectors.runtimes.openvino_runtime import check
        case "litert":
            from detectors.runtimes.litert_runtime import check
        case "tensorrt":
            from detectors.runtimes.tensorrt_runtime import check
        case _:
            from detectors.runtimes.tensorflow_session import check
    check(config.device, config.precision)


def load_export(folder: Path, facts: ExportFacts, config: DetectorConfig, name: str) -> Detector[Any]:
    """Load an export, and run it once on grey: labels, size and device are then known to be right.

    Args:
        folder: The export's folder.
        facts: Its metadata.
        config: Runtime, device, precision, input size and thresholds.
        name: Under which results are reported.

    Raises:
        ModelError: It is damaged, was made for another size or precision, or has other outputs than it says.
        RuntimeUnavailableError: It belongs to another runtime, or the runtime, device or precision is not there.
    """
    if facts.runtime != config.runtime:
        raise RuntimeUnavailableError(
            f"{folder} is an export for runtime {facts.runtime!r}, not {config.runtime!r}: choose that runtime, or "
            "export the model for this one with `app.py export`"
        )
    check_runtime(config)
    wanted = file_precision(facts.target, config.precision)
    if wanted != facts.precision:
        served = ", ".join(word for word, file in PRECISIONS[facts.target].items() if file == facts.precision)
        raise ModelError(
            f"{folder} was exported in {facts.precision}, which serves the precision {served}, not "
            f"{config.precision}: ask for that, or export again with --precision {config.precision}"
        )
    family = YoloFamily(
        facts.labels,
        _size(folder, facts, config),
        config.confidence,
        config.iou,
        facts.stride,
        facts.imgsz is not None,
        facts.end2end,
    )
    detector = Detector(family, _runtime(folder, facts, config), name)
    try:
        height, width = family.imgsz if facts.imgsz else (family.imgsz[0] * 9 // 16, family.imgsz[1])
        detector.detect([np.full((height, width, 3), 114, np.uint8)])  # most cameras are 16:9: it warms up for them
    except ModelError as error:
        detector.close()
        raise ModelError(f"{folder} does not do what {facts.source} does: {error}") from error
    return detector


def _size(folder: Path, facts: ExportFacts, config: DetectorConfig) -> int | tuple[int, int]:
    """What pictures are fitted into: the export's size where it has one, and that must be what was asked for."""
    if facts.imgsz is None:
        return config.imgsz
    asked = YoloFamily(("",), config.imgsz, stride=facts.stride).imgsz
    fits = asked == facts.imgsz if isinstance(config.imgsz, tuple) else asked[0] == max(facts.imgsz)
    if not fits:
        raise ModelError(
            f"{folder} was exported for {facts.size} (height x width), and imgsz asks for {config.imgsz}: "
            "ask for that size, or export again with another --imgsz"
        )
    return facts.imgsz


def _runtime(folder: Path, facts: ExportFacts, config: DetectorConfig) -> Runtime:
    file, single = folder / FILES[facts.target], facts.imgsz is not None
    device, precision = config.device, config.precision
    match facts.target:
        case "onnx":
            from detectors.runtimes.onnxruntime_runtime import OnnxRuntime

            return OnnxRuntime(file, single, device, precision)
        case "openvino":
            from detectors.runtimes.openvino_runtime import OpenVinoRuntime

            return OpenVinoRuntime(file, single, device, precision)
        case "litert":
            from detectors.runtimes.litert_runtime import LiteRtRuntime

            return LiteRtRuntime(file, facts.outputs, single, device, precision)
        case "saved_model":
            from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime

            return TensorFlowRuntime.load_saved_model(folder, device, precision)
        case "tensorrt":
            from detectors.runtimes.tensorrt_runtime import TensorRtRuntime

            return TensorRtRuntime(file, facts.outputs, device, precision)
