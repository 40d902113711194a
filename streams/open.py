"""The choice of a backend for a video file."""

from __future__ import annotations

from pathlib import Path

from streams.source import Backend, Source


def open_source(path: Path, source_id: str, backend: Backend = "auto") -> Source:
    """Give the source that reads a video file; enter it to open the file.

    Args:
        path: The video file.
        source_id: Name of the frames' source, ``[a-z0-9_-]+``.
        backend: ``opencv``, ``gstreamer``, or ``auto``: OpenCV, which is the fastest for files.

    Returns:
        A source, not yet entered.

    Raises:
        SourceError: GStreamer was asked for and is not installed.
    """
    if backend == "gstreamer":
        from streams.gst import load_gst
        from streams.gstreamer_source import GStreamerFileSource

        load_gst()
        return GStreamerFileSource(path, source_id)
    from streams.opencv_source import OpenCVFileSource

    return OpenCVFileSource(path, source_id)
