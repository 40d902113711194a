"""One thing that happened, as the truth or the results tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

DIRECTION_KEYS = ("direction", "action", "state", "level")
TIME_KEYS = ("at_pts_s", "left_pts_s")
"""Keys of an event's ``data`` that tell when it was, before the rule was sure; the second one is of old queues."""
SECONDS_KEYS = ("dwell_time_sec", "wait_s", "seconds", "stopped_s", "lasted_s", "previous_s")
"""Keys of an event's ``data`` that are a duration, for the truth's column ``seconds``."""
VALUE_KEYS = ("speed_kmh", "metres", "least_m", "length", "people", "occupancy")
"""Keys of an event's ``data`` that are a number, for the truth's column ``value``."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A crossing, an entering, a stay that was too long: whatever a rule reports.

    Attributes:
        kind: Kind of the rule.
        name: The line or zone, or the rule's own name.
        label: What did it; empty where that is not told.
        direction: ``in``, ``out``, ``enter``, ``leave``, a state, ``north>east``; empty where there is none.
        time_s: Media time, seconds.
        seconds: How long, where it is told.
        value: A number that belongs to it, where it is told.
        rule: Name of the rule that told it; empty in a truth.
    """

    kind: str
    name: str
    label: str
    direction: str
    time_s: float
    seconds: float | None = None
    value: float | None = None
    rule: str = field(default="", compare=False)

    @classmethod
    def of_event(cls, kind: str, rule: str, label: str, data: Mapping[str, Any], pts_s: float) -> Happening:
        """From an event of a rule of any kind.

        Args:
            kind: Kind of the rule.
            rule: Its name, which stands for the place where ``data`` names neither a line nor a zone.
            label: The track's label, or nothing.
            data: The event's own keys.
            pts_s: Media time at which the rule was sure; one of ``TIME_KEYS`` is when it was, where it is told.
        """
        return cls(
            kind,
            place_name(data, rule),
            label,
            _direction(data),
            float(next((data[key] for key in TIME_KEYS if key in data), pts_s)),
            _number(data, SECONDS_KEYS),
            _number(data, VALUE_KEYS),
            rule,
        )


def place_name(told: Mapping[str, Any], rule: str) -> str:
    """What a truth calls the place of a rule.

    Args:
        told: Has its ``line`` or ``zone``: the data of an event, what the summary says of the rule, its configuration.
        rule: Its name, for a rule that has neither.
    """
    return str(told.get("line") or told.get("zone") or rule)


def _direction(data: Mapping[str, Any]) -> str:
    """Which way, or into which state; of what goes from one place to another both, as ``north>east``."""
    way = [data[key] for key in ("from", "to") if data.get(key) is not None]
    if len(way) == 2:
        return ">".join(map(str, way))
    return next((str(data[key]) for key in DIRECTION_KEYS if data.get(key) is not None), "")


def _number(data: Mapping[str, Any], keys: tuple[str, ...]) -> float | None:
    for key in keys:
        value = data.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None
