"""The detectors of a site, loaded once each and shared by its cameras."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psutil

from config.errors import ConfigError, SightlineError, sentences
from detectors.detector import Detector
from detectors.export.apart import export_apart
from detectors.load import load_detector
from pipelines.fitting import remarks
from pipelines.live.labels import check_labels
from pipelines.live.plan import PlannedCamera, PlannedDetector, SitePlan
from pipelines.merge import MergedLabels
from pipelines.messages import DetectorStats
from pipelines.metrics import Rate, RecentHistogram

log = logging.getLogger(__name__)
Load = Callable[[PlannedDetector], Detector[Any]]
WARM_SIZE = (640, 360)


def load(planned: PlannedDetector) -> Detector[Any]:
    """Load a detector and run it once, so that the first frame is as fast as the next.

    Raises:
        SightlineError: The model, runtime, device or precision is not there.
    """
    detector = load_detector(planned.model, planned.config, log.info, export_apart)
    detector.warmup(*WARM_SIZE)
    return detector


@dataclass(slots=True)
class Model:
    """A loaded detector and its figures. The inference thread uses it alone."""

    planned: PlannedDetector
    detector: Detector[Any]
    frames: int = 0
    rate: Rate = field(default_factory=Rate)
    times: RecentHistogram = field(default_factory=RecentHistogram)
    load_mb: float | None = None
    """By how much the process grew while it was loaded and run once, in MB."""
    left_behind: bool = False
    """Whether a thread that hangs may still use it: then it must not be released."""

    @property
    def batch(self) -> int:
        """Pictures in one forward pass at most."""
        return self.planned.config.batch

    @property
    def batch_wait_s(self) -> float:
        """Seconds that a frame waits for others."""
        return self.planned.config.batch_wait_ms / 1e3

    def stats(self) -> DetectorStats:
        """The detector's figures now."""
        detector = self.detector
        return DetectorStats(
            framework=detector.framework,
            model=detector.model,
            device=detector.device,
            precision=detector.precision,
            imgsz=list(detector.family.imgsz),
            batch=self.batch,
            fps=round(self.rate.value(), 2),
            inference_ms=self.times.summary(),
            frames=self.frames,
            load_mb=self.load_mb,
        )


def load_models(
    plan: SitePlan, loader: Load = load, kept: Mapping[str, Model] | None = None, stopped: Callable[[], bool] = bool
) -> dict[str, Model]:
    """Load every detector of a plan, and check the cameras' labels against them.

    Args:
        plan: The plan.
        loader: Loads one.
        kept: Models that are loaded; one whose configuration and file are the same is used again.
        stopped: Whether to give up: a model takes seconds.

    Raises:
        SightlineError: Every fault found; nothing of ``kept`` has changed.
    """
    models: dict[str, Model] = {}
    faults: list[str] = []
    codes: set[int] = set()
    for name, planned in plan.detectors.items():
        if stopped():
            return models
        old = (kept or {}).get(name)
        if old is not None and _same(old.planned, planned):
            models[name] = old
            continue
        try:
            before = _resident_mb()
            detector = loader(planned)
            models[name] = Model(planned, detector, load_mb=round(max(0.0, _resident_mb() - before), 1))
            log.info("detectors.%s: %s on %s is loaded", name, planned.model.name, planned.config.runtime)
        except SightlineError as error:
            faults += [plan.document.fault(("detectors", name), text) for text in sentences(error)]
            codes.add(error.exit_code)
    for camera in plan.cameras.values():
        if all(detector.name in models for detector in camera.detectors):
            try:
                check_labels(plan.document, camera, {name: model.detector.labels for name, model in models.items()})
            except ConfigError as error:
                faults += error.faults
                codes.add(error.exit_code)
            else:
                for remark in remarks(camera.plan, labels_of(camera, models).labels):
                    log.warning("cameras.%s: %s", camera.name, remark)
    if faults:
        for name, model in models.items():
            if model is not (kept or {}).get(name):
                model.detector.close()
        every = dict.fromkeys(faults)
        raise ConfigError(*every) if ConfigError.exit_code in codes else SightlineError("\n".join(every))
    return models


def _resident_mb() -> float:
    return float(psutil.Process().memory_info().rss / 1e6)


def _same(old: PlannedDetector, new: PlannedDetector) -> bool:
    return (old.config, old.model.sha256) == (new.config, new.model.sha256)


def labels_of(camera: PlannedCamera, models: Mapping[str, Model]) -> MergedLabels:
    """All labels of a camera's detectors, and how to bring them together."""
    return MergedLabels([models[detector.name].detector.labels for detector in camera.detectors])


def found_by(camera: PlannedCamera, models: Mapping[str, Model]) -> tuple[str, str]:
    """Framework and model of a camera's detectors, joined by ``+`` where there are several."""
    detectors: Sequence[Detector[Any]] = [models[planned.name].detector for planned in camera.detectors]
    frameworks = dict.fromkeys(detector.framework for detector in detectors)
    return "+".join(frameworks), "+".join(dict.fromkeys(detector.model for detector in detectors))
