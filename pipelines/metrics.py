"""Rates and percentiles in constant memory."""

from __future__ import annotations

import dataclasses
import math
import time
from collections import deque

import numpy as np

from pipelines.values import Timings

WARM_FRAMES = 30
_LEAST_SPAN_S = 0.2
"""A rate over less would say what a batch of frames did, not what comes in a second."""
STAGES = tuple(field.name for field in dataclasses.fields(Timings))


class Histogram:
    """Percentiles of durations, exact to 1 %, in constant memory.

    Bins grow geometrically from 1 µs to about 20 minutes.
    """

    _LOWEST_MS = 1e-3
    _GROWTH = math.log(1.01)
    _BINS = 2100

    def __init__(self) -> None:
        self._counts = np.zeros(self._BINS, np.int64)
        self._total = 0
        self._sum_ms = 0.0

    def add(self, value_ms: float) -> None:
        """Take one duration in milliseconds."""
        position = math.log(max(value_ms, self._LOWEST_MS) / self._LOWEST_MS) / self._GROWTH
        self._counts[min(int(position), self._BINS - 1)] += 1
        self._total += 1
        self._sum_ms += value_ms

    def plus(self, other: Histogram) -> Histogram:
        """Both together, as a new one."""
        both = Histogram()
        both._counts = self._counts + other._counts
        both._total, both._sum_ms = self._total + other._total, self._sum_ms + other._sum_ms
        return both

    @property
    def mean(self) -> float:
        """Mean in milliseconds; 0 without any."""
        return self._sum_ms / self._total if self._total else 0.0

    def percentile(self, share: float) -> float:
        """The duration in milliseconds that a share (0..1) of all stays under; 0 without any."""
        if not self._total:
            return 0.0
        rank = max(share * self._total, 1)
        row = int(np.searchsorted(np.cumsum(self._counts), rank, side="left"))
        return self._LOWEST_MS * math.exp((row + 0.5) * self._GROWTH)

    def summary(self) -> dict[str, float]:
        """``{"p50", "p95", "p99"}`` in milliseconds."""
        return {f"p{percent}": round(self.percentile(percent / 100), 3) for percent in (50, 95, 99)}


class RecentHistogram:
    """Percentiles of the last one to two windows, for what runs for months."""

    def __init__(self, window_s: float = 15.0) -> None:
        """Start empty; the older half is forgotten every ``window_s`` seconds of the monotonic clock."""
        self._window_s = window_s
        self._now, self._before = Histogram(), Histogram()
        self._until = time.monotonic() + window_s

    def add(self, value_ms: float) -> None:
        """Take one duration in milliseconds."""
        self._turn()
        self._now.add(value_ms)

    def recent(self) -> Histogram:
        """Both windows together, as a new one."""
        self._turn()
        return self._now.plus(self._before)

    def summary(self) -> dict[str, float]:
        """``{"p50", "p95", "p99"}`` in milliseconds."""
        return self.recent().summary()

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._until:
            recent = self._now if now < self._until + self._window_s else Histogram()
            self._before, self._now, self._until = recent, Histogram(), now + self._window_s


class Rate:
    """Events per second over the last seconds, by the monotonic clock."""

    def __init__(self, window_s: float = 5.0) -> None:
        self._window_s = window_s
        self._times: deque[float] = deque()

    def tick(self, now: float | None = None) -> None:
        """Count one event."""
        now = time.monotonic() if now is None else now
        self._times.append(now)
        while self._times[0] < now - self._window_s:
            self._times.popleft()

    def value(self, now: float | None = None) -> float:
        """Events per second within the window."""
        now = time.monotonic() if now is None else now
        recent = [moment for moment in self._times.copy() if moment >= now - self._window_s]  # another thread may tick
        if len(recent) < 2:
            return 0.0
        return (len(recent) - 1) / max(recent[-1] - recent[0], _LEAST_SPAN_S)


class Pace:
    """At most so many a second; what was late by less than one interval is made good."""

    def __init__(self, per_second: float) -> None:
        """Start: the first one is due at once."""
        self._interval = 1 / per_second
        self._next = 0.0

    def due(self, now: float) -> bool:
        """Whether one more may go now (seconds of any clock that grows); if so, it counts."""
        if now < self._next:
            return False
        self._next = max(self._next, now - self._interval) + self._interval
        return True


class RunMetrics:
    """Frames, FPS and stage times of one run."""

    def __init__(self) -> None:
        self.frames = 0
        self.objects = 0
        self.stages = {stage: Histogram() for stage in STAGES}
        self.rate = Rate()
        self._warm_at: float | None = None
        self.start()

    def start(self) -> None:
        """The first frame is asked for now."""
        self._start = self._last = time.perf_counter()

    def add(self, timings: Timings, objects: int) -> None:
        """Take a finished frame."""
        self._last = time.perf_counter()
        self.frames += 1
        self.objects += objects
        if self.frames == WARM_FRAMES:
            self._warm_at = self._last
        self.rate.tick()
        for stage in STAGES:
            self.stages[stage].add(getattr(timings, stage))

    @property
    def fps(self) -> float:
        """Frames after the first 30 by their wall time, end to end; over all frames while there are no more."""
        if self._warm_at is not None and self.frames > WARM_FRAMES:
            return (self.frames - WARM_FRAMES) / max(self._last - self._warm_at, 1e-9)
        return self.frames / max(self._last - self._start, 1e-9)

    @property
    def elapsed_s(self) -> float:
        """Wall seconds from the start to the last finished frame."""
        return self._last - self._start

    def stage_ms(self) -> dict[str, dict[str, float]]:
        """Mean and percentiles per stage in milliseconds."""
        return {
            stage: {"mean": round(histogram.mean, 3), **histogram.summary()} for stage, histogram in self.stages.items()
        }
