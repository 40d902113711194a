"""What a network is given for each brightness of a pixel: normalised, and quantised where its input is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.detector import Tensor

Normalisation = tuple[Sequence[float], Sequence[float]]
"""Mean and standard deviation, one for all channels or three for red, green and blue: (pixel - mean) / deviation."""

FROM_MINUS_1_TO_1: Normalisation = ((127.5,), (127.5,))
USUAL: dict[tuple[float, float], Normalisation] = {
    (-1.0, 1.0): FROM_MINUS_1_TO_1,
    (0.0, 1.0): ((0.0,), (255.0,)),
    (0.0, 255.0): ((0.0,), (1.0,)),
}
"""The range of real numbers that a network takes → how pixels become such."""
_NEAR = 0.25
"""A range is one of these where its ends are not farther off than this share of it, both together."""


def pixel_levels(
    dtype: str, scale: float, zero_point: int, normalisation: Normalisation | None = None
) -> Tensor | None:
    """The number that a network's input gets for each of the 256 levels of a pixel.

    A quantised number stands for scale * (number - zero_point). Where nobody says how pixels are normalised, a
    floating-point input gets them from -1 to 1, as the TensorFlow Object Detection API does it; the range that a
    quantised input can hold tells it. A quantised input that spans the whole range gets the pixels themselves.

    Args:
        dtype: ``float32``, ``uint8`` or ``int8``.
        scale: How the input is quantised; 0 where it is not.
        zero_point: Belongs to it.
        normalisation: What the model's metadata say, else None.

    Returns:
        (256,) or, with a normalisation for each channel, (256, 3) of ``dtype``; None where pixels go in as they are.
    """
    pixels = np.arange(256, dtype=np.float64)[:, None]
    if dtype == "float32":
        mean, deviation = normalisation or FROM_MINUS_1_TO_1
        return _flat(((pixels - np.asarray(mean)) / np.asarray(deviation)).astype(np.float32))
    kind = np.iinfo(dtype)
    plain = pixels + kind.min
    found = normalisation or _by_range(scale * (kind.min - zero_point), scale * (kind.max - zero_point))
    numbers = plain
    if scale > 0 and found is not None:
        real = (pixels - np.asarray(found[0])) / np.asarray(found[1])
        numbers = np.rint(real / scale + zero_point).clip(kind.min, kind.max)
    if np.abs(numbers - plain).max() <= 1:  # what is rounded otherwise when the network is made
        numbers = plain
    return None if dtype == "uint8" and numbers is plain else _flat(numbers.astype(dtype))


def _by_range(low: float, high: float) -> Normalisation | None:
    """The normalisation whose range is nearest, or None where none is near."""
    distance = {(a, b): (abs(low - a) + abs(high - b)) / (b - a) for a, b in USUAL}
    nearest = min(distance, key=lambda ends: distance[ends])
    return USUAL[nearest] if distance[nearest] <= _NEAR else None


def _flat(table: NDArray[np.generic]) -> Tensor:
    return table[:, 0] if table.shape[1] == 1 else table
