"""How many may read files and databases for the page at the same time: reading takes a core from the analysis."""

from __future__ import annotations

import threading
from types import TracebackType

from dashboard.refusal import Refusal

MOST_READ = 2
MOST_WAIT = 16
"""Who wait hold a thread of the server each, of 40."""
WAIT_S = 5.0
"""As long as a question to the history may take."""
_RETRY_S = 5


class Gate:
    """Lets few in with the ``with`` statement; some more wait for a while, and all others are told to come back."""

    def __init__(self, most: int = MOST_READ, most_wait: int = MOST_WAIT, wait_s: float = WAIT_S) -> None:
        """Set the bounds.

        Args:
            most: That are in.
            most_wait: That wait.
            wait_s: Seconds for which one waits.
        """
        self._free = threading.Semaphore(most)
        self._places = threading.Semaphore(most + most_wait)
        self._wait_s = wait_s

    def __enter__(self) -> None:
        """Come in.

        Raises:
            Refusal: Too many are there already.
        """
        if self._places.acquire(blocking=False):
            if self._free.acquire(timeout=self._wait_s):
                return
            self._places.release()
        raise Refusal(503, "too many read charts, events or comparisons at once; try again soon", retry_s=_RETRY_S)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Make room."""
        self._free.release()
        self._places.release()
