"""The choice of a backend for a live source."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from streams.camera_tls import TRUSTED, CameraTls
from streams.errors import SourceError
from streams.file_live import FileLive
from streams.live_source import LiveSource
from streams.look import is_live, redacted
from streams.opencv_live import OpenCVLive, is_rtsp
from streams.source import Backend


def live_source(
    source: str | Path,
    username: str = "",
    password: str = "",
    backend: Backend = "auto",
    transport: Literal["tcp", "udp"] = "tcp",
    latency_ms: int = 100,
    tls: CameraTls = TRUSTED,
    realtime: bool = True,
    loop: bool = False,
) -> LiveSource:
    """Give what reads a camera, or a file that stands in for one; it is not opened yet.

    Args:
        source: ``rtsp(s)://``, ``http(s)://``, ``/dev/videoN``, ``gst:`` with a launch line, or a file.
        username: Login of a network stream; takes the place of one in the address. Empty for none.
        password: Belongs to it.
        backend: ``opencv``, ``gstreamer``, or ``auto``: GStreamer for RTSP, devices and launch lines where it is
            installed, OpenCV for everything else.
        transport: Of RTSP.
        latency_ms: Milliseconds that RTSP packets may wait for late ones (GStreamer).
        tls: What the certificate of an ``rtsps://`` or ``https://`` camera is held against.
        realtime: A file is played at its own pace, otherwise as fast as it is read.
        loop: A file begins again at its end.

    Returns:
        A new source.

    Raises:
        SourceError: GStreamer is needed and not installed, or asked for with ``http(s)://``.
    """
    text = str(source)
    if isinstance(source, Path) or not is_live(source):
        return FileLive(Path(source), backend, realtime, loop)
    if _takes_gstreamer(text, backend):
        from streams.gst_live import GStreamerLive

        return GStreamerLive(text, username, password, transport, latency_ms, tls)
    return OpenCVLive(text, username, password, transport, tls)


def _takes_gstreamer(source: str, backend: Backend) -> bool:
    from streams.gst import load_gst

    is_line = source.startswith("gst:")
    if not (is_line or is_rtsp(source) or source.startswith("/dev/")):
        if backend == "gstreamer":
            raise SourceError(
                f"source {redacted(source)} is read with OpenCV; set backend to auto or opencv, or write a gst: line"
            )
        return False
    if backend == "opencv":
        if is_line:
            raise SourceError("a gst: launch line needs GStreamer; set backend to auto or gstreamer")
        return False
    try:
        load_gst()
    except SourceError:
        if is_line or backend == "gstreamer":
            raise
        return False
    return True
