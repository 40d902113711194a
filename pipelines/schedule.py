"""Weekly schedules: ``mon-fri 18:00-06:00``, ``sat,sun``, ``daily 22:00-05:00``, or a list of such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_HOURS = re.compile(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})")
_FORM = "write days, hours or both, as in 'mon-fri 18:00-06:00', 'sat,sun' or 'daily 22:00-05:00'"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is on, week by week, by the clock on the wall.

    What begins on a day goes on over midnight. When clocks are changed, an hour that does not exist is left out, and
    one that comes twice counts twice: the clock on the wall decides.

    Attributes:
        spans: Minutes of the week from Monday 0:00, begin and end; an end may lie in the next week.
    """

    spans: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, text: str | Sequence[str]) -> Self:
        """Read a schedule.

        Raises:
            ValueError: It cannot be read, or never opens; says why.
        """
        lines = (text,) if isinstance(text, str) else tuple(text)
        if not lines:
            raise ValueError(f"this schedule is empty, so it never opens; {_FORM}")
        return cls(tuple(span for line in lines for span in _spans(line)))

    def is_open(self, local: datetime) -> bool:
        """Whether it is on at this time of the place."""
        minute = local.weekday() * _DAY_MIN + local.hour * 60 + local.minute
        return any(start <= minute < end or minute + _WEEK_MIN < end for start, end in self.spans)


def _spans(line: str) -> Iterator[tuple[int, int]]:
    """The spans of one line, one for each day."""
    text = line.strip().lower()
    hours = _HOURS.search(text)
    days = (text[: hours.start()] if hours else text).strip()
    if not text or (hours and hours.end() != len(text)):
        raise ValueError(f"schedule {line!r} cannot be read; {_FORM}")
    start, end = _minutes(line, hours) if hours else (0, _DAY_MIN)
    for day in _days(line, days) if days else range(7):
        yield day * _DAY_MIN + start, day * _DAY_MIN + end


def _minutes(line: str, hours: re.Match[str]) -> tuple[int, int]:
    """Begin and end in minutes of the day; the end is later, and may lie in the next day."""
    h1, m1, h2, m2 = map(int, hours.groups())
    start, end = h1 * 60 + m1, h2 * 60 + m2
    if max(m1, m2) > 59 or start >= _DAY_MIN or end > _DAY_MIN:
        raise ValueError(f"schedule {line!r} has a time that no clock shows; use 00:00 to 23:59, or 24:00 as an end")
    if start == end:
        raise ValueError(
            f"schedule {line!r} ends when it begins, so it never opens; for whole days write the days alone"
        )
    return start, end if end > start else end + _DAY_MIN


def _days(line: str, words: str) -> list[int]:
    """Numbers of the days, Monday is 0; a range may go over the weekend."""
    if words == "daily":
        return list(range(7))
    found: list[int] = []
    for part in re.split(r"\s*,\s*", words):
        first, dash, last = (word.strip() for word in part.partition("-"))
        if first not in DAYS or (dash and last not in DAYS):
            raise ValueError(f"schedule {line!r} cannot be read at {part!r}; the days are {', '.join(DAYS)}; {_FORM}")
        begin = DAYS.index(first)
        length = (DAYS.index(last) - begin) % 7 if dash else 0
        found += [(begin + step) % 7 for step in range(length + 1)]
    return list(dict.fromkeys(found))


def _no_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool):  # YAML 1.1 reads 22:00 as a number
        raise ValueError(f"put this schedule in quotes; {_FORM}")
    return value


def _readable(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    Schedule.of(value)
    return value


Hours = Annotated[str | tuple[str, ...], BeforeValidator(_no_number), AfterValidator(_readable)]
"""A schedule as a key of a configuration: text, or a list of texts."""
