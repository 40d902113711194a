"""A real RTSP camera (GstRtspServer) in a process of its own, that can be killed, frozen, slowed and made to lie.

It serves a real video that was encoded beforehand, as access units that go round for ever; while serving nothing is
decoded or encoded, so that one process can be many cameras: ``python camera.py '{"port": 0, ...}'``.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from tests.support.mosquitto import Certificates

Codec = Literal["h264", "h265"]
_ENCODERS = {"h264": ("libx264", "x264-params"), "h265": ("libx265", "x265-params")}
_LEAST_S = 10.0


@dataclass(frozen=True, slots=True)
class Film:
    """What a camera sees; encoded once per test session.

    Attributes:
        codec: ``h264`` or ``h265``.
        width: Pixels.
        height: Pixels.
        fps: Frames per second.
        gop_s: Seconds between key frames.
        video: A real video of the shared data; a drawn picture where it is not there.
        still: Whether nothing moves: its first picture again and again, with a sensor's noise.
    """

    codec: Codec = "h264"
    width: int = 640
    height: int = 360
    fps: int = 10
    gop_s: float = 1.0
    video: str = "traffic.mp4"
    still: bool = False


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="sightline-films-")


@functools.cache
def encoded(film: Film) -> Path:
    """A file of the film's access units: a pickled list of (bytes, whether it is a key frame)."""
    import av
    from av.video.codeccontext import VideoCodecContext

    name, parameters = _ENCODERS[film.codec]
    encoder: VideoCodecContext = av.CodecContext.create(name, "w")  # type: ignore[assignment]
    gop = max(1, round(film.gop_s * film.fps))
    encoder.width, encoder.height, encoder.pix_fmt = film.width, film.height, "yuv420p"
    encoder.framerate = Fraction(film.fps)
    more = ":bframes=0:scenecut=0:repeat-headers=1:annexb=1"
    options = f"keyint={gop}:min-keyint={gop}:log-level=none{more}"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", parameters: options}
    units: list[tuple[bytes, bool]] = []
    wanted = round(max(_LEAST_S, film.gop_s) * film.fps)
    pictures = _noisy(next(_pictures(film))) if film.still else _pictures(film)
    for number, frame in zip(range(wanted), pictures, strict=False):
        frame.pts = number
        units += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(frame)]
    units += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(None)]
    assert len(units) == wanted
    path = Path(_folder().name) / f"{'-'.join(str(value) for value in asdict(film).values())}.units"
    path.write_bytes(pickle.dumps(units))
    return path


