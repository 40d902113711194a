"""Connections that are open and ask nothing, or take nothing: each takes one of a bounded number."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

WITHIN_S = 20.0
"""Seconds in which the headers of a request must have come."""


class Idle:
    """Remembers since when each connection has had no request under way."""

    def __init__(self, within_s: float = WITHIN_S) -> None:
        """Set the time in seconds."""
        self._within_s = within_s
        self._seen: dict[Any, tuple[Any, float]] = {}  # its last request, and since when that is so

    def over(self, connections: Iterable[Any], now: float) -> list[Any]:
        """The connections that have been idle for too long.

        Args:
            connections: Uvicorn's protocols; the ``cycle`` of each is its last request, ``None`` before the first.
            now: Seconds of the monotonic clock.
        """
        seen: dict[Any, tuple[Any, float]] = {}
        for one in connections:
            if one.cycle is None or one.cycle.response_complete:
                last, since = self._seen.get(one, (one.cycle, now))
                seen[one] = (one.cycle, since if last is one.cycle else now)
        self._seen = seen
        return [one for one, (_, since) in seen.items() if now - since > self._within_s]


class Stuck:
    """Remembers since when each connection has taken nothing of what waits for it."""

    def __init__(self, within_s: float) -> None:
        """Set the time in seconds."""
        self._within_s = within_s
        self._seen: dict[Any, tuple[int, int, float]] = {}  # bytes that wait, how often it went on, since when neither

    def over(self, connections: Iterable[Any], now: float) -> list[Any]:
        """The connections whose clients have taken nothing for too long, whatever was written meanwhile.

        Args:
            connections: Uvicorn's protocols; ``resumed`` counts how often each could be written to again.
            now: Seconds of the monotonic clock.
        """
        seen: dict[Any, tuple[int, int, float]] = {}
        for one in connections:
            waiting = one.transport.get_write_buffer_size()
            if waiting:
                before, resumed, since = self._seen.get(one, (waiting, one.resumed, now))
                has_taken = waiting < before or one.resumed != resumed
                seen[one] = (waiting, one.resumed, now if has_taken else since)
        self._seen = seen
        return [one for one, (_, _, since) in seen.items() if now - since > self._within_s]
