"""Live sources against real cameras and servers, on both backends."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import av
import pytest

from streams.errors import LoginRefusedError, SourceEnded, SourceError
from streams.live_source import LiveSource, first_shot
from streams.open_live import live_source
from streams.opencv_live import Freshness
from streams.shot import Shot
from streams.source import Backend
from tests.support.camera import Film, RtspCamera
from tests.support.http_server import HlsServer, HttpServer, MjpegServer
from tests.support.mosquitto import free_port
from tests.support.refusing_camera import RefusingCamera

PASSWORD = "gehe/im:ü@#?"  # noqa: S105 - made up, with all that URLs quote
QUOTED = "gehe%2Fim%3A%C3%BC%40%23%3F"


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    with RtspCamera() as running:
        yield running


@pytest.fixture(scope="module")
def locked_camera() -> Iterator[RtspCamera]:
    with RtspCamera(Film(width=320, height=240), login=("viewer", PASSWORD)) as running:
        yield running


def shots_of(source: LiveSource, count: int, seconds: float = 15.0) -> list[Shot]:
    """Open a source, take so many shots, and close it twice."""
    shots: list[Shot] = []
    end = time.monotonic() + seconds
    source.open()
    try:
        while len(shots) < count:
            assert time.monotonic() < end, f"only {len(shots)} of {count} shots came"
            shot = source.read(0.2)
            if shot is not None:
                shots.append(shot)
        assert source.life() >= count
    finally:
        start = time.monotonic()
        source.close()
        source.close()
        assert time.monotonic() - start < 2.5
    return shots


def failure_of(source: LiveSource, seconds: float = 12.0) -> SourceError:
    """The error of a source that must not work."""
    end = time.monotonic() + seconds
    with pytest.raises(SourceError) as caught:
        source.open()
        while time.monotonic() < end:
            source.read(0.2)
    source.close()
    return caught.value


def check_shots(shots: list[Shot], width: int, height: int, fps: float) -> None:
    """Shots must be what a camera's are: of its size, at its pace, with rising stamps and labels of now."""
    assert {(shot.width, shot.height) for shot in shots} == {(width, height)}
    image = shots[-1].bgr()
    assert image.shape == (height, width, 3)
    assert image.std() > 10
    assert shots[-1].luma().shape == (height, width)
    stamps = [shot.stamp_s for shot in shots if shot.stamp_s is not None]
    assert all(late > early for early, late in itertools.pairwise(stamps))
    if stamps:
        assert (stamps[-1] - stamps[0]) / (len(stamps) - 1) == pytest.approx(1 / fps, rel=0.3)
    arrivals = [shot.arrived_s for shot in shots]
    assert all(late >= early for early, late in itertools.pairwise(arrivals))
    assert abs(time.time() - shots[-1].captured_at) < 5
    assert all(abs(shot.captured_at - time.time()) < 30 for shot in shots)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_an_rtsp_camera(camera: RtspCamera, backend: Backend, transport: Literal["tcp", "udp"]) -> None:
    source = live_source(camera.url, backend=backend, transport=transport)
    assert source.backend == backend
    check_shots(shots_of(source, 10), 640, 360, 10)


def test_auto_is_gstreamer_for_cameras(camera: RtspCamera, gstreamer: None) -> None:
    assert live_source(camera.url).backend == "gstreamer"
    assert live_source("/dev/video0").backend == "gstreamer"
    assert live_source("http://h/x").backend == "opencv"


@pytest.mark.parametrize(("codec", "audio", "audio_first"), [("h265", "", False), ("h264", "aac", True)])
def test_codecs_and_a_sound_before(
    backend: Backend, codec: Literal["h264", "h265"], audio: Literal["", "aac", "opus", "pcmu"], audio_first: bool
) -> None:
    with RtspCamera(Film(codec=codec), audio=audio, audio_first=audio_first) as camera:
        check_shots(shots_of(live_source(camera.url, backend=backend), 10), 640, 360, 10)


@pytest.mark.parametrize("audio", ["opus", "pcmu"])
def test_a_sound_behind(gstreamer: None, audio: Literal["opus", "pcmu"]) -> None:
    with RtspCamera(audio=audio) as camera:
        check_shots(shots_of(live_source(camera.url), 10), 640, 360, 10)