def _pictures(film: Film) -> Iterator[Any]:
    """Frames at the film's rate and size, round and round."""
    import av

    shared = Path(os.environ.get("SIGHTLINE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    path = shared / "data" / film.video
    number = 0
    while not path.is_file():
        from tests.support.videos import picture

        yield av.VideoFrame.from_ndarray(picture(film.width, film.height, number), format="bgr24")
        number += 1
    while True:
        with av.open(str(path)) as container:
            due = 0.0
            for frame in container.decode(video=0):
                if frame.time is not None and frame.time >= due:
                    due += 1 / film.fps
                    yield frame.reformat(film.width, film.height, "yuv420p")


def _noisy(picture: Any) -> Iterator[Any]:
    """A picture with noise of two grey levels, for ever."""
    import av
    import numpy as np

    random = np.random.default_rng(1)
    image = picture.to_ndarray(format="bgr24").astype(np.float32)
    while True:
        noise = random.normal(0, 2, image.shape[:2])[..., None]
        noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
        yield av.VideoFrame.from_ndarray(noisy, format="bgr24").reformat(format="yuv420p")


class RtspCamera:
    """One or many cameras on a port of 127.0.0.1; use it in a ``with`` statement, or ``start`` and ``stop`` it."""

    def __init__(
        self,
        film: Film | None = None,
        *,
        login: tuple[str, str] | None = None,
        audio: Literal["", "aac", "opus", "pcmu"] = "",
        audio_first: bool = False,
        cameras: int = 0,
        path: str = "/cam",
        port: int = 0,
        tls: Certificates | None = None,
    ) -> None:
        """Set what it is; it starts on entering.

        Args:
            film: What it sees.
            login: User name and password, ``None`` for none.
            audio: Codec of a sound beside the video, empty for none.
            audio_first: The sound is the first stream instead of the second.
            cameras: 0 for one camera at ``path``; N for cameras at ``/cam0`` to ``/camN-1``.
            path: Where the camera is.
            port: 0 for a free one; it stays the same over ``stop`` and ``start``.
            tls: The certificate that it shows over ``rtsps://``; ``None`` for ``rtsp://``.
        """
        self.film = film or Film()
        self.login, self.audio, self.audio_first = login, audio, audio_first
        self.cameras, self.path, self.port, self.tls = cameras, path, port, tls
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where the (first) camera is, without a login."""
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """Where all cameras are."""
        return [f"{'rtsps' if self.tls else 'rtsp'}://127.0.0.1:{self.port}{path}" for path in self.paths]

    @property
    def paths(self) -> list[str]:
        """The paths of all cameras."""
        return [f"/cam{number}" for number in range(self.cameras)] or [self.path]

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self, **changes: Any) -> Self:
        """Start the server, with other settings where given (``login``, ``path``, or any of the film's)."""
        import pytest

        films = {name: changes.pop(name) for name in list(changes) if name in Film.__slots__}
        self.film = replace(self.film, **films)
        for name, value in changes.items():
            assert hasattr(self, name), name
            setattr(self, name, value)
        settings = {
            "port": self.port, "units": str(encoded(self.film)), "codec": self.film.codec, "fps": self.film.fps,
            "tls": [str(self.tls.cert), str(self.tls.key)] if self.tls else None,
            "login": self.login, "audio": self.audio, "audio_first": self.audio_first, "paths": self.paths,
        }  # fmt: skip
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps(settings)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True, env={**os.environ, "GST_DEBUG": "0"},
        )  # fmt: skip
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line.isdigit():
            self.stop()
            assert line, "the server does not start"
            pytest.skip(f"GStreamer's RTSP server is not installed ({line})")
        self.port = int(line)
        return self

    def stop(self) -> None:
        """Kill it (SIGKILL): it says no goodbye. Safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """Stop the process without ending it: connections stay, nothing is said (SIGSTOP)."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def slow(self, seconds: float) -> None:
        """Send a frame only every so many seconds; 0 for the film's own rate."""
        self._tell(f"slow {seconds}")

    def garbage(self) -> None:
        """Send noise instead of pictures."""
        self._tell("garbage")

    def good(self) -> None:
        """Send pictures again."""
        self._tell("good")

    def _tell(self, line: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


_VIDEO = (
    "appsrc name=video is-live=true format=time do-timestamp=true max-bytes=2000000 leaky-type=downstream "
    'caps="video/x-{codec},stream-format=byte-stream,alignment=au" ! rtp{codec}pay name=pay{number} pt=96'
)
_TONE = (  # audiotestsrc can seek, which FFmpeg then tries
    "appsrc name=audio is-live=true format=time do-timestamp=true "
    'caps="audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved"'
)
_SOUND = {
    "aac": "avenc_aac ! rtpmp4gpay name=pay{number} pt=97",
    "opus": "opusenc ! rtpopuspay name=pay{number} pt=97",
    "pcmu": "audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay name=pay{number} pt=0",
}
_HEADERS = {"h264": (b"\x65", b"\x41"), "h265": (b"\x26\x01", b"\x02\x01")}


def _launch(codec: str, audio: str, audio_first: bool) -> str:
    video = _VIDEO.format(codec=codec, number=int(bool(audio) and audio_first))
    if not audio:
        return f"( {video} )"
    sound = _SOUND[audio].format(number=int(not audio_first))
    return f"( {video} {_TONE} ! audioconvert ! audioresample ! {sound} )"


def _parameter_sets(unit: bytes, codec: str) -> bytes:
    """The parameter sets at the head of a key frame, with their start codes."""
    kinds = {7, 8} if codec == "h264" else {32, 33, 34}
    parts = [part.rstrip(b"\0") for part in unit.split(b"\0\0\1") if part.strip(b"\0")]
    wanted = [part for part in parts if (part[0] & 31 if codec == "h264" else part[0] >> 1 & 63) in kinds]
    return b"".join(b"\0\0\0\1" + part for part in wanted)


def serve(settings: dict[str, Any]) -> None:
    """Serve until killed; the first line of stdout is the port, or why there is none."""
    try:
        import gi

        for name in ("Gst", "GstApp", "GstRtspServer"):
            gi.require_version(name, "1.0")
        from gi.repository import GLib, Gst, GstApp, GstRtspServer  # noqa: F401
    except (ImportError, ValueError) as error:
        print(f"{error}".replace("\n", " "), flush=True)
        return
    Gst.init(None)
    codec, period_ms = settings["codec"], round(1000 / settings["fps"])
    units = pickle.loads(Path(settings["units"]).read_bytes())  # noqa: S301 - our own file
    buffers = [Gst.Buffer.new_wrapped(unit) for unit, _ in units]
    for buffer, (_, is_key) in zip(buffers, units, strict=True):
        if not is_key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
    head = _parameter_sets(units[0][0], codec)
    tone = Gst.Buffer.new_wrapped(bytes(48_000 // settings["fps"] * 2))
    sources: dict[Any, bool] = {}  # appsrc → whether it had its first access unit
    started: dict[Any, int] = {}  # appsrc → index of its first access unit
    sounds: set[Any] = set()
    state: dict[str, Any] = {"index": 0, "mode": "good", "timer": 0, "port": 0}

    def unit_for(is_first: bool) -> Any:
        if state["mode"] == "garbage":
            start = _HEADERS[codec][state["index"] % settings["fps"] != 0]
            return Gst.Buffer.new_wrapped(b"\0\0\0\1" + start + os.urandom(4000))
        index = state["index"] % len(buffers)
        # who comes midway learns the parameter sets as from a camera's description of its stream
        return Gst.Buffer.new_wrapped(head + units[index][0]) if is_first else buffers[index].copy()

    def is_stuck(source: Any) -> bool:
        # on a busy machine GstRtspServer 1.22 now and then sends one packet after PLAY and then waits for ever
        is_new = state["index"] - started.get(source, 0) < 3 * settings["fps"]
        return is_new and bool(source.get_property("current-level-buffers") > settings["fps"])

    def tick() -> bool:
        for source, had_one in list(sources.items()):
            source.emit("push-buffer", unit_for(not had_one))
            sources[source] = True
        for source in sounds:
            source.emit("push-buffer", tone.copy())
        if len(settings["paths"]) == 1 and any(is_stuck(source) for source in sources):
            again = json.dumps({**settings, "port": state["port"]})
            os.execv(sys.executable, [sys.executable, __file__, again])  # noqa: S606
        state["index"] += 1
        return True

    def configure(factory: Any, media: Any) -> None:
        source = media.get_element().get_by_name("video")
        sources[source], started[source] = False, state["index"]
        sound = media.get_element().get_by_name("audio")
        if sound is not None:
            sounds.add(sound)

        def forget(media: Any) -> None:
            sources.pop(source, None)
            started.pop(source, None)
            sounds.discard(sound)

        media.connect("unprepared", forget)

    def pace(milliseconds: int) -> None:
        if state["timer"]:
            GLib.source_remove(state["timer"])
        state["timer"] = GLib.timeout_add(milliseconds, tick)

    def command(channel: Any, condition: Any) -> bool:
        line = sys.stdin.readline()
        words = line.split()
        if not words:
            return bool(line)
        if words[0] == "slow":
            pace(round(float(words[1]) * 1000) or period_ms)
        else:
            state["mode"] = words[0]
        return True

    server: Any = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    role = "viewer"
    if settings["login"]:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, role)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(*settings["login"]), token)
        server.set_auth(auth)
    if settings["tls"]:
        from gi.repository import Gio

        auth = server.get_auth() or GstRtspServer.RTSPAuth()
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_files(*settings["tls"]))
        if not settings["login"]:
            token = GstRtspServer.RTSPToken()
            token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, role)
            auth.set_default_token(token)
        server.set_auth(auth)
    for path in settings["paths"]:
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(_launch(codec, settings["audio"], settings["audio_first"]))
        factory.set_shared(True)
        factory.connect("media-configure", configure)
        if settings["login"] or settings["tls"]:
            allowed = GstRtspServer.RTSPPermissions()
            for permission in ("ACCESS", "CONSTRUCT"):
                name = getattr(GstRtspServer, f"RTSP_PERM_MEDIA_FACTORY_{permission}")
                allowed.add_permission_for_role(role, name, True)
            factory.set_permissions(allowed)
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        print("the port is taken", flush=True)
        return
    pace(period_ms)
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, command)
    state["port"] = server.get_bound_port()
    print(state["port"], flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
