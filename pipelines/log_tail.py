"""The last that was logged, kept in memory for whoever looks: without anyone's password, like the log itself."""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import TypedDict

MOST_LINES = 1000
MOST_CHARACTERS = 2000
"""Of one record; the rest is cut off."""


class LogLine(TypedDict):
    """One record: ``id`` grows by one with each, ``at`` is in Unix seconds; ``trace`` is empty without an error.

    Ids of a later process are greater, too: who asked the one before for what is new misses nothing of this one.
    """

    id: int
    at: float
    level: str
    logger: str
    message: str
    trace: str


class LogTail(logging.Handler):
    """Keeps the newest records of the log, as its formatter leaves them. Any thread may read."""

    def __init__(self, lines: logging.Formatter, before: int | None = None) -> None:
        """Begin with nothing.

        Args:
            lines: Writes ``LEVEL logger: message``, and a traceback on lines of its own; hides secrets.
            before: The first ``id`` less one; default: milliseconds since 1970.
        """
        super().__init__()
        self.setFormatter(lines)
        self._lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._count = round(time.time() * 1000) if before is None else before

    @property
    def newest(self) -> int:
        """The greatest ``id`` that was given."""
        return self._count

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record; called under the handler's lock."""
        try:
            head, _, trace = self.format(record).partition("\n")
        except Exception:  # a log must not end what it reports on
            head, trace = f"{record.levelname} {record.name}: a record cannot be written", ""
        self._count += 1
        message = head.removeprefix(f"{record.levelname} {record.name}: ")
        self._lines.append(
            LogLine(
                id=self._count,
                at=record.created,
                level=record.levelname,
                logger=record.name,
                message=message[:MOST_CHARACTERS],
                trace=trace[-MOST_CHARACTERS:],
            )
        )

    def after(self, number: int, limit: int) -> list[LogLine]:
        """The newest records, the oldest of them first.

        Args:
            number: Only those with a greater ``id``; one that was never given is of another process: all are new.
            limit: So many at most.
        """
        self.acquire()
        try:
            lines = list(self._lines)
            number = number if number <= self._count else 0
        finally:
            self.release()
        return [line for line in lines if line["id"] > number][-limit:] if limit > 0 else []
