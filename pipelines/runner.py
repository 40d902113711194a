"""Drive one file through detector, tracker, rules and sinks, with the stages overlapping.

Three threads: the source's capture thread decodes, the caller's thread owns the model, and a third tracks, runs the
rules and feeds the sinks. The queues between them are bounded and block, so a file loses no frame.

The model stays in the thread that loaded and warmed it: OpenMP keeps a team of threads for each thread that computes,
and with a second team on two cores a forward pass takes half as long again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from detectors.detections import Detections
from detectors.detector import StageTimes
from detectors.tiles import Finder
from pipelines.analysis import Analysis
from pipelines.metrics import RunMetrics
from pipelines.sinks.base import Sink
from pipelines.values import FrameResult
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


class _Results:
    """The thread that takes detected frames in order; the queue to it is bounded and blocks."""

    def __init__(self, handle: Callable[[_Detected], None], frames: Frames, stop: threading.Event) -> None:
        self._handle = handle
        self._frames = frames
        self._stop = stop
        self._queue: queue.Queue[_Detected | None] = queue.Queue(maxsize=QUEUE_SIZE)
        self._thread = threading.Thread(target=self._work, name="results", daemon=True)
        self.error: Exception | None = None

    def __enter__(self) -> _Results:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self.put(None)
        self._thread.join()
        if kind is None and self.error is not None:
            raise self.error

    def put(self, item: _Detected | None) -> None:
        """Hand a frame over, or ``None`` as the last; waits for room, gives up when the thread has failed."""
        while self.error is None:
            try:
                return self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue

    def _work(self) -> None:
        try:
            while (item := self._next()) is not None:
                self._handle(item)
        except Exception as error:  # it is the caller's: raised at the end of the with block
            self.error = error
            self._frames.stop()

    def _next(self) -> _Detected | None:
        """The next frame; ends the source meanwhile if ``stop`` was set, for the caller may be waiting for it."""
        while True:
            try:
                return self._queue.get(timeout=_POLL_S)
            except queue.Empty:
                if self._stop.is_set():
                    self._frames.stop()


def run(
    frames: Frames,
    detector: Finder,
    analysis: Analysis,
    sinks: Sequence[Sink],
    metrics: RunMetrics,
    stop: threading.Event,
    on_result: Callable[[FrameResult], None] | None = None,
) -> None:
    """Analyse frames until they end or ``stop`` is set.

    Args:
        frames: Decoded frames in order; stopped when ``stop`` is set or a result cannot be written.
        detector: Used by the calling thread only.
        analysis: This source's filter, tracker and rules.
        sinks: Take each result in order, in the results thread.
        metrics: Counts frames and times.
        stop: Ends the run; the few frames that are detected by then are still tracked and written.
        on_result: Called after each frame by the results thread, for a progress bar.

    Raises:
        SourceError: The source broke off; all frames before it have been written.
        OutputError: A result cannot be written.
    """

    def handle(item: _Detected) -> None:
        result = analysis.step(item.frame, item.detections, item.times, item.taken)
        for sink in sinks:
            sink.write(result)
        metrics.add(result.timings, len(result.detections))
        if on_result is not None:
            on_result(result)

    with _Results(handle, frames, stop) as results:
        for frame in frames:
            if stop.is_set() or results.error is not None:
                break
            taken = time.perf_counter()
            (found,) = detector.detect([frame.image])
            results.put(_Detected(frame, found, detector.last_times, taken))
