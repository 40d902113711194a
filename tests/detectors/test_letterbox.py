"""Letterbox and its inverse, for any size, and against Ultralytics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.letterbox import PAD_VALUE, Letterbox

STRIDE = 32
sides = st.integers(1, 4000) | st.integers(1, 40)
inputs = st.integers(1, 40).map(lambda n: n * STRIDE)
SAMPLES = [
    (1, 1), (3, 500), (500, 3), (641, 359), (359, 641), (1080, 810), (720, 1280), (2160, 3840), (352, 640), (270, 480),
    (576, 768), (640, 640), (32, 32), (33, 31), (107, 2957), (1079, 1919), (4000, 7), (63, 64),
]  # fmt: skip


def forward(box: Letterbox, xyxy: NDArray[np.float64]) -> NDArray[np.float32]:
    """Boxes of the picture, in input pixels."""
    (height, width), (scaled_h, scaled_w) = box.source, box.scaled
    scale = np.array([scaled_w / width, scaled_h / height] * 2)
    return (xyxy * scale + np.array([box.left, box.top] * 2)).astype(np.float32)


def corners(height: int, width: int) -> NDArray[np.float64]:
    return np.array([[0, 0, width, height], [width / 3, height / 4, width / 2, height / 1.5], [0, 0, 0, 0]], np.float64)


@settings(max_examples=500, deadline=None)
@given(sides, sides, inputs, inputs, st.booleans())
def test_the_picture_fits_and_keeps_its_aspect(h: int, w: int, in_h: int, in_w: int, minimal: bool) -> None:
    box = Letterbox.fit((h, w), (in_h, in_w), STRIDE, minimal=minimal)
    (scaled_h, scaled_w), (padded_h, padded_w) = box.scaled, box.padded
    assert 1 <= scaled_h <= padded_h <= in_h and 1 <= scaled_w <= padded_w <= in_w
    assert padded_h % STRIDE == padded_w % STRIDE == 0
    assert (scaled_h, scaled_w) == (in_h, scaled_w) or scaled_w == in_w
    ratio = min(in_h / h, in_w / w)
    assert abs(scaled_h - max(h * ratio, 1)) <= 0.5 + 1e-9 and abs(scaled_w - max(w * ratio, 1)) <= 0.5 + 1e-9
    assert 0 <= box.top <= padded_h - scaled_h and 0 <= box.left <= padded_w - scaled_w
    assert abs(padded_h - scaled_h - 2 * box.top) <= 1 and abs(padded_w - scaled_w - 2 * box.left) <= 1
    if minimal:
        assert padded_h - scaled_h < STRIDE and padded_w - scaled_w < STRIDE
    else:
        assert box.padded == (in_h, in_w)


@settings(max_examples=500, deadline=None)
@given(sides, sides, inputs, inputs, st.booleans())
def test_boxes_map_back_and_stay_inside(h: int, w: int, in_h: int, in_w: int, minimal: bool) -> None:
    box = Letterbox.fit((h, w), (in_h, in_w), STRIDE, minimal=minimal)
    there = corners(h, w)
    back = box.restore(forward(box, there))
    assert np.abs(back - there).max() < 0.05
    assert back.dtype == np.float32
    assert (back >= 0).all() and (back[:, 0::2] <= w).all() and (back[:, 1::2] <= h).all()


@settings(max_examples=200, deadline=None)
@given(sides, sides, st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 4), max_size=5))
def test_whatever_the_network_says_boxes_stay_inside_and_in_order(
    h: int, w: int, raw: list[tuple[float, float, float, float]]
) -> None:
    box = Letterbox.fit((h, w), (640, 640), STRIDE, minimal=True)
    given_boxes = np.array(raw, np.float32).reshape(-1, 4)
    given_boxes = np.concatenate([np.minimum(given_boxes[:, :2], given_boxes[:, 2:]), given_boxes[:, 2:]], axis=1)
    before = given_boxes.copy()
    back = box.restore(given_boxes)
    assert (back[:, :2] >= 0).all() and (back[:, 2] <= w).all() and (back[:, 3] <= h).all()
    assert (back[:, :2] <= np.maximum(back[:, 2:], 0)).all()
    np.testing.assert_array_equal(given_boxes, before)


@pytest.mark.parametrize("minimal", [True, False])
@pytest.mark.parametrize("imgsz", [(640, 640), (384, 640), (320, 320)])
@pytest.mark.parametrize("size", SAMPLES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_same_pixels_and_boxes_as_ultralytics(size: tuple[int, int], imgsz: tuple[int, int], minimal: bool) -> None:
    augment = pytest.importorskip("ultralytics.data.augment")
    ops = pytest.importorskip("ultralytics.utils.ops")
    image = np.random.default_rng(size[0]).integers(0, 255, (*size, 3), np.uint8)
    box = Letterbox.fit(size, imgsz, STRIDE, minimal=minimal)
    expected = augment.LetterBox(imgsz, auto=minimal, stride=STRIDE)(image=image)
    canvas = np.zeros((*box.padded, 3), np.uint8)
    box.apply(image, canvas)
    np.testing.assert_array_equal(canvas, expected)
    gain = min(box.padded[0] / size[0], box.padded[1] / size[1])
    if box.scaled == tuple(max(round(side * gain), 1) for side in size):  # else their inverse is not exact
        boxes = forward(box, corners(*size))
        np.testing.assert_allclose(box.restore(boxes), ops.scale_boxes(box.padded, boxes.copy(), size), atol=2e-3)


def test_padding_is_grey_whatever_was_there() -> None:
    box = Letterbox.fit((100, 200), (320, 320), STRIDE, minimal=False)
    canvas = np.full((320, 320, 3), 7, np.uint8)
    box.apply(np.zeros((100, 200, 3), np.uint8), canvas)
    assert (canvas[box.top : box.top + 160] == 0).all()
    assert (canvas[: box.top] == PAD_VALUE).all() and (canvas[box.top + 160 :] == PAD_VALUE).all()
