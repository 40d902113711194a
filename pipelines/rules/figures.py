"""Figures of what rules have measured, in constant memory."""

from __future__ import annotations

from collections import deque

import numpy as np

RECENT = 1000
"""Durations of which percentiles are told."""


class Level:
    """A whole number that changes with time: now, largest, mean over the watched seconds."""

    def __init__(self) -> None:
        """Start at 0."""
        self.now = self.max = 0
        self._seconds = self._sum = 0.0

    def update(self, value: int, step_s: float) -> None:
        """Take the value of a frame; the one before has stood for ``step_s`` watched seconds."""
        self._sum += self.now * step_s
        self._seconds += step_s
        self.now, self.max = value, max(self.max, value)

    def summary(self) -> dict[str, float]:
        """``{"now", "max", "mean"}``."""
        mean = self._sum / self._seconds if self._seconds > 0 else 0.0
        return {"now": self.now, "max": self.max, "mean": round(mean, 4)}


class Durations:
    """How many there were, their mean and largest, and percentiles of the last thousand."""

    def __init__(self) -> None:
        """Start with none."""
        self.count = 0
        self._sum = self._max = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def add(self, seconds: float) -> None:
        """Take one, in seconds."""
        self.count += 1
        self._sum += seconds
        self._max = max(self._max, seconds)
        self._recent.append(seconds)

    def summary(self) -> dict[str, float | None]:
        """``{"count", "mean_s", "p50_s", "p85_s", "max_s"}``; ``None`` where there is none."""
        if not self.count:
            return {"count": 0, "mean_s": None, "p50_s": None, "p85_s": None, "max_s": None}
        p50, p85 = np.percentile(self._recent, (50, 85)).tolist()
        return {
            "count": self.count,
            "mean_s": round(self._sum / self.count, 3),
            "p50_s": round(p50, 3),
            "p85_s": round(p85, 3),
            "max_s": round(self._max, 3),
        }
