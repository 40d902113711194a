"""JSON lines that go on for months: a new file when one is large, and old ones deleted."""

from __future__ import annotations

import logging
import re
import stat
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streams.errors import OutputError
from streams.files import Fault, JsonLinesWriter, cannot_write_to

log = logging.getLogger(__name__)
_PRUNE_EVERY_S = 3600.0
_SAME_SECOND = 10_000
_DAY_S = 86_400.0


class RotatingJsonLines:
    """Appends to ``<stem>-<UTC yyyymmddThhmmss>.jsonl``; a file begun in the same second gets ``-1``, ``-2`` and so on.

    Old files of the same stem are deleted, by their time of change, whenever a file begins and once an hour. What has
    another name is never touched.
    """

    def __init__(self, folder: Path, stem: str, rotate_mb: float, keep_days: float) -> None:
        """Remember where; nothing is made before the first write.

        Args:
            folder: Made when it is not there.
            stem: What the names begin with.
            rotate_mb: Megabytes (10⁶ bytes) from which on the next line begins a new file.
            keep_days: Days after which a file is deleted.
        """
        self._folder = folder
        self._stem = stem
        self._rotate_bytes = rotate_mb * 1e6
        self._pruner = Pruner(folder, stem, ".jsonl", keep_days)
        self._writer: JsonLinesWriter | None = None
        self._fault = cannot_write_to("outputs.jsonl.path")

    def write(self, obj: dict[str, Any]) -> None:
        """Add one object as a line, with the operating system when this returns.

        Args:
            obj: What JSON can hold.

        Raises:
            OutputError: The disk is full or the folder cannot be written; the next write tries again.
            ValueError: A number is NaN or infinite, which JSON does not have.
            TypeError: JSON cannot hold a value.
        """
        if self._writer is None or self._writer.size >= self._rotate_bytes:
            self._begin()
        elif self._pruner.due():
            self._pruner.prune(self._writer.path)
        assert self._writer is not None  # noqa: S101 - for mypy: _begin made it
        self._writer.write(obj)

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

    def _begin(self) -> None:
        self.close()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._fault(self._folder, error) from error
        self._writer = new_file(self._folder, self._stem, self._fault)
        self._pruner.prune(self._writer.path)


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


def new_file(folder: Path, stem: str, fault: Fault) -> JsonLinesWriter:
    """Make a file named by the time, never one that is there already.

    Raises:
        OutputError: It cannot be made.
    """
    for number in range(_SAME_SECOND):
        try:
            return JsonLinesWriter(folder / time_name(stem, ".jsonl", number), "x", fault)
        except OutputError as error:
            if not isinstance(error.__cause__, FileExistsError):
                raise
    raise OutputError(f"{folder} has {_SAME_SECOND} files of {stem} of this second; raise outputs.jsonl.rotate_mb")
