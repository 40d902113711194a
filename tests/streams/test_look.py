"""One look at real streams: an HTTP server and an RTSP camera with logins."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.errors import SourceError
from streams.look import is_live, look, redacted, with_login
from tests.support.http_server import HttpServer
from tests.support.mosquitto import free_port
from tests.support.rtsp_server import RtspServer

PASSWORD = "gehe/im:ü@#?"  # noqa: S105 - made up, with all that URLs quote


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspServer]:
    with RtspServer("viewer", PASSWORD) as server:
        yield server


def test_an_rtsp_camera_with_a_login(camera: RtspServer) -> None:
    seen = look(f"rtsp://127.0.0.1:{camera.port}/cam", "viewer", PASSWORD)
    assert seen.image.shape == (240, 320, 3)
    assert (seen.codec, seen.fps) == ("h264", 10.0)


@pytest.mark.parametrize(
    ("path", "user", "password"), [("cam", "viewer", "wrong"), ("cam", "", ""), ("no", "viewer", PASSWORD)]
)
def test_an_rtsp_camera_that_refuses_is_one_sentence(
    camera: RtspServer, path: str, user: str, password: str, capfd: pytest.CaptureFixture[str]
) -> None:
    url = f"rtsp://127.0.0.1:{camera.port}/{path}"
    with pytest.raises(SourceError) as caught:
        look(url, user, password)
    assert str(caught.value).startswith(f"source {url} gives no picture")
    assert capfd.readouterr() == ("", "")


def test_http_with_and_without_a_login(data_dir: Path) -> None:
    with HttpServer(data_dir, f"viewer:{PASSWORD}") as server:
        url = f"http://127.0.0.1:{server.port}/people-detection.mp4"
        seen = look(url, "viewer", PASSWORD)
        assert seen.image.shape == (270, 480, 3)
        assert (seen.codec, seen.fps) == ("h264", 12.5)
        assert look(with_login(url, "viewer", PASSWORD)).image.shape == (270, 480, 3)
        for source in (url, with_login(url, "viewer", "geheim"), f"{url}.nope"):
            with pytest.raises(SourceError, match="gives no picture") as caught:
                look(source)
            assert "geheim" not in str(caught.value)
            assert "viewer" not in str(caught.value)


def test_nobody_there_and_something_that_is_no_camera() -> None:
    with pytest.raises(SourceError, match="gives no picture"):
        look(f"rtsp://127.0.0.1:{free_port()}/cam")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        start = time.monotonic()
        with pytest.raises(SourceError, match="gives no picture"):
            look(f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_ms=500)
        assert time.monotonic() - start < 5
    with pytest.raises(SourceError, match="gives no picture"):
        look("/dev/video97")
    with pytest.raises(SourceError, match="gst: launch line"):
        look("gst:videotestsrc")


@pytest.mark.parametrize(
    "source",
    [
        "rtsp://[::1/cam", "rtsp://u:ge[hei]m@h/x", "rtsp://u:ge/heim@h/x", "rtsp://u:geheim@h:port/x",
        "rtmp://u:geheim@h/x", "udp://u:geheim@h:5", "mqtt://h/x?geheim", "file:///x.mp4", "gst:a location=geheim",
    ],
)  # fmt: skip
@pytest.mark.parametrize("user", ["", "viewer"])
def test_an_address_that_cannot_be_opened_is_one_sentence_without_the_login(source: str, user: str) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"(is not an address|cannot be opened|cannot open)") as caught:
        look(source, user, "geheim")
    assert time.monotonic() - start < 2
    assert "hei" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is None  # a traceback would show its text


@pytest.mark.parametrize(
    ("source", "live"),
    [
        ("rtsp://h/x", True), ("RTSPS://h", True), ("http://h/x.mp4", True), ("https://h", True), ("/dev/video0", True),
        ("/dev/v4l/by-id/x", True), ("gst:videotestsrc", True), ("/dev/stdin", False), ("video.mp4", False),
        ("rtsp.mp4", False), ("rtsp:/h", False), ("C:/x.mp4", False), ("[::1.mp4", False), ("C://x.mp4", False),
        ("file:///x.mp4", True), ("rtmp://h/x", True), ("svn+ssh://h", True), ("a/b://c", False), ("1a://c", False),
    ],
)  # fmt: skip
def test_what_is_live(source: str, live: bool) -> None:
    assert is_live(source) is live


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("rtsp://h:554/x", "rtsp://h:554/x"),
        ("rtsp://u:geheim@h:554/x?a=b@c", "rtsp://h:554/x?…"),
        ("http://h/a@b.mp4", "http://h/a@b.mp4"),
        ("http://[::1]:80/a@b.mp4", "http://[::1]:80/a@b.mp4"),
        ("rtsp://u:ge@heim@h/x", "rtsp://h/x"),
        ("rtsp://u:geheim@[::1]:5/x", "rtsp://[::1]:5/x"),
        ("rtsp://u:ge#heim@h/x", "rtsp://h/x"),
        ("rtsp://u:ge/heim@h/x", "rtsp://h/x"),
        ("rtsp://u:ge?hei\nm@h/x", "rtsp://h/x"),
        ("RTSP://u:geheim@[::1/x", "RTSP://[::1/x"),
        ("http://h/x?user=admin&pwd=geheim", "http://h/x?…"),
        ("http://h?pwd=geheim#a", "http://h?…"),
        ("http://h/x?", "http://h/x?"),
        ("rtmp://u:geheim@h/x", "rtmp://h/x"),
        ("x-a.b+c1://u:geheim@h/x", "x-a.b+c1://h/x"),
        ("rtsp://u:pa[ss]word@h/x", "rtsp://h/x"),
        ("gst:rtspsrc location=rtsp://h user-pw=geheim", "a gst: launch line"),
        ("video@home.mp4", "video@home.mp4"),
        ("what?.mp4", "what?.mp4"),
    ],
)
def test_what_is_shown_of_a_source(source: str, shown: str) -> None:
    assert redacted(source) == shown


def test_a_login_is_quoted_and_takes_the_place_of_another() -> None:
    assert with_login("rtsp://old:one@h:5/x", "a b", "p@/:") == "rtsp://a%20b:p%40%2F%3A@h:5/x"
    assert with_login("rtsp://h/x", "u", "") == "rtsp://u@h/x"
    assert with_login("rtsp://u:p@h/x", "", "ignored") == "rtsp://u:p@h/x"
