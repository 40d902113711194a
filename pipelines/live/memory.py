"""Keep the C library from spreading a process that runs for months over more and more memory."""

from __future__ import annotations

import contextlib
import ctypes
import sys

_M_ARENA_MAX = -8
ARENAS = 2


def few_arenas() -> None:
    """Let all threads share two of glibc's arenas; call it before the first thread starts.

    Each new thread otherwise gets an arena of its own, up to eight a core. Threads of GStreamer come and go with each
    reconnect, and what is left in their arenas is never given back.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another C library has other ways
            ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)
