"""The last that was logged, kept in memory for whoever looks: without anyone's password, like the log itself."""

from __future__ import annotations

import logging
from collections import deque
from typing import TypedDict

MOST_LINES = 1000
MOST_CHARACTERS = 2000
"""Of one record; the rest is cut off."""


class LogLine(TypedDict):
    """One record: ``id`` grows by one with each, ``at`` is in Unix seconds; ``trace`` is empty without an error."""

    id: int
    at: float
    level: str
    logger: str
    message: str
    trace: str


class LogTail(logging.Handler):
    """Keeps the newest records of the log, as its formatter leaves them. Any thread may read."""

    def __init__(self, lines: logging.Formatter) -> None:
        """Begin with nothing.

        Args:
            lines: Writes ``LEVEL logger: message``, and a traceback on lines of its own; hides secrets.
        """
        super().__init__()
        self.setFormatter(lines)
        self._lines: deque[LogLine] = deque(maxlen=MOST_LINES)
        self._count = 0

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
            number: Only those with a greater ``id``.
            limit: So many at most.
        """
        self.acquire()
        try:
            lines = list(self._lines)
        finally:
            self.release()
        return [line for line in lines if line["id"] > number][-limit:] if limit > 0 else []
