"""A file that stands in for a camera."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from streams.errors import BrokenFileError, SourceEnded, SourceError
from streams.frame import Frame
from streams.open import open_source
from streams.pacer import Pacer
from streams.shot import Shot
from streams.source import Backend

_UNKNOWN_FPS = 25.0


class FileLive:
    """A video file as a camera: at its own pace or as fast as it can be read, once or round and round.

    Its shots are BGR. At its own pace, frames that come too late are dropped, as a camera's would be. A file that is
    played once and cannot be read to its end is broken for good; one that is looped can be tried again.
    """

    def __init__(self, path: Path, backend: Backend = "auto", realtime: bool = True, loop: bool = False) -> None:
        """Name the file.

        Args:
            path: The video file.
            backend: What decodes it.
            realtime: At the pace of its time stamps, otherwise as fast as it is read.
            loop: Begin again at its end, with stamps that go on growing.
        """
        self.backend = "gstreamer" if backend == "gstreamer" else "opencv"
        self._path, self._choice, self._loop = path, backend, loop
        self._pacer = Pacer() if realtime else None
        self._opened = ExitStack()
        self._frames: Iterator[Frame] | None = None
        self._waiting: Shot | None = None
        self._period_s = 0.0
        self._start_s = 0.0
        self._last_s = 0.0
        self._given = 0

    def open(self) -> None:
        """Open the file.

        Raises:
            BrokenFileError: It is missing, a folder, empty or not a video, or its backend is not installed.
            SourceError: The same of a file that is looped.
        """
        try:
            source = self._opened.enter_context(open_source(self._path, "file", self._choice))
        except SourceError as error:
            raise self._for_good(error) from error
        fps = source.info.fps
        self._period_s = 1 / (fps if fps > 0 else _UNKNOWN_FPS)
        self._frames = iter(source)

    def read(self, wait_s: float) -> Shot | None:
        """Give the next picture.

        Args:
            wait_s: Seconds to wait for one that is not due yet.

        Returns:
            A shot, or ``None`` when none is due in that time.

        Raises:
            SourceEnded: The file is over and not looped.
            BrokenFileError: It breaks off and is not looped.
            SourceError: It breaks off, or the source is not open.
        """
        if self._pacer is None:
            return self._next()
        until = time.monotonic() + wait_s
        while True:
            self._waiting = self._waiting or self._next()
            due_s = self._pacer.due_s(self._waiting.stamp_s or 0.0)
            time.sleep(max(0.0, min(due_s, until) - time.monotonic()))
            now = time.monotonic()
            if now < due_s:
                return None
            shot, self._waiting = self._waiting, None
            if now - due_s <= self._period_s or now >= until:
                return Shot(shot.planes, "bgr", shot.width, shot.height, shot.stamp_s, now, time.time())

    def life(self) -> int:
        """Frames decoded so far."""
        return self._given

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._frames, self._waiting = None, None
        self._opened.close()

    def _next(self) -> Shot:
        while True:
            if self._frames is None:
                raise SourceError(f"{self._path} is not open")
            try:
                frame = next(self._frames, None)
            except SourceError as error:
                raise self._for_good(error) from error
            if frame is not None:
                break
            if not self._loop:
                raise SourceEnded(f"{self._path} is over")
            self._start_s = self._last_s + self._period_s
            self.close()
            self.open()
        self._given += 1
        self._last_s = self._start_s + frame.pts_s
        arrived_s, captured_at = time.monotonic(), time.time()
        return Shot(frame.image, "bgr", frame.width, frame.height, self._last_s, arrived_s, captured_at)

    def _for_good(self, error: SourceError) -> SourceError:
        """The same error, final where the file is played once."""
        return error if self._loop else BrokenFileError(str(error))
