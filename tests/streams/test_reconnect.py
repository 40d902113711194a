"""Cameras that go away and come back, on both backends: told in time, and nothing stale in between."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import psutil
import pytest

from streams.feed import CameraFeed
from streams.live_source import LiveSource
from streams.open_live import live_source
from streams.source import Backend
from streams.taken import FeedStatus
from tests.support.camera import Film, RtspCamera
from tests.support.http_server import HlsServer, MjpegServer
from tests.support.proxy import Proxy

OFFLINE_S, BACK_S = 10.0, 15.0
MOST_LEFT_S = 3.0
"""So long the rest of an HLS segment, which has come before the fault, may play after it."""
FILM = Film(gop_s=1.0)
OPENCV_TOO = pytest.mark.parametrize("backend", ["gstreamer", pytest.param("opencv", marks=pytest.mark.slow)])
"""OpenCV takes seconds to connect: what it does not do in a way of its own is tried in the long form."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is noted of a shot; not its picture, so that memory can be measured."""

    at_s: float
    index: int
    pts_s: float
    arrived_s: float
    size: tuple[int, int]


class Watcher:
    """A feed and a consumer that notes everything; use it in a ``with`` statement."""

    def __init__(self, make: Callable[[], LiveSource], detect_fps: float = 100.0) -> None:
        self.taken: list[Seen] = []
        self.told: list[tuple[float, FeedStatus, str]] = []
        self.woken = threading.Event()
        self.feed = CameraFeed(
            "cam", make, detect_fps=detect_fps, stall_s=3.0, wake=self.woken.set, on_status=self._note
        )
        self._done = threading.Event()
        self._consumer = threading.Thread(target=self._consume)

    def _note(self, name: str, status: FeedStatus, reason: str) -> None:
        self.told.append((time.monotonic(), status, reason))

    def _consume(self) -> None:
        while not self._done.is_set():
            self.woken.wait(0.1)
            self.woken.clear()
            taken = self.feed.take()
            if taken is not None:
                shot = taken.shot
                size = (shot.width, shot.height)
                self.taken.append(Seen(time.monotonic(), taken.index, shot.pts_s, shot.arrived_s, size))
                del taken, shot

    def __enter__(self) -> Self:
        self._consumer.start()
        self.feed.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        ended = self.feed.stop(8.0)
        self._done.set()
        self._consumer.join()
        assert ended

    def wait(self, status: FeedStatus, seconds: float) -> float:
        """Wait for a status; give the seconds it took."""
        start = time.monotonic()
        while self.feed.status != status:
            assert time.monotonic() - start < seconds, f"still {self.feed.status} ({self.feed.reason})"
            time.sleep(0.01)
        return time.monotonic() - start

    def frames(self, count: int, seconds: float = 15.0) -> None:
        """Wait for so many more frames."""
        start, wanted = time.monotonic(), len(self.taken) + count
        while len(self.taken) < wanted:
            assert time.monotonic() - start < seconds, f"{self.feed.status}: {self.feed.reason}"
            time.sleep(0.01)

    def check(self) -> None:
        """Media time must rise, frames must be as new as they say, and none may come while it was down."""
        assert all(late.pts_s > early.pts_s for early, late in itertools.pairwise(self.taken))
        assert all(late.index > early.index for early, late in itertools.pairwise(self.taken))
        assert all(seen.at_s - seen.arrived_s < 0.5 for seen in self.taken)
        for (from_s, status, _), (until_s, _, _) in itertools.pairwise([*self.told, (time.monotonic(), "", "")]):
            if status != "online":
                assert [seen for seen in self.taken if from_s + 0.02 < seen.at_s < until_s - 0.02] == []
        # media time follows real time over the faults, too
        first, last = self.taken[0], self.taken[-1]
        assert last.pts_s - first.pts_s == pytest.approx(last.at_s - first.at_s, abs=1.5)


