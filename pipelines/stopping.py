"""What SIGINT and SIGTERM ask for."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger(__name__)


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


@contextmanager
def ended_within(stop: threading.Event, seconds: float) -> Iterator[None]:
    """Within this, the process is gone so many seconds after a signal, whatever hangs: a camera, a disk, a library.

    What is on disk by then is whole: files are written line by line, the outbox in transactions.
    """
    done = threading.Event()

    def watch() -> None:
        stop.wait()
        if not done.wait(seconds):
            log.error("something does not end within %g s; it is left as it is", seconds)
            logging.shutdown()
            os._exit(0)

    threading.Thread(target=watch, name="deadline", daemon=True).start()
    try:
        yield
    finally:
        done.set()
