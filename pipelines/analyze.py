"""Analyse one video file: from a job to its output folder."""

from __future__ import annotations

import importlib.metadata
import platform
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config.errors import sentences
from pipelines.analysis import Analysis
from pipelines.bins import Bins, most_gap_s
from pipelines.file_face import AtWork, FileFace
from pipelines.fitting import fitted, rules_off
from pipelines.loaded import LoadedModel, Together
from pipelines.messages import check_topic_words
from pipelines.metrics import RunMetrics
from pipelines.peak_memory import peak_rss_mb
from pipelines.rules.heatmap import Heatmap
from pipelines.runner import run
from pipelines.scenario import CameraPlan, RuleSet
from pipelines.sinks.base import Sink
from pipelines.sinks.bins import BinsSink
from pipelines.sinks.files import FileSink
from pipelines.sinks.mqtt import MqttSink, Publication
from pipelines.values import CounterKey, FrameResult
from pipelines.wall_clock import WallClock
from streams.errors import BrokerError, OutputError, cannot_write
from streams.files import exclusive, write_json_atomic
from streams.open import open_source
from streams.reader import FrameReader
from streams.source import Backend, Source, SourceInfo

PACKAGES = (
    "sightline", "torch", "ultralytics", "tensorflow", "onnxruntime", "openvino", "ai-edge-litert", "tensorrt",
    "opencv-python", "numpy", "lap", "supervision",
)  # fmt: skip
RESULT_FILES = ("detections.jsonl", "events.jsonl", "bins.csv", "fps.csv", "summary.json", "annotated.mp4")


@dataclass(frozen=True, slots=True)
class Job:
    """One video to analyse.

    Attributes:
        video: The file.
        folder: Where its results go.
        camera: Name of the camera in results and topics, ``[a-z0-9_-]+``.
        plan: Labels, geometry and rules.
        detector_name: Name of the detector in the site file.
        backend: What decodes.
        annotate: Whether to write an annotated video.
        publication: Where to publish, if at all.
        start: Unix seconds of its first frame, if somebody said.
        bin_minutes: Length of the bins of ``bins.csv``.
    """

    video: Path
    folder: Path
    camera: str
    plan: CameraPlan
    detector_name: str = "main"
    backend: Backend = "auto"
    annotate: bool = False
    publication: Publication | None = None
    start: float | None = None
    bin_minutes: float = 15.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    frames: int
    frame_count: int | None
    fps: float


def analyze(
    job: Job,
    model: LoadedModel,
    stop: threading.Event,
    on_progress: Callable[[Progress], None] | None = None,
    face: FileFace | None = None,
    beside: Mapping[str, LoadedModel] | None = None,
) -> dict[str, Any]:
    """Analyse one video and write its results.

    Args:
        job: What to do.
        model: The loaded detector.
        stop: Ends the run early; what was analysed stays.
        on_progress: Called after each frame.
        face: Told what a page may show.
        beside: Further detectors of the camera by their names; what all find becomes one set.

    Returns:
        The content of ``summary.json``.

    Raises:
        ConfigError: Labels or geometry do not fit the model or the video, or a schedule does not know its time.
        SourceError: The video cannot be opened, or breaks off; what was analysed is written.
        OutputError: A result cannot be written.
        BrokerError: The broker cannot be reached, or messages were not delivered.
    """
    detectors = Together({job.detector_name: model, **(beside or {})})
    job.plan.check_labels(detectors.info.model, detectors.labels)
    if job.publication is not None:
        check_topic_words(fitted(job.plan, detectors.labels).labels or detectors.labels)
    start = job.plan.start_of(job.video, job.start)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(job.video, job.camera, job.backend))
        info = source.info
        job.plan.check_size(str(job.video), info.width, info.height)
        make_folder(job.folder)
        stack.enter_context(exclusive(job.folder))
        prepare_folder(job)
        run_ = _Run(job, detectors, info, start, face)
        try:
            run_.open_sinks()
            run_.detector.warmup(info.width, info.height)
            run_.analyse(source, stop, on_progress)
            reason = "stopped" if stop.is_set() else "done"
            run_.close(reason)
        except Exception as error:
            run_.fail(error)
            raise
        finally:
            if face is not None:
                face.end(job.camera, f"{job.video.name} is over")
        summary = run_.write_summary(reason, None)
        run_.check_delivery()
        return summary


