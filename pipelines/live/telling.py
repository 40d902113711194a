"""Faults that may come with every frame are logged once in a while."""

from __future__ import annotations

import logging
import time


class Telling:
    """Logs a line for each thing once in so many seconds; what comes in between is left out. For one thread or few."""

    def __init__(self, log: logging.Logger, level: int, every_s: float) -> None:
        """Remember where to log.

        Args:
            log: The logger of the module that tells.
            level: Such as ``logging.WARNING``.
            every_s: Seconds between two lines of one thing.
        """
        self._log, self._level, self._every_s = log, level, every_s
        self._told: dict[str, float] = {}

    def __call__(self, what: str, text: str, error: Exception | None = None) -> None:
        """Log ``text``, unless something of ``what`` was logged a short while ago.

        Args:
            what: One of few.
            text: One sentence.
            error: Its traceback is logged, too.
        """
        now = time.monotonic()
        if now >= self._told.get(what, -self._every_s) + self._every_s:
            self._told[what] = now
            self._log.log(self._level, "%s", text, exc_info=error)
