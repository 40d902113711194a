"""What time it was in the world, for schedules alone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


class WallClock:
    """The time of day at a moment of media time.

    Of a camera it follows the frames' ``captured_at``; of a recording it begins when that began. It never measures
    anything: durations, speeds and waiting times are media time.
    """

    def __init__(self, timezone: tzinfo = UTC, start: float | None = None) -> None:
        """Begin.

        Args:
            timezone: Of the place.
            start: Unix seconds at media time 0 of a recording; ``None``: frames tell it.
        """
        self._timezone = timezone
        self._is_fixed = start is not None
        self._offset_s = start or 0.0

    def note(self, pts_s: float, captured_at: float) -> None:
        """Take a frame's media time and Unix seconds."""
        if not self._is_fixed:
            self._offset_s = captured_at - pts_s

    def local(self, pts_s: float) -> datetime:
        """The time at the place, with its time zone."""
        return datetime.fromtimestamp(self._offset_s + pts_s, self._timezone)
