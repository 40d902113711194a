"""A file that a person owns, replaced so that nothing is lost: whole or not at all, with what was there kept aside."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import math
import os
import re
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from config.errors import SightlineError

MOST_BACKUPS = 20
"""Of each kind, the oldest are deleted."""
_SHORT = 12
_NAME = re.compile(r"(?P<time>\d{8}T\d{6}\.\d{6}Z)-(?P<kind>saved|undone)-(?P<held>[0-9a-f]+)-(?P<next>[0-9a-f]+)$")
_TIME = "%Y%m%dT%H%M%S.%fZ"
_STEP_S = 0.001


class ConflictError(SightlineError):
    """The file is not what the one who changes it has seen."""


class FileError(SightlineError, OSError):
    """The file cannot be read or replaced."""


@dataclass(frozen=True, slots=True)
class Backup:
    """What a file held before it was replaced.

    Attributes:
        path: Where it is kept.
        at: Unix seconds of the replacement.
        kind: ``saved``: a change took its place; ``undone``: it was taken back.
        held: The first digits of the revision that is in it.
        followed_by: Those of the revision that took its place.
    """

    path: Path
    at: float
    kind: str
    held: str
    followed_by: str


def revision_of(data: bytes) -> str:
    """What tells one state of a file from another: its SHA-256, in hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


