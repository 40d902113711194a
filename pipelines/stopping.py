"""What SIGINT and SIGTERM ask for."""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

log = logging.getLogger(__name__)


class Stop(threading.Event):
    """Set by a signal, without a lock: a handler that waits for a lock which the interrupted code holds never ends.

    Attributes:
        watched: Whether something looks at it and will end by itself soon.
        at_once: Whether a second signal ends the process without unwinding, for libraries' threads may hang.
    """

    def __init__(self) -> None:
        super().__init__()
        self.watched = False
        self.at_once = False
        self._is_set = False
        self._told, self._teller = socket.socketpair()  # what is written stays there: it wakes everybody who waits
        self._teller.setblocking(False)

    def is_set(self) -> bool:
        """Whether there was a signal."""
        return self._is_set

    def set(self) -> None:
        """There was a signal."""
        self._is_set = True
        with suppress(BlockingIOError):  # it is told already
            self._teller.send(b"!")

    def clear(self) -> None:
        """Forget it, for another use in the same process."""
        self._is_set = False
        self._told.setblocking(False)
        with suppress(BlockingIOError):
            while self._told.recv(64):
                pass

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a signal, for so many seconds at most."""
        if not self._is_set:
            select.select([self._told], [], [], timeout)
        return self._is_set


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
