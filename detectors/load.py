"""From a model file and the wishes of the configuration to a detector."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from config.site import Detector as DetectorConfig
from detectors.detector import Detector
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.families.yolo import YoloFamily
from detectors.label_list import listed_labels
from detectors.labels import check_count
from detectors.model_files import ResolvedModel

if TYPE_CHECKING:
    from detectors.export.apart import Exporter

log = logging.getLogger(__name__)


def load_detector(
    model: ResolvedModel,
    config: DetectorConfig,
    say: Callable[[str], None] = lambda line: None,
    export: Exporter | None = None,
) -> Detector[Any]:
    """Load a model on a runtime.

    Args:
        model: A model file that may be loaded.
        config: Runtime, device, precision, input size, thresholds, and labels where those in the file are not wanted.
        say: Told in one line about what takes long.
        export: Makes the file of a runtime that needs one of its own; by default here, in this process.

    Raises:
        ModelError: The file is damaged or does not fit the family, or has another number of classes than labels.
        RuntimeUnavailableError: The runtime, device or precision is not there, or cannot run this family.
    """
    detector = _load(model, config, say, export)
    if config.labels is not None and config.labels != detector.labels:
        try:
            check_count(model, len(detector.labels), config.labels)
        except ModelError:
            detector.close()
            raise
        detector.family.labels = config.labels
    return detector


def _load(
    model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None], export: Exporter | None
) -> Detector[Any]:
    if model.export is not None:
        from detectors.load_export import load_export

        return load_export(model.path, model.export, config, model.name)
    if model.family == "yolo":
        return _torch(model, config) if config.runtime == "torch" else _exported(model, config, say, export)
    if model.path.suffix == ".tflite":
        from detectors.load_tflite import load_tflite

        return load_tflite(model, config)
    if config.runtime != "tensorflow":
        what = "TensorFlow.js graph" if model.family == "centernet" else "TensorFlow detection graph"
        raise RuntimeUnavailableError(
            f"model {model.name} is a {what} and runs on runtime 'tensorflow' only, not on {config.runtime!r}; choose "
            "it with --runtime tensorflow (in a site file: runtime: tensorflow)"
        )
    return _centernet(model, config) if model.family == "centernet" else _tf_detection_api(model, config)


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


def _exported(
    model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None], make: Exporter | None
) -> Detector[Any]:
    """A checkpoint on a runtime that takes a file of its own: from the user's cache, or exported once."""
    from detectors.export.make import export_model
    from detectors.export.store import Wanted
    from detectors.load_export import TARGETS, check_device, check_runtime, load_export

    check_runtime(config)
    check_device(config)
    target = TARGETS[config.runtime]
    size = None if target != "tensorrt" else YoloFamily(("",), config.imgsz).imgsz
    export = (make or export_model)(model, Wanted(target, config.precision, size, imgsz=config.imgsz), say)
    return load_export(export.folder, export.facts, config, model.name)


def _tf_detection_api(model: ResolvedModel, config: DetectorConfig) -> Detector[Any]:
    from detectors.families.tf_detection_api import TfDetectionApiFamily
    from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime

    labels = config.labels or model.labels or listed_labels(model.path, 1)
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


def _centernet(model: ResolvedModel, config: DetectorConfig) -> Detector[Any]:
    """A CenterNet, run once on grey: its output is then known to fit before the first frame comes."""
    from detectors.families.centernet import OUTPUT, CenterNetFamily
    from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime
    from detectors.tfjs_graph import read_tfjs_graph

    graph = read_tfjs_graph(model.path)
    shapes = list(graph.inputs.values())
    outputs = tuple(name for name in graph.outputs if name.split("/")[-1] == OUTPUT)
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][3] != 3 or len(outputs) != 1:
        raise ModelError(
            f"{model.path} is not a CenterNet: it has inputs of {', '.join(map(str, shapes)) or 'nothing'} and the "
            f"outputs {', '.join(graph.outputs)}; Sightline takes pictures (1, height, width, 3) to {OUTPUT!r}"
        )
    _, height, width, _ = shapes[0]
    if not height or not width:
        raise ModelError(f"{model.path} leaves the size of its input open; convert it with a fixed one")
    labels = config.labels or model.labels or listed_labels(model.path, 0)
    name = next(iter(graph.inputs))
    runtime = TensorFlowRuntime.load_graph(graph.definition, model.path, name, outputs, config.device, config.precision)
    detector = Detector(CenterNetFamily(labels, (height, width), config.confidence, config.iou), runtime, model.name)
    try:
        detector.warmup(width, height, rounds=1)
    except ModelError as error:
        detector.close()
        raise ModelError(f"{model.path} does not do what a CenterNet does: {error}") from error
    return detector
