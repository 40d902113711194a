"""What a rule may conclude from what it has seen over time, in constant memory.

All of it counts *watched* seconds: media time, of which a gap between two pictures counts ``GAP_S`` at most. A camera
that was away for an hour has not seen that nobody was there.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

GAP_S = 5.0
"""Media seconds that lie between two pictures and count as watched, at most."""
_BUCKETS = 10
_TINY = 1e-6


class Clock:
    """Watched seconds."""

    def __init__(self) -> None:
        """Start at 0."""
        self.watched_s = 0.0
        self._last_s: float | None = None

    def step(self, pts_s: float) -> float:
        """Go on to a frame; returns the watched seconds since the one before, 0 for the first."""
        step_s = 0.0 if self._last_s is None else min(max(0.0, pts_s - self._last_s), GAP_S)
        self._last_s = pts_s
        self.watched_s += step_s
        return step_s


class Hold:
    """For how long something has been so without a break."""

    def __init__(self, grace_s: float = 0.0) -> None:
        """Start with nothing.

        Args:
            grace_s: Watched seconds for which it may fail without that being a break.
        """
        self.held_s: float = 0.0
        self.since_s: float | None = None
        """Media time of the first frame in which it was so; ``None`` while it is not."""
        self._grace_s = grace_s
        self._broken_s = 0.0

    def update(self, holds: bool, step_s: float, pts_s: float) -> float:
        """Take whether it is so in this frame; returns the watched seconds that it has been so."""
        if holds:
            if self.since_s is None:
                self.since_s = pts_s
            else:
                self.held_s += self._broken_s + step_s
            self._broken_s = 0.0
        elif self.since_s is not None:
            self._broken_s += step_s
            if self._broken_s > self._grace_s:
                self.held_s, self._broken_s, self.since_s = 0.0, 0.0, None
        return self.held_s


class Episode:
    """Begins when a value has been high for a while, ends when it has been low for as long; between is neither."""

    def __init__(self, high: float, low: float, after_s: float) -> None:
        """Start outside.

        Args:
            high: Values of at least this are high.
            low: Values of at most this are low; less than ``high``.
            after_s: Watched seconds until it begins, and until it ends.
        """
        self.active = False
        self.peak = 0.0
        """The largest value since it was high first."""
        self.since_s = 0.0
        """Media time since which it has been high, where it is active."""
        self.ended_s = 0.0
        """Media time since which it has been low, once it has ended."""
        self._high, self._low, self._after_s = high, low, after_s
        self._hold = Hold()

    def update(self, value: float, step_s: float, pts_s: float) -> Literal["begin", "end"] | None:
        """Take the value of a frame; returns what happens in it."""
        holds = value <= self._low if self.active else value >= self._high
        if self.active or self._hold.since_s is not None:
            self.peak = max(self.peak, value)
        elif holds:
            self.peak = value
        held_s = self._hold.update(holds, step_s, pts_s)
        if self._hold.since_s is None or held_s < self._after_s:
            return None
        self.active = not self.active
        if self.active:
            self.since_s = self._hold.since_s
        else:
            self.ended_s = self._hold.since_s
        self._hold = Hold()
        return "begin" if self.active else "end"


class Share:
    """In which share of the last seconds of evidence something was so; what is unknown does not count."""

    def __init__(self, seconds: float) -> None:
        """Start without evidence.

        Args:
            seconds: Seconds of evidence that are looked back on, to a tenth.
        """
        self._seconds = seconds
        self._buckets: deque[list[float]] = deque()
        self._so = self._known = 0.0

    def add(self, so: bool, step_s: float) -> None:
        """Take a frame that says so, or not; it stands for ``step_s`` watched seconds."""
        if not self._buckets or self._buckets[-1][1] >= self._seconds / _BUCKETS:
            self._buckets.append([0.0, 0.0])
        newest = self._buckets[-1]
        newest[1] += step_s
        self._known += step_s
        if so:
            newest[0] += step_s
            self._so += step_s
        while len(self._buckets) > 1 and self._known - self._buckets[0][1] >= self._seconds - _TINY:
            self._buckets.popleft()
            self._so = sum(bucket[0] for bucket in self._buckets)  # anew, so that no error adds up
            self._known = sum(bucket[1] for bucket in self._buckets)

    @property
    def value(self) -> float | None:
        """The share, in [0, 1]; ``None`` as long as there is less evidence than asked for."""
        if self._known <= 0 or self._known < self._seconds - _TINY:
            return None
        return min(1.0, max(0.0, self._so / self._known))


class Debounced:
    """Whether something is so, as told: it begins when most of some seconds say so, and ends when as many say not."""

    __slots__ = ("_evidence", "_limit", "_seconds", "holds")

    def __init__(self, seconds: float, share: float) -> None:
        """Start with nothing.

        Args:
            seconds: Seconds of evidence since the first sign of it, and to look back on later.
            share: Share of them, more than a half, that must say so, or that must say not.
        """
        self.holds = False
        self._seconds, self._limit = seconds, share
        self._evidence: Share | None = None

    def update(self, so: bool, step_s: float) -> Literal["begin", "end"] | None:
        """Take a frame that says so, or not; it stands for ``step_s`` watched seconds. Returns what happens in it."""
        if self._evidence is None:
            if not so:
                return None
            self._evidence = Share(self._seconds)
        self._evidence.add(so, step_s)
        value = self._evidence.value
        if value is None:
            return None
        if not self.holds and value >= self._limit:
            self.holds = True
            return "begin"
        if self.holds and value <= 1 - self._limit:
            self.holds = False
            return "end"
        if not self.holds and value == 0:
            self._evidence = None
        return None
