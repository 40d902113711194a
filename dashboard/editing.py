"""The site file as the page edits it: shown without secrets, checked by what ``run`` uses, then replaced."""

from __future__ import annotations

import difflib
import logging
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.edit import with_scenario
from config.errors import ConfigError, SightlineError, sentences
from config.kept_file import Backup, ConflictError, KeptFile, revision_of
from config.loader import load
from config.site import Site
from dashboard.masked import Masked, masked, unmasked
from dashboard.written import WrittenCamera, restored, written_cameras
from pipelines.live.plan import plan_site

log = logging.getLogger(__name__)
_REMEMBERED = 16
_MOST_CHANGED = 200
"""Lines of a difference that are told."""
_READ_AGAIN_S = 5.0
_FORGOTTEN = (
    "it is not known any more what the placeholders of this text stand for; show the file anew, and make the change in "
    "that"
)
_PLACE = re.compile(r"(?:(?P<line>\d+): )?(?:(?P<path>(?P<block>[a-z_]+)(?:[.\[][^:]*)?): )?(?P<message>.*)", re.DOTALL)
_BLOCKS = frozenset(Site.model_fields)


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a site file.

    Attributes:
        path: YAML path, where it is about one.
        line: 1-based, where it is about one.
        message: One sentence, without the place.
    """

    path: str | None
    line: int | None
    message: str


class RefusedError(SightlineError):
    """A site file would be wrong, so it was not written."""

    def __init__(self, faults: Collection[Fault]) -> None:
        """Take what is wrong: one fault at least."""
        self.faults = tuple(faults)
        super().__init__("; ".join(fault.message for fault in self.faults))


class StaleError(ConflictError):
    """The file was changed by somebody else meanwhile.

    Attributes:
        revision: What it holds now.
        changes: What was changed since, as a unified difference without secrets; ``None`` where that is not known.
    """

    def __init__(self, message: str, revision: str, changes: str | None) -> None:
        """Take what is known."""
        super().__init__(message)
        self.revision = revision
        self.changes = changes


@dataclass(frozen=True, slots=True)
class Shown:
    """A site file as it is shown.

    Attributes:
        file: Where it lies.
        revision: Of what it holds.
        text: What it holds, with placeholders for secrets.
        cameras: Its cameras by name as they are written there; ``None`` where the file is not right.
        cameras_fault: Why they are not known, in one sentence.
        backups: What it held before, the newest first.
        can_undo: Whether the last change made here can be taken back.
        read_only_reason: Why it cannot be changed, if it cannot.
    """

    file: Path
    revision: str
    text: str
    cameras: Mapping[str, WrittenCamera] | None
    cameras_fault: str | None
    backups: tuple[Backup, ...]
    can_undo: bool
    read_only_reason: str | None


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read out of a text, with the dates of the files beside it, when; scenarios elsewhere may be newer."""

    of: tuple[object, ...]
    cameras: Mapping[str, WrittenCamera] | None
    fault: str | None
    at_s: float


