"""Whether a file gave all the frames it promised."""

from __future__ import annotations

from pathlib import Path

from streams.errors import SourceError
from streams.probe import VideoFacts

_FRAMES_OF_GRACE = 2
_SECONDS_OF_GRACE = 1.0
_WAY_OUT = "the file is damaged or incomplete — copy or re-encode it again"


def check_complete(path: Path, facts: VideoFacts, frames: int, last_pts_s: float, error: str = "") -> None:
    """Raise where a file ended before its time.

    A table of every frame (MP4) is taken at its word, less two frames; a mere number in the head (AVI) or a duration
    (Matroska) only where the media time falls short too, since healthy files have them slightly off.

    Args:
        path: The file, for the message.
        facts: What the file promised.
        frames: Frames that were decoded.
        last_pts_s: Media time of the last of them, in seconds.
        error: What the backend reported, if it did.

    Raises:
        SourceError: It breaks off.
    """
    reason = f" ({error})" if error else ""
    frame_s = 1 / facts.fps if facts.fps else 0.04
    missing_s = (facts.duration_s or 0.0) - last_pts_s - frame_s
    missing = (facts.frame_count or 0) - frames
    is_short = missing_s > _FRAMES_OF_GRACE * frame_s
    if missing > _FRAMES_OF_GRACE and (facts.has_index or is_short or error):
        raise SourceError(
            f"{path} breaks off after {frames} of {facts.frame_count} frames, at {last_pts_s:.3f} s{reason}; {_WAY_OUT}"
        )
    grace_s = max(_SECONDS_OF_GRACE, 5 * frame_s)
    if facts.frame_count is None and facts.duration_is_exact and missing_s > grace_s:
        raise SourceError(
            f"{path} breaks off after {frames} frames, at {last_pts_s:.3f} of {facts.duration_s:.3f} s{reason}; "
            f"{_WAY_OUT}"
        )
    if error:
        raise SourceError(f"{path} breaks off after {frames} frames, at {last_pts_s:.3f} s{reason}; {_WAY_OUT}")


def size_changed(path: Path, frame: int, pts_s: float, before: tuple[int, int], after: tuple[int, int]) -> SourceError:
    """The error for a picture whose size changes midway.

    Args:
        path: The file, for the message.
        frame: 0-based index of the first frame of the new size.
        pts_s: Its media time in seconds.
        before: (width, height) in pixels until then.
        after: (width, height) in pixels from then on.
    """
    return SourceError(
        f"{path} changes its size at frame {frame} ({pts_s:.3f} s) from {before[0]}x{before[1]} to "
        f"{after[0]}x{after[1]}; split it there, or re-encode it at one size"
    )
