"""The annotated video, written by a thread of its own."""

from __future__ import annotations

import queue
import threading
from pathlib import Path

from pipelines.annotate import Painter
from pipelines.values import FrameResult
from streams.video_writer import VideoWriter


class VideoSink:
    """Draws and encodes behind a bounded queue; a file loses no frame, so a full queue makes the caller wait."""

    def __init__(self, path: Path, width: int, height: int, fps: float, painter: Painter) -> None:
        """Open the file and start the thread.

        Raises:
            OutputError: The file cannot be created.
        """
        self.path = path
        self._painter = painter
        self._writer = VideoWriter(path, width, height, fps or 25.0)
        self._queue: queue.Queue[FrameResult | None] = queue.Queue(maxsize=8)
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="annotate", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while (result := self._queue.get()) is not None:
            if self._error is not None:
                continue  # keep emptying the queue, so that the caller never hangs
            try:
                self._writer.write(self._painter.draw(result), result.frame.pts_s)
            except Exception as error:
                self._error = error

    def write(self, result: FrameResult) -> None:
        """Hand a result over.

        Raises:
            OutputError: An earlier frame could not be written.
        """
        if self._error is not None:
            raise self._error
        self._queue.put(result)

    def close(self, reason: str) -> None:
        """Write what is queued and finish the file.

        Raises:
            OutputError: A frame could not be written.
        """
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
            self._writer.close()
            if self._error is not None:
                raise self._error
