"""An H.264 MP4 that plays in a browser, also after its writer was killed."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av.video.frame import PictureType
from numpy.typing import NDArray

from streams.errors import OutputError, cannot_write
from streams.probe import ffmpeg_name

_TIME_BASE = Fraction(1, 90_000)
_FRAGMENT_S = 1.0
_UNKNOWN_FPS = 25.0
_CONTAINER = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "flush_packets": "1"}
_ENCODER = {"preset": "superfast", "tune": "zerolatency", "crf": "24", "g": "600", "x264-params": "scenecut=0"}


class VideoWriter:
    """Writes pictures as fragmented MP4 (H.264, yuv420p): every finished second is on disk and can be played."""

    def __init__(self, path: Path, width: int, height: int, fps: float) -> None:
        """Create the file.

        Args:
            path: The file; an older one is replaced.
            width: Pixels of the pictures to come; an odd one is padded to even.
            height: Pixels of the pictures to come; an odd one is padded to even.
            fps: Nominal frames per second, 0 when unknown; the frames' own times are what counts.

        Raises:
            OutputError: The file cannot be created.
        """
        self._path = path
        self._shape = (height, width, 3)
        self._padding = (height % 2, width % 2)
        self._last_ticks = -1
        self._key_ticks: int | None = None
        self._whole_bytes = 0
        self._closed = False
        rate = Fraction(fps if fps > 0 else _UNKNOWN_FPS).limit_denominator(1001)
        try:
            self._container = av.open(ffmpeg_name(path), "w", format="mp4", options=_CONTAINER)
            self._stream = self._container.add_stream("libx264", rate=rate, options=_ENCODER)
            self._stream.width, self._stream.height = width + width % 2, height + height % 2
            self._stream.pix_fmt = "yuv420p"
            self._stream.thread_count = 1
            self._stream.time_base = self._stream.codec_context.time_base = _TIME_BASE
            self._stream.codec_context.color_range = 1  # limited, as cv2 converts
            self._stream.codec_context.colorspace = 6  # BT.601
            self._container.start_encoding()
        except OSError as error:
            raise cannot_write(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the file; an error underway is not covered by one of closing."""
        if error is None:
            self.close()
        else:
            with contextlib.suppress(OutputError):
                self.close()

    def write(self, image: NDArray[np.uint8], pts_s: float) -> None:
        """Add a picture.

        Args:
            image: (H, W, 3) uint8 BGR of the size given at the start.
            pts_s: Media time in seconds, increasing.

        Raises:
            OutputError: The disk is full or the file cannot be written; the writer is closed, what is there plays.
            ValueError: The picture has another shape or type, or the writer is closed.
        """
        if self._closed:
            raise ValueError(f"{self._path} is closed")
        if image.shape != self._shape or image.dtype != np.uint8:
            raise ValueError(f"image must be {self._shape} uint8, got {image.shape} {image.dtype}")
        bottom, right = self._padding
        if bottom or right:
            padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        else:
            padded = image
        yuv = np.asarray(cv2.cvtColor(padded, cv2.COLOR_BGR2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(yuv, format="yuv420p")
        ticks = max(round(pts_s / _TIME_BASE), self._last_ticks + 1)
        frame.pts, frame.time_base, self._last_ticks = ticks, _TIME_BASE, ticks
        if self._key_ticks is None or ticks - self._key_ticks >= _FRAGMENT_S / _TIME_BASE:
            frame.pict_type, self._key_ticks = PictureType.I, ticks
        self._mux(frame)

    def close(self) -> None:
        """Write what is left and close the file; safe to call twice.

        Raises:
            OutputError: The rest cannot be written; what was written before plays.
        """
        if self._closed:
            return
        self._closed = True
        self._mux(None)
        try:
            self._container.close()
        except OSError as error:
            raise self._failure(error) from error

    def _mux(self, frame: av.VideoFrame | None) -> None:
        try:
            for packet in self._stream.encode(frame):
                if packet.is_keyframe:  # it makes FFmpeg write the fragment before it; what is there now is whole
                    self._whole_bytes = self._path.stat().st_size
                self._container.mux(packet)
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> OutputError:
        """Close, and cut off the fragment that did not fit, so that the rest plays to its end."""
        self._closed = True
        with contextlib.suppress(OSError):  # the error to raise is the first
            self._container.close()
        with contextlib.suppress(OSError):
            os.truncate(self._path, self._whole_bytes)
        return cannot_write(self._path, error)