Record = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def installed(request: pytest.FixtureRequest) -> None:
    """Skip where the backend is not installed."""
    params = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    if params.get("backend") == "gstreamer":
        request.getfixturevalue("gstreamer")


@pytest.fixture
def camera() -> Iterator[RtspCamera]:
    with RtspCamera(FILM) as running:
        yield running


def fault_and_return(
    watcher: Watcher, record: Record, breaks: Callable[[], object], mends: Callable[[], object], down_s: float = 1.0
) -> str:
    """Break it, see it go offline in time, mend it, see it come back in time; give the reason that was told."""
    watcher.wait("online", 15)
    watcher.frames(10)
    breaks()
    offline_s = watcher.wait("offline", OFFLINE_S)
    reason = watcher.feed.reason
    time.sleep(down_s)
    mends()
    back_s = watcher.wait("online", BACK_S)
    watcher.frames(10)
    watcher.check()
    assert watcher.feed.stats().reconnects == 1
    record("offline_s", round(offline_s, 2))
    record("back_s", round(back_s, 2))
    print(f"offline after {offline_s:.2f} s ({reason}), back after {back_s:.2f} s")
    return reason


def test_killed_and_started_again(camera: RtspCamera, backend: Backend, record_property: Record) -> None:
    with Watcher(lambda: live_source(camera.url, backend=backend)) as watcher:
        fault_and_return(watcher, record_property, camera.stop, camera.start)
        assert [status for _, status, _ in watcher.told][:3] == ["connecting", "online", "offline"]
        assert "connecting" not in [status for _, status, _ in watcher.told][1:]


def test_frozen_and_thawed(camera: RtspCamera, backend: Backend, record_property: Record) -> None:
    with Watcher(lambda: live_source(camera.url, backend=backend)) as watcher:
        fault_and_return(watcher, record_property, camera.freeze, camera.thaw, down_s=2.0)


@OPENCV_TOO
def test_a_network_that_swallows_everything(camera: RtspCamera, backend: Backend, record_property: Record) -> None:
    with Proxy(camera.port) as proxy:
        url = f"rtsp://127.0.0.1:{proxy.port}/cam"
        with Watcher(lambda: live_source(url, backend=backend)) as watcher:
            fault_and_return(watcher, record_property, proxy.blackhole, proxy.restore, down_s=2.0)


@contextmanager
def over_http(kind: str, folder: Path, segment_s: int = 1) -> Iterator[tuple[str, Proxy]]:
    """An MJPEG camera or a live HLS stream behind a proxy: its address, and the proxy."""
    server = MjpegServer() if kind == "mjpeg" else HlsServer(folder, seconds=40 * segment_s, segment_s=segment_s)
    with server, Proxy(server.port) as proxy:
        yield server.url.replace(f":{server.port}/", f":{proxy.port}/"), proxy


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("hls", "blackhole"),
        ("mjpeg", "refuse"),
        pytest.param("hls", "refuse", marks=pytest.mark.slow),
        pytest.param("mjpeg", "blackhole", marks=pytest.mark.slow),
    ],
)
def test_a_stream_over_http(tmp_path: Path, record_property: Record, kind: str, fault: str) -> None:
    with over_http(kind, tmp_path) as (url, proxy), Watcher(lambda: live_source(url)) as watcher:
        broken_s: list[float] = []

        def breaks() -> None:
            getattr(proxy, fault)()
            broken_s.append(time.monotonic())

        fault_and_return(watcher, record_property, breaks, proxy.restore)
        offline_s = next(at_s for at_s, status, _ in watcher.told if status == "offline")
        late = [seen.at_s for seen in watcher.taken if broken_s[0] + MOST_LEFT_S < seen.at_s < offline_s]
        assert late == [], "what FFmpeg had held back was passed on after the silence"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("segment_s", [2, 6])
