"""A capture thread: one source read ahead into a bounded queue."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from streams.frame import Frame
from streams.source import Source

_JOIN_S = 5.0


class FrameReader:
    """Reads an opened source in a thread of its own, so that decoding overlaps with what is done to the frames.

    The queue blocks the thread when it is full and drops nothing. Iterating yields the frames in order and raises the
    source's error after the last good frame. One thread may iterate; ``stop`` may be called from any.
    """

    def __init__(self, source: Source, capacity: int = 4) -> None:
        """Prepare; the thread starts on entering or with the first iteration.

        Args:
            source: A source that is already entered; only this reader iterates it.
            capacity: Frames that may wait, at least 1.

        Raises:
            ValueError: The capacity is below 1.
        """
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {capacity}")
        self._source = source
        self._capacity = capacity
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._ended = False
        self._error: BaseException | None = None
        self._read = 0
        self._given = 0

    @property
    def read(self) -> int:
        """Frames taken from the source so far."""
        return self._read

    @property
    def given(self) -> int:
        """Frames handed to the consumer so far."""
        return self._given

    @property
    def waiting(self) -> int:
        """Frames in the queue now."""
        return len(self._frames)

    def __enter__(self) -> Self:
        """Start the thread."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread; safe to call twice."""
        self.stop()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in order until the source ends or ``stop`` is called.

        Raises:
            SourceError: The source broke off (or whatever else it raised); the frames before were yielded.
        """
        self.start()
        while (frame := self._take()) is not None:
            yield frame
        error, self._error = self._error, None
        if error is not None and not self._stopped:
            raise error

    def start(self) -> None:
        """Start the thread; does nothing when it was started or stopped before."""
        with self._changed:  # a stop from another thread never sees a thread that is not running yet
            if self._thread is None and not self._stopped:
                self._thread = threading.Thread(target=self._run, name="capture", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it; frames still in the queue are given up. Safe to call twice."""
        with self._changed:
            self._stopped = True
            self._frames.clear()
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        try:
            for frame in self._source:
                if not self._put(frame):
                    break
        except BaseException as error:  # it is the consumer's: raised by its iteration
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or len(self._frames) < self._capacity)
            if self._stopped:
                return False
            self._frames.append(frame)
            self._read += 1
            self._changed.notify_all()
            return True

    def _take(self) -> Frame | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._ended or len(self._frames) > 0)
            if not self._frames:
                return None
            self._given += 1
            self._changed.notify_all()
            return self._frames.popleft()
