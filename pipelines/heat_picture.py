"""Draw a heatmap over a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_STRENGTH = 0.65
"""How much of the picture the hottest place covers."""


def draw_heat(picture: NDArray[np.uint8], grid: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A copy of a picture with the seconds of a grid over it: nothing where there are none, red where they are most.

    Colours go with the square root, so that a way is seen beside a place where somebody sat all day.

    Args:
        picture: (H, W, 3) uint8 BGR.
        grid: (rows, cols) float64, 0 or more, over the whole picture.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    most = float(grid.max())
    if most <= 0:
        return picture.copy()
    height, width = picture.shape[:2]
    heat = np.sqrt(grid / most).astype(np.float32)
    heat = cv2.resize(heat, (width, height), interpolation=cv2.INTER_LINEAR).clip(0, 1)
    colours = cv2.applyColorMap(np.round(heat * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    cover = _STRENGTH * np.minimum(1, 3 * heat)[..., None]
    return np.asarray(np.round(picture * (1 - cover) + colours * cover), np.uint8)
