"""Frames for int8: real pictures, letterboxed as ``analyze`` would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from detectors.detector import Image, Tensor
from detectors.families.yolo import YoloFamily

FRAMES = 64
"""As many are taken, spread over what the user gives."""


def calibration_batches(
    frames: Sequence[Image], labels: tuple[str, ...], imgsz: int | tuple[int, int], stride: int, fixed: bool
) -> list[Tensor]:
    """Batches of one picture each, all of one size.

    Args:
        frames: (H, W, 3) uint8 BGR, at least one.
        labels: Of the model.
        imgsz: The longer side or (height, width), as in the configuration.
        stride: The network's largest stride.
        fixed: The network takes pictures of exactly ``imgsz``; else of the size that most of the frames would have.

    Returns:
        (1, H', W', 3) uint8 BGR.
    """
    family = YoloFamily(labels, imgsz, stride=stride, fixed=fixed)
    if not fixed:
        shape = Counter(frame.shape for frame in frames).most_common(1)[0][0]
        common = next(frame for frame in frames if frame.shape == shape)
        batch, _ = family.preprocess([common])
        family = YoloFamily(labels, (batch.shape[1], batch.shape[2]), stride=stride, fixed=True)
    return [family.preprocess([frame])[0].copy() for frame in frames]
