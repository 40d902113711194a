"""Video files through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.completeness import check_complete, size_changed
from streams.errors import SourceError
from streams.frame import Frame
from streams.media_clock import MediaClock
from streams.probe import VideoFacts, ffmpeg_name, probe
from streams.quiet import silence_opencv
from streams.size_watch import SizeWatch
from streams.source import SourceInfo

_T = TypeVar("_T")
_FAILED_GRABS = 64
"""A damaged packet makes one grab fail and the next may succeed; so many in a row are the end."""


class OpenCVFileSource:
    """Frames of a video file, decoded by OpenCV, upright.

    Each frame's image is (H, W, 3) uint8 BGR in memory of its own. Iterates once.
    """

    live = False

    def __init__(self, path: Path, source_id: str) -> None:
        """Name the file; it is opened on entering.

        Args:
            path: The video file.
            source_id: Name of the frames' source, ``[a-z0-9_-]+``.
        """
        self._path = path
        self._source_id = source_id
        self._open = ExitStack()
        self._capture: cv2.VideoCapture | None = None
        self._facts: VideoFacts | None = None
        self._watch: SizeWatch | None = None

    @property
    def info(self) -> SourceInfo:
        """Size, rate and length.

        Raises:
            SourceError: The source is not entered.
        """
        facts = self._entered(self._facts)
        return SourceInfo(facts.width, facts.height, facts.fps, facts.frame_count, "opencv")

    def __enter__(self) -> Self:
        """Open the file.

        Raises:
            SourceError: It is missing, a folder, empty or not a video.
        """
        self._facts = probe(self._path)
        silence_opencv()
        capture = cv2.VideoCapture(ffmpeg_name(self._path), cv2.CAP_FFMPEG)
        self._open.callback(capture.release)
        if not capture.isOpened():
            self._open.close()
            raise SourceError(
                f"{self._path} cannot be decoded by OpenCV ({self._facts.codec}); "
                "try --backend gstreamer or convert it to MP4 (H.264)"
            )
        self._capture = capture
        self._watch = self._open.enter_context(SizeWatch(self._path))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; safe to call twice."""
        self._open.close()
        self._capture = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in presentation order.

        Raises:
            SourceError: The file breaks off or changes its size; the frames before are good.
        """
        facts = self._entered(self._facts)
        clock = MediaClock(facts.time_base, facts.fps)
        frames, pts_s = 0, 0.0
        start = time.perf_counter()
        while self._grab():
            stamp_ms = self._entered(self._capture).get(cv2.CAP_PROP_POS_MSEC)
            pts_s = clock.tick(round(stamp_ms * 1e6))
            self._check_size(frames, pts_s, stamp_ms / 1e3)
            image = self._retrieve(frames, pts_s)
            decode_ms = (time.perf_counter() - start) * 1e3
            yield Frame(self._source_id, frames, image, pts_s, time.time(), decode_ms)
            frames += 1
            start = time.perf_counter()
        check_complete(self._path, facts, frames, pts_s)

    def _grab(self) -> bool:
        capture = self._entered(self._capture)
        return any(capture.grab() for _ in range(_FAILED_GRABS))

    def _check_size(self, frame: int, pts_s: float, stamp_s: float) -> None:
        watch = self._entered(self._watch)
        size = watch.change_until(stamp_s)
        if size is not None:
            raise size_changed(self._path, frame, pts_s, watch.size, size)

    def _retrieve(self, frame: int, pts_s: float) -> NDArray[np.uint8]:
        ok, image = self._entered(self._capture).retrieve()
        if not ok or image.dtype != np.uint8 or image.ndim != 3:
            raise SourceError(f"{self._path}: OpenCV cannot convert frame {frame} ({pts_s:.3f} s) to BGR; re-encode it")
        return np.ascontiguousarray(image, dtype=np.uint8)

    def _entered(self, part: _T | None) -> _T:
        if part is None:
            raise SourceError(f"{self._path} is not open; use the source in a with statement")
        return part
