"""The arithmetic of history: cells of time that counts are summed up in, and the steps that a chart asks for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from config.errors import SightlineError
from pipelines.values import CounterKey, grows

WIDTHS = (10, 60, 900)
"""Seconds of a cell, from the finest to the coarsest; each divides the next, or is divided by a step of both."""
KEPT_S: Mapping[int, float] = {10: 26 * 3600.0, 60: 8 * 86_400.0}
"""How long fine cells are kept; the coarsest are kept as long as the history."""
MOST_POINTS = 2000
DEFAULT_POINTS = 300
_LONGEST_S = 10 * 366 * 86_400.0
Interval = tuple[float, float]


class RangeError(SightlineError):
    """A range of time that no chart can show."""


@dataclass(frozen=True, slots=True)
class Counter:
    """A counter as the history names it.

    Attributes:
        camera: Its camera.
        head: ``counts``, ``totals``, ``occupancy`` or ``values``.
        place: A line, a zone, or for ``totals`` and ``values`` a rule.
        direction: ``in`` or ``out``, empty where it has none.
        label: Of objects, or for ``totals`` and ``values`` what the rule calls it.
    """

    camera: str
    head: str
    place: str
    direction: str
    label: str


def counter_of(camera: str, key: CounterKey) -> Counter:
    """A counter of a camera by its key."""
    return Counter(camera, key[0], key[1], key[2] if len(key) > 3 else "", key[-1])


def increase(before: int | None, now: int) -> int:
    """What a growing total has grown by; one that is smaller than before has begun anew.

    Args:
        before: At the last look; ``None``: this is the first, and nobody knows when that was counted.
        now: At this one.
    """
    if before is None:
        return 0
    return now - before if now >= before else now


def amount(key: CounterKey, before: int | None, now: int, seconds: float) -> float:
    """What a look at a counter adds to a cell: the growth of a total, or the present value times the seconds."""
    return float(increase(before, now)) if grows(key) else now * seconds


def cell_of(moment: float, width: int) -> int:
    """Where the cell begins that a moment lies in, in Unix seconds."""
    return math.floor(moment / width) * width


@dataclass(frozen=True, slots=True)
class Steps:
    """The points of a chart.

    Attributes:
        start: Unix seconds of the first.
        step: Seconds between two; a multiple of ``width``.
        count: How many there are.
        width: Of the cells they are summed up from.
    """

    start: int
    step: int
    count: int
    width: int

    @property
    def times(self) -> list[int]:
        """Unix seconds at which each begins."""
        return [self.start + number * self.step for number in range(self.count)]

    @property
    def end(self) -> int:
        """Unix seconds at which the last ends."""
        return self.start + self.count * self.step


def steps(since: float | None, until: float | None, step: float | None, now: float) -> Steps:
    """What a chart asks for, as the cells can give it.

    A step is made longer where cells so fine are not kept any more; points begin at whole cells.

    Args:
        since: Unix seconds; default: an hour before ``until``.
        until: Unix seconds; default: now.
        step: Seconds; default: what gives some 300 points.
        now: Unix seconds.

    Raises:
        RangeError: It ends before it begins, is no number, or has too many points.
    """
    last = min(now if until is None else until, now + WIDTHS[-1])
    first = last - 3600.0 if since is None else since
    if not (math.isfinite(first) and math.isfinite(last)) or not 0 <= first < last or last - first > _LONGEST_S:
        raise RangeError("'since' must lie before 'until', both in Unix seconds, and not more than ten years")
    wanted = (last - first) / DEFAULT_POINTS if step is None else step
    if not math.isfinite(wanted) or wanted <= 0:
        raise RangeError("'step' must be a number of seconds above zero")
    kept = [width for width in WIDTHS if first >= now - KEPT_S.get(width, math.inf)]
    width = max([one for one in kept if one <= wanted], default=kept[0])
    whole = max(1, math.ceil(wanted / width - 1e-9)) * width
    start = cell_of(first, width)
    count = max(1, math.ceil((last - start) / whole))
    if count > MOST_POINTS:
        least = math.ceil((last - first) / MOST_POINTS)
        raise RangeError(f"that is {count} points, and {MOST_POINTS} are the most; ask for a 'step' of {least} or more")
    return Steps(start, whole, count, width)


def seconds_in(intervals: Iterable[Interval], chart: Steps) -> list[float]:
    """How many seconds of each step lie in the intervals, which do not overlap."""
    found = [0.0] * chart.count
    for since, until in intervals:
        low, high = max(since, chart.start), min(until, chart.end)
        if high <= low:
            continue
        first, last = int((low - chart.start) // chart.step), int((high - chart.start) // chart.step)
        for number in range(first, min(last, chart.count - 1) + 1):
            begin = chart.start + number * chart.step
            found[number] += max(0.0, min(high, begin + chart.step) - max(low, begin))
    return found


def series_of(head: str, amounts: Mapping[int, float], watched_s: Sequence[float]) -> list[float | None]:
    """The values of a chart: how many came in each step, or how many were there on average; null where nobody watched.

    Args:
        head: Of the counter.
        amounts: What was summed up, by the number of the step; those without anything are left out.
        watched_s: Seconds of each step in which the camera was watched.
    """
    total = grows((head,))
    values: list[float | None] = []
    for number, seconds in enumerate(watched_s):
        found = amounts.get(number)
        if found is None:
            values.append(0 if seconds > 0 else None)
        elif total:
            values.append(int(found))
        else:
            values.append(round(found / seconds, 3) if seconds > 0 else None)
    return values
