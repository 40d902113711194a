"""Sees when a connection that raises nothing is down all the same."""

from __future__ import annotations

import time

from streams.errors import SourceError
from streams.live_source import LiveSource

SILENT_S = 10.0
"""After opening, so long without a packet is down."""
KEY_FRAME_S = 90.0
"""After opening, so long may packets come without a picture."""


class Silence:
    """How long nothing has come over one connection.

    Attributes:
        has_frame: Whether a frame has come.
        since_s: ``time.monotonic()`` of the last one, or of the beginning.
    """

    def __init__(self, stall_s: float) -> None:
        """Begin when the connection is open; after ``stall_s`` seconds without a frame it is down."""
        self._stall_s = stall_s
        self.since_s = self._life_s = time.monotonic()
        self._life = 0
        self.has_frame = False

    def saw_frame(self) -> None:
        """A frame has come."""
        self.since_s, self.has_frame = time.monotonic(), True

    def check(self, source: LiveSource) -> None:
        """Nothing has come; is that too long?

        Raises:
            SourceError: It is.
        """
        now = time.monotonic()
        if self.has_frame:
            if now - self.since_s > self._stall_s:
                raise SourceError(f"no frame for {self._stall_s:g} s; check network and camera")
            return
        life = source.life()
        if life != self._life:
            self._life, self._life_s = life, now
        if now - self._life_s > SILENT_S:
            raise SourceError(f"connected, but nothing came for {SILENT_S:g} s; check network and camera")
        if now - self.since_s > KEY_FRAME_S:
            raise SourceError(
                f"packets come, but no picture in {KEY_FRAME_S:g} s; set the camera to H.264 or H.265 with a key "
                "frame every few seconds"
            )
