"""A video that a browser plays, with the media time that the results have."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from streams.errors import SourceError
from streams.open import open_source
from streams.probe import best_video, ffmpeg_name, probe
from streams.reader import FrameReader
from streams.video_writer import VideoWriter

_PLAYED = ("h264",)
_FORMATS = ("mp4", "mov")
_PIXELS = ("yuv420p", "yuvj420p")


def is_playable(video: Path) -> bool:
    """Whether browsers play a file as it is: H.264 in an MP4 that begins at 0.

    Raises:
        SourceError: It is no video.
    """
    import av

    facts = probe(video)
    with av.open(ffmpeg_name(video)) as container:
        stream = best_video(container)
        first = next(iter(container.decode(stream)), None) if stream is not None else None
        is_mp4 = any(name in container.format.name.split(",") for name in _FORMATS)
        begins_at_0 = first is not None and abs(first.time or 0.0) < 1e-3
    return is_mp4 and begins_at_0 and facts.codec in _PLAYED and facts.pix_fmt in _PIXELS


def make_playable(
    video: Path, folder: Path, stop: threading.Event, on_frame: Callable[[int, int | None], None] = lambda n, of: None
) -> Path:
    """The video itself, or a copy as H.264 that has the media time of each frame.

    Args:
        video: Any video that can be analysed.
        folder: Where a copy goes.
        stop: Ends the copying; what was copied by then is given.
        on_frame: Told how many frames of how many are copied.

    Raises:
        SourceError: It is no video, or breaks off before its second frame.
        OutputError: The copy cannot be written.
    """
    if is_playable(video):
        return video
    copy = folder / "video.mp4"
    with open_source(video, "video") as source, FrameReader(source) as reader:
        info = source.info
        with VideoWriter(copy, info.width, info.height, info.fps) as writer:
            try:
                for number, frame in enumerate(reader):
                    on_frame(number, info.frame_count)
                    writer.write(frame.image, frame.pts_s)
                    if stop.is_set():
                        break
            except SourceError:
                if number < 1:
                    raise
    return copy
