"""One at a time: who makes an export keeps others from making the same one beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone(path: Path, on_wait: Callable[[], None]) -> Iterator[bool]:
    """Hold the lock of a file; wait for whoever holds it, in this process or another.

    The system frees it when its owner ends, in whatever way. Where there are no such locks (Windows, some network file
    systems) nobody waits, and the last one to finish wins.

    Args:
        path: The lock's file, made where it is missing, and left there.
        on_wait: Called once before it is waited for.

    Yields:
        Whether the lock is held.

    Raises:
        OSError: The file cannot be made.
    """
    if sys.platform == "win32":
        yield False
        return
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    is_alone = True
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # the file system has none
            is_alone = False
        yield is_alone
    finally:
        os.close(handle)
