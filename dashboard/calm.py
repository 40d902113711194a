"""What strangers can have logged without a login is logged once in a while, or they could fill the disk."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

EVERY_S = 30.0
_LOGGERS = ("uvicorn.error", "asyncio")
_MOST_TEXTS = 200


class Calm(logging.Filter):
    """Lets each text of the HTTP server through once in so many seconds; what comes in between is left out."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        """Set the time in seconds.

        Args:
            every_s: Between two records of one text, whatever its arguments and further lines are.
            clock: Seconds that grow.
        """
        super().__init__()
        self._every_s, self._clock = every_s, clock
        self._told: dict[tuple[str, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is logged."""
        kind = record.exc_info[0] if record.exc_info else None
        what, now = (str(record.msg).partition("\n")[0][:_MOST_TEXTS], kind), self._clock()
        told = self._told.get(what)
        if told is not None and now < told + self._every_s:
            return False
        if len(self._told) >= _MOST_TEXTS:
            self._told.clear()
        self._told[what] = now
        return True

    def begin(self) -> None:
        """Look at what the HTTP server logs."""
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self)

    def end(self) -> None:
        """Look away; safe to call twice."""
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self)