class _Run:
    """One run of ``analyze``: what lives as long as one video."""

    def __init__(
        self, job: Job, detectors: Together, info: SourceInfo, start: float | None, face: FileFace | None
    ) -> None:
        self._job, self._detectors, self._info, self._start, self._face = job, detectors, info, start, face
        size = (info.width, info.height)
        self._lines, self._zones = job.plan.pixel_lines(*size), job.plan.pixel_zones(*size)
        self._analysis = Analysis.of(job.plan, detectors.labels, job.camera, *size, info.fps, start)
        self._rules = self._analysis.rules
        self._labels = fitted(job.plan, detectors.labels).labels
        self._detector = detectors.info
        self.detector = detectors.finder(job.plan.tiles)
        self._sinks: list[Sink] = []
        self._mqtt: MqttSink | None = None
        self._last_pts_s = 0.0
        self._metrics = RunMetrics()

    def open_sinks(self) -> None:
        job, info = self._job, self._info
        self._sinks.append(FileSink(job.folder))
        wall = None if self._start is None else WallClock(ZoneInfo(job.plan.timezone), self._start)
        bins = Bins(job.bin_minutes, wall, most_gap_s(info.fps))
        bins.expect(self._rules.rules)
        self._sinks.append(BinsSink(job.folder, bins))
        if job.publication is not None:
            counters = self._rules.counters()
            self._mqtt = MqttSink(
                job.publication, job.camera, self._zones, counters, self._metrics, self._detectors, sightline_version()
            )
            self._sinks.append(self._mqtt)
        if heatmaps := [rule for rule in self._rules.rules if isinstance(rule, Heatmap)]:
            from pipelines.sinks.heatmap import HeatmapSink  # draws, as what follows

            self._sinks.append(HeatmapSink(job.folder, heatmaps))
        if job.annotate:
            from pipelines.annotate import Painter  # `run` imports this module, and draws nothing
            from pipelines.sinks.video import VideoSink

            painter = Painter(info.width, info.height, self._lines, self._zones)
            path = job.folder / "annotated.mp4"
            self._sinks.append(VideoSink(path, info.width, info.height, info.fps, painter))

    def analyse(self, source: Source, stop: threading.Event, on_progress: Callable[[Progress], None] | None) -> None:
        info = self._info

        def after_frame(result: FrameResult) -> None:
            self._last_pts_s = result.frame.pts_s
            if self._face is not None:
                self._face.show(result)
            if on_progress is not None:
                on_progress(Progress(self._metrics.frames, info.frame_count, self._metrics.rate.value()))

        with FrameReader(source) as reader:
            self._metrics.start()
            if self._face is not None:
                self._face.begin(self._at_work())
            run(reader, self.detector, self._analysis, self._sinks, self._metrics, stop, after_frame)

    def _at_work(self) -> AtWork:
        size = (self._info.width, self._info.height)
        return AtWork(self._job.camera, size, self._detectors.labels, self._rules, self._metrics, self._detectors)

    def close(self, reason: str) -> None:
        """Close every sink, even when one of them fails, and raise the first failure."""
        failure: Exception | None = None
        while self._sinks:
            try:
                self._sinks.pop().close(reason)
            except Exception as error:
                failure, reason = failure or error, "failed"
        if failure is not None:
            raise failure

    def fail(self, error: Exception) -> None:
        """End after an error, which is the one to tell: what was analysed stays, with a summary where it fits."""
        with suppress(Exception):
            self.close("failed")
        with suppress(OutputError):
            self.write_summary("failed", " ".join(sentences(error)))

    def check_delivery(self) -> None:
        if self._mqtt is not None and self._mqtt.undelivered:
            raise BrokerError(
                f"MQTT broker {self._mqtt.publisher.broker}: {self._mqtt.undelivered} messages were not delivered; "
                f"the results are complete in {self._job.folder}"
            )

    def write_summary(self, reason: str, error: str | None) -> dict[str, Any]:
        metrics, detector, details = self._metrics, self._detector, self._detectors.details()
        summary: dict[str, Any] = {
            "video": str(self._job.video),
            "camera": self._job.camera,
            "start_time": self._start,
            "result": reason,
            "error": error,
            "frames": metrics.frames,
            "media_s": self._last_pts_s,
            "wall_s": round(metrics.elapsed_s, 3),
            "fps": round(metrics.fps, 2),
            "objects": metrics.objects,
            "ms": metrics.stage_ms(),
            "counts": _counts(self._rules.state()),
            "zones": _zones(self._rules.state()),
            "totals": _by_rule("totals", self._rules.counters()),
            "values": _by_rule("values", self._rules.counters()),
            "rules": _with_grids(self._rules),
            "rules_off": rules_off(self._job.plan, self._detectors.labels),
            "framework": detector.framework,
            "model": detector.model,
            "model_sha256": "+".join(dict.fromkeys(row["model_sha256"] for row in details)),
            "device": detector.device,
            "precision": detector.precision,
            "imgsz": list(detector.imgsz),
            "confidence": min(row["confidence"] for row in details),
            "labels": list(self._labels or self._detectors.labels),
            "detectors": details,
            "tracker": self._job.plan.tracker.model_dump(),
            "backend": self._info.backend,
            "size": [self._info.width, self._info.height],
            "peak_rss_mb": peak_rss_mb(),
            "mqtt": None if self._mqtt is None else self._mqtt.report(),
            "versions": {"python": platform.python_version(), **versions()},
        }
        write_json_atomic(self._job.folder / "summary.json", summary)
        return summary