class SiteEditor:
    """Reads and changes one site file, for several people at the same time: one change after the other."""

    def __init__(
        self,
        file: Path,
        secrets: Callable[[], Collection[str]] = frozenset,
        check: Callable[[Path, str], object] | None = None,
    ) -> None:
        """Remember the file; nothing is read.

        Args:
            file: The site file.
            secrets: What is known to be secret, beside what is written in the file.
            check: Raises what is wrong with a text that the file may hold next; default: as ``run`` does.
        """
        self.file = KeptFile(file)
        self._secrets = secrets
        self._check = check or _as_run_does
        self._lock = threading.Lock()
        self._seen: OrderedDict[str, Masked] = OrderedDict()
        self._read_lock = threading.Lock()
        self._read: _Read | None = None

    def shown(self) -> Shown:
        """What the file holds now.

        Raises:
            FileError: It cannot be read.
        """
        text, revision = self.file.read()
        last = self.file.undoable()
        shown = self._masked(text, revision).text
        read = self._as_written(text, shown)
        return Shown(
            self.file.path,
            revision,
            shown,
            read.cameras,
            read.fault,
            tuple(self.file.backups()),
            last is not None and revision.startswith(last.followed_by),
            self.file.read_only_reason(),
        )

    def _as_written(self, text: str, shown: str) -> _Read:
        """The cameras of a text: read once in some seconds, for a thousand pages may ask after a reload."""
        with self._read_lock:
            now = time.monotonic()
            of = (text, shown, *_dates(self.file.path.parent))
            last = self._read
            if last is None or last.of != of or now - last.at_s > _READ_AGAIN_S:
                cameras: Mapping[str, WrittenCamera] | None = None
                fault = None
                try:
                    cameras = written_cameras(self.file.path, text, shown)
                except SightlineError as error:
                    fault = sentences(error)[0]
                last = self._read = _Read(of, cameras, fault, now)
            return last

    def faults(self, revision: str, text: str, shown: str | None = None) -> list[Fault]:
        """What would be wrong with a text, by the very code that ``run`` reads it with; nothing is written.

        Args:
            revision: Of what the file held when it was shown.
            text: What it shall hold.
            shown: The revision under which its placeholders were shown, for which they stand; default: ``revision``.

        Raises:
            StaleError: It is not known what the placeholders stand for, since the file has changed.
        """
        try:
            self._checked(self._whole(revision, text, shown))
        except RefusedError as error:
            return list(error.faults)
        return []

    def save(self, revision: str, text: str, shown: str | None = None) -> str:
        """Write a text that is right.

        Args:
            revision: Of what the file held when it was shown.
            text: As in ``faults``.
            shown: As in ``faults``.

        Returns:
            The new revision.

        Raises:
            RefusedError: It is not right; nothing was written.
            StaleError: Somebody else has changed the file; nothing was written.
            FileError: It cannot be written; nothing was changed.
        """
        with self._lock:
            self._fresh(revision)
            return self._write(revision, self._whole(revision, text, shown))

    def change(self, revision: str, change: Callable[[Path, str], str]) -> str:
        """Change the text by code, where what comes out is right.

        Args:
            revision: Of what the file held when it was shown.
            change: Given file and text; returns the new text.

        Returns:
            The new revision.

        Raises:
            RefusedError: What the file holds, or would hold, is not right; nothing was written.
            StaleError: Somebody else has changed the file; nothing was written.
            FileError: It cannot be written; nothing was changed.
        """
        with self._lock:
            text = self._fresh(revision)
            path = self.file.path
            try:
                load(path, Site, text)  # a broken file is mended by hand
                new = change(path, text)
            except SightlineError as error:
                raise RefusedError(faults_of(path, error)) from error
            return self._write(revision, new)

    def change_rules(self, revision: str, camera: str, scenario: str | None, rules: Sequence[Mapping[str, Any]]) -> str:
        """Change the scenario and the rules of a camera, as ``with_scenario`` does.

        Args:
            revision: Of what the file held when it was shown.
            camera: Its name.
            scenario: As in ``WrittenCamera``.
            rules: The same; placeholders stand for what they stood for there.

        Returns:
            The new revision.

        Raises:
            RefusedError: As ``change`` does; or a placeholder stands where none was shown.
            StaleError: As ``change`` does.
            FileError: As ``change`` does.
        """

        def change(path: Path, text: str) -> str:
            wanted = restored([scenario, list(rules)], path, text, self._masked(text, revision))
            return with_scenario(path, text, camera, *wanted)

        return self.change(revision, change)

    def undo(self, revision: str) -> str:
        """Take the last change made here back.

        Args:
            revision: Of what the file held when it was shown.

        Returns:
            The new revision.

        Raises:
            RefusedError: What was there before is not right any more; nothing was written.
            ConflictError: Somebody else has changed the file, or there is nothing to undo.
            FileError: It cannot be written; nothing was changed.
        """
        with self._lock:
            self._fresh(revision)
            if (last := self.file.undoable()) is not None:
                self._checked(self.file.text_of(last))
            return self.file.undo(revision)

    def _write(self, revision: str, text: str) -> str:
        self._checked(text)
        made = self.file.replace(revision, text)
        log.info("%s was changed on the page", self.file.path)
        return made

    def _checked(self, text: str) -> None:
        try:
            self._check(self.file.path, text)
        except SightlineError as error:
            raise RefusedError(faults_of(self.file.path, error)) from error

    def _fresh(self, revision: str) -> str:
        """The text of the file, where it is what was seen."""
        text, now = self.file.read()
        if now != revision:
            raise self._stale(revision, text, now)
        return text

    def _stale(self, revision: str, text: str, now: str) -> StaleError:
        seen, present = self._seen.get(revision), self._masked(text, now)
        changes = None
        if seen is not None:
            lines = list(
                difflib.unified_diff(seen.text.splitlines(), present.text.splitlines(), "seen", "now", lineterm="")
            )
            more = [f"… {len(lines) - _MOST_CHANGED} more lines"] if len(lines) > _MOST_CHANGED else []
            changes = "\n".join([*lines[:_MOST_CHANGED], *more])
        message = f"{self.file.path} has been changed by somebody else meanwhile; nothing was written"
        return StaleError(message, now, changes)

    def _whole(self, revision: str, text: str, shown: str | None) -> str:
        """A text that came back, with its secrets."""
        seen = self._seen.get(shown or revision)
        if seen is None and shown not in (None, revision):
            now, present = self.file.read()
            if present != shown:
                raise RefusedError([Fault(None, None, _FORGOTTEN)])
            seen = self._masked(now, present)
        elif seen is None:
            seen = self._masked(self._fresh(revision), revision)
        try:
            return unmasked(text, seen)
        except ConfigError as error:
            path = self.file.path
            raise RefusedError(faults_of(path, ConfigError(*(f"{path}:{fault}" for fault in error.faults)))) from error

    def _masked(self, text: str, revision: str) -> Masked:
        """The text without secrets; the same for a revision as long as it is remembered."""
        found = self._seen.get(revision) or masked(text, self._secrets())
        self._seen[revision] = found
        self._seen.move_to_end(revision)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return found


def faults_of(path: Path, error: SightlineError) -> list[Fault]:
    """What an error says, taken apart into place and sentence.

    Args:
        path: The site file that it is about.
        error: As the loader and ``plan_site`` raise it.
    """
    return [_fault(path, sentence) for sentence in sentences(error)]


def _fault(path: Path, sentence: str) -> Fault:
    match = _PLACE.fullmatch(sentence.removeprefix(f"{path}:").lstrip())
    if match is None:
        return Fault(None, None, sentence)
    line = int(match["line"]) if match["line"] else None
    if match["path"] and match["block"] not in _BLOCKS:  # no place, but a sentence with a colon
        return Fault(None, line, f"{match['path']}: {match['message']}")
    return Fault(match["path"], line, match["message"])


def _as_run_does(path: Path, text: str) -> None:
    plan_site(path, False, False, log.info, text)


__all__ = ["Backup", "ConflictError", "Fault", "RefusedError", "Shown", "SiteEditor", "StaleError", "revision_of"]


def _dates(folder: Path) -> list[tuple[str, int]]:
    """Of the YAML files in a folder: scenarios are among them."""
    try:
        return sorted((file.name, file.stat().st_mtime_ns) for file in folder.glob("*.y*ml"))
    except OSError:
        return []  # one that goes while it is looked at: it is looked at again with the next question
