"""A table that goes on over processes, for the log folder."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from config.paths import kind_of
from streams.files import CsvWriter, cannot_write_to
from streams.rotating import time_name

log = logging.getLogger(__name__)
LOG_DIR_FAULT = cannot_write_to("--log-dir")
_OURS = 3
"""A table that begins with so many of our columns was written by us."""
_LONGEST_HEADER = 10_000
_SAME_SECOND = 1000


class Table:
    """A CSV file that goes on over processes; when it is large it is renamed after the time, and a new one begins."""

    def __init__(
        self, folder: Path, stem: str, columns: Iterable[str], rotate_bytes: float, on_begin: Callable[[], None]
    ) -> None:
        """Open ``<stem>.csv``, or begin it. One of an earlier version is kept under another name.

        Args:
            folder: Where it lies; must be there.
            stem: Its name.
            columns: Its header.
            rotate_bytes: Size from which on the next row begins a new file.
            on_begin: Called when a file was renamed.

        Raises:
            OutputError: It cannot be written, or is none of ours.
        """
        self._path = folder / f"{stem}.csv"
        self._columns = tuple(columns)
        self._rotate_bytes = self._limit = rotate_bytes
        self._on_begin = on_begin
        self._writer: CsvWriter | None = None
        self._open()

    def write(self, row: Iterable[object]) -> None:
        """Add one row.

        Raises:
            OutputError: The disk is full or the file cannot be written; the next call tries again.
        """
        writer = self._writer or self._open()
        if writer.size >= self._limit and kind_of(self._path) is None:
            writer = self._rotate(writer)
        writer.write(row)

    def close(self) -> None:
        """Close the file; safe to call twice.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _open(self) -> CsvWriter:
        if self._of_another_version():
            free = self._free_name()
            try:
                self._path.rename(free)
            except OSError as error:
                raise LOG_DIR_FAULT(free, error) from error
            log.info("%s has the columns of another version; it is %s now", self._path, free.name)
        self._writer = CsvWriter(self._path, self._columns, "a", LOG_DIR_FAULT)
        return self._writer

    def _rotate(self, writer: CsvWriter) -> CsvWriter:
        """Rename the file and begin a new one; where that fails, go on with it and try again when it has grown."""
        self.close()
        try:
            self._path.rename(self._free_name())
            self._limit = self._rotate_bytes
            self._on_begin()
        except FileNotFoundError:  # somebody has taken it away
            self._limit = self._rotate_bytes
        except OSError as error:
            self._limit = writer.size + self._rotate_bytes
            log.warning("%s cannot be renamed (%s); it grows on", self._path, error.strerror or error)
        return self._open()

    def _free_name(self) -> Path:
        """Its name with the time, of which there is no file yet."""
        names = (time_name(self._path.stem, ".csv", number) for number in range(_SAME_SECOND))
        return next((path for name in names if not (path := self._path.with_name(name)).exists()), self._path)

    def _of_another_version(self) -> bool:
        """Whether it is ours by its first columns, and the others differ."""
        if kind_of(self._path) is not None:
            return False
        try:
            with self._path.open(encoding="utf-8", errors="replace", newline="") as file:
                found = next(csv.reader([file.readline(_LONGEST_HEADER)]), [])
        except (OSError, csv.Error):  # it is not there, or cannot be opened: told when it is opened for writing
            return False
        return tuple(found) != self._columns and tuple(found[:_OURS]) == self._columns[:_OURS]
