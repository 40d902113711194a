"""Counts in bins of time, as traffic counts are handed over: how many of what went where in each quarter of an hour.

A bin in which the camera did not watch has no count; that is something else than nobody having come.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from pipelines.rules.base import Rule
from pipelines.rules.flow_matrix import FlowMatrix
from pipelines.values import CounterKey, Event, FrameResult
from pipelines.wall_clock import WallClock

COLUMNS = ("start", "offset_s", "movement", "direction", "class", "count", "observed_s")
MOST_GAP_S = 2.0
"""Media seconds between two frames that still count as watched, unless fewer are to be expected: ``most_gap_s``."""
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


@dataclass(frozen=True, slots=True)
class _Bin:
    """When a bin begins.

    Attributes:
        begin_s: Media seconds.
        clock_s: Unix seconds; media seconds where nobody knows the time.
        zone: Time zone of the place; ``None`` where nobody knows the time.
    """

    begin_s: float
    clock_s: float
    zone: tzinfo | None

    @property
    def start(self) -> datetime | None:
        """The begin by the clock on the wall."""
        return None if self.zone is None else datetime.fromtimestamp(round(self.clock_s), self.zone)

    def earlier(self, by_s: float) -> _Bin:
        """One that begins so many seconds before."""
        return _Bin(self.begin_s - by_s, self.clock_s - by_s, self.zone)


def most_gap_s(fps: float) -> float:
    """Media seconds between two frames that still count as watched, where so many come in a second; 0: not known."""
    return max(MOST_GAP_S, 3 / fps) if fps > 0 else MOST_GAP_S


class Bins:
    """Counts of ``line_crossing`` and ``flow_matrix`` per bin. Takes frames in order; gives rows when a bin is over."""

    def __init__(self, minutes: float, wall: WallClock | None = None, most_gap_s: float = MOST_GAP_S) -> None:
        """Begin.

        Args:
            minutes: Length of a bin.
            wall: The time at the place: bins begin at full quarters of its hours, say. ``None``: they begin with the
                recording.
            most_gap_s: Media seconds between two frames that still count as watched, where a bin is no shorter.
        """
        self._length_s = minutes * 60
        self._wall = wall
        self._most_gap_s = min(most_gap_s, self._length_s)
        self._keys: dict[Movement, None] = {}
        self._counts: Counter[Movement] = Counter()
        self._observed_s = 0.0
        self._bin: _Bin | None = None
        self._last_s = 0.0

    def expect(self, rules: Iterable[Rule]) -> None:
        """Have rows from now on for the ways between zones that these rules may count, with 0 where nothing came.

        Those over lines need no telling: their counters are there from the start.
        """
        for rule in rules:
            for origin, target, label in rule.expected if isinstance(rule, FlowMatrix) else ():
                self._keys.setdefault((_way(origin, target), "", label))

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
        return [] if self._bin is None else list(self._rows(self._bin, self._observed_s))

    def _move_on(self, pts_s: float) -> list[Row]:
        now = self._bin_of(pts_s)
        if self._bin is None:
            self._bin, self._last_s = now, pts_s
            return []
        step_s, self._last_s = pts_s - self._last_s, pts_s
        watched_s = step_s if 0 < step_s <= self._most_gap_s else 0.0
        rows: list[Row] = []
        if self._is_another(now.clock_s - self._bin.clock_s):
            of_now_s = min(watched_s, max(0.0, pts_s - now.begin_s))
            rows += self._rows(self._bin, self._observed_s + watched_s - of_now_s)
            for empty in self._between(self._bin, now):
                self._counts.clear()
                rows += self._rows(empty, 0.0)
            self._counts.clear()
            self._bin, self._observed_s, watched_s = now, 0.0, of_now_s
        self._observed_s += watched_s
        return rows

    def _is_another(self, later_s: float) -> bool:
        """Whether a bin that begins so much later, by the clock, is not this one.

        A camera's clock trembles, and is set from time to time: what brings it back by less than a bin brings no bin
        back. A day on which clocks are changed is one bin, if bins are days.
        """
        return later_s >= self._length_s / 2 or later_s <= -1.5 * self._length_s

    def _bin_of(self, pts_s: float) -> _Bin:
        """The bin of a moment of media time."""
        if self._wall is None:
            begin_s = math.floor(pts_s / self._length_s) * self._length_s
            return _Bin(begin_s, begin_s, None)
        local = self._wall.local(pts_s)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        since_s = ((local - midnight) / timedelta(seconds=1)) % self._length_s
        return _Bin(pts_s - since_s, local.timestamp() - since_s, local.tzinfo)

    def _between(self, before: _Bin, now: _Bin) -> Iterator[_Bin]:
        missing = min(_MOST_EMPTY, round((now.clock_s - before.clock_s) / self._length_s) - 1)
        for number in range(missing, 0, -1):
            yield now.earlier(number * self._length_s)

    def _rows(self, which: _Bin, observed_s: float) -> Iterator[Row]:
        for key in sorted(self._keys):
            count = self._counts[key] if observed_s > 0 or self._counts[key] else None
            yield Row(which.start, round(which.begin_s, 3), *key, count, round(observed_s, 1))


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
        return _way(str(data["from"]), str(data["to"])), "", label
    return None


def _way(origin: str, target: str) -> str:
    """A way between two zones as a movement."""
    return f"{origin}>{target}"
