"""What a feed gives, and what it is told by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streams.shot import Shot

FeedStatus = Literal["connecting", "online", "offline", "ended"]


class Gate(Protocol):
    """Decides cheaply whether a picture is worth a look."""

    def moves(self, luma: NDArray[np.uint8], pts_s: float) -> bool:
        """Whether something moves.

        Args:
            luma: (H, W) uint8, the brightness; H and W may change after a reconnect.
            pts_s: Media time in seconds, strictly increasing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What ``take`` gives.

    Attributes:
        shot: The picture, with its media time.
        index: 0-based number of the captured frame in this run.
        moving: ``False`` where the gate saw nothing move: rules see the time pass, nobody need detect.
    """

    shot: Shot
    index: int
    moving: bool


@dataclass(frozen=True, slots=True)
class FeedStats:
    """Counts since the start.

    Attributes:
        captured: Frames that came.
        due: Those whose turn it was.
        skipped: Due ones that were replaced by a newer one, or dropped when the camera went away, before they were
            taken.
        gated: Due ones in which nothing moved.
        reconnects: How often it came back after it had been online.
        skew_s: Camera's clock less this machine's in seconds, smoothed; ``None`` while it is not known.
        capture_fps: Frames per second over the last seconds.
    """

    captured: int
    due: int
    skipped: int
    gated: int
    reconnects: int
    skew_s: float | None
    capture_fps: float
