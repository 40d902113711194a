"""Fit a picture into a network's input and map boxes back.

The arithmetic is that of Ultralytics' LetterBox and ``scale_boxes``, so that boxes agree with it to the pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

PAD_VALUE = 114


@dataclass(frozen=True, slots=True)
class Letterbox:
    """Where a picture lies inside the padded input.

    Attributes:
        source: (height, width) of the picture in pixels.
        scaled: (height, width) of the picture inside the input.
        padded: (height, width) of the input.
        top: Rows of padding above.
        left: Columns of padding on the left.
    """

    source: tuple[int, int]
    scaled: tuple[int, int]
    padded: tuple[int, int]
    top: int
    left: int

    @classmethod
    def fit(cls, source: tuple[int, int], imgsz: tuple[int, int], stride: int, *, minimal: bool) -> Letterbox:
        """Scale a picture to fit ``imgsz`` with its aspect kept.

        Args:
            source: (height, width) of the picture.
            imgsz: (height, width) that the picture must fit into.
            stride: The padded size is a multiple of this.
            minimal: Pad to the next multiple of ``stride`` only, instead of to the whole of ``imgsz``.
        """
        height, width = source
        ratio = min(imgsz[0] / height, imgsz[1] / width)
        scaled_h = min(max(round(height * ratio), 1), imgsz[0])
        scaled_w = min(max(round(width * ratio), 1), imgsz[1])
        pad_h, pad_w = imgsz[0] - scaled_h, imgsz[1] - scaled_w
        if minimal:
            pad_h, pad_w = pad_h % stride, pad_w % stride
        top, left = round(pad_h / 2 - 0.1), round(pad_w / 2 - 0.1)
        return cls(source, (scaled_h, scaled_w), (scaled_h + pad_h, scaled_w + pad_w), top, left)

    def apply(self, image: NDArray[np.uint8], canvas: NDArray[np.uint8]) -> None:
        """Draw the picture and its grey padding into ``canvas``, a (padded height, padded width, 3) uint8 array."""
        height, width = self.scaled
        canvas[: self.top] = canvas[self.top + height :] = PAD_VALUE
        canvas[:, : self.left] = canvas[:, self.left + width :] = PAD_VALUE
        target = canvas[self.top : self.top + height, self.left : self.left + width]
        if self.source == self.scaled:
            np.copyto(target, image)
        else:
            cv2.resize(image, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)

    def restore(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map (N, 4) boxes from input pixels to source pixels, clipped to the picture."""
        (height, width), (scaled_h, scaled_w) = self.source, self.scaled
        offset = np.array((self.left, self.top) * 2, np.float32)
        scale = np.array((scaled_w / width, scaled_h / height) * 2, np.float32)  # each side was rounded to a pixel
        limit = np.array((width, height) * 2, np.float32)
        boxes: NDArray[np.float32] = np.maximum(np.minimum((xyxy - offset) / scale, limit), np.float32(0))
        return boxes
