"""One picture of a live source as it came, converted only when somebody looks at it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.frame import Frame

Layout = Literal["i420", "nv12", "bgr"]
_TO_BGR = {"i420": cv2.COLOR_YUV2BGR_I420, "nv12": cv2.COLOR_YUV2BGR_NV12}


@dataclass(frozen=True, slots=True)
class Shot:
    """One captured picture. Most are never analysed, so the conversion to BGR waits until it is asked for.

    Attributes:
        planes: uint8 in memory of its own. ``i420``, ``nv12``: (rows * 3 / 2, columns), limited range, where rows and
            columns are the height and width rounded up to even; ``bgr``: (height, width, 3).
        layout: What ``planes`` holds.
        width: Pixels.
        height: Pixels.
        stamp_s: The source's own time stamp in seconds, from any origin; ``None`` when it gives none.
        arrived_s: ``time.monotonic()`` of the capture.
        captured_at: Unix seconds (UTC) by this machine's clock at which the picture was taken in. A label.
        camera_time: Unix seconds by the camera's own clock (NTP), ``None`` when it does not say.
        age_s: Seconds it was already on this machine at ``arrived_s``: waiting for packets, decoding.
        pts_s: Media time in seconds; the feed sets it.
    """

    planes: NDArray[np.uint8]
    layout: Layout
    width: int
    height: int
    stamp_s: float | None
    arrived_s: float
    captured_at: float
    camera_time: float | None = None
    age_s: float = 0.0
    pts_s: float = 0.0

    def __post_init__(self) -> None:
        rows, columns = self.height + self.height % 2, self.width + self.width % 2
        shape = (self.height, self.width, 3) if self.layout == "bgr" else (rows * 3 // 2, columns)
        if self.planes.shape != shape or self.planes.dtype != np.uint8:
            raise ValueError(
                f"planes of a {self.width}x{self.height} {self.layout} picture must be {shape} uint8, "
                f"got {self.planes.shape} {self.planes.dtype}"
            )

    def luma(self) -> NDArray[np.uint8]:
        """(H, W) uint8: the brightness; a view where the picture has a plane of it."""
        if self.layout == "bgr":
            return np.asarray(cv2.cvtColor(self.planes, cv2.COLOR_BGR2GRAY), np.uint8)
        return self.planes[: self.height, : self.width]

    def bgr(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, BGR, contiguous; for the layout ``bgr`` it is ``planes`` itself."""
        if self.layout == "bgr":
            return self.planes
        image = cv2.cvtColor(self.planes, _TO_BGR[self.layout])
        return np.ascontiguousarray(image[: self.height, : self.width], np.uint8)

    def frame(self, source_id: str, index: int) -> Frame:
        """The picture as the detectors take it.

        Args:
            source_id: Name of the camera, ``[a-z0-9_-]+``.
            index: 0-based number of the frame within the run.

        Returns:
            A frame whose ``decode_ms`` is what the conversion took.
        """
        start = time.perf_counter()
        image = self.bgr()
        return Frame(source_id, index, image, self.pts_s, self.captured_at, (time.perf_counter() - start) * 1e3)
