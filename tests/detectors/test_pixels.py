"""A first convolution on bytes in BGR gives what it gave on RGB from 0 to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from detectors.pixels import FIRST, bgr_state, bytes_state

RANDOM = np.random.default_rng(7)
STATE = {FIRST: RANDOM.normal(size=(16, 3, 3, 3)).astype(np.float32), "other": np.ones(3, np.float32)}
PATCH = RANDOM.integers(0, 256, (3, 3, 3)).astype(np.float32)
"""(row, column, channel) in BGR; no two channels are alike."""


def convolved(kernel: NDArray[np.float32], patch: NDArray[np.float32]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.einsum("ocyx,yxc->o", kernel, patch)
    return found


def test_bytes_in_bgr_give_the_same() -> None:
    before = STATE[FIRST].copy()
    light = PATCH / np.float32(255)
    expected = convolved(STATE[FIRST], light[..., ::-1])
    np.testing.assert_allclose(convolved(bytes_state(STATE)[FIRST], PATCH), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(convolved(bgr_state(STATE)[FIRST], light), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(STATE[FIRST], before)


def test_nothing_else_is_changed() -> None:
    for changed in (bytes_state(STATE), bgr_state(STATE)):
        assert changed.keys() == STATE.keys()
        assert changed["other"] is STATE["other"]
        assert changed[FIRST].dtype == np.float32
