"""Drive one file through detector, tracker, rules and sinks, with the stages overlapping.

Three threads: the source's capture thread decodes, one thread owns the model, and the caller's thread tracks, runs the
rules and feeds the sinks. The queues between them are bounded and block, so a file loses no frame.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from detectors.detections import Detections
from detectors.detector import Detector, StageTimes
from pipelines.filters import BoxFilter
from pipelines.metrics import RunMetrics
from pipelines.scenario import RuleSet
from pipelines.sinks.base import Sink
from pipelines.tracker import Tracker
from pipelines.values import FrameResult, Timings
from streams.frame import Frame

QUEUE_SIZE = 4
_POLL_S = 0.2


class Frames(Protocol):
    """Frames in order, from a thread of their own."""

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames until they end."""
        ...

    def stop(self) -> None:
        """End the iteration at once."""
        ...


@dataclass(frozen=True, slots=True)
class _Detected:
    frame: Frame
    detections: Detections
    times: StageTimes
    taken: float


class _Inference:
    """The thread that owns the model."""

    def __init__(self, frames: Frames, detector: Detector[Any], keep: BoxFilter) -> None:
        self._frames = frames
        self._detector = detector
        self._keep = keep
        self._queue: queue.Queue[_Detected | Exception | None] = queue.Queue(maxsize=QUEUE_SIZE)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="inference", daemon=True)

    def __enter__(self) -> _Inference:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._frames.stop()
        self._thread.join()

    def _work(self) -> None:
        try:
            for frame in self._frames:
                taken = time.perf_counter()
                found = self._keep(self._detector.detect([frame.image])[0])
                if not self._put(_Detected(frame, found, self._detector.last_times, taken)):
                    return
            self._put(None)
        except Exception as error:
            self._put(error)

    def _put(self, item: _Detected | Exception | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue
            return True
        return False

    def results(self, stop: threading.Event) -> Iterable[_Detected]:
        """Detected frames in order, until the end, an error or ``stop``."""
        while not stop.is_set():
            try:
                item = self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item


def run(
    frames: Frames,
    detector: Detector[Any],
    keep: BoxFilter,
    tracker: Tracker,
    rules: RuleSet,
    sinks: Sequence[Sink],
    metrics: RunMetrics,
    stop: threading.Event,
    on_result: Callable[[FrameResult], None] | None = None,
) -> None:
    """Analyse frames until they end or ``stop`` is set.

    Args:
        frames: Decoded frames in order; iterated by the inference thread and stopped at the end.
        detector: Used by the inference thread only.
        keep: Which boxes go on.
        tracker: This source's tracker.
        rules: This source's rules.
        sinks: Take each result in order, in this thread.
        metrics: Counts frames and times.
        stop: Ends the run after the frame in hand.
        on_result: Called after each frame, for a progress bar.

    Raises:
        SourceError: The source broke off; all frames before it have been written.
        OutputError: A result cannot be written.
    """
    with _Inference(frames, detector, keep) as inference:
        for item in inference.results(stop):
            start = time.perf_counter()
            track_ids, tracks = tracker.update(item.detections, item.frame.pts_s)
            tracked = time.perf_counter()
            events = rules.update(tracks, item.frame)
            counters = rules.counters()
            done = time.perf_counter()
            timings = Timings(
                decode=item.frame.decode_ms,
                preprocess=item.times.preprocess_ms,
                inference=item.times.inference_ms,
                postprocess=item.times.postprocess_ms,
                track=(tracked - start) * 1e3,
                rules=(done - tracked) * 1e3,
                latency=(done - item.taken) * 1e3,
            )
            result = FrameResult(item.frame, item.detections, track_ids, tracks, events, counters, timings)
            for sink in sinks:
                sink.write(result)
            metrics.add(timings, len(item.detections))
            if on_result is not None:
                on_result(result)
