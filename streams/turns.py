"""A thread that hangs in a library cannot be ended: its work is taken away from it, and another thread goes on."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class LeftBehindError(Exception):
    """A call has come back too late: another thread has taken over."""


class Turn:
    """One thread's turn at a piece of work.

    Attributes:
        reason: Why the last turn was taken away, a sentence; empty where there is nothing to tell.
        doing: What the thread is calling, as ``while`` goes on with it; empty for what need not be told.
    """

    def __init__(self, reason: str = "") -> None:
        """Begin, after another turn where there is a reason."""
        self.reason = reason
        self.doing = ""
        self._lock = threading.Lock()
        self._until_s = math.inf
        self._is_over = False

    @contextmanager
    def until(self, until_s: float, doing: str = "") -> Iterator[None]:
        """Make a call in the ``with`` block; it hangs when it has not come back by then.

        Args:
            until_s: ``time.monotonic()`` by which it comes back.
            doing: What it does.

        Raises:
            LeftBehindError: The turn was taken away meanwhile; what the call has given or raised is void.
        """
        with self._lock:
            self.doing, self._until_s = doing, until_s
        try:
            yield
        finally:
            with self._lock:
                self._until_s = math.inf
                is_over = self._is_over
            if is_over:
                raise LeftBehindError

    def take_away(self, now: float) -> bool:
        """Take the turn away where its thread hangs; says whether it does.

        Args:
            now: ``time.monotonic()``.
        """
        with self._lock:
            self._is_over = self._is_over or now > self._until_s
            return self._is_over
