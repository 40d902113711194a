"""Shots: conversion to BGR in all layouts, odd sizes, GStreamer's planes."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from streams.shot import Layout, Shot
from tests.support.videos import picture

Image = NDArray[np.uint8]


def shot_of(image: Image, layout: Layout) -> Shot:
    """A shot of a BGR picture."""
    height, width = image.shape[:2]
    planes: Any = image
    if layout != "bgr":
        padded = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
        planes = cv2.cvtColor(padded, cv2.COLOR_BGR2YUV_I420)
        if layout == "nv12":
            rows, columns = padded.shape[:2]
            chroma = planes[rows:].reshape(2, -1).T.reshape(rows // 2, columns)
            planes = np.concatenate([planes[:rows], chroma])
    return Shot(planes, layout, width, height, None, 5.0, 1000.0, pts_s=2.5)


@pytest.mark.parametrize("layout", ["i420", "nv12", "bgr"])
@pytest.mark.parametrize(("width", "height"), [(64, 48), (66, 50), (65, 49), (64, 47), (63, 48)])
def test_pictures_come_back(layout: Layout, width: int, height: int) -> None:
    image = picture(width, height, 1)
    shot = shot_of(image, layout)
    found = shot.bgr()
    assert (found.shape, found.dtype, found.flags.c_contiguous) == (image.shape, np.uint8, True)
    for row, column in ((height // 4, width // 3), (height * 3 // 4, width // 3), (height - 1, width - 1)):
        assert found[row, column] == pytest.approx(image[row, column], abs=6)
    luma = shot.luma()
    assert (luma.shape, luma.dtype) == ((height, width), np.uint8)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(float)
    expected = grey if layout == "bgr" else grey * 219 / 255 + 16
    assert np.abs(luma - expected)[:, : width // 3].mean() < 3


@pytest.mark.parametrize("layout", ["i420", "nv12"])
def test_luma_is_a_view(layout: Layout) -> None:
    shot = shot_of(picture(65, 49, 0), layout)
    assert np.shares_memory(shot.luma(), shot.planes)


def test_a_frame_carries_what_the_shot_knows() -> None:
    frame = shot_of(picture(64, 48, 0), "i420").frame("cam-1", 7)
    assert (frame.source_id, frame.index, frame.pts_s, frame.captured_at) == ("cam-1", 7, 2.5, 1000.0)
    assert (frame.width, frame.height) == (64, 48)
    assert frame.decode_ms > 0


def test_planes_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must be \(72, 64\) uint8, got \(48, 64\)"):
        Shot(np.zeros((48, 64), np.uint8), "i420", 64, 48, None, 0.0, 0.0)


@pytest.mark.parametrize("colorimetry", ["bt601", "1:4:0:0"], ids=["limited range", "full range"])
@pytest.mark.parametrize("pixels", ["I420", "NV12"])
@pytest.mark.parametrize(("width", "height"), [(640, 360), (642, 362), (641, 363), (639, 360)])
def test_gstreamer_planes(gstreamer: None, pixels: str, colorimetry: str, width: int, height: int) -> None:
    from streams.gst import copy_bgr, copy_planes, load_gst

    gst = load_gst()
    pipeline = gst.parse_launch(
        f"videotestsrc num-buffers=1 pattern=smpte75 ! video/x-raw,format=BGR,width={width},height={height} "
        "! tee name=t ! queue ! appsink name=plain sync=false "
        f"t. ! queue ! videoconvert ! video/x-raw,format={pixels},colorimetry={colorimetry} "
        "! appsink name=planar sync=false"
    )
    pipeline.set_state(gst.State.PLAYING)
    plain = copy_bgr(pipeline.get_by_name("plain").try_pull_sample(5 * gst.SECOND))
    planes, layout, *size = copy_planes(pipeline.get_by_name("planar").try_pull_sample(5 * gst.SECOND))
    pipeline.set_state(gst.State.NULL)
    assert (layout, size) == (pixels.lower(), [width, height])
    found = Shot(planes, layout, width, height, None, 0.0, 0.0).bgr()
    difference = np.abs(found.astype(int) - plain)
    assert np.median(difference) <= 3
    assert difference.mean() < 5
