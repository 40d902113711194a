"""Result files of a live camera, which rotate: ``detections-*.jsonl``, ``events-*.jsonl`` and ``bins-*.csv``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from pipelines.bins import COLUMNS, Row
from pipelines.sinks.files import detections_line, event_line
from pipelines.values import FrameResult
from streams.rotating import RotatingCsv, RotatingJsonLines


class RotatingSink:
    """Writes what ``FileSink`` writes, with ``captured_at`` (Unix seconds) in every line."""

    def __init__(self, folder: Path, rotate_mb: float, keep_days: float) -> None:
        """Remember where; the files begin with the first result.

        Args:
            folder: Of this camera alone; made when it is not there.
            rotate_mb: Megabytes after which a new file begins.
            keep_days: Days after which a file is deleted.
        """
        self._detections = RotatingJsonLines(folder, "detections", rotate_mb, keep_days)
        self._events = RotatingJsonLines(folder, "events", rotate_mb, keep_days)
        self._bins = RotatingCsv(folder, "bins", COLUMNS, rotate_mb, keep_days)

    def write(self, result: FrameResult) -> None:
        """Write a frame's events and boxes; events first, since a full disk has more room for them.

        Raises:
            OutputError: The disk is full or the folder cannot be written; the caller counts it and goes on.
        """
        for event in result.events:
            self._events.write({**event_line(event, result.frame.index), "captured_at": event.captured_at})
        self._detections.write({**detections_line(result), "captured_at": result.frame.captured_at})

    def write_bin(self, row: Row) -> None:
        """Write what a bin that is over has of one movement.

        Raises:
            OutputError: The disk is full or the folder cannot be written.
        """
        self._bins.write(row.cells())

    def prune(self) -> None:
        """Delete old files, also while nothing is written.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        with ExitStack() as stack:
            for files in (self._bins, self._detections, self._events):
                stack.callback(files.prune)

    def close(self, reason: str) -> None:
        """Close the files."""
        with ExitStack() as stack:
            for files in (self._bins, self._detections, self._events):
                stack.callback(files.close)
