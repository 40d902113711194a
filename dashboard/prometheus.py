"""The numbers of ``stats`` in Prometheus' words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pipelines.messages import CameraStats, DetectorStats, ServiceStats, StatsPayload

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Metric
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

_QUANTILES = {"p50": "0.5", "p95": "0.95", "p99": "0.99"}
_UP = ("online", "degraded")


def registry(stats: Callable[[], StatsPayload]) -> CollectorRegistry:
    """A registry of our own, whose one collector asks for the numbers when it is scraped.

    Args:
        stats: Gives the present numbers; called in the thread that serves the scrape.
    """
    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

    class Live(Collector):
        def collect(self) -> Iterable[Metric]:
            return metrics(stats())

    made = CollectorRegistry(auto_describe=False)
    made.register(Live())
    return made


def metrics(stats: StatsPayload) -> Iterator[Metric]:
    """Every number of one report. Gauges may fall; counters begin at 0 with the process."""
    yield from _of_cameras(stats.cameras)
    yield from _of_detectors(stats.detectors)
    yield from _of_service(stats.service)


def _of_cameras(cameras: Mapping[str, CameraStats]) -> Iterator[Metric]:
    fps = _gauge("camera_fps", "Frames per second over the last seconds.", "camera", "kind")
    frames = _counter("camera_frames", "Frames since the process started.", "camera", "kind")
    up = _gauge("camera_up", "Whether frames come from the camera (online or degraded).", "camera")
    detecting = _gauge("camera_detecting", "Whether detection is switched on.", "camera")
    latency = _gauge("camera_latency_ms", "Milliseconds from capture to publishing.", "camera", "quantile")
    reconnects = _counter("camera_reconnects", "Connections after the first one.", "camera")
    observed = _gauge("camera_observed_share", "Share of the time in which the camera was really watched.", "camera")
    gated = _gauge("camera_gated_share", "Share of the due frames in which nothing moved.", "camera")
    skew = _gauge("camera_clock_skew_seconds", "The camera's NTP clock less the host's.", "camera")
    dropped = _counter("camera_dropped_results", "Results that files could not take in time.", "camera")
    for name, camera in cameras.items():
        for kind, rate, total in (
            ("capture", camera.camera_fps, camera.captured),
            ("process", camera.process_fps, camera.processed),
            ("detection", camera.detection_fps, camera.detected),
            ("skipped", camera.skipped_fps, camera.skipped),
        ):
            fps.add_metric([name, kind], rate)
            frames.add_metric([name, kind], total)
        frames.add_metric([name, "gated"], camera.gated)
        up.add_metric([name], camera.status in _UP)
        detecting.add_metric([name], camera.detecting)
        for quantile, value in _quantiles(camera.latency_ms):
            latency.add_metric([name, quantile], value)
        reconnects.add_metric([name], camera.reconnects)
        observed.add_metric([name], camera.observed_share)
        gated.add_metric([name], camera.gated_share)
        if camera.clock_skew_s is not None:
            skew.add_metric([name], camera.clock_skew_s)
        dropped.add_metric([name], camera.dropped_results)
    yield from (fps, frames, up, detecting, latency, reconnects, observed, gated, skew, dropped)


def _of_detectors(detectors: Mapping[str, DetectorStats]) -> Iterator[Metric]:
    labels = ("detector", "framework", "model", "device", "precision")
    fps = _gauge("detector_fps", "Frames per second through the detector over the last seconds.", *labels)
    inference = _gauge("detector_inference_ms", "Milliseconds of a forward pass.", *labels, "quantile")
    rates = _gauge("detector_cameras_fps", "Frames per second of all cameras that use it.", *labels, "kind")
    latency = _gauge("detector_latency_ms", "From capture to publishing, of all cameras.", *labels, "quantile")
    frames = _counter("detector_frames", "Frames through the detector since the process started.", *labels)
    for name, detector in detectors.items():
        values = [name, detector.framework, detector.model, detector.device, detector.precision]
        fps.add_metric(values, detector.fps)
        frames.add_metric(values, detector.frames)
        for quantile, value in _quantiles(detector.inference_ms):
            inference.add_metric([*values, quantile], value)
        for kind, rate in (
            ("capture", detector.camera_fps),
            ("process", detector.process_fps),
            ("detection", detector.fps),
            ("skipped", detector.skipped_fps),
        ):
            rates.add_metric([*values, kind], rate)
        for quantile, value in _quantiles(detector.latency_ms):
            latency.add_metric([*values, quantile], value)
    yield from (fps, rates, latency, inference, frames)


def _of_service(service: ServiceStats) -> Iterator[Metric]:
    queues = _gauge("queue_depth", "What waits inside the process.", "queue")
    for name, depth in service.queues.items():
        queues.add_metric([name], depth)
    build = _gauge("build_info", "Always 1; the version is a label.", "version")
    build.add_metric([service.version], 1)
    connected = _gauge("mqtt_connected", "Whether the broker is connected; absent without MQTT.")
    if service.broker is not None:
        connected.add_metric([], service.broker == "connected")
    yield from (queues, build, connected)
    yield from (
        _alone(_gauge("outbox_depth", "Messages that wait in the outbox or are not confirmed."), service.spooled),
        _alone(_gauge("rss_bytes", "Resident memory of the process."), service.rss_mb * 1e6),
        _alone(_gauge("uptime_seconds", "Seconds since the process started."), service.uptime),
        _alone(_counter("messages_dropped", "Messages lost: too old, or too many, or QoS 0 offline."), service.dropped),
        _alone(_counter("stage_restarts", "Stages that hung and were started again."), service.restarts),
    )


def _alone(family: Metric, value: float) -> Metric:
    """A family with one sample, which has no labels."""
    family.add_sample(family.name + "_total" * (family.type == "counter"), {}, value)
    return family


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(f"sightline_{name}", text, labels=labels)


def _counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
    """A counter; ``_total`` is added to its name where it is shown."""
    from prometheus_client.core import CounterMetricFamily

    return CounterMetricFamily(f"sightline_{name}", text, labels=labels)


def _quantiles(milliseconds: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """``p95`` becomes ``0.95``."""
    return ((_QUANTILES[name], value) for name, value in milliseconds.items() if name in _QUANTILES)
