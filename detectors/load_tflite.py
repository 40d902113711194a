"""From a ``.tflite`` file with the detection post-process to a detector; needs LiteRT alone."""

from __future__ import annotations

from typing import Any

from config.site import Detector as DetectorConfig
from detectors.detector import Detector
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.families.pixel_levels import pixel_levels
from detectors.families.tf_detection_api import TfDetectionApiFamily
from detectors.label_list import check_number, numbered_labels
from detectors.load_export import check_runtime
from detectors.model_files import ResolvedModel
from detectors.runtimes.litert_runtime import LiteRtRuntime
from detectors.tflite_file import TfliteDetector, read_tflite_detector


def load_tflite(model: ResolvedModel, config: DetectorConfig) -> Detector[Any]:
    """Load a TFLite detection network, and run it once on grey: that it fits is then known before the first frame.

    Args:
        model: A ``.tflite`` file that may be loaded.
        config: Runtime, device, precision, confidence and labels; the file itself decides the input size.

    Raises:
        ModelError: The file is damaged, of another kind of network, or has another number of classes than labels.
        RuntimeUnavailableError: Another runtime or precision than the file's, or the device is not there.
    """
    if config.runtime != "litert":
        raise RuntimeUnavailableError(
            f"model {model.name} is a TFLite file and runs on runtime 'litert' only, not on {config.runtime!r}; choose "
            "it with --runtime litert (in a site file: runtime: litert)"
        )
    check_runtime(config)
    network = read_tflite_detector(model.path)
    _check(network, model, config)
    labels = _labels(network, model, config)
    levels = pixel_levels(network.dtype, network.scale, network.zero_point, network.normalisation)
    family = TfDetectionApiFamily(labels, config.confidence, network.imgsz, 0, levels, network.rows_each)
    runtime = LiteRtRuntime(model.path, network.outputs, True, config.device, config.precision)
    detector = Detector(family, runtime, model.name)
    try:
        detector.warmup(rounds=1)
    except ModelError:
        detector.close()
        raise
    return detector


def _check(network: TfliteDetector, model: ResolvedModel, config: DetectorConfig) -> None:
    """Refuse what the file was not made for."""
    if config.precision != network.precision:
        raise RuntimeUnavailableError(
            f"model {model.name} is in {network.precision}, not in {config.precision}; ask for that with --precision "
            f"{network.precision} (in a site file: precision: {network.precision})"
        )
    if network.edge_tpu and config.device in ("auto", "cpu"):
        raise RuntimeUnavailableError(
            f"model {model.name} was compiled for an Edge TPU and does not run on a CPU; name its delegate with "
            "--device /usr/lib/libedgetpu.so.1, or take the file that it was compiled from"
        )


def _labels(network: TfliteDetector, model: ResolvedModel, config: DetectorConfig) -> tuple[str, ...]:
    """The configuration's labels, or the catalogue's, or those packed into the file or lying beside it."""
    for given, place in ((config.labels, "'labels'"), (model.labels, "the catalogue")):
        if given is not None:
            check_number(given, network.classes, model.path, place)
            return given
    return numbered_labels(model.path, network.labels, network.classes)
