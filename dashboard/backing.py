"""What stands behind the page beside the site itself: its file, its history, its log, and comparisons."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from config.paths import resolved
from config.server import Server
from dashboard.compares import DEFAULT_FOLDERS
from dashboard.editing import SiteEditor
from dashboard.history.reader import Reader
from dashboard.history.recorder import Recorder
from pipelines.live.face import SiteFace
from pipelines.logs import log_tail

_ALL_DAYS = 36_600.0
"""A recording may be old; what is analysed is kept until the end, whenever it was recorded."""


class Backing:
    """Made with the application; the history is kept from ``start`` to ``stop``.

    Attributes:
        editor: Of the site file; ``None`` where there is none to be changed.
        recorder: Keeps the history; ``None`` where it is switched off.
        reader: Of the history.
        tail: The last that was logged.
        compares: Folders in which comparisons are looked for.
    """

    def __init__(self, config: Server, face: SiteFace) -> None:
        """Nothing is opened yet.

        Args:
            config: Of the server.
            face: The site.
        """
        file = face.site_file
        self._face = face
        self._temporary: Path | None = None
        self.editor = SiteEditor(file, self._secrets) if file is not None else None
        self.tail = log_tail()
        self.compares = tuple(dict.fromkeys([*DEFAULT_FOLDERS, *_beside(file)]))
        self.recorder: Recorder | None = None
        self.reader: Reader | None = None
        if config.history.enabled:
            path = self._history_path(config, file)
            keep_days = config.history.keep_days if file is not None else _ALL_DAYS
            self.recorder = Recorder(path, keep_days, config.history.thumbnails)
            self.reader = Reader(path)

    def start(self) -> None:
        """Begin to keep the history."""
        if self.recorder is not None:
            self.recorder.start(self._face)

    def stop(self) -> None:
        """End; safe to call twice, and without a start."""
        if self.recorder is not None:
            self.recorder.stop()
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            self._temporary = None

    def _history_path(self, config: Server, file: Path | None) -> Path:
        """Beside the site file; what is analysed without one is forgotten at the end."""
        if file is not None:
            return resolved(file, config.history.path)
        self._temporary = Path(tempfile.mkdtemp(prefix="sightline-history-"))
        return self._temporary / "history.sqlite"

    def _secrets(self) -> Collection[str]:
        plan = self._face.plan()
        return plan.secrets() if plan is not None else ()


def _beside(file: Path | None) -> list[Path]:
    return [file.parent / folder for folder in DEFAULT_FOLDERS] if file is not None else []
