"""The threads of one run: order, overlap, bounds, and how they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from config.site import Tracker as TrackerConfig
from detectors.detections import Detections
from detectors.detector import StageTimes
from pipelines.analysis import Analysis
from pipelines.filters import BoxFilter
from pipelines.metrics import RunMetrics
from pipelines.runner import run
from pipelines.scenario import RuleSet
from pipelines.tracker import Tracker
from pipelines.values import FrameResult
from pipelines.wall_clock import WallClock
from streams.errors import OutputError, SourceError
from streams.frame import Frame

LABELS = ("person",)


class Frames:
    """A source that makes pictures as fast as they are taken, and may break off."""

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count, self.error, self.given = count, error, 0
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            if self._stopped.is_set():
                return
            self.given += 1
            yield Frame("a", index, np.full((20, 20, 3), index % 250, np.uint8), index / 10, 0.0, 1.5)
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self._stopped.set()


class Slow:
    """A detector that takes its time and finds one box, whose size is the picture's value."""

    labels = LABELS

    def __init__(self, seconds: float = 0.0, error_at: int = -1) -> None:
        self.seconds, self.error_at, self.calls = seconds, error_at, 0
        self.last_times = StageTimes(1.0, 2.0, 3.0)
        self.threads = set[str]()

    def detect(self, images: Sequence[Any]) -> list[Detections]:
        self.threads.add(threading.current_thread().name)
        if self.calls == self.error_at:
            raise RuntimeError("the device is gone")
        self.calls += 1
        time.sleep(self.seconds)
        value = float(images[0][0, 0, 0])
        box = np.array([[0, 0, 1 + value, 1 + value]], np.float32)
        return [Detections(box, np.array([0.9], np.float32), np.array([0], np.int64), LABELS)]


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self, seconds: float = 0.0, error_at: int = -1) -> None:
        self.results: list[FrameResult] = []
        self.seconds, self.error_at = seconds, error_at

    def write(self, result: FrameResult) -> None:
        if len(self.results) == self.error_at:
            raise OutputError("the disk is full")
        time.sleep(self.seconds)
        self.results.append(result)

    def close(self, reason: str) -> None: ...


def go(frames: Frames, detector: Slow, sink: Collector, stop: threading.Event | None = None) -> RunMetrics:
    metrics = RunMetrics()
    keep = BoxFilter(LABELS, None, 0, ())
    tracker = Tracker(TrackerConfig(), 10)
    analysis = Analysis(keep, tracker, RuleSet([], WallClock()))
    run(frames, detector, analysis, [sink], metrics, stop or threading.Event())  # type: ignore[arg-type]
    return metrics


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_every_frame_once_and_in_order_with_its_own_boxes() -> None:
    frames, detector, sink = Frames(100), Slow(), Collector()
    metrics = go(frames, detector, sink)
    assert [result.frame.index for result in sink.results] == list(range(100))
    assert all(result.detections.xyxy[0, 2] == 1 + result.frame.index for result in sink.results)
    assert (metrics.frames, metrics.objects) == (100, 100)
    assert detector.threads == {threading.current_thread().name}  # one team of OpenMP threads, not two
    times = sink.results[0].timings
    assert (times.decode, times.preprocess, times.inference, times.postprocess) == (1.5, 1.0, 2.0, 3.0)


def test_inference_and_output_overlap() -> None:
    start = time.monotonic()
    go(Frames(20), Slow(0.05), Collector(0.05))
    assert time.monotonic() - start < 1.6  # one after the other: 2 s


def test_a_slow_output_holds_the_source_back_so_memory_is_bounded() -> None:
    frames, stop = Frames(10_000), threading.Event()

    class Watch(Collector):
        def write(self, result: FrameResult) -> None:
            super().write(result)
            assert frames.given - len(self.results) <= 8
            if len(self.results) == 20:
                stop.set()

    go(frames, Slow(), Watch(0.01), stop)
    assert frames.given <= 30


def test_a_source_that_breaks_off_gives_all_its_frames_first() -> None:
    sink = Collector(0.01)
    with pytest.raises(SourceError, match="cable"):
        go(Frames(12, SourceError("the cable is cut")), Slow(), sink)
    assert len(sink.results) == 12


def test_a_detector_that_fails_ends_the_run_after_the_frames_before() -> None:
    sink = Collector()
    with pytest.raises(RuntimeError, match="the device is gone"):
        go(Frames(50), Slow(error_at=7), sink)
    assert len(sink.results) == 7


def test_an_output_that_fails_ends_the_run_at_once() -> None:
    frames, sink = Frames(10_000), Collector(error_at=5)
    with pytest.raises(OutputError, match="the disk is full"):
        go(frames, Slow(0.001), sink)
    assert frames.given < 30


def test_a_stop_ends_after_the_frame_in_hand_and_before_the_first() -> None:
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    start = time.monotonic()
    sink = Collector()
    go(Frames(10_000), Slow(0.02), sink, stop)
    assert time.monotonic() - start < 2
    assert 1 < len(sink.results) < 60
    sink = Collector()
    go(Frames(10_000), Slow(0.02), sink, stop)
    assert sink.results == []


def test_no_frame_at_all() -> None:
    sink = Collector()
    assert go(Frames(0), Slow(), sink).frames == 0
    assert sink.results == []
