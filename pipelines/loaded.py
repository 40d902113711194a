"""Detectors that are loaded, and what finds the objects of a camera that has several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from config.site import Detector as DetectorConfig
from config.site import Tiles
from detectors.detections import Detections
from detectors.detector import Detector, Image, StageTimes
from detectors.export.apart import export_apart
from detectors.load import load_detector
from detectors.model_files import ResolvedModel
from detectors.tiles import Finder, TiledDetector
from pipelines.merge import MergedFinder, MergedLabels
from pipelines.messages import DetectorStats
from pipelines.metrics import Histogram, RunMetrics
from pipelines.values import DetectorInfo


class LoadedModel:
    """A detector and what it was made from; serves one job after the other."""

    def __init__(self, model: ResolvedModel, config: DetectorConfig, say: Callable[[str], None]) -> None:
        """Load the model.

        Raises:
            ModelError: It is damaged or of another kind.
            RuntimeUnavailableError: The runtime, device or precision is not there.
        """
        self.config = config
        self.resolved = model
        self.detector: Detector[Any] = load_detector(model, config, say, export_apart)

    def info(self, name: str) -> DetectorInfo:
        """What reports say of it."""
        detector = self.detector
        imgsz = detector.family.imgsz
        return DetectorInfo(name, detector.framework, detector.model, detector.device, detector.precision, imgsz)


class _Timed:
    """A detector, and how long its forward passes took."""

    def __init__(self, detector: Finder) -> None:
        self._detector = detector
        self.inference = Histogram()

    @property
    def labels(self) -> tuple[str, ...]:
        return self._detector.labels

    @property
    def last_times(self) -> StageTimes:
        return self._detector.last_times

    def warmup(self, width: int, height: int) -> None:
        self._detector.warmup(width, height)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        found = self._detector.detect(images)
        self.inference.add(self._detector.last_times.inference_ms)
        return found


class Together:
    """What finds the objects of a camera: one detector, or several whose boxes become one set."""

    def __init__(self, models: Mapping[str, LoadedModel]) -> None:
        """Take the models by the names of their detectors, at least one."""
        self.models = models
        self._timed = {name: _Timed(model.detector) for name, model in models.items()}
        self.labels = MergedLabels([model.detector.labels for model in models.values()]).labels

    @property
    def info(self) -> DetectorInfo:
        """What reports say: names, frameworks and so on of several are joined by ``+``, as in ``run``."""
        infos = [model.info(name) for name, model in self.models.items()]
        words = ("name", "framework", "model", "device", "precision")
        joined = {word: "+".join(dict.fromkeys(getattr(info, word) for info in infos)) for word in words}
        return DetectorInfo(**joined, imgsz=infos[0].imgsz)

    def finder(self, tiles: Tiles | None) -> Finder:
        """What is asked for boxes; with tiles each detector looks at them."""
        detectors: list[Finder] = list(self._timed.values())
        if tiles is not None:
            detectors = [TiledDetector(detector, tiles) for detector in detectors]
        return detectors[0] if len(detectors) == 1 else MergedFinder(detectors)

    def stats(self, metrics: RunMetrics) -> dict[str, DetectorStats]:
        """Each of them, for ``stats``: all see every frame of the one video."""
        fps = round(metrics.rate.value(), 2)
        return {
            name: DetectorStats(
                framework=info.framework,
                model=info.model,
                device=info.device,
                precision=info.precision,
                imgsz=list(info.imgsz),
                batch=1,
                fps=fps,
                inference_ms=self._timed[name].inference.summary(),
                frames=metrics.frames,
                camera_fps=fps,
                process_fps=fps,
                latency_ms=metrics.stages["latency"].summary(),
            )
            for name, info in ((name, model.info(name)) for name, model in self.models.items())
        }

    def details(self) -> list[dict[str, Any]]:
        """Each of them, for ``summary.json``."""
        rows = [(model.info(name), model) for name, model in self.models.items()]
        return [
            {
                "name": info.name,
                "framework": info.framework,
                "model": info.model,
                "model_sha256": model.resolved.sha256,
                "device": info.device,
                "precision": info.precision,
                "imgsz": list(info.imgsz),
                "confidence": model.config.confidence,
                "labels": list(model.detector.labels),
            }
            for info, model in rows
        ]
