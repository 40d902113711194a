"""The protocol of live sources: cameras, network streams, and files that stand in for them."""

from __future__ import annotations

from typing import Protocol

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
