"""Shows pictures at the pace of their time stamps, where they come faster than that (files, HLS)."""

from __future__ import annotations

import time

_LATE_S = 1.0
_AHEAD_S = 10.0


class Pacer:
    """Says when a picture is due by the monotonic clock.

    It begins anew where the pictures fall more than a second behind, or where their stamps jump.
    """

    def __init__(self) -> None:
        self._shift_s: float | None = None

    def due_s(self, stamp_s: float) -> float:
        """When a picture is due.

        Args:
            stamp_s: Its stamp in seconds, from any origin.

        Returns:
            ``time.monotonic()`` at which to show it; in the past for one that is late.
        """
        now = time.monotonic()
        if self._shift_s is None or not -_LATE_S <= stamp_s + self._shift_s - now <= _AHEAD_S:
            self._shift_s = now - stamp_s
        return stamp_s + self._shift_s
