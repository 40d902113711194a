"""What SIGINT and SIGTERM ask for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Stop(threading.Event):
    """Set by a signal.

    Attributes:
        watched: Whether something looks at it and will end by itself soon.
        at_once: Whether a second signal ends the process without unwinding, for libraries' threads may hang.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watched = False
        self.at_once = False


@contextmanager
def watching(stop: threading.Event) -> Iterator[None]:
    """Within this, a first signal ends the work in an orderly way; outside, it ends the program."""
    if not isinstance(stop, Stop):
        yield
        return
    stop.watched = True
    try:
        yield
    finally:
        stop.watched = False
