"""Counts in bins of time, as traffic counts are handed over: how many of what went where in each quarter of an hour.

A bin in which the camera did not watch has no count; that is something else than nobody having come.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.values import CounterKey, Event, FrameResult
from pipelines.wall_clock import WallClock

COLUMNS = ("start", "offset_s", "movement", "direction", "class", "count", "observed_s")
MOST_GAP_S = 2.0
"""Media seconds between two frames that still count as watched."""
_MOST_EMPTY = 2000
"""Bins without a frame that are told after a long absence."""
Movement = tuple[str, str, str]
"""What is counted: line and direction and label, or ``from>to``, nothing, and label."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one bin has of one movement and label.

    Attributes:
        start: When the bin begins, by the clock on the wall; ``None`` where nobody knows.
        offset_s: Media seconds at which it begins; negative where the recording begins within it.
        movement: A line, or ``from>to`` of two zones.
        direction: ``in`` or ``out`` of a line, empty otherwise.
        label: What was counted.
        count: How many; ``None`` where the bin was not watched.
        observed_s: Media seconds of it that were watched.
    """

    start: datetime | None
    offset_s: float
    movement: str
    direction: str
    label: str
    count: int | None
    observed_s: float

    def cells(self) -> tuple[str | float | int | None, ...]:
        """The row as ``COLUMNS`` has it; the time with its distance from UTC."""
        start = None if self.start is None else self.start.isoformat(timespec="seconds")
        return start, self.offset_s, self.movement, self.direction, self.label, self.count, self.observed_s


class Bins:
    """Counts of ``line_crossing`` and ``flow_matrix`` per bin. Takes frames in order; gives rows when a bin is over."""

    def __init__(self, minutes: float, wall: WallClock | None = None) -> None:
        """Begin.

        Args:
            minutes: Length of a bin.
            wall: The time at the place: bins begin at full quarters of its hours, say. ``None``: they begin with the
                recording.
        """
        self._length_s = minutes * 60
        self._wall = wall
        self._keys: dict[Movement, None] = {}
        self._counts: Counter[Movement] = Counter()
        self._observed_s = 0.0
        self._begin_s: float | None = None
        self._last_s = 0.0

    def update(self, result: FrameResult) -> list[Row]:
        """Take a frame; returns the rows of the bins that are over with it."""
        pts_s = result.frame.pts_s
        rows = self._move_on(pts_s)
        for key in _movements(result.counters):
            self._keys.setdefault(key)
        for event in result.events:
            if (movement := _movement(event)) is not None:
                self._keys.setdefault(movement)
                self._counts[movement] += 1
        return rows

    def finish(self) -> list[Row]:
        """The rows of the bin that is not over."""
        return [] if self._begin_s is None else list(self._rows(self._begin_s, self._observed_s))

    def _move_on(self, pts_s: float) -> list[Row]:
        if self._begin_s is None:
            self._begin_s, self._last_s = self._bin_of(pts_s), pts_s
            return []
        step_s, self._last_s = pts_s - self._last_s, pts_s
        rows: list[Row] = []
        if pts_s >= self._begin_s + self._length_s:
            rows += self._rows(self._begin_s, self._observed_s)
            begin_s = self._bin_of(pts_s)
            for empty in self._between(self._begin_s, begin_s):
                self._counts.clear()
                rows += self._rows(empty, 0.0)
            self._counts.clear()
            self._begin_s, self._observed_s = begin_s, 0.0
        if 0 < step_s <= MOST_GAP_S:
            self._observed_s += step_s
        return rows

    def _bin_of(self, pts_s: float) -> float:
        """Media seconds at which the bin of a moment begins."""
        if self._wall is None:
            return math.floor(pts_s / self._length_s) * self._length_s
        local = self._wall.local(pts_s)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        return pts_s - ((local - midnight) / timedelta(seconds=1)) % self._length_s

    def _between(self, before_s: float, begin_s: float) -> Iterator[float]:
        missing = min(_MOST_EMPTY, round((begin_s - before_s) / self._length_s) - 1)
        for number in range(missing, 0, -1):
            yield begin_s - number * self._length_s

    def _rows(self, begin_s: float, observed_s: float) -> Iterator[Row]:
        start = None if self._wall is None else self._wall.local(begin_s)
        if start is not None:
            start = (start + timedelta(microseconds=500_000)).replace(microsecond=0)
        for key in sorted(self._keys):
            count = self._counts[key] if observed_s > 0 or self._counts[key] else None
            yield Row(start, round(begin_s, 3), *key, count, round(observed_s, 1))


def _movements(counters: Mapping[CounterKey, int]) -> Iterator[Movement]:
    """Movements that are counted from the start, zeros included."""
    for head, *rest in counters:
        if head == "counts" and len(rest) == 3:
            line, direction, label = rest
            yield line, direction, label


def _movement(event: Event) -> Movement | None:
    data, label = event.data, event.label or ""
    if event.kind == "line_crossing":
        return str(data["line"]), str(data["direction"]), label
    if event.kind == "flow_matrix":
        return f"{data['from']}>{data['to']}", "", label
    return None
