"""The figures of a running site: of each camera, and of each detector over its cameras."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from pipelines.live.figures import detector_stats
from pipelines.messages import CameraStats, DetectorStats
from pipelines.metrics import Histogram
from tests.support.live import Boxes, in_this_process, wait_until, write_site
from tests.support.memory_site import Cameras


def camera(**rates: float) -> CameraStats:
    spread = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    return CameraStats(**rates, latency_ms=spread, reconnects=0, observed_share=1.0)  # type: ignore[arg-type]


def histogram(*values: float) -> Histogram:
    found = Histogram()
    for value in values:
        found.add(value)
    return found


def bare(name: str) -> DetectorStats:
    return DetectorStats(
        framework="torch", model=name, device="cpu", precision="fp32", imgsz=[640, 640], batch=4, fps=7.5,
        inference_ms={"p50": 30.0},
    )  # fmt: skip


def test_a_detector_sums_its_cameras() -> None:
    """A camera of two detectors counts with both; percentiles are those of all frames together."""
    a = camera(camera_fps=25, process_fps=10, detection_fps=10, skipped_fps=0.25)
    b = camera(camera_fps=12.5, process_fps=5, detection_fps=2, skipped_fps=1)
    cameras = {
        "a": (("main",), a, histogram(*[10] * 98)),
        "b": (("main", "night"), b, histogram(99, 99)),
        "c": ((), a, histogram(5000)),
    }
    found = detector_stats({name: bare(name) for name in ("main", "night", "spare")}, cameras)
    main, night, spare = found["main"], found["night"], found["spare"]
    assert (main.camera_fps, main.process_fps, main.skipped_fps) == (37.5, 15, 1.25)
    assert main.latency_ms == {
        "p50": pytest.approx(10, rel=0.01), "p95": pytest.approx(10, rel=0.01), "p99": pytest.approx(99, rel=0.01),
    }  # fmt: skip
    assert (night.camera_fps, night.latency_ms["p50"]) == (12.5, pytest.approx(99, rel=0.01))
    assert (spare.camera_fps, spare.latency_ms) == (0, {"p50": 0, "p95": 0, "p99": 0})
    assert (main.fps, main.inference_ms, main.model) == (7.5, {"p50": 30.0}, "main")


def test_figures_of_a_running_site(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    """One camera is too fast for its detector, in one nothing moves, one falls silent after half the time."""
    silent = threading.Event()
    cameras({"busy": 25.0, "quiet": 10.0, "away": 10.0}, still={"quiet"}, away=silent)
    every = {
        "busy": {"source": "rtsp://memory/busy", "detect_fps": 25, "detector": "slow"},
        "quiet": {"source": "rtsp://memory/quiet", "motion": {"enabled": True}},
        "away": {"source": "rtsp://memory/away"},
    }
    path = write_site(tmp_path / "site.yaml", every, detectors={"main": {}, "slow": {"iou": 0.6, "batch": 1}})
    seconds = 6.0
    with in_this_process(path, lambda planned: Boxes(0.08 if planned.name == "slow" else 0.0)) as service:
        wait_until(lambda: service.health()[0], "it does not start")
        wait_until(lambda: all(camera.processed for camera in service._cameras.values()), "no frame goes through")
        time.sleep(seconds / 2)
        silent.set()
        time.sleep(seconds / 2)
        stats = service.stats()
        latencies = service._cameras["quiet"].latencies
    busy, quiet, away = (stats.cameras[name] for name in every)
    assert busy.skipped_fps == pytest.approx(busy.skipped / seconds, rel=0.15)
    assert busy.camera_fps == pytest.approx(busy.process_fps + busy.skipped_fps, rel=0.15)
    assert busy.skipped_fps > 8 > quiet.skipped_fps
    assert busy.gated_share == 0
    assert busy.observed_share > 0.9
    assert away.observed_share == pytest.approx(0.5, abs=0.12)
    assert quiet.observed_share > 0.85  # nothing moves, and it is watched
    assert quiet.gated_share == pytest.approx(quiet.gated / (quiet.gated + quiet.detected), abs=0.02)
    assert 0.6 < quiet.gated_share < 0.95  # the first second is analysed
    assert quiet.processed > quiet.detected  # tracker and rules see the last boxes twice a second
    assert latencies._total == quiet.detected  # what nobody looked at must not make it look quick
    main, slow = stats.detectors["main"], stats.detectors["slow"]
    assert (slow.camera_fps, slow.process_fps) == (busy.camera_fps, busy.process_fps)
    assert (slow.skipped_fps, slow.latency_ms) == (busy.skipped_fps, busy.latency_ms)
    assert main.camera_fps == pytest.approx(quiet.camera_fps + away.camera_fps, abs=0.02)
    assert 0 < main.latency_ms["p50"] < 80 < slow.latency_ms["p50"]
