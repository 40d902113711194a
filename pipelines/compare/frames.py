"""The frames that all combinations get: decoded once, laid down raw, read one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streams.errors import SourceError, cannot_write
from streams.spread import each_picture

Image = NDArray[np.uint8]
Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Laid:
    """A frame that was laid down.

    Attributes:
        name: Of the picture's file, or of the video.
        size: Its (H, W).
    """

    name: str
    size: Size


def lay_down(videos: Sequence[Path], count: int, file: Path) -> list[Laid]:
    """Write frames that are spread over videos, as (H, W, 3) uint8 BGR one after the other.

    Args:
        videos: Files, or folders of pictures.
        count: Frames in all, at least one of each video.
        file: To be written.

    Raises:
        SourceError: A video cannot be read.
        OutputError: The file cannot be written.
    """
    each = -(-count // len(videos))
    laid: list[Laid] = []
    try:
        with file.open("wb") as out:
            for video in videos:
                for name, image in each_picture(video, min(each, max(1, count - len(laid)))):
                    out.write(np.ascontiguousarray(image).data)
                    laid.append(Laid(name, (image.shape[0], image.shape[1])))
    except SourceError:
        raise
    except OSError as error:
        raise cannot_write(file, error, "TMPDIR") from error
    return laid


def read_back(file: Path, sizes: Sequence[Size]) -> Iterator[Image]:
    """The frames of ``lay_down``; each is an array of its own."""
    with file.open("rb") as source:
        for height, width in sizes:
            image = np.empty((height, width, 3), np.uint8)
            source.readinto(image.data.cast("B"))
            yield image
