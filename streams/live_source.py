"""The protocol of live sources: cameras, network streams, and files that stand in for them."""

from __future__ import annotations

import time
from collections.abc import Callable
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
            SourceError: The connection broke off.
        """
        ...

    def life(self) -> int:
        """A number that grows while packets arrive, even where none of them makes a picture yet."""
        ...

    def close(self) -> None:
        """Disconnect; safe to call twice, and never waits longer than about two seconds."""
        ...


def first_shot(make: Callable[[], LiveSource], timeout_s: float = 10.0) -> Shot:
    """Open a source, take its first picture, and close it.

    Args:
        make: Makes the source.
        timeout_s: Seconds to wait for the picture.

    Raises:
        SourceError: It cannot be opened, breaks off, or gives no picture in time.
    """
    source = make()
    try:
        source.open()
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            shot = source.read(0.2)
            if shot is not None:
                return shot
    finally:
        source.close()
    raise SourceError(f"no picture within {timeout_s:g} s")
