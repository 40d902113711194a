"""Cameras through GStreamer: RTSP, V4L2 and launch lines; a new pipeline for each connection."""

from __future__ import annotations

import functools
import logging
import threading
import time
from typing import Any, Literal
from urllib.parse import unquote, urlunsplit

from streams.camera_tls import TRUSTED, CameraTls, untrusted
from streams.errors import SourceError
from streams.gst import copy_planes, load_gst
from streams.gst_faults import is_read_fault, source_fault
from streams.look import redacted, split_address
from streams.shot import Shot

_log = logging.getLogger(__name__)
_TAP, _SINK, _SOURCE = "sightline_tap", "sightline_sink", "sightline_source"
_TAIL = (
    f"identity name={_TAP} silent=true ! decodebin ! {{converter}}videoconvert "
    f"! video/x-raw,format=(string){{{{I420,NV12}}}} "
    f"! appsink name={_SINK} max-buffers=1 drop=true sync=false qos=false"
)
_STEP_S = 0.2
"""``try_pull_sample`` does not return on an error of the bus, so it waits in steps."""
_CLOSE_S = 2.0
_TCP_TIMEOUT_US = 4_000_000
_UDP_SILENCE_US = 4_000_000
_TEARDOWN_NS = 200_000_000
_NTP_CAPS = "timestamp/x-ntp"
_NTP_TO_UNIX_S = 2_208_988_800
_BELIEVABLE_AGE_S = (-0.5, 10.0)
_HARDWARE = (
    "nvv4l2decoder", "nvh264dec", "nvh265dec", "vah264dec", "vah265dec", "v4l2slh264dec", "v4l2slh265dec",
    "v4l2h264dec", "v4l2h265dec",
)  # fmt: skip


