"""Networks that take pictures as they are, (N, H, W, 3) uint8 BGR.

What a network was trained on, RGB in [0, 1], is a matter of its first convolution: with the weights of red and blue
exchanged and all of them divided by 255 it gives the same for the bytes. Nobody then has to write a picture four times
as large, and casting the bytes is the first step of the network.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

WHITE = 255
"""The byte that stands for 1."""
FIRST = "model.0.conv.weight"
"""The first convolution's kernel in the state dict of an Ultralytics network, (out, 3, k, k)."""

Kernel = NDArray[np.float32]


def for_bgr(kernel: Kernel) -> Kernel:
    """The kernel (out, 3, k, k) that does on BGR what this one does on RGB."""
    return np.ascontiguousarray(kernel[:, ::-1])


def for_bytes(kernel: Kernel) -> Kernel:
    """The kernel (out, 3, k, k) that does on BGR from 0 to 255 what this one does on RGB from 0 to 1."""
    return for_bgr(kernel) / np.float32(WHITE)


def bgr_state(state: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """The same network for BGR in [0, 1]."""
    return {**state, FIRST: for_bgr(state[FIRST])}


def bytes_state(state: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """The same network for BGR from 0 to 255."""
    return {**state, FIRST: for_bytes(state[FIRST])}
