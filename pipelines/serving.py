"""``analyze --serve``: the page over the files that are being analysed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from config.server import Server
from pipelines.file_face import FileFace
from pipelines.stopping import watching

LEFT_S = 3.0
"""Seconds without anybody at the page after which it is over."""
_POLL_S = 0.2


class Page(Protocol):
    """A page that is being served."""

    @property
    def url(self) -> str:
        """Where it is."""
        ...

    @property
    def watched(self) -> bool:
        """Whether somebody has it open."""
        ...

    def stop(self) -> None:
        """End it."""
        ...


Serve = Callable[[Server, FileFace], Page]
"""Starts the page."""


@contextmanager
def served(
    serve: Serve | None, config: Server, face: FileFace | None, stop: threading.Event, say: Callable[[str], None]
) -> Iterator[None]:
    """Serve the page within this, and afterwards as long as somebody has it open and nobody stops it.

    Args:
        serve: Starts it; ``None``: likewise.
        config: Where.
        face: What it shows; ``None``: there is no page.
        stop: Set by a signal.
        say: Told in one line where it is, and why the command does not end.

    Raises:
        SightlineError: The address cannot be had.
    """
    if serve is None or face is None:
        yield
        return
    page = serve(config, face)
    say(f"the page is at {page.url}")
    try:
        yield
        with watching(stop):
            _wait(page, stop, say)
    finally:
        page.stop()


def _wait(page: Page, stop: threading.Event, say: Callable[[str], None]) -> None:
    if stop.is_set() or not page.watched:
        return
    say("the page stays until it is closed; Ctrl-C ends it")
    end = time.monotonic() + LEFT_S
    while not stop.is_set() and time.monotonic() < end:
        if page.watched:
            end = time.monotonic() + LEFT_S
        stop.wait(_POLL_S)