class KeptFile:
    """A text file that is replaced by one thread at a time."""

    def __init__(self, path: Path, backups: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        """Remember where it is; nothing is opened.

        Args:
            path: The file; a link is followed, and stays one.
            backups: Folder for what it held before; default: ``var/backups`` beside it.
            clock: Unix seconds.
        """
        self.path = path
        self._backups = path.parent / "var" / "backups" if backups is None else backups
        self._clock = clock
        self._lock = threading.Lock()

    def read(self) -> tuple[str, str]:
        """Its text and revision.

        Raises:
            FileError: It cannot be read, or is no UTF-8.
        """
        data = self._bytes()
        try:
            return data.decode("utf-8"), revision_of(data)
        except UnicodeDecodeError as error:
            raise FileError(f"{self.path}: not a UTF-8 text file ({error.reason} at byte {error.start})") from error

    def read_only_reason(self) -> str | None:
        """Why it cannot be replaced, as far as that can be seen beforehand."""
        target = self._target
        try:
            mode = target.stat().st_mode
        except OSError as error:
            return f"{self.path} cannot be read ({error.strerror or error})"
        if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(target, os.W_OK):
            return f"{self.path} is read-only"
        if not os.access(target.parent, os.W_OK | os.X_OK):
            return f"the folder {target.parent} is read-only"
        return None

    def replace(self, revision: str, text: str) -> str:
        """Replace what it holds, and keep that as a backup.

        Args:
            revision: Of what it holds now, as the one who changes it has seen it.
            text: What it shall hold.

        Returns:
            The new revision.

        Raises:
            ConflictError: It holds something else by now.
            FileError: It, or the backup, cannot be written; it is as it was.
        """
        with self._lock:
            return self._replace(revision, text.encode("utf-8"), "saved")

    def undoable(self) -> Backup | None:
        """What the next ``undo`` brings back: what was there before the last change, where that is what is there."""
        saved = [backup for backup in self.backups() if backup.kind == "saved"]
        return saved[0] if saved else None

    def text_of(self, backup: Backup) -> str:
        """What a backup holds.

        Raises:
            FileError: It cannot be read.
        """
        try:
            return backup.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{backup.path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error

    def undo(self, revision: str) -> str:
        """Bring back what was there before the last change; what is there now is kept as a backup of its own.

        Args:
            revision: Of what it holds now.

        Returns:
            The new revision.

        Raises:
            ConflictError: It holds something else by now, there is nothing to go back to, or somebody else has changed
                it after the last change.
            FileError: It cannot be written; it is as it was.
        """
        with self._lock:
            backup = self.undoable()
            if backup is None:
                raise ConflictError(f"{self.path}: there is nothing to undo")
            if not revision.startswith(backup.followed_by):
                raise ConflictError(
                    f"{self.path} was changed by somebody else after the last change made here, which undoing would "
                    f"take away, too; what it held before is in {backup.path}"
                )
            made = self._replace(revision, self.text_of(backup).encode("utf-8"), "undone")
            with contextlib.suppress(OSError):
                backup.path.unlink()
            return made

    def backups(self) -> list[Backup]:
        """What is kept, the newest first."""
        found = []
        for path in self._backups.glob(f"{glob.escape(self.path.stem)}-*{glob.escape(self.path.suffix)}"):
            if match := _NAME.match(path.stem.removeprefix(f"{self.path.stem}-")):
                at = datetime.strptime(match["time"], _TIME).replace(tzinfo=UTC).timestamp()
                found.append(Backup(path, at, match["kind"], match["held"], match["next"]))
        return sorted(found, key=lambda backup: backup.path.name, reverse=True)

    @property
    def _target(self) -> Path:
        return Path(os.path.realpath(self.path))

    def _bytes(self) -> bytes:
        try:
            return self._target.read_bytes()
        except OSError as error:
            raise FileError(f"{self.path}: cannot be read ({error.strerror or error})") from error

    def _replace(self, revision: str, data: bytes, kind: str) -> str:
        if reason := self.read_only_reason():
            raise FileError(f"{reason}; nothing was changed")
        held = self._seen(revision)
        new = revision_of(data)
        if data == held:
            return new
        made: list[Path] = []
        try:
            made.append(self._back_up(held, kind, revision, new))
            made.append(_beside(self._target, data))
            self._seen(revision)  # once more, as late as can be
            made[1].replace(self._target)
        except (OSError, SightlineError) as error:
            for path in made:
                path.unlink(missing_ok=True)
            if isinstance(error, SightlineError):
                raise
            raise FileError(f"{_told(self.path, error)}; nothing was changed") from error
        self._prune(kind)
        _sync_folder(self._target.parent)
        return new

    def _seen(self, revision: str) -> bytes:
        held = self._bytes()
        if revision_of(held) != revision:
            raise ConflictError(f"{self.path} has been changed meanwhile; nothing was written")
        return held

    def _back_up(self, data: bytes, kind: str, held: str, new: str) -> Path:
        """Keep what is there, readable by those alone who may read the file."""
        self._backups.mkdir(parents=True, exist_ok=True)
        newest = max((backup.at for backup in self.backups()), default=-math.inf)
        now = max(self._clock(), newest + _STEP_S)  # the clock may have been ahead: the order of changes counts
        stamp = datetime.fromtimestamp(now, UTC).strftime(_TIME)
        name = f"{self.path.stem}-{stamp}-{kind}-{held[:_SHORT]}-{new[:_SHORT]}{self.path.suffix}"
        return _beside(self._target, data, self._backups).replace(self._backups / name)

    def _prune(self, kind: str) -> None:
        for old in [backup for backup in self.backups() if backup.kind == kind][MOST_BACKUPS:]:
            with contextlib.suppress(OSError):
                old.path.unlink()


def _beside(target: Path, data: bytes, folder: Path | None = None) -> Path:
    """A new file with the owner and rights of another, on disk when this returns.

    Raises:
        OSError: It cannot be written; nothing is left of it.
    """
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", suffix=".tmp", dir=folder or target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            like = target.stat()
            mine = os.fstat(file.fileno())
            if (like.st_uid, like.st_gid) != (mine.st_uid, mine.st_gid):
                os.fchown(file.fileno(), like.st_uid, like.st_gid)
            shutil.copystat(target, name)  # the mode last: a change of the owner takes bits of it away
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.utime(name)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return Path(name)


def _told(path: Path, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{path} cannot be written: the disk is full; free some space"
    if error.errno == errno.EBUSY:
        return f"{path} cannot be replaced: it is mounted as a single file; mount the folder it lies in"
    if error.errno in (errno.EPERM, errno.EACCES):
        return f"{path} cannot be replaced and keep its owner and rights ({error.strerror})"
    if error.errno == errno.EROFS:
        return f"{path} cannot be written: it lies on a disk that is mounted read-only"
    return f"{path} cannot be written ({error.strerror or error})"


def _sync_folder(folder: Path) -> None:
    """Make the new name last over a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
