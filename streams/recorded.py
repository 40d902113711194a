"""When a video file was recorded, as far as its container tells."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from streams.probe import best_video, ffmpeg_name

_YEAR_2000 = 946_684_800.0
"""Unix seconds; what claims to be older was written by a clock that was never set."""


def recorded_at(path: Path) -> float | None:
    """Unix seconds at which a recording began, by the ``creation_time`` of its container; ``None`` when it has none.

    Cameras and phones write it; a file that was converted may have lost it, or carry the time of the conversion.
    """
    import av  # 16 MB that a box which watches cameras does not need

    try:
        with av.open(ffmpeg_name(path)) as container:
            stream = best_video(container)
            tags = (container.metadata, stream.metadata if stream is not None else {})
            texts = [tag["creation_time"] for tag in tags if "creation_time" in tag]
    except (av.error.FFmpegError, UnicodeDecodeError):
        return None  # whoever opens it for its frames says what is wrong
    return _unix_seconds(texts[0]) if texts else None


def _unix_seconds(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    seconds = moment.timestamp()
    return seconds if seconds >= _YEAR_2000 else None
