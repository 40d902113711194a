"""Media time of a file's frames, the same whatever backend reads them."""

from __future__ import annotations

from fractions import Fraction

_NS = 1_000_000_000
_US = 1_000_000
_UNKNOWN_FPS = 25


class MediaClock:
    """Turns a backend's time stamps into seconds since the first frame, strictly increasing.

    Stamps are brought back to the container's own ticks and from there to whole microseconds, in integers, so that
    one backend's floats and another's truncated nanoseconds give the same number. Where a container gives no stamp,
    repeats one or jumps back, the nominal frame time is added to the previous one.
    """

    def __init__(self, time_base: Fraction, fps: float) -> None:
        """Start before the first frame.

        Args:
            time_base: Seconds of one tick of the container.
            fps: Nominal frames per second, 0 when unknown.
        """
        self._time_base = time_base
        self._step_us = max(1, round(_US / (fps if fps > 0 else _UNKNOWN_FPS)))
        self._first_ns: int | None = None
        self._last_us = -1

    def tick(self, stamp_ns: int | None) -> float:
        """Give the media time of the next frame.

        Args:
            stamp_ns: The backend's time stamp in nanoseconds from any origin, ``None`` when it has none.

        Returns:
            Seconds since the first frame, in whole microseconds.
        """
        if self._last_us < 0:
            self._first_ns, self._last_us = stamp_ns, 0
            return 0.0
        us = self._since_first_us(stamp_ns)
        self._last_us = us if us is not None and us > self._last_us else self._last_us + self._step_us
        return self._last_us / _US

    def _since_first_us(self, stamp_ns: int | None) -> int | None:
        if stamp_ns is None or self._first_ns is None:
            return None
        ticks = round(Fraction(stamp_ns - self._first_ns, _NS) / self._time_base)
        return round(ticks * self._time_base * _US)
