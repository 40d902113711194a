"""Which frames of a camera are due for analysis, by media time."""

from __future__ import annotations

_EARLY = 0.25


class Pacing:
    """A grid of media time: the frame nearest to each point is due, so that the average rate is kept.

    A camera that gives just as many frames as are wanted keeps all of them, in spite of jitter.
    """

    def __init__(self, fps: float) -> None:
        """Start before the first frame, which is due.

        Args:
            fps: Frames per second that are wanted.

        Raises:
            ValueError: It is not above 0.
        """
        if fps <= 0:
            raise ValueError(f"fps must be above 0, got {fps}")
        self._interval_s = 1 / fps
        self._next_s = 0.0

    def is_due(self, pts_s: float) -> bool:
        """Whether it is the turn of a frame with this media time in seconds."""
        return pts_s >= self._next_s - _EARLY * self._interval_s

    def took(self, pts_s: float) -> None:
        """A frame with this media time in seconds had its turn."""
        is_behind = pts_s - self._next_s > self._interval_s
        self._next_s = pts_s + self._interval_s if is_behind else self._next_s + self._interval_s
