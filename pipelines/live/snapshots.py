"""The best view of each label as a JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from config.site import Snapshots

MARGIN = 0.15
MIN_GAP_S = 1.0
"""Media seconds between two snapshots of one label."""
MAX_BYTES = 128_000
_LOWEST_QUALITY = 30


class BestViews:
    """Decides which view of a label is worth a snapshot: of each object its best so far."""

    def __init__(self) -> None:
        self._last_s: dict[str, float] = {}

    def wanted(self, label: str, pts_s: float) -> bool:
        """Whether a better view of this label may be sent now; if so, it counts."""
        if pts_s < self._last_s.get(label, -MIN_GAP_S) + MIN_GAP_S:
            return False
        self._last_s[label] = pts_s
        return True


def crop_of(image: NDArray[np.uint8], xyxy: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    """A box with a margin, cut to the picture.

    Args:
        image: (H, W, 3) uint8 BGR.
        xyxy: Box in pixels of the picture.

    Returns:
        (h, w, 3) uint8 BGR, a view.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = xyxy
    dx, dy = MARGIN * (x2 - x1), MARGIN * (y2 - y1)
    left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
    right, bottom = min(width, int(x2 + dx) + 1), min(height, int(y2 + dy) + 1)
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]


def encode(image: NDArray[np.uint8], config: Snapshots) -> bytes:
    """A JPEG of at most the configured height, and of at most 128,000 bytes.

    Args:
        image: (H, W, 3) uint8 BGR.
        config: Height and quality.

    Raises:
        ValueError: OpenCV cannot encode it.
    """
    if image.shape[0] > config.height:
        width = max(1, round(image.shape[1] * config.height / image.shape[0]))
        image = np.asarray(cv2.resize(image, (width, config.height), interpolation=cv2.INTER_AREA), np.uint8)
    quality = config.quality
    while True:
        done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            raise ValueError(f"a picture of {image.shape} cannot be encoded as JPEG")
        if len(data) <= MAX_BYTES or quality <= _LOWEST_QUALITY:
            return data.tobytes()
        quality = max(_LOWEST_QUALITY, quality - 15)
