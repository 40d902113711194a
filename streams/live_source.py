"""The protocol of live sources: cameras, network streams, and files that stand in for them."""

from __future__ import annotations

import time
from typing import Protocol

from streams.errors import SourceError
from streams.shot import Shot


class LiveSource(Protocol):
    """One connection to a camera; after an error it is closed and a new one is made. One thread uses it.

    Attributes:
        backend: What decodes, ``gstreamer`` or ``opencv``.
    """

    backend: str

    def open(self) -> None:
        """Connect; may wait a few seconds.

        Raises:
            LoginRefusedError: User name or password is wrong.
            BrokenFileError: A file that is played once cannot be opened.
            SourceError: It cannot be opened.
        """
        ...

    def read(self, wait_s: float) -> Shot | None:
        """Give the newest picture that was not given before.

        Args:
            wait_s: Seconds to wait for one.

        Returns:
            A shot, or ``None`` when nothing came in that time.

        Raises:
            LoginRefusedError: User name or password is wrong.
            SourceEnded: A file is over.
            BrokenFileError: A file that is played once breaks off.
            SourceError: The connection broke off.
        """
        ...

    def life(self) -> int:
        """A number that grows while packets arrive, even where none of them makes a picture yet."""
        ...

    def close(self) -> None:
        """Disconnect; safe to call twice, and never waits longer than about two seconds."""
        ...


def first_shot(source: LiveSource, silent_s: float = 10.0, picture_s: float = 90.0) -> Shot:
    """Open a source, take its first picture, and close it.

    Args:
        source: Not opened yet.
        silent_s: Seconds to wait while nothing arrives.
        picture_s: Seconds to wait while packets arrive, and no picture: for a key frame.

    Raises:
        SourceError: It cannot be opened, breaks off, or gives no picture in time.
    """
    try:
        source.open()
        start = now = heard_s = time.monotonic()
        life = 0
        while now - heard_s < silent_s and now - start < picture_s:
            shot = source.read(0.2)
            if shot is not None:
                return shot
            now = time.monotonic()
            if source.life() != life:
                life, heard_s = source.life(), now
    finally:
        source.close()
    if not life:
        raise SourceError(f"connected, but nothing came for {silent_s:g} s; check network and camera")
    raise SourceError(
        f"packets came, but no picture in {now - start:.0f} s; check the network, and set the camera to H.264 or H.265 "
        "with a key frame every few seconds"
    )