class GStreamerLive:
    """One connection to a camera through GStreamer.

    Its shots are I420 or NV12 in memory of their own. ``open`` does not wait: what goes wrong is raised by ``read``.
    """

    backend = "gstreamer"

    def __init__(
        self,
        source: str,
        username: str = "",
        password: str = "",
        transport: Literal["tcp", "udp"] = "tcp",
        latency_ms: int = 100,
        tls: CameraTls = TRUSTED,
    ) -> None:
        """Name the camera.

        Args:
            source: ``rtsp(s)://``, ``/dev/videoN`` or ``gst:`` with a launch line that has no sink. A login in the
                address is used where no user name is given.
            username: User name of an RTSP camera, empty for none.
            password: Its password; never part of a text.
            transport: How RTSP brings its packets.
            latency_ms: Milliseconds that RTSP packets may wait for late ones.
            tls: What the certificate of an ``rtsps://`` camera is held against.
        """
        self._source = source
        self._shown = "the gst: launch line" if source.startswith("gst:") else f"source {redacted(source)}"
        self._username, self._password = username, password
        self._transport, self._latency_ms, self._tls = transport, latency_ms, tls
        self._is_trusted = True
        self._pipeline: Any = None
        self._sink: Any = None
        self._tap: Any = None
        self._seen: list[str] = []
        self._has_video = False

    def open(self) -> None:
        """Build the pipeline and start it.

        Raises:
            SourceError: GStreamer is not installed, the address is none, or the launch line does not work.
        """
        gst = load_gst()
        _prefer_hardware()
        self._pipeline = self._build(gst)
        self._pipeline.connect("deep-element-added", _tune)
        self._sink = self._pipeline.get_by_name(_SINK)
        self._tap = self._pipeline.get_by_name(_TAP)
        if self._pipeline.set_state(gst.State.PLAYING) == gst.StateChangeReturn.FAILURE:
            self._check_bus(gst)
            raise SourceError(f"{self._shown} cannot be started by GStreamer; check that the device is there")

    def read(self, wait_s: float) -> Shot | None:
        """Give the newest picture that was not given before.

        Args:
            wait_s: Seconds to wait for one.

        Returns:
            A shot, or ``None`` when nothing came in that time.

        Raises:
            LoginRefusedError: User name or password is wrong.
            SourceError: The connection broke off, or the source is not open.
        """
        gst = load_gst()
        if self._pipeline is None:
            raise SourceError(f"{self._shown} is not open")
        until = time.monotonic() + wait_s
        while True:
            step_s = min(_STEP_S, max(0.0, until - time.monotonic()))
            sample = self._sink.try_pull_sample(int(step_s * gst.SECOND))
            if sample is not None:
                return self._shot(gst, sample)
            self._check_bus(gst)
            if time.monotonic() >= until:
                return None

    def life(self) -> int:
        """Packets that have arrived."""
        if self._tap is None:
            return 0
        return int(self._tap.get_property("stats").get_value("num-buffers") or 0)

    def close(self) -> None:
        """Take the pipeline down; safe to call twice."""
        pipeline, self._pipeline, self._sink, self._tap = self._pipeline, None, None, None
        if pipeline is None:
            return
        # a camera that hangs must not hang its thread
        closer = threading.Thread(target=_take_down, args=(pipeline,), name="gst-close", daemon=True)
        closer.start()
        closer.join(_CLOSE_S)
        if closer.is_alive():
            _log.debug("GStreamer does not let go of %s yet", self._shown)

    def _build(self, gst: Any) -> Any:
        tail = _TAIL.format(converter=_hardware_converter())
        if self._source.startswith("gst:"):
            return self._parse(gst, f"{self._source.removeprefix('gst:')} ! {tail}")
        if self._source.startswith("/dev/"):
            pipeline = self._parse(gst, f"v4l2src name={_SOURCE} do-timestamp=true ! {tail}")
            pipeline.get_by_name(_SOURCE).set_property("device", self._source)
            return pipeline
        pipeline = self._parse(gst, f"rtspsrc name={_SOURCE} ! {tail}")
        self._set_up_rtsp(pipeline.get_by_name(_SOURCE))
        return pipeline

    def _parse(self, gst: Any, line: str) -> Any:
        from gi.repository import GLib

        try:
            pipeline = gst.parse_launch(line)
        except GLib.Error as error:
            if not self._source.startswith("gst:"):
                raise SourceError(
                    f"{self._shown} needs plugins of GStreamer that are not installed; install those that the README "
                    "names, or set backend to opencv"
                ) from None
            raise SourceError(_line_fault(error)) from None  # its text holds parts of the line
        if not isinstance(pipeline, gst.Bin):
            raise SourceError("the gst: launch line makes no pipeline; begin it with a source element")
        return pipeline

    def _set_up_rtsp(self, rtsp: Any) -> None:
        parts = split_address(self._source)
        username, password = self._username, self._password
        if not username:
            username, password = unquote(parts.username or ""), unquote(parts.password or "")
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        rtsp.set_property("location", address)
        if username:
            rtsp.set_property("user-id", username)
            rtsp.set_property("user-pw", password)
        rtsp.set_property("protocols", _protocols(parts.scheme, self._transport))
        rtsp.set_property("latency", self._latency_ms)
        rtsp.set_property("tcp-timeout", _TCP_TIMEOUT_US)
        rtsp.set_property("timeout", _UDP_SILENCE_US)
        rtsp.set_property("teardown-timeout", _TEARDOWN_NS)
        rtsp.set_property("do-retransmission", False)
        rtsp.set_property("add-reference-timestamp-meta", True)
        rtsp.connect("select-stream", self._select)
        if parts.scheme.lower() == "rtsps":
            self._set_up_tls(rtsp)

    def _set_up_tls(self, rtsp: Any) -> None:
        from gi.repository import Gio

        if self._tls.ca is not None:
            rtsp.set_property("tls-database", Gio.TlsFileDatabase.new(str(self._tls.ca)))
        rtsp.connect("accept-certificate", self._accept)

    def _accept(self, rtsp: Any, connection: Any, certificate: Any, faults: Any) -> bool:
        """Decide on a certificate that the system does not trust; called by GStreamer's own thread."""
        self._is_trusted = not self._tls.verify
        return self._is_trusted

    def _select(self, rtsp: Any, number: int, caps: Any) -> bool:
        """Take the first video and nothing else; called by GStreamer's own thread."""
        media = str(caps.get_structure(0).get_string("media") or "")
        self._seen.append(media)
        if media != "video" or self._has_video:
            return False
        self._has_video = True
        return True

    def _check_bus(self, gst: Any) -> None:
        """Raise what the pipeline has to say.

        Raises:
            SourceError: An error, or the end of the stream.
        """
        kinds = gst.MessageType.ERROR | gst.MessageType.EOS | gst.MessageType.WARNING
        while (message := self._pipeline.get_bus().pop_filtered(kinds)) is not None:
            if message.type == gst.MessageType.ERROR:
                raise self._fault(*message.parse_error())
            if message.type == gst.MessageType.EOS or self._is_closed(message):
                raise SourceError(f"{self._shown} has ended the stream")

    def _is_closed(self, warning: Any) -> bool:
        """Whether a warning says that the camera closed the connection; before the first packet no EOS follows."""
        is_own = warning.src is not None and warning.src.get_name() == _SOURCE
        error = warning.parse_warning()[0]
        return is_own and self._transport == "tcp" and is_read_fault(str(error.domain), int(error.code))

    def _fault(self, error: Any, detail: str | None) -> SourceError:
        if not self._is_trusted:
            return untrusted(self._shown)
        if self._seen and not self._has_video:
            return SourceError(f"{self._shown} sends no video; choose another path of the camera")
        return source_fault(self._shown, str(error.domain), int(error.code), str(detail or ""))

    def _shot(self, gst: Any, sample: Any) -> Shot:
        arrived_s, now = time.monotonic(), time.time()
        planes, layout, width, height = copy_planes(sample)
        stamp_s = _running_s(gst, sample)
        age_s = 0.0
        clock = self._pipeline.get_clock()
        if stamp_s is not None and clock is not None:
            since_stamp_s = (clock.get_time() - self._pipeline.get_base_time()) / 1e9 - stamp_s
            if _BELIEVABLE_AGE_S[0] <= since_stamp_s <= _BELIEVABLE_AGE_S[1]:
                age_s = since_stamp_s
        camera_time = _camera_time(gst, sample.get_buffer())
        return Shot(planes, layout, width, height, stamp_s, arrived_s, now - age_s, camera_time, max(0.0, age_s))