def test_nothing_is_shown_before_a_key_frame_on_opencv_either(make_video: Callable[..., Path]) -> None:
    """FFmpeg holds back H.264 and H.265 itself, other codecs it does not: their pictures would be grey smears."""
    whole = make_video("whole.mkv", frames=25, codec="mpeg4")
    headless = whole.with_name("headless.mkv")
    with av.open(str(whole)) as source, av.open(str(headless), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if number > 0 and packet.dts is not None:
                packet.stream = stream
                output.mux(packet)
    with HttpServer(whole.parent) as server:
        shots = shots_of(live_source(f"http://127.0.0.1:{server.port}/headless.mkv"), 5)
    assert [shot.stamp_s for shot in shots] == pytest.approx([0.9, 1.0, 1.1, 1.2, 1.3])  # the 11th is a key frame


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_who_joins_midway_sees_whole_pictures(backend: Backend, codec: Literal["h264", "h265"]) -> None:
    with RtspCamera(Film(codec=codec, gop_s=3)) as camera:
        time.sleep(0.5)
        assert all(shot.bgr().std() > 30 for shot in shots_of(live_source(camera.url, backend=backend), 3))


def test_the_first_picture_is_a_key_frame(gstreamer: None) -> None:
    """Who joins midway gets no grey smear: nothing before the key frame, but a sign of life."""
    for codec in ("h264", "h265"):
        with RtspCamera(Film(codec=codec, gop_s=4)) as camera:  # type: ignore[arg-type]
            time.sleep(1)
            source = live_source(camera.url)
            source.open()
            try:
                start, lives = time.monotonic(), []
                while (shot := source.read(0.5)) is None:
                    lives.append(source.life())
                    assert time.monotonic() - start < 10
            finally:
                source.close()
            assert 1 < time.monotonic() - start < 6
            assert lives[-1] > lives[1] > 0
            assert shot.bgr().std() > 30


def test_the_camera_tells_its_time(camera: RtspCamera, gstreamer: None) -> None:
    source = live_source(camera.url)
    source.open()
    end = time.monotonic() + 15
    try:
        while True:
            assert time.monotonic() < end, "no sender report came"
            shot = source.read(0.2)
            if shot is not None and shot.camera_time is not None:
                break
    finally:
        source.close()
    assert abs(shot.camera_time - shot.captured_at) < 0.5  # it runs by the same clock


@pytest.mark.parametrize(("in_address", "user"), [(False, "viewer"), (True, "viewer")])
def test_the_right_login(locked_camera: RtspCamera, backend: Backend, in_address: bool, user: str) -> None:
    if in_address:
        source = live_source(locked_camera.url.replace("//", f"//{user}:{QUOTED}@"), backend=backend)
    else:
        source = live_source(locked_camera.url, user, PASSWORD, backend=backend)
    check_shots(shots_of(source, 3), 320, 240, 10)


@pytest.mark.parametrize("login", ["wrong", "none", "wrong in the address"])
def test_a_wrong_login(
    locked_camera: RtspCamera, backend: Backend, login: str, capfd: pytest.CaptureFixture[str]
) -> None:
    url, user, password = locked_camera.url, "viewer", "geheim"
    if login == "none":
        user = password = ""
    elif login != "wrong":
        url, user, password = url.replace("//", "//viewer:geheim@"), "", ""
    error = failure_of(live_source(url, user, password, backend=backend))
    assert isinstance(error, LoginRefusedError)
    assert str(error) == f"source {locked_camera.url} refuses the login; check user name and password"
    assert error.__cause__ is None
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.parametrize(
    ("status", "is_login", "part"),
    [
        ("403 Forbidden", True, "refuses the login"),
        ("403 No", True, "refuses the login"),
        ("404 Not Found", False, "is not found there"),
        ("503 Service Unavailable", False, "busy"),
    ],
)
def test_what_a_camera_answers(backend: Backend, status: str, is_login: bool, part: str) -> None:
    """A camera that says no to the login with 403 is not asked four times a second."""
    with RefusingCamera(status) as camera:
        error = failure_of(live_source(camera.url, "viewer", "geheim", backend=backend))
        assert isinstance(error, LoginRefusedError) == is_login
        assert part in str(error)


def test_what_refuses_is_one_sentence(camera: RtspCamera, backend: Backend) -> None:
    lost = camera.url.replace("/cam", "/nowhere")
    assert str(failure_of(live_source(lost, backend=backend))) == f"source {lost} is not found there; check the path"
    closed = f"rtsp://127.0.0.1:{free_port()}/cam"
    refused = str(failure_of(live_source(closed, "viewer", "geheim", backend=backend)))
    assert refused.startswith(f"source {closed} refuses the connection")
    for address in ("rtsp://h:port/x", "rtsp://u:ge/heim@h/x"):
        error = failure_of(live_source(address, backend=backend))
        assert "is not an address" in str(error)
        assert "heim" not in str(error)
    missing = str(failure_of(live_source("/dev/video97", backend=backend)))
    assert missing.startswith("source /dev/video97 ")


def test_a_camera_that_says_nothing(backend: Backend) -> None:
    with RtspCamera() as camera:
        camera.freeze()
        start = time.monotonic()
        error = failure_of(live_source(camera.url, backend=backend))
        assert str(error) == f"source {camera.url} does not answer; check network and camera"
        assert time.monotonic() - start < 8
        camera.thaw()


@contextmanager
def silent_cameras(scheme: str) -> Iterator[list[threading.Thread]]:
    """Three cameras that take connections and say nothing, each just being opened by OpenCV in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def open_one() -> None:
            with suppress(SourceError):
                live_source(f"{scheme}://127.0.0.1:{server.getsockname()[1]}/x", backend="opencv").open()

        threads = [threading.Thread(target=open_one, daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
        server.settimeout(5)
        connection, _ = server.accept()  # one of them is inside OpenCV now
        with connection:
            yield threads
            for thread in threads:
                thread.join(20)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_silent_cameras_do_not_hold_up_others(scheme: str, make_video: Callable[..., Path]) -> None:
    """OpenCV opens one stream at a time unless it is told that FFmpeg can do more."""
    video = make_video("a.mp4")
    with MjpegServer() as camera, HttpServer(video.parent) as server, silent_cameras(scheme) as opening:
        assert len(shots_of(live_source(camera.url), 3)) == 3
        assert len(shots_of(live_source(video, realtime=False, loop=True), 50)) == 50
        lost = f"http://127.0.0.1:{server.port}/nowhere.mp4"
        fault = str(failure_of(live_source(lost)))
        assert all(thread.is_alive() for thread in opening), "they had to be waited for"
    assert fault == f"source {lost} is not found there; check the path"


def test_the_first_picture(camera: RtspCamera, backend: Backend) -> None:
    shot = first_shot(live_source(camera.url, backend=backend))
    assert (shot.width, shot.height) == (640, 360)


def test_a_first_picture_that_does_not_come(gstreamer: None) -> None:
    with pytest.raises(SourceError, match=r"^connected, but nothing came for 0\.5 s; check"):
        first_shot(live_source("gst:videotestsrc ! valve drop=true"), silent_s=0.5)
    with RtspCamera(Film(gop_s=30)) as camera:
        time.sleep(1)
        with pytest.raises(SourceError, match=r"^packets came, but no picture in 2 s; .* key frame"):
            first_shot(live_source(camera.url), silent_s=2, picture_s=2)


def test_mjpeg_over_http() -> None:
    with MjpegServer(login=f"viewer:{PASSWORD}") as server:
        source = live_source(server.url, "viewer", PASSWORD)
        shots = shots_of(source, 20)
        check_shots(shots, 320, 240, 10)
        assert {shot.stamp_s for shot in shots} == {None}  # FFmpeg's are made up
        late = shots[5:]
        assert (late[-1].arrived_s - late[0].arrived_s) / (len(late) - 1) == pytest.approx(0.1, rel=0.2)
        error = failure_of(live_source(server.url, "viewer", "geheim"))
        assert isinstance(error, LoginRefusedError)
        assert "geheim" not in str(error)


def test_hls_is_shown_at_its_own_pace(tmp_path: Path) -> None:
    with HlsServer(tmp_path) as server:
        shots = shots_of(live_source(server.url), 35)
        check_shots(shots, 320, 240, 10)
        gaps = [late.arrived_s - early.arrived_s for early, late in itertools.pairwise(shots)]
        assert sum(gap > 0.5 for gap in gaps) <= 1
        assert sum(gaps) == pytest.approx(3.4, abs=1.0)


def test_a_file_over_http_that_ends_is_down(make_video: Callable[..., Path]) -> None:
    path = make_video("short.mp4")
    with HttpServer(path.parent) as server:
        url = f"http://127.0.0.1:{server.port}/short.mp4"
        source = live_source(url)
        assert len(shots_of(source, 20)) == 20
        assert "breaks off" in str(failure_of(live_source(url)))


@pytest.mark.parametrize(
    "line",
    [
        "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=10/1",
        "videotestsrc is-live=true ! video/x-raw,width=641,height=361,framerate=10/1,format=YUY2",
        "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=10/1 ! jpegenc",
        "videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=10/1 ! x264enc tune=zerolatency",
    ],
)
def test_launch_lines(gstreamer: None, line: str) -> None:
    size = (641, 361) if "641" in line else (640, 360)
    check_shots(shots_of(live_source(f"gst:{line}"), 5), *size, 10)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("nosuchelement pw=geheim", "names an element that is not installed"),
        ("videotestsrc pw=geheim", "sets a property that its element does not have"),
        ("videotestsrc ! fakesink", "leave out a sink"),
        ("videotestsrc ! appsink name=geheim", "leave out a sink"),
        ('"geheim', "does not parse"),
        ("", "does not parse"),
        ("filesrc location=/geheim.mp4", "is not found there"),
        ("audiotestsrc num-buffers=3", "cannot decode"),
        ("videotestsrc num-buffers=3", "has ended the stream"),
    ],
)
def test_launch_lines_that_do_not_work(gstreamer: None, line: str, part: str) -> None:
    error = failure_of(live_source(f"gst:{line}"))
    assert str(error).startswith("the gst: launch line")
    assert part in str(error)
    assert "geheim" not in str(error)


def test_backends_that_cannot(camera: RtspCamera) -> None:
    with pytest.raises(SourceError, match="needs GStreamer"):
        live_source("gst:videotestsrc", backend="opencv")
    with pytest.raises(SourceError, match="is read with OpenCV"):
        live_source("http://u:geheim@h/x", backend="gstreamer")


def test_a_file_at_its_own_pace(make_video: Callable[..., Path], backend: Backend) -> None:
    source = live_source(make_video("a.mp4", frames=15), backend=backend)
    source.open()
    shots: list[Shot] = []
    start = time.monotonic()
    with pytest.raises(SourceEnded, match="is over"):
        while True:
            before = time.monotonic()
            shot = source.read(0.05)
            assert time.monotonic() - before < 0.2
            shots += [shot] if shot is not None else []
    source.close()
    assert time.monotonic() - start == pytest.approx(1.4, abs=0.4)
    assert [shot.stamp_s for shot in shots] == [number / 10 for number in range(15)]
    check_shots(shots, 320, 240, 10)


def test_a_slow_reader_of_a_file_loses_frames_as_with_a_camera(make_video: Callable[..., Path]) -> None:
    source = live_source(make_video("a.mp4", frames=20))
    source.open()
    stamps = []
    with pytest.raises(SourceEnded):
        while True:
            shot = source.read(0.2)
            if shot is not None:
                stamps.append(shot.stamp_s)
                time.sleep(0.35)
    source.close()
    assert 4 <= len(stamps) <= 8
    assert stamps[-1] is not None
    assert stamps[-1] >= 1.5


def test_a_file_as_fast_as_it_goes(data_dir: Path) -> None:
    source = live_source(data_dir / "people-detection.mp4", realtime=False)
    source.open()
    count = 0
    with pytest.raises(SourceEnded, match=r"people-detection\.mp4 is over"):
        while source.read(0.2):
            count += 1
    source.close()
    assert count == 23


def test_a_looped_file_goes_on(make_video: Callable[..., Path]) -> None:
    shots = shots_of(live_source(make_video("a.mp4", frames=7), realtime=False, loop=True), 30)
    assert [shot.stamp_s for shot in shots] == pytest.approx([number / 10 for number in range(30)])


def test_pictures_that_waited_in_a_buffer_are_told_from_new_ones() -> None:
    def fresh(arrivals: list[float], stamps: list[float | None]) -> list[bool]:
        freshness = Freshness(10.0, has_backlog=True)
        before, answers = [0.0, *arrivals], []
        for last_s, arrived_s, stamp_s in zip(before, arrivals, stamps, strict=False):
            answers.append(freshness.is_fresh(arrived_s - last_s if last_s else 0.0, arrived_s, stamp_s))
        return answers

    stamps = [number / 10 for number in range(20)]
    backlog = [100.0] * 10 + [100 + number / 10 for number in range(1, 11)]
    assert fresh(backlog, [*stamps]) == [False] * 12 + [True] * 8
    assert fresh(backlog, [None] * 20) == [False] * 12 + [True] * 8
    paused = [100.0, 100.1, 100.2] + [100.2] * 9 + [100.2 + number / 10 for number in range(1, 9)]
    answers = fresh(paused, [*stamps])
    assert answers[3:8] == [True] * 5  # half a second at most
    assert answers[9:14] == [False] * 5
    assert answers[-6:] == [True] * 6
    frozen = [100 + number / 10 for number in range(5)] + [103.4, 103.4, 103.5, 103.6, 103.7]
    assert fresh(frozen, [None] * 10)[-6:] == [True, False, False, False, False, True]
