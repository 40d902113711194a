"""Keep libraries' own chatter off stderr."""

from __future__ import annotations

import os

import cv2


def silence_opencv() -> None:
    """Keep OpenCV's and its FFmpeg's own lines off stderr; what matters becomes a ``SourceError``."""
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
