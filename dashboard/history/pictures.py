"""Small pictures of events: the object with something around it, as a JPEG of a few kilobytes."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
WIDTH, HEIGHT = 320, 240
MOST_BYTES = 24_000
_AROUND = 0.6
"""Of the box's longer side, on each side of it."""
_LEAST = 64
"""Pixels of a cut-out's longer side."""
_QUALITIES = (80, 65, 50, 35, 20)


def thumbnail(image: NDArray[np.uint8], box: Box | None) -> bytes | None:
    """A JPEG of at most 320x240 pixels and 24,000 bytes.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: What it is about, in pixels; ``None``: the whole picture.

    Returns:
        ``None`` where OpenCV cannot encode it, or not that small.
    """
    cut = image if box is None else around(image, box)
    height, width = cut.shape[:2]
    scale = min(WIDTH / width, HEIGHT / height, 1.0)
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        cut = np.asarray(cv2.resize(cut, size, interpolation=cv2.INTER_AREA), np.uint8)
    for quality in _QUALITIES:
        done, data = cv2.imencode(".jpg", cut, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if not done:
            return None
        if len(data) <= MOST_BYTES:
            return data.tobytes()
    return None


def around(image: NDArray[np.uint8], box: Box) -> NDArray[np.uint8]:
    """A box with what is around it, cut to the picture.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: x1, y1, x2, y2 in pixels.

    Returns:
        (h, w, 3) uint8 BGR, a view of one pixel at least.
    """
    height, width = image.shape[:2]
    x1, y1, x2, y2 = box
    longer = max(x2 - x1, y2 - y1)
    margin = max(_AROUND * longer, (_LEAST - longer) / 2)
    left, top = min(max(0, int(x1 - margin)), width - 1), min(max(0, int(y1 - margin)), height - 1)
    right, bottom = max(left + 1, min(width, int(x2 + margin) + 1)), max(top + 1, min(height, int(y2 + margin) + 1))
    return image[top:bottom, left:right]