def _with_grids(rules: RuleSet) -> dict[str, dict[str, Any]]:
    """What the rules say of themselves, with the grids of heatmaps."""
    states = rules.state()
    for rule in rules.rules:
        if isinstance(rule, Heatmap):
            states[rule.name]["grid"] = rule.rows()
    return states


def _counts(state: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, int]]]:
    """``{line: {"in": {label: n}, "out": {label: n}}}``, summed over the rules of a line."""
    lines: dict[str, dict[str, dict[str, int]]] = {}
    for rule in state.values():
        if rule["kind"] == "line_crossing":
            line = lines.setdefault(rule["line"], {"in": {}, "out": {}})
            for direction in ("in", "out"):
                line[direction].update(rule[direction])
    return lines


def _zones(state: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """``{zone: {"visits": {label: n}, "now", "max", "mean"}}`` summed over the rules of a zone.

    Their labels differ, so that visits and means add up exactly; the largest occupancy is that of one rule.
    """
    zones: dict[str, dict[str, Any]] = {}
    for rule in state.values():
        if rule["kind"] == "zone_count":
            zone = zones.setdefault(rule["zone"], {"visits": {}, "now": 0, "max": 0, "mean": 0.0})
            zone["visits"] |= rule["visits"]
            zone["now"] += rule["now"]
            zone["max"] = max(zone["max"], rule["max"])
            zone["mean"] = round(zone["mean"] + rule["mean"], 4)
    return zones


def _by_rule(head: str, counters: Mapping[CounterKey, int]) -> dict[str, dict[str, int]]:
    """``{rule: {word: n}}`` of the counters that begin with ``head``."""
    rules: dict[str, dict[str, int]] = {}
    for key, value in counters.items():
        if key[0] == head:
            rules.setdefault(key[1], {})[key[2]] = value
    return rules


def make_folder(folder: Path) -> None:
    """Create an output folder.

    Raises:
        OutputError: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create {folder}: {error.strerror}; choose another folder with --out") from error


def prepare_folder(job: Job) -> None:
    """Create a job's output folder; what an earlier run summed up there goes, so that it never tells of this one.

    Raises:
        OutputError: It cannot be created, or the video to read is a file to be written.
    """
    if job.video.resolve() in {job.folder.resolve() / name for name in RESULT_FILES}:
        raise OutputError(f"{job.video} would be overwritten by its own results; choose another folder with --out")
    make_folder(job.folder)
    for path in (job.folder / "summary.json", job.folder / "annotated.mp4", *job.folder.glob("heatmap-*.png")):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error


def sightline_version() -> str:
    """Sightline's version."""
    return versions().get("sightline", "0")


@cache
def versions() -> dict[str, str]:
    """Versions of the packages that matter for a result, as installed."""
    found = {}
    for package in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found