def test_long_segments_are_no_silence(tmp_path: Path, segment_s: int) -> None:
    with over_http("hls", tmp_path, segment_s) as (url, _), Watcher(lambda: live_source(url)) as watcher:
        watcher.wait("online", 15)
        time.sleep(8 * segment_s)
        assert [status for _, status, _ in watcher.told] == ["connecting", "online"]
        assert watcher.feed.stats().captured > 0.9 * 10 * 8 * segment_s
        watcher.check()


@OPENCV_TOO
def test_garbage_instead_of_pictures(camera: RtspCamera, backend: Backend, record_property: Record) -> None:
    with Watcher(lambda: live_source(camera.url, backend=backend)) as watcher:
        fault_and_return(watcher, record_property, camera.garbage, camera.good)


@OPENCV_TOO
def test_a_camera_that_comes_back_with_another_size(
    camera: RtspCamera, backend: Backend, record_property: Record
) -> None:
    def other_size() -> None:
        camera.start(width=320, height=240, codec="h265")

    with Watcher(lambda: live_source(camera.url, backend=backend)) as watcher:
        fault_and_return(watcher, record_property, camera.stop, other_size)
        sizes = [seen.size for seen in watcher.taken]
        assert sizes[0] == (640, 360)
        assert sizes[-1] == (320, 240)
        assert set(sizes) == {(640, 360), (320, 240)}


