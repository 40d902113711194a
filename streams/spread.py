"""Pictures spread over what the user has: a video, a folder of pictures, or a folder of videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.errors import SourceError
from streams.probe import probe
from streams.quiet import silence_opencv

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
VIDEOS = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".ts", ".m4v")
_FAR = 50
"""Frames between two pictures from which on it is quicker to seek than to read on."""

Image = NDArray[np.uint8]


def spread_pictures(source: Path, count: int) -> list[Image]:
    """Up to ``count`` pictures, (H, W, 3) uint8 BGR, at even distances.

    Args:
        source: A video file, or a folder of pictures or videos.
        count: At least 1.

    Raises:
        SourceError: It cannot be read, or holds no picture.
    """
    return [image for _, image in each_picture(source, count)]


def each_picture(source: Path, count: int) -> Iterator[tuple[str, Image]]:
    """As ``spread_pictures``, but one after the other: those of a file, or a folder of pictures, are not all in memory.

    Each comes with the name of the file that it is, or that it is from.

    Raises:
        SourceError: As there, while iterating.
    """
    silence_opencv()
    if not source.is_dir():
        yield from ((source.name, image) for image in _of_video(source, count))
        return
    files = sorted(path for path in source.iterdir() if path.is_file())
    pictures = [path for path in files if path.suffix.lower() in PICTURES]
    videos = [path for path in files if path.suffix.lower() in VIDEOS]
    if not pictures and not videos:
        raise SourceError(f"{source} holds neither pictures nor videos; name a video file, or a folder of either")
    if pictures:
        chosen = [pictures[index] for index in _even(len(pictures), count)]
        yield from ((path.name, read_picture(path)) for path in chosen)
        return
    each = -(-count // len(videos))
    found = [(video.name, picture) for video in videos for picture in _of_video(video, each)]
    yield from (found[index] for index in _even(len(found), count))


def _even(total: int, count: int) -> list[int]:
    """Up to ``count`` numbers below ``total``, at even distances."""
    wanted = min(total, count)
    return [index * total // wanted for index in range(wanted)]


def read_picture(path: Path) -> Image:
    """A picture, (H, W, 3) uint8 BGR.

    Raises:
        SourceError: It cannot be read.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"{path} cannot be read as a picture; remove it from its folder, or copy it again")
    return np.asarray(image, np.uint8)


def _of_video(path: Path, count: int) -> Iterator[Image]:
    facts = probe(path)
    capture = cv2.VideoCapture(str(path))
    try:
        indices = _even(facts.frame_count or count, count)
        found = position = 0
        for index in indices:
            if index - position >= _FAR:
                capture.set(cv2.CAP_PROP_POS_FRAMES, index)
                position = index
            while position < index and capture.grab():
                position += 1
            read, image = capture.read()
            if not read:
                break
            position += 1
            found += 1
            yield np.asarray(image, np.uint8)
    finally:
        capture.release()
    if not found:
        raise SourceError(f"{path}: no frame of it can be decoded; is it damaged?")
