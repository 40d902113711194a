"""``bins.csv`` of one run: counts in bins of a quarter of an hour, say."""

from __future__ import annotations

from pathlib import Path

from pipelines.bins import COLUMNS, Bins, Row
from pipelines.values import FrameResult
from streams.files import CsvWriter


class BinsSink:
    """Writes the rows of a bin when it is over, and those of the last one at the end."""

    def __init__(self, folder: Path, bins: Bins) -> None:
        """Create the file, empty.

        Raises:
            OutputError: The folder cannot be written.
        """
        self._bins = bins
        self._writer = CsvWriter(folder / "bins.csv", COLUMNS)
        self._is_closed = False

    def write(self, result: FrameResult) -> None:
        """Take a frame."""
        self._put(self._bins.update(result))

    def close(self, reason: str) -> None:
        """Write the last bin, which may not be whole, and close the file."""
        if not self._is_closed:
            self._is_closed = True
            self._put(self._bins.finish())
            self._writer.close()

    def _put(self, rows: list[Row]) -> None:
        for row in rows:
            self._writer.write(row.cells())
