"""What a video file says of itself, before a backend opens it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from streams.errors import SourceError

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

_TICKS_S = 1_000_000
"""FFmpeg's ``AV_TIME_BASE``."""
_STILL_FORMATS = ("image2", "tty")
_WAY_OUT = "check the file, copy it again or convert it to MP4 (H.264)"


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """What is known of a video file once its head and first frame were read.

    Attributes:
        codec: Name of the codec, ``h264``.
        width: Pixels, as shown (after the rotation).
        height: Pixels, as shown.
        fps: Average frames per second, 0 when unknown.
        duration_s: Seconds of the video, ``None`` when unknown.
        frame_count: Frames the container promises to show, ``None`` when it has no table of them.
        pix_fmt: FFmpeg's name of the pixel format, ``yuv420p``.
        rotation: Degrees the picture is turned counterclockwise to be shown upright: 0, 90, 180 or 270.
        time_base: Seconds of one tick of the container's time stamps.
        has_index: Whether ``frame_count`` comes from a table of every frame (MP4, MOV), so it can be relied on.
        duration_is_exact: Whether ``duration_s`` is the video's own and not an estimate.
    """

    codec: str
    width: int
    height: int
    fps: float
    duration_s: float | None
    frame_count: int | None
    pix_fmt: str
    rotation: int
    time_base: Fraction
    has_index: bool
    duration_is_exact: bool


def probe(path: Path) -> VideoFacts:
    """Look at a video file: its head and its first frame.

    Args:
        path: The file.

    Returns:
        What it says of itself.

    Raises:
        SourceError: It is missing, a folder, empty, not a video, or not one frame of it can be decoded.
    """
    import av  # 16 MB that a box which watches cameras does not need

    _check_file(path)
    try:
        with av.open(ffmpeg_name(path)) as container:
            return _facts(path, container)
    except (av.error.FFmpegError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, av.error.FFmpegError) else "its text is garbled"
        raise SourceError(f"{path} is damaged or not a video ({reason}); {_WAY_OUT}") from error


def ffmpeg_name(path: Path) -> str:
    """A file as FFmpeg must be told it: absolute, because ``12:30.mp4`` would be the protocol ``12``."""
    return str(path.absolute())


def best_video(container: InputContainer) -> VideoStream | None:
    """The stream that FFmpeg and OpenCV would play, ``None`` for a file without a video."""
    from av.video.stream import VideoStream

    stream = container.streams.best("video")
    return stream if isinstance(stream, VideoStream) else None


def _check_file(path: Path) -> None:
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"{path} has a name that is not UTF-8, which OpenCV cannot open; rename it") from error
    try:
        if path.is_dir():
            raise SourceError(f"{path} is a folder, not a video; name a file inside it")
        size = path.stat().st_size
        if not path.is_file():  # a pipe would be waited for in C, where no signal ends the wait
            raise SourceError(f"{path} is a pipe or device, not a file; name a video file")
        if size:
            with path.open("rb"):
                return
    except FileNotFoundError as error:
        raise SourceError(f"{path} does not exist; check the path") from error
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    raise SourceError(f"{path} is empty (0 bytes); copy it again")


def _facts(path: Path, container: InputContainer) -> VideoFacts:
    stream = best_video(container)
    format_name = container.format.name
    if stream is None or stream.time_base is None:
        raise SourceError(f"{path} has no video in it ({format_name}); name a video file")
    if format_name in _STILL_FORMATS or format_name.endswith("_pipe"):
        raise SourceError(f"{path} is not a video but a still picture or text ({format_name}); name a video file")
    count, has_index = _promised_frames(container, stream)
    duration, exact = _duration(container, stream)
    rate = stream.average_rate or stream.base_rate
    frame = next(iter(container.decode(stream)), None)
    if frame is None:
        raise SourceError(f"{path} has a video stream without one frame that can be decoded; {_WAY_OUT}")
    rotation = round(frame.rotation / 90) * 90 % 360
    size = (frame.height, frame.width) if rotation in (90, 270) else (frame.width, frame.height)
    return VideoFacts(
        codec=stream.codec_context.codec.canonical_name,
        width=size[0],
        height=size[1],
        fps=float(rate) if rate else 0.0,
        duration_s=duration,
        frame_count=count,
        pix_fmt=frame.format.name,
        rotation=rotation,
        time_base=stream.time_base,
        has_index=has_index,
        duration_is_exact=exact,
    )


def _promised_frames(container: InputContainer, stream: VideoStream) -> tuple[int | None, bool]:
    """Frames to be shown: the container's table less what an edit list cuts away, else its head's own number."""
    if not stream.frames:
        return None, False
    if "mp4" in container.format.name and len(stream.index_entries):
        return sum(not entry.is_discard for entry in stream.index_entries), True
    return stream.frames, False


def _duration(container: InputContainer, stream: VideoStream) -> tuple[float | None, bool]:
    """Seconds of the video, and whether they are the stream's own and not an estimate."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base), container.format.name != "mpegts"
    tag = stream.metadata.get("DURATION", "")  # Matroska, "00:00:05.000000000"
    try:
        hours, minutes, seconds = (float(part) for part in tag.split(":"))
        start_s = float((stream.start_time or 0) * (stream.time_base or 0))  # the tag counts from 0, not from the start
        return hours * 3600 + minutes * 60 + seconds - max(0.0, start_s), True
    except ValueError:
        return (container.duration / _TICKS_S if container.duration else None), False
