"""Sees a change of the picture's size in the packets of a file, which OpenCV hides by scaling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av.bitstream import BitStreamFilterContext
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from streams.errors import SourceError
from streams.probe import best_video, ffmpeg_name

Size = tuple[int, int]
_HEADER_FILTERS = {
    "h264": "h264_mp4toannexb,extract_extradata",
    "hevc": "hevc_mp4toannexb,extract_extradata",
    "vvc": "vvc_mp4toannexb,extract_extradata",
    "av1": "extract_extradata",
}
"""Filters that show the header (parameter sets) of each key packet; decoding is only needed where it differs."""


class SizeWatch:
    """Walks a file's packets beside the decoder, without decoding: only headers that differ are looked into.

    Attributes:
        size: (width, height) in pixels at the beginning, as coded (before any rotation).
    """

    def __init__(self, path: Path) -> None:
        """Open the file a second time.

        Raises:
            SourceError: It has no video.
        """
        self._container = av.open(ffmpeg_name(path))
        stream = best_video(self._container)
        if stream is None or stream.time_base is None:
            raise SourceError(f"{path} has no video in it; name a video file")
        self._time_base = stream.time_base
        self._start = stream.start_time or 0
        self.size: Size = (stream.codec_context.width, stream.codec_context.height)
        self._reader = _SizeReader(stream)
        self._packets = self._read(stream)
        self._seen_s = -1.0
        self._change: tuple[float, Size] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._packets = iter(())
        self._container.close()

    def change_until(self, stamp_s: float) -> Size | None:
        """The new size if it holds for the frame of this time.

        Args:
            stamp_s: Seconds since the stream's start, not less than at the call before.

        Returns:
            (width, height) in pixels, ``None`` while it is unchanged.
        """
        while self._change is None and self._seen_s <= stamp_s:
            packet = next(self._packets, None)
            if packet is None:
                break
            shown = self._seconds(packet.pts if packet.pts is not None else packet.dts)
            decoded = self._seconds(packet.dts if packet.dts is not None else packet.pts)
            size = self._reader.read(packet)  # takes the packet's content away
            if size is not None and size != self.size:
                self._change = (shown, size)
            self._seen_s = max(self._seen_s, decoded)
        if self._change is None or self._change[0] > stamp_s + 1e-6:
            return None
        return self._change[1]

    def _seconds(self, ticks: int | None) -> float:
        return self._seen_s if ticks is None else float((ticks - self._start) * self._time_base)

    def _read(self, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
        try:
            for packet in self._container.demux(stream):
                if packet.size:
                    yield packet
        except av.error.FFmpegError:
            return  # a damaged file: the decoder beside us comes to the same place and reports it


class _SizeReader:
    """The size a packet announces, if it announces one."""

    def __init__(self, stream: VideoStream) -> None:
        codec = stream.codec_context.codec
        self._decoder: VideoCodecContext = av.CodecContext.create(codec.name, "r")  # type: ignore[assignment]
        self._decoder.thread_type = "NONE"
        self._filter: BitStreamFilterContext | None = None
        self._header = b""
        filters = _HEADER_FILTERS.get(codec.canonical_name)
        if filters is None:
            self._decoder.extradata = stream.codec_context.extradata
            self._decoder.skip_frame = "ALL"  # these codecs read the header all the same
        else:
            self._filter = BitStreamFilterContext(filters, stream)

    def read(self, packet: Packet[VideoStream]) -> Size | None:
        """Return (width, height) where a header says it, ``None`` for all other packets."""
        if not packet.is_keyframe:
            return None
        try:
            return self._decode(packet) if self._filter is None else self._read_header(self._filter, packet)
        except av.error.FFmpegError:
            return None  # a damaged packet says nothing of the size; the decoder beside us reports it

    def _read_header(self, headers: BitStreamFilterContext, packet: Packet[VideoStream]) -> Size | None:
        size = None
        for filtered in headers.filter(packet):
            header = bytes(filtered.get_sidedata("new_extradata"))
            if header and header != self._header:
                self._header = header
                size = self._decode(filtered)
        return size

    def _decode(self, packet: Packet[VideoStream]) -> Size | None:
        self._decoder.decode(packet)
        size = (self._decoder.width, self._decoder.height)
        return size if all(size) else None
