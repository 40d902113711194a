"""Media time of a live source."""

from __future__ import annotations

_LEAP_S = 2.0
_DRIFT_S = 5.0
_UNKNOWN_STEP_S = 0.04


class LiveClock:
    """Turns a camera's time stamps into seconds since its first frame: strictly increasing, in whole microseconds.

    A camera's stamps are smoother than the arrival of its packets, but nothing obliges them to be right. A step is
    taken from the stamps where it is plausible beside the monotonic clock, and from the monotonic clock otherwise.
    Stamps that run 5 s away from the monotonic clock are not trusted again until the next connection; that one begins
    in step with the monotonic clock.
    """

    def __init__(self, by_stamps: bool = False) -> None:
        """Start before the first frame.

        Args:
            by_stamps: Only the stamps count: a file that is read as fast as it goes.
        """
        self._by_stamps = by_stamps
        self._pts_us = -1
        self._stamp_s: float | None = None
        self._arrived_s = 0.0
        self._drift_s = 0.0
        self._trusted = True
        self._is_new = False
        self._step_s = _UNKNOWN_STEP_S

    def tick(self, stamp_s: float | None, arrived_s: float) -> float:
        """Give the media time of the next frame.

        Args:
            stamp_s: The source's own stamp in seconds, ``None`` when it has none.
            arrived_s: ``time.monotonic()`` of the arrival, never less than before.

        Returns:
            Seconds since the first frame, 0 for that one.
        """
        if self._pts_us < 0:
            self._pts_us = 0
        else:
            self._pts_us += max(1, round(self._step(stamp_s, arrived_s) * 1e6))
        self._stamp_s, self._arrived_s = stamp_s, arrived_s
        return self._pts_us / 1e6

    def restart(self) -> None:
        """The source was opened anew: its stamps have a new origin, and the gap counts by the monotonic clock."""
        self._stamp_s, self._trusted, self._is_new = None, True, True

    def _step(self, stamp_s: float | None, arrived_s: float) -> float:
        by_stamp = None if stamp_s is None or self._stamp_s is None else stamp_s - self._stamp_s
        if self._by_stamps:
            self._step_s = by_stamp if by_stamp is not None and by_stamp > 0 else self._step_s
            return self._step_s
        passed = max(0.0, arrived_s - self._arrived_s)
        if self._is_new:
            self._is_new = False
            step_s = max(0.0, passed - self._drift_s)
            self._drift_s += step_s - passed
            return step_s
        if by_stamp is None or not self._trusted or not 0 < by_stamp <= passed + _LEAP_S:
            return passed
        if abs(self._drift_s + by_stamp - passed) > _DRIFT_S:
            self._trusted = False
            return passed
        self._drift_s += by_stamp - passed
        return by_stamp
