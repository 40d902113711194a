"""From a model file and the wishes of the configuration to a detector."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from config.site import Detector as DetectorConfig
from detectors.detector import Detector
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.families.yolo import YoloFamily
from detectors.model_files import ResolvedModel

log = logging.getLogger(__name__)


def load_detector(
    model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None] = lambda line: None
) -> Detector[Any]:
    """Load a model on a runtime.

    Args:
        model: A model file that may be loaded.
        config: Runtime, device, precision, input size, thresholds, and labels where those in the file are not wanted.
        say: Told in one line about what takes long.

    Raises:
        ModelError: The file is damaged or does not fit the family, or has another number of classes than labels.
        RuntimeUnavailableError: The runtime, device or precision is not there, or cannot run this family.
    """
    detector = _load(model, config, say)
    if config.labels is not None and config.labels != detector.labels:
        if model.family == "yolo" and len(config.labels) != len(detector.labels):
            classes = len(detector.labels)
            detector.close()
            raise ModelError(
                f"model {model.name} has {classes} classes, and 'labels' names {len(config.labels)}: name each, in "
                "their order, or leave 'labels' out"
            )
        detector.family.labels = config.labels
    return detector


def _load(model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None]) -> Detector[Any]:
    if model.export is not None:
        from detectors.load_export import load_export

        return load_export(model.path, model.export, config, model.name)
    if model.family == "yolo":
        return _torch(model, config) if config.runtime == "torch" else _exported(model, config, say)
    return _tf_detection_api(model, config)


def _torch(model: ResolvedModel, config: DetectorConfig) -> Detector[Any]:
    from detectors.runtimes.torch_runtime import TorchRuntime

    runtime, checkpoint = TorchRuntime.load(model.path, config.device, config.precision)
    family = YoloFamily(
        checkpoint.labels,
        config.imgsz,
        config.confidence,
        config.iou,
        checkpoint.stride,
        end2end=checkpoint.end2end,
    )
    return Detector(family, runtime, model.name)


def _exported(model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None]) -> Detector[Any]:
    """A checkpoint on a runtime that takes a file of its own: from the user's cache, or exported once."""
    from detectors.export.make import export_model
    from detectors.export.store import Wanted
    from detectors.load_export import TARGETS, check_device, check_runtime, load_export

    check_runtime(config)
    check_device(config)
    target = TARGETS[config.runtime]
    size = None if target != "tensorrt" else YoloFamily(("",), config.imgsz).imgsz
    export = export_model(model, Wanted(target, config.precision, size, imgsz=config.imgsz), say)
    return load_export(export.folder, export.facts, config, model.name)


def _tf_detection_api(model: ResolvedModel, config: DetectorConfig) -> Detector[Any]:
    from detectors.families.tf_detection_api import TfDetectionApiFamily
    from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime

    if config.runtime != "tensorflow":
        raise RuntimeUnavailableError(
            f"model {model.name} is a TensorFlow detection graph and runs on runtime 'tensorflow' only, "
            f"not on {config.runtime!r}"
        )
    labels = config.labels or model.labels or _listed_labels(model.path)
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
