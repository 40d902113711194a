"""Small real videos, made for one test."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

Image = NDArray[np.uint8]


def picture(width: int, height: int, number: int) -> Image:
    """(H, W, 3) uint8 BGR: blue left top quarter, grey below, a white bar that walks with ``number``."""
    image = np.full((height, width, 3), 60, np.uint8)
    image[: height // 2, : width // 2] = (220, 40, 40)
    image[:, (number * 8) % width : (number * 8) % width + 8] = 255
    return image


def encode(
    path: Path,
    width: int = 320,
    height: int = 240,
    frames: int = 20,
    fps: int | Fraction = 10,
    rotation: int = 0,
    codec: str = "libx264",
    metadata: Mapping[str, str] | None = None,
    **container: str,
) -> Path:
    """Write a real video of ``picture``s, turned by a display matrix where asked."""
    with av.open(str(path), "w", options=container) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream(codec, rate=fps, options={"g": "10"})
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        if rotation:
            stream.set_display_rotation(rotation)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(width, height, number), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return path
