"""JSON lines and tables that go on for months: a new file when one is large, and old ones deleted."""

from __future__ import annotations

import logging
import re
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from streams.errors import OutputError
from streams.files import CsvWriter, Fault, JsonLinesWriter, LineFile, Mode, cannot_write_to

log = logging.getLogger(__name__)
Writer = TypeVar("Writer", bound=LineFile)
Make = Callable[[Path, Mode, Fault], Writer]
"""Opens a file of one kind."""
_PRUNE_EVERY_S = 3600.0
_SAME_SECOND = 10_000
_DAY_S = 86_400.0


class _Rotating(Generic[Writer]):
    """Appends to ``<stem>-<UTC yyyymmddThhmmss><suffix>``; one begun in the same second gets ``-1``, ``-2`` and so on.

    Old files of the same stem are deleted, by their time of change, whenever a file begins and once an hour. What has
    another name is never touched.
    """

    def __init__(self, make: Make[Writer], folder: Path, stem: str, suffix: str, rotate_mb: float, keep_days: float):
        self._make = make
        self._folder = folder
        self._stem, self._suffix = stem, suffix
        self._rotate_bytes = rotate_mb * 1e6
        self._pruner = Pruner(folder, stem, suffix, keep_days)
        self._writer: Writer | None = None
        self._fault = cannot_write_to("outputs.jsonl.path")

    def prune(self) -> None:
        """Delete old files now, the one in use, too, when nothing was written for so long.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        if self._writer is not None and self._pruner.is_old(self._writer.path):
            self.close()
        self._pruner.prune(self._writer.path if self._writer is not None else None)

    def close(self) -> None:
        """Close the file; safe to call twice. A later write begins a new one.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _ready(self) -> Writer:
        """The file to write into now: the one in use, or a new one where that is large."""
        if self._writer is None or self._writer.size >= self._rotate_bytes:
            return self._begin()
        if self._pruner.due():
            self._pruner.prune(self._writer.path)
        return self._writer

    def _begin(self) -> Writer:
        self.close()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._fault(self._folder, error) from error
        self._writer = writer = _new_file(self._make, self._folder, self._stem, self._suffix, self._fault)
        self._pruner.prune(writer.path)
        return writer


class RotatingJsonLines(_Rotating[JsonLinesWriter]):
    """JSON lines in ``<stem>-<UTC yyyymmddThhmmss>.jsonl``; a new file begins when one is large."""

    def __init__(self, folder: Path, stem: str, rotate_mb: float, keep_days: float) -> None:
        """Remember where; nothing is made before the first write.

        Args:
            folder: Made when it is not there.
            stem: What the names begin with.
            rotate_mb: Megabytes (10⁶ bytes) from which on the next line begins a new file.
            keep_days: Days after which a file is deleted.
        """
        super().__init__(JsonLinesWriter, folder, stem, ".jsonl", rotate_mb, keep_days)

    def write(self, obj: dict[str, Any]) -> None:
        """Add one object as a line, with the operating system when this returns.

        Args:
            obj: What JSON can hold.

        Raises:
            OutputError: The disk is full or the folder cannot be written; the next write tries again.
            ValueError: A number is NaN or infinite, which JSON does not have.
            TypeError: JSON cannot hold a value.
        """
        self._ready().write(obj)


class RotatingCsv(_Rotating[CsvWriter]):
    """Rows in ``<stem>-<UTC yyyymmddThhmmss>.csv``, each with the header; a new file begins with each day (UTC)."""

    def __init__(
        self, folder: Path, stem: str, columns: Sequence[str], rotate_mb: float, keep_days: float
    ) -> None:  # fmt: skip
        """Remember where; nothing is made before the first row.

        Args:
            folder: Made when it is not there.
            stem: What the names begin with.
            columns: The header.
            rotate_mb: Megabytes (10⁶ bytes) from which on the next row begins a new file.
            keep_days: Days after which a file is deleted.
        """

        def make(path: Path, mode: Mode, fault: Fault) -> CsvWriter:
            return CsvWriter(path, columns, mode, fault)

        super().__init__(make, folder, stem, ".csv", rotate_mb, keep_days)
        self._day = ""

    def write(self, row: Iterable[object]) -> None:
        """Add a row, with the operating system when this returns.

        Args:
            row: As many values as there are columns.

        Raises:
            OutputError: The disk is full or the folder cannot be written; the next write tries again.
            ValueError: There are more or fewer values.
        """
        today = f"{datetime.now(UTC):%Y%m%d}"
        if today != self._day:
            self._day = today
            self.close()
        self._ready().write(row)


class Pruner:
    """Deletes the old files of one stem in one folder."""

    def __init__(self, folder: Path, stem: str, suffix: str, keep_days: float) -> None:
        """Remember which.

        Args:
            folder: It need not exist.
            stem: What the names begin with, before the time.
            suffix: What they end with, with its dot.
            keep_days: Days since the last change after which a file is deleted.
        """
        self._folder = folder
        self._name = re.compile(re.escape(stem) + r"-\d{8}T\d{6}(-\d+)?" + re.escape(suffix))
        self._keep_s = keep_days * _DAY_S
        self._due = 0.0

    def due(self) -> bool:
        """Whether the last time is an hour ago."""
        return time.monotonic() >= self._due

    def is_old(self, path: Path) -> bool:
        """Whether a file's last change is so long ago; not of one that is gone."""
        try:
            return path.lstat().st_mtime < time.time() - self._keep_s
        except OSError:
            return False

    def prune(self, current: Path | None = None) -> None:
        """Delete what is old, except the file in use; what cannot be deleted is a warning."""
        self._due = time.monotonic() + _PRUNE_EVERY_S
        limit = time.time() - self._keep_s
        try:
            named = [path for path in self._folder.iterdir() if self._name.fullmatch(path.name) and path != current]
            for path in named:
                about = path.lstat()
                if stat.S_ISREG(about.st_mode) and about.st_mtime < limit:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("old files in %s are not deleted (%s)", self._folder, error.strerror or error)


def time_name(stem: str, suffix: str, number: int = 0) -> str:
    """``<stem>-<UTC yyyymmddThhmmss><suffix>``, with ``-<number>`` behind the time unless it is 0."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{stem}-{now}{f'-{number}' if number else ''}{suffix}"


def _new_file(make: Make[Writer], folder: Path, stem: str, suffix: str, fault: Fault) -> Writer:
    """Make a file named by the time, never one that is there already.

    Raises:
        OutputError: It cannot be made.
    """
    for number in range(_SAME_SECOND):
        try:
            return make(folder / time_name(stem, suffix, number), "x", fault)
        except OutputError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
    raise OutputError(f"{folder} has {_SAME_SECOND} files of {stem} of this second; raise outputs.jsonl.rotate_mb")
