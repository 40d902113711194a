"""From a model file and the wishes of the configuration to a detector."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.site import Detector as DetectorConfig
from detectors.checkpoint import read_checkpoint
from detectors.detector import Detector, Runtime
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.folders import cache_dir
from detectors.model_files import ResolvedModel

log = logging.getLogger(__name__)
RUNTIMES = ("torch", "tensorflow")
FACTS = "sightline.json"
SAVED_MODEL_FORMAT = 1
"""Grows when the rebuilt network changes, so that older ones in the cache are not used."""


def load_detector(
    model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None] = lambda line: None
) -> Detector[Any]:
    """Load a model on a runtime.

    Args:
        model: A model file that may be loaded.
        config: Runtime, device, precision, input size and thresholds.
        say: Told in one line about what takes long.

    Raises:
        ModelError: The file is damaged or does not fit the family.
        RuntimeUnavailableError: The runtime, device or precision is not there, or cannot run this family.
    """
    if config.runtime not in RUNTIMES:
        raise RuntimeUnavailableError(
            f"runtime {config.runtime!r} is not available in this version; available: {', '.join(RUNTIMES)}"
        )
    if model.family == "yolo":
        return _yolo(model, config, say)
    return _tf_detection_api(model, config)


def _yolo(model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None]) -> Detector[Any]:
    from detectors.families.yolo import YoloFamily

    runtime: Runtime
    if config.runtime == "torch":
        from detectors.runtimes.torch_runtime import TorchRuntime

        runtime, checkpoint = TorchRuntime.load(model.path, config.device, config.precision)
        labels, stride = checkpoint.labels, checkpoint.stride
    else:
        from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime

        folder = saved_model_of(model, say)
        facts = _facts(folder)
        if facts is None:
            raise ModelError(f"{folder} has gone or changed while it was loaded; run again")
        labels, stride = facts
        try:
            runtime = TensorFlowRuntime.load_saved_model(folder, config.device, config.precision)
        except ModelError as error:
            raise ModelError(f"{error}: delete that folder, and it is rebuilt from {model.path}") from error
    family = YoloFamily(labels, config.imgsz, config.confidence, config.iou, stride)
    return Detector(family, runtime, model.name)


def _tf_detection_api(model: ResolvedModel, config: DetectorConfig) -> Detector[Any]:
    from detectors.families.tf_detection_api import TfDetectionApiFamily
    from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime

    if config.runtime != "tensorflow":
        raise RuntimeUnavailableError(
            f"model {model.name} is a TensorFlow detection graph and runs on runtime 'tensorflow' only, "
            f"not on {config.runtime!r}"
        )
    labels = model.labels or _listed_labels(model.path)
    if model.path.is_dir():
        outputs = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
        runtime = TensorFlowRuntime.load_saved_model(model.path, config.device, config.precision, outputs)
    else:
        names = model.tensors
        wanted = (names.boxes, names.scores, names.classes, names.count) if names else ()
        nodes = tuple(name.removesuffix(":0") for name in wanted)
        image = names.input.removesuffix(":0") if names else "image_tensor"
        runtime = TensorFlowRuntime.load_frozen_graph(model.path, image, nodes, config.device, config.precision)
    return Detector(TfDetectionApiFamily(labels, config.confidence), runtime, model.name)


def _listed_labels(path: Path) -> tuple[str, ...]:
    """Labels from ``labels.txt`` beside a graph or inside a SavedModel folder: one a line, class 1 first.

    Raises:
        ModelError: There is no such file, or it is empty.
    """
    listing = (path if path.is_dir() else path.parent) / "labels.txt"
    try:
        labels = tuple(line.strip() for line in listing.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError):
        labels = ()
    if not labels:
        raise ModelError(f"model {path} does not say its labels; write them to {listing}, one a line, class 1 first")
    return labels


def saved_model_of(model: ResolvedModel, say: Callable[[str], None]) -> Path:
    """The SavedModel of a YOLOv8 checkpoint: from the user's cache, or rebuilt in Keras once.

    Raises:
        ModelError: The checkpoint is damaged or not a YOLOv8 detection network.
        RuntimeUnavailableError: It must be rebuilt and torch or TensorFlow is not installed.
    """
    folder = cache_dir() / "exports" / f"{model.sha256[:24]}-saved_model-{SAVED_MODEL_FORMAT}"
    if (folder / "saved_model.pb").is_file() and _facts(folder) is not None:
        return folder
    from detectors.keras_yolov8 import build
    from detectors.saved_model import save_saved_model

    say(f"rebuilding {model.name} for TensorFlow (once; kept in {folder})")
    checkpoint = read_checkpoint(model.path)
    state = {name: tensor.float().numpy() for name, tensor in checkpoint.module.state_dict().items()}
    save_saved_model(build(state), folder)
    facts = {"source": model.name, "labels": checkpoint.labels, "stride": checkpoint.stride}
    try:
        (folder / FACTS).write_text(json.dumps(facts), encoding="utf-8")
    except OSError as error:
        raise ModelError(f"{folder / FACTS} cannot be written ({error.strerror or error})") from error
    return folder


def _facts(folder: Path) -> tuple[tuple[str, ...], int] | None:
    """Labels and stride of a rebuilt model, ``None`` while they are not written, or not to their end."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        return tuple(facts["labels"]), int(facts["stride"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
