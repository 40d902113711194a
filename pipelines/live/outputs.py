"""What may be slow, in a thread of its own: result files and snapshots. The analysis never waits for it."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from config.errors import SightlineError
from pipelines.live.telling import Telling

log = logging.getLogger(__name__)
_TELL_AGAIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do.

    Attributes:
        what: Whose, for the log: one name is told once a minute at most.
        do: Does it.
        dropped: Called when it could not be done: no room, or it failed.
    """

    what: str
    do: Callable[[], None]
    dropped: Callable[[], None]


class Outputs:
    """A thread with a bounded queue. When it is full the oldest job is dropped, and its owner told."""

    def __init__(self, capacity: int = 256) -> None:
        """Prepare; ``start`` starts the thread."""
        self._capacity = capacity
        self._jobs: deque[Job] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._tell = Telling(log, logging.WARNING, _TELL_AGAIN_S)
        self._thread = threading.Thread(target=self._work, name="outputs", daemon=True)

    @property
    def depth(self) -> int:
        """Jobs that wait."""
        return len(self._jobs)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, job: Job) -> None:
        """Hand a job over; never waits."""
        with self._changed:
            lost = self._jobs.popleft() if len(self._jobs) >= self._capacity else None
            self._jobs.append(job)
            self._changed.notify_all()
        if lost is not None:
            lost.dropped()
            self._tell(lost.what, f"{lost.what}: cannot keep up; results are dropped")

    def close(self, timeout_s: float) -> None:
        """Do what waits, as far as the time reaches, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closing or len(self._jobs) > 0)
                if not self._jobs:
                    return
                job = self._jobs.popleft()
            try:
                job.do()
            except SightlineError as error:
                job.dropped()
                self._tell(job.what, f"{job.what}: {error}")
            except Exception as error:  # one camera's fault must not end the thread of all
                job.dropped()
                log.debug("%s", job.what, exc_info=error)
                self._tell(job.what, f"{job.what}: {type(error).__name__}: {error}")