@OPENCV_TOO
def test_a_password_that_is_put_right(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.feed._LOGIN_BACKOFF_S", 2.0)
    with RtspCamera(FILM, login=("viewer", "old")) as camera:
        make = lambda: live_source(camera.url, "viewer", "geheim", backend=backend)  # noqa: E731
        with Watcher(make) as watcher:
            watcher.wait("offline", OFFLINE_S)
            assert watcher.feed.reason == f"source {camera.url} refuses the login; check user name and password"
            camera.stop()
            camera.start(login=("viewer", "geheim"))
            watcher.wait("online", BACK_S)
            watcher.frames(5)
            assert "geheim" not in str(watcher.told)
            assert watcher.feed.stats().reconnects == 0


@OPENCV_TOO
def test_a_path_that_is_gone(camera: RtspCamera, backend: Backend, record_property: Record) -> None:
    def moved() -> None:
        camera.stop()
        camera.start(path="/other")

    def moved_back() -> None:
        camera.stop()
        camera.start(path="/cam")

    url = camera.url
    with Watcher(lambda: live_source(url, backend=backend)) as watcher:
        fault_and_return(watcher, record_property, moved, moved_back, down_s=2.0)
        assert f"source {url} is not found there; check the path" in [reason for _, _, reason in watcher.told]


def test_a_slow_camera_is_not_down(camera: RtspCamera, gstreamer: None) -> None:
    with Watcher(lambda: live_source(camera.url)) as watcher:
        watcher.wait("online", 15)
        camera.slow(1.0)
        watcher.frames(4)
        assert watcher.feed.status == "online"
        camera.slow(0)
        watcher.frames(10, 4)
        assert watcher.feed.stats().reconnects == 0


def test_a_rate_that_varies_is_kept_in_media_time(camera: RtspCamera, gstreamer: None) -> None:
    """As cameras do in the dark: media time follows the stamps, not a nominal rate."""
    slow_s = 0.35
    with Watcher(lambda: live_source(camera.url)) as watcher:
        watcher.wait("online", 15)
        watcher.frames(3)
        for pause_s in (slow_s, 0.0, slow_s / 2):
            camera.slow(pause_s)
            watcher.frames(6)
        watcher.check()
        assert watcher.feed.stats().reconnects == 0
        steps = [late.pts_s - early.pts_s for early, late in itertools.pairwise(watcher.taken)]
        came = [late.arrived_s - early.arrived_s for early, late in itertools.pairwise(watcher.taken)]
        assert sum(step > 0.8 * slow_s for step in steps) >= 4
        assert sum(step < 0.15 for step in steps) >= 4
        assert sum(steps) == pytest.approx(sum(came), abs=0.3)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_a_minute_between_key_frames(backend: Backend, codec: Literal["h264", "h265"]) -> None:
    """Who joins midway sees nothing until the next key frame, is not called offline, and then sees whole pictures."""
    with RtspCamera(Film(width=320, height=240, codec=codec, gop_s=60.0)) as camera:
        start_s = time.monotonic()
        time.sleep(5)
        with Watcher(lambda: live_source(camera.url, backend=backend)) as watcher:
            watcher.wait("online", 75)
            watcher.frames(20)
            assert [status for _, status, _ in watcher.told] == ["connecting", "online"]
            assert watcher.taken[0].at_s - start_s == pytest.approx(60, abs=5)
            watcher.check()


@pytest.mark.parametrize("fault", ["frozen", "killed", "refused", "login"])
def test_stop_is_quick_in_any_state(camera: RtspCamera, gstreamer: None, fault: str) -> None:
    feed = CameraFeed("cam", lambda: live_source(camera.url), detect_fps=10, stall_s=3, wake=lambda: None)
    if fault in ("frozen", "killed"):
        feed.start()
        while feed.status != "online":
            time.sleep(0.01)
        (camera.freeze if fault == "frozen" else camera.stop)()
        time.sleep(0.5)
    else:
        camera.stop()
        if fault == "login":
            camera.start(login=("viewer", "geheim"))
        feed.start()
        while feed.status != "offline":
            time.sleep(0.01)
    start = time.monotonic()
    assert feed.stop()
    assert feed.stop()
    assert time.monotonic() - start < 2.0
    if fault == "frozen":
        camera.thaw()


def _usage() -> tuple[int, int, int]:
    """Threads, open files, children (the camera is one)."""
    return (
        threading.active_count(), len(os.listdir("/proc/self/fd")), len(psutil.Process().children(recursive=True)),
    )  # fmt: skip


@pytest.fixture
def steady_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first wait after each fault is the short one, although it was online for less than 10 s."""
    monkeypatch.setattr("streams.feed._STEADY_S", 0.0)


def _reconnect_often(camera: RtspCamera, backend: Backend, rounds: int) -> list[tuple[int, int, int, int]]:
    """Kill and start again so often; threads, open files, children and resident bytes after each round."""
    seen = []
    with Watcher(lambda: live_source(camera.url, backend=backend)) as watcher:
        for _ in range(rounds):
            watcher.wait("online", BACK_S)
            watcher.frames(2)
            seen.append((*_usage(), psutil.Process().memory_info().rss))
            camera.stop()
            watcher.wait("offline", OFFLINE_S)
            camera.start()
        watcher.wait("online", BACK_S)
        watcher.frames(1)
        assert watcher.feed.stats().reconnects == rounds
        watcher.check()
    return seen


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc here")
def test_twenty_reconnects_leave_nothing_behind(camera: RtspCamera, gstreamer: None, steady_at_once: None) -> None:
    with Watcher(lambda: live_source(camera.url)) as first:  # what GStreamer loads once
        first.wait("online", BACK_S)
    before = _usage()
    seen = _reconnect_often(camera, "gstreamer", 20)
    assert len({threads for threads, _, _, _ in seen[2:]}) == 1
    assert max(files for _, files, _, _ in seen[2:]) <= seen[2][1] + 2
    assert {children for _, _, children, _ in seen} == {before[2]}
    after = _usage()
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1] <= before[1] + 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="there is no /proc here")
def test_two_hundred_reconnects_keep_memory_flat(camera: RtspCamera, backend: Backend, steady_at_once: None) -> None:
    seen = _reconnect_often(camera, backend, 200)
    threads, files, children, memory = zip(*seen[40:], strict=True)
    assert max(children) == min(children)
    assert max(threads) == min(threads)
    assert max(files) <= min(files) + 2
    assert memory[-1] - memory[0] < 20 * 2**20
