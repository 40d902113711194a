"""Video files through GStreamer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.completeness import check_complete, size_changed
from streams.errors import SourceError
from streams.frame import Frame
from streams.gst import copy_bgr, load_gst, sample_size
from streams.media_clock import MediaClock
from streams.probe import VideoFacts, probe
from streams.source import SourceInfo

_PIPELINE = (
    'filesrc name=file ! decodebin caps="video/x-raw(ANY)" expose-all-streams=false ! videoconvert '
    "! videoflip video-direction=auto ! video/x-raw,format=BGR "
    "! appsink name=sink sync=false drop=false max-buffers=4"
)
_POLL_MS = 200
_SILENCE_S = 30.0
"""A file that gives neither a frame nor an error nor its end for so long is given up."""


class GStreamerFileSource:
    """Frames of a video file, decoded by GStreamer, upright.

    Each frame's image is (H, W, 3) uint8 BGR in memory of its own. Iterates once.
    """

    live = False

    def __init__(self, path: Path, source_id: str) -> None:
        """Name the file; it is opened on entering.

        Args:
            path: The video file.
            source_id: Name of the frames' source, ``[a-z0-9_-]+``.
        """
        self._path = path
        self._source_id = source_id
        self._facts: VideoFacts | None = None
        self._pipeline: Any = None
        self._sink: Any = None
        self._first: Any = None
        self._error = ""

    @property
    def info(self) -> SourceInfo:
        """Size, rate and length.

        Raises:
            SourceError: The source is not entered.
        """
        facts = self._facts
        if facts is None:
            raise SourceError(f"{self._path} is not open; use the source in a with statement")
        return SourceInfo(facts.width, facts.height, facts.fps, facts.frame_count, "gstreamer")

    def __enter__(self) -> Self:
        """Open the file and wait for its first frame.

        Raises:
            SourceError: It is missing, a folder, empty or not a video, or GStreamer or a decoder is not installed.
        """
        gst = load_gst()
        self._facts = probe(self._path)
        self._pipeline = gst.parse_launch(_PIPELINE)
        self._pipeline.get_by_name("file").set_property("location", str(self._path))
        self._sink = self._pipeline.get_by_name("sink")
        self._pipeline.set_state(gst.State.PLAYING)
        try:
            self._first = self._pull()
            if self._first is None:
                raise SourceError(
                    f"{self._path} cannot be decoded by GStreamer ({self._error or self._facts.codec}); "
                    "try --backend opencv or convert it to MP4 (H.264)"
                )
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file; safe to call twice."""
        self._close()

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in presentation order.

        Raises:
            SourceError: The file breaks off or changes its size; the frames before are good.
        """
        facts = self._entered()
        clock = MediaClock(facts.time_base, facts.fps)
        size: tuple[int, int] | None = None
        frames, pts_s = 0, 0.0
        start = time.perf_counter()
        sample, self._first = self._first, None
        while sample is not None:
            pts_s = clock.tick(_stamp_ns(sample))
            now = sample_size(sample)
            size = size or now
            if now != size:
                raise size_changed(self._path, frames, pts_s, size, now)
            image = copy_bgr(sample)
            decode_ms = (time.perf_counter() - start) * 1e3
            yield Frame(self._source_id, frames, image, pts_s, time.time(), decode_ms)
            frames += 1
            start = time.perf_counter()
            sample = self._pull()
        check_complete(self._path, facts, frames, pts_s, self._error)

    def _pull(self) -> Any:
        """The next ``Gst.Sample``; ``None`` at the end or after an error, which stays in ``_error``."""
        gst = load_gst()
        until = time.monotonic() + _SILENCE_S
        while True:
            self._entered()
            sample = self._sink.try_pull_sample(_POLL_MS * gst.MSECOND)
            if sample is not None:
                return sample
            message = self._pipeline.get_bus().pop_filtered(gst.MessageType.ERROR)
            if message is not None:
                self._error = message.parse_error()[0].message.rstrip(".")
                return None
            if self._sink.is_eos():
                return None
            if time.monotonic() > until:
                self._error = f"no frame for {_SILENCE_S:.0f} s"
                return None

    def _close(self) -> None:
        pipeline, self._pipeline, self._sink, self._first = self._pipeline, None, None, None
        if pipeline is not None:
            pipeline.set_state(load_gst().State.NULL)

    def _entered(self) -> VideoFacts:
        if self._facts is None or self._pipeline is None:
            raise SourceError(f"{self._path} is not open; use the source in a with statement")
        return self._facts


def _stamp_ns(sample: Any) -> int | None:
    """Running time of a sample in nanoseconds, which goes on where a container's own clock jumps."""
    gst = load_gst()
    pts = sample.get_buffer().pts
    if pts == gst.CLOCK_TIME_NONE:
        return None
    running = sample.get_segment().to_running_time(gst.Format.TIME, pts)
    return None if running == gst.CLOCK_TIME_NONE else int(running)
