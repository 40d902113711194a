"""The picture that travels through Sightline."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NAME_PATTERN = re.compile(r"^[a-z0-9_-]+$")


@dataclass(frozen=True, slots=True)
class Frame:
    """One decoded picture of one source.

    Attributes:
        source_id: Name of the camera or file, ``[a-z0-9_-]+``.
        index: 0-based number of the frame within its source and run.
        image: (H, W, 3) uint8, BGR, read-only.
        pts_s: Media time in seconds since the first frame of the source; strictly increasing.
        captured_at: Unix seconds (UTC) at which the frame was taken in. A label, never used for analytics.
        decode_ms: Milliseconds the source needed to produce the frame.
    """

    source_id: str
    index: int
    image: NDArray[np.uint8]
    pts_s: float
    captured_at: float
    decode_ms: float = 0.0

    def __post_init__(self) -> None:
        if not NAME_PATTERN.match(self.source_id):
            raise ValueError(f"source_id must match [a-z0-9_-]+, got {self.source_id!r}")
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(f"image must be (H, W, 3) uint8, got {self.image.shape} {self.image.dtype}")
        self.image.flags.writeable = False

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.image.shape[1])

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.image.shape[0])


def slug(text: str) -> str:
    """Turn any text (a file's stem, say) into a name that matches ``[a-z0-9_-]+``."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-") or "source"