def _take_down(pipeline: Any) -> None:
    gst = load_gst()
    pipeline.set_state(gst.State.NULL)
    pipeline.get_state(int(_CLOSE_S * gst.SECOND))


def _protocols(scheme: str, transport: str) -> Any:
    import gi

    gi.require_version("GstRtsp", "1.0")
    from gi.repository import GstRtsp

    names = {"tcp": GstRtsp.RTSPLowerTrans.TCP, "udp": GstRtsp.RTSPLowerTrans.UDP}
    chosen = names[transport]
    return chosen | GstRtsp.RTSPLowerTrans.TLS if scheme == "rtsps" else chosen


def _line_fault(error: Any) -> str:
    """A sentence for a launch line that does not parse; the line may hold a login and is not shown."""
    from gi.repository import Gst

    if error.matches(Gst.parse_error_quark(), Gst.ParseError.NO_SUCH_ELEMENT):
        return "the gst: launch line names an element that is not installed; try it with gst-launch-1.0"
    if error.matches(Gst.parse_error_quark(), Gst.ParseError.NO_SUCH_PROPERTY):
        return "the gst: launch line sets a property that its element does not have; try it with gst-launch-1.0"
    if error.matches(Gst.parse_error_quark(), Gst.ParseError.LINK):
        return "the gst: launch line cannot be linked; leave out a sink at its end, and try it with gst-launch-1.0"
    return "the gst: launch line does not parse; try it with gst-launch-1.0, with '! fakesink' at its end"


def _tune(pipeline: Any, container: Any, element: Any) -> None:
    """Set up depayloaders and decoders as they appear; called by GStreamer's own threads."""
    factory = element.get_factory()
    name = factory.get_name() if factory is not None else ""
    if name in ("rtph264depay", "rtph265depay"):
        if element.find_property("wait-for-keyframe") is not None:
            element.set_property("wait-for-keyframe", True)
        else:  # H.265 before GStreamer 1.24: a call per picture, not per packet
            gst = load_gst()
            gate = _KeyFrameGate(gst)
            element.get_static_pad("src").add_probe(gst.PadProbeType.BUFFER, gate)
    elif name.startswith("avdec_"):
        for setting, value in (("output-corrupt", False), ("max-threads", 1), ("max-errors", 10)):
            if element.find_property(setting) is not None:
                element.set_property(setting, value)


class _KeyFrameGate:
    """Holds pictures back until a key frame, at the beginning and after each loss."""

    def __init__(self, gst: Any) -> None:
        self._drop, self._pass = gst.PadProbeReturn.DROP, gst.PadProbeReturn.OK
        self._delta, self._discontinuity = gst.BufferFlags.DELTA_UNIT, gst.BufferFlags.DISCONT
        self._waiting = True

    def __call__(self, pad: Any, info: Any) -> Any:
        """Pass or drop one picture's data."""
        buffer = info.get_buffer()
        if not buffer.has_flags(self._delta):
            self._waiting = False
        elif buffer.has_flags(self._discontinuity):
            self._waiting = True
        return self._drop if self._waiting else self._pass


@functools.cache
def _prefer_hardware() -> None:
    """Let hardware decoders be chosen before software, where their factories exist.

    Untried: there was no such hardware where this was written. Only machines that have it register the factories.
    """
    gst = load_gst()
    for place, name in enumerate(_HARDWARE):
        factory = gst.ElementFactory.find(name)
        if factory is not None:
            factory.set_rank(int(gst.Rank.PRIMARY) + 100 - place)


@functools.cache
def _hardware_converter() -> str:
    """What brings pictures from a Jetson decoder's memory into the machine's; untried like ``_prefer_hardware``."""
    gst = load_gst()
    if gst.ElementFactory.find("nvv4l2decoder") is None:
        return ""
    names = (name for name in ("nvvidconv", "nvvideoconvert") if gst.ElementFactory.find(name))
    name = next(names, "")
    return f"{name} ! video/x-raw ! " if name else ""


def _running_s(gst: Any, sample: Any) -> float | None:
    """Running time of a sample in seconds."""
    pts = sample.get_buffer().pts
    if pts == gst.CLOCK_TIME_NONE:
        return None
    running = sample.get_segment().to_running_time(gst.Format.TIME, pts)
    return None if running == gst.CLOCK_TIME_NONE else running / 1e9


def _camera_time(gst: Any, buffer: Any) -> float | None:
    """Unix seconds by the camera's clock, once its sender reports have come."""
    meta = buffer.get_reference_timestamp_meta(gst.Caps.from_string(_NTP_CAPS))
    return None if meta is None else meta.timestamp / 1e9 - _NTP_TO_UNIX_S
