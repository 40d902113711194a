"""The feed's own decisions, with a scripted source: pacing, the slot, the gate, back-off, stopping."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streams.errors import LoginRefusedError, SourceEnded, SourceError
from streams.feed import CameraFeed
from streams.live_source import LiveSource
from streams.open_live import live_source
from streams.pacing import Pacing
from streams.shot import Shot
from streams.taken import FeedStatus, Taken

Step = Shot | Exception | float | None


def shot(stamp_s: float, value: int = 0, camera_ahead_s: float | None = None) -> Shot:
    """A tiny grey shot."""
    now, wall = time.monotonic(), time.time()
    planes = np.full((4, 4, 3), value, np.uint8)
    camera_time = None if camera_ahead_s is None else wall + camera_ahead_s
    return Shot(planes, "bgr", 4, 4, stamp_s, now, wall, camera_time)


class Script:
    """A source that does what it is told: gives shots, raises errors, sleeps (floats), and then is silent."""

    backend = "opencv"

    def __init__(self, *steps: Step, refuses: Exception | None = None, lives: bool = False) -> None:
        self._steps = iter(steps)
        self._refuses = refuses
        self._lives = lives
        self._life = 0
        self.closed = 0

    def open(self) -> None:
        if self._refuses is not None:
            raise self._refuses

    def read(self, wait_s: float) -> Shot | None:
        step = next(self._steps, None)
        if isinstance(step, Exception):
            raise step
        if isinstance(step, Shot):
            return replace(step, arrived_s=time.monotonic())
        time.sleep(min(wait_s, 0.05) if step is None else step)
        return None

    def life(self) -> int:
        self._life += self._lives
        return self._life

    def close(self) -> None:
        self.closed += 1


class Desk:
    """A feed over scripted sources, one after the other, and what it told."""

    def __init__(self, *scripts: LiveSource, **settings: object) -> None:
        self.scripts = list(scripts)
        self.opened: list[float] = []
        self.told: list[tuple[FeedStatus, str]] = []
        self.woken = 0
        options: dict[str, object] = {"detect_fps": 1000.0, "stall_s": 1.0, **settings}
        self.feed = CameraFeed("cam", self._open, wake=self._wake, on_status=self._note, **options)  # type: ignore[arg-type]

    def _open(self) -> LiveSource:
        self.opened.append(time.monotonic())
        return self.scripts.pop(0) if len(self.scripts) > 1 else self.scripts[0]

    def _wake(self) -> None:
        self.woken += 1

    def _note(self, name: str, status: FeedStatus, reason: str) -> None:
        assert name == "cam"
        assert threading.current_thread().name == "capture-cam"
        self.told.append((status, reason))


@pytest.fixture
def desk() -> Iterator[Callable[..., Desk]]:
    """Make desks that are stopped in the end."""
    made: list[Desk] = []

    def make(*scripts: LiveSource, **settings: object) -> Desk:
        made.append(Desk(*scripts, **settings))
        return made[-1]

    yield make
    for one in made:
        assert one.feed.stop()


def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait for a condition of another thread."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


def drain(feed: CameraFeed, seconds: float = 5.0) -> list[Taken]:
    """Take all until the feed has ended."""
    end, taken = time.monotonic() + seconds, []
    while feed.status != "ended" or feed.ready():
        assert time.monotonic() < end
        if (one := feed.take()) is not None:
            taken.append(one)
        else:
            time.sleep(0.001)
    return taken


# pacing


def due_times(fps: float, times: list[float]) -> list[float]:
    pacing, due = Pacing(fps), []
    for pts_s in times:
        if pacing.is_due(pts_s):
            pacing.took(pts_s)
            due.append(pts_s)
    return due


@pytest.mark.parametrize(
    ("camera_fps", "detect_fps", "expected"), [(25, 10, 10), (10, 10, 10), (30, 10, 10), (15, 10, 10), (5, 10, 5)]
)
def test_the_average_rate_is_kept(camera_fps: float, detect_fps: float, expected: float) -> None:
    due = due_times(detect_fps, [number / camera_fps for number in range(int(camera_fps * 60))])
    assert len(due) / 60 == pytest.approx(expected, rel=0.02)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(jitter=st.lists(st.floats(-0.02, 0.02), min_size=300, max_size=300))
def test_a_camera_with_jitter_keeps_its_frames(jitter: list[float]) -> None:
    times = [max(0.0, number / 10 + late) for number, late in enumerate(jitter)]
    assert len(due_times(10, sorted(times))) >= 297


@given(times=st.lists(st.floats(0, 100), max_size=200, unique=True), fps=st.floats(0.5, 100))
def test_it_is_never_more_than_was_asked_for(times: list[float], fps: float) -> None:
    due = due_times(fps, sorted(times))
    if len(due) > 1:
        assert len(due) <= (due[-1] - due[0]) * fps + 2.26


def test_a_gap_is_not_made_up_for() -> None:
    times = [0.0, 0.1, *(5 + number / 100 for number in range(100))]
    assert len(due_times(10, times)) == 13


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pacing(0)


# the slot


def test_the_slot_holds_the_newest_and_counts_the_others(desk: Callable[..., Desk]) -> None:
    one = desk(Script(*(shot(number / 10) for number in range(10))))
    one.feed.start()
    until(lambda: one.feed.stats().captured == 10)
    taken = one.feed.take()
    assert taken is not None
    assert (taken.index, taken.shot.pts_s, taken.moving) == (9, 0.9, True)
    assert one.feed.take() is None
    assert not one.feed.ready()
    stats = one.feed.stats()
    assert (stats.captured, stats.due, stats.skipped, stats.gated, stats.reconnects) == (10, 10, 9, 0, 0)
    assert one.woken == 10


def test_all_shots_of_a_file_are_taken_in_order(desk: Callable[..., Desk]) -> None:
    one = desk(Script(*(shot(number / 10) for number in range(200)), SourceEnded("x.mp4 is over")), lossless=True)
    one.feed.start()
    time.sleep(0.05)
    assert one.feed.stats().captured == 1
    taken = drain(one.feed)
    assert [each.index for each in taken] == list(range(200))
    assert [each.shot.pts_s for each in taken] == pytest.approx([number / 10 for number in range(200)])
    assert one.told == [("connecting", ""), ("online", ""), ("ended", "x.mp4 is over")]
    assert one.feed.stats().skipped == 0
    until(lambda: one.woken == 201)  # once more at the end
    assert one.feed.stop()


def test_a_real_file_without_a_pace_loses_nothing(desk: Callable[..., Desk], data_dir: Path) -> None:
    one = desk(live_source(data_dir / "people-detection.mp4", realtime=False), lossless=True, detect_fps=1.0)
    one.feed.start()
    taken = drain(one.feed)
    assert [each.index for each in taken] == list(range(23))
    assert taken[-1].shot.pts_s == pytest.approx(22 / 12.5, abs=0.01)


def test_a_real_file_as_a_camera_goes_round(desk: Callable[..., Desk], make_video: Callable[..., Path]) -> None:
    one = desk(live_source(make_video("a.mp4", frames=8), loop=True))
    one.feed.start()
    taken: list[Taken] = []
    until(lambda: taken.append(each) or len(taken) >= 20 if (each := one.feed.take()) else False)
    times = [each.shot.pts_s for each in taken]
    steps = [(late - early) * 10 for early, late in itertools.pairwise(times)]
    assert steps == pytest.approx([round(step) for step in steps], abs=0.01)  # a busy machine drops a frame
    assert [round(step) for step in steps].count(1) > 10
    assert one.feed.stats().capture_fps == pytest.approx(10, rel=0.2)


# the gate


class ValueGate:
    """Lets pass what is not black; notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    def moves(self, luma: NDArray[np.uint8], pts_s: float) -> bool:
        assert luma.shape == (4, 4)
        self.asked.append(pts_s)
        return bool(luma.any())


def test_while_nothing_moves_a_shot_comes_each_half_second(desk: Callable[..., Desk]) -> None:
    gate = ValueGate()
    one = desk(Script(*(shot(number / 10) for number in range(21)), SourceEnded("over")), lossless=True, gate=gate)
    one.feed.start()
    taken = drain(one.feed)
    assert [(each.shot.pts_s, each.moving) for each in taken] == [
        (time_s, False) for time_s in (0.0, 0.5, 1.0, 1.5, 2.0)
    ]
    assert len(gate.asked) == 21
    assert (one.feed.stats().due, one.feed.stats().gated) == (21, 21)


def test_the_gate_is_asked_only_for_due_shots(desk: Callable[..., Desk]) -> None:
    gate = ValueGate()
    one = desk(Script(*(shot(number / 25) for number in range(50))), detect_fps=5.0, gate=gate)
    one.feed.start()
    until(lambda: one.feed.stats().captured == 50)
    assert len(gate.asked) == pytest.approx(10, abs=1)


def test_a_shot_that_moved_is_not_lost_behind_still_ones(desk: Callable[..., Desk]) -> None:
    one = desk(Script(shot(0.0), shot(0.1, 9), shot(0.2), shot(0.3)), gate=ValueGate())
    one.feed.start()
    until(lambda: one.feed.stats().captured == 4)
    taken = one.feed.take()
    assert taken is not None
    assert (taken.index, taken.moving) == (3, True)
    stats = one.feed.stats()
    assert (stats.due, stats.gated, stats.skipped) == (4, 3, 0)


def test_what_moves_takes_the_place_of_what_does_not(desk: Callable[..., Desk]) -> None:
    one = desk(Script(shot(0.0), 0.05, shot(0.1, 9)), gate=ValueGate())
    one.feed.start()
    until(lambda: one.feed.stats().captured == 2)
    taken = one.feed.take()
    assert taken is not None
    assert (taken.index, taken.moving) == (1, True)


# connections


def test_offline_and_back(desk: Callable[..., Desk]) -> None:
    first = Script(shot(100.0), shot(100.1), SourceError("source x breaks off"))
    one = desk(first, Script(refuses=SourceError("source x refuses")), Script(shot(3.0), shot(3.1)))
    one.feed.start()
    until(lambda: one.feed.status == "offline")
    assert one.feed.take() is None  # what was not taken is stale
    assert one.feed.reason == "source x breaks off"
    until(lambda: one.feed.stats().captured == 4)
    assert one.told == [
        ("connecting", ""), ("online", ""), ("offline", "source x breaks off"), ("offline", "source x refuses"),
        ("online", ""),
    ]  # fmt: skip
    assert first.closed == 1
    gaps = [late - early for early, late in itertools.pairwise(one.opened)]
    assert gaps == pytest.approx([0.25, 0.5], abs=0.15)
    taken = one.feed.take()
    assert taken is not None
    assert taken.index == 3
    assert taken.shot.pts_s == pytest.approx(0.1 + sum(gaps) + 0.1, abs=0.3)
    assert one.feed.stats().reconnects == 1


def test_the_wait_grows_and_begins_anew_after_a_while_online(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.feed._STEADY_S", 0.3)
    bad = [Script(refuses=SourceError("no")) for _ in range(3)]
    one = desk(*bad, Script(shot(0.0), 0.4, shot(0.4), SourceError("no")), Script())
    one.feed.start()
    until(lambda: len(one.opened) == 5)
    gaps = [late - early for early, late in itertools.pairwise(one.opened)]
    assert gaps == pytest.approx([0.25, 0.5, 1.0, 0.4 + 0.25], abs=0.2)
    assert [status for status, _ in one.told] == ["connecting", "offline", "online", "offline"]


def test_a_camera_of_one_picture_is_not_asked_four_times_a_second(desk: Callable[..., Desk]) -> None:
    one = desk(*(Script(shot(0.0), SourceError("no")) for _ in range(9)))
    one.feed.start()
    until(lambda: len(one.opened) == 4)
    gaps = [late - early for early, late in itertools.pairwise(one.opened)]
    assert gaps == pytest.approx([0.25, 0.5, 1.0], abs=0.2)
    assert [status for status, _ in one.told][:7] == ["connecting"] + ["online", "offline"] * 3


def test_a_refused_login_is_not_tried_again_at_once(desk: Callable[..., Desk]) -> None:
    one = desk(Script(refuses=LoginRefusedError("source x refuses the login")))
    one.feed.start()
    time.sleep(1.5)
    assert len(one.opened) == 1
    assert (one.feed.status, one.feed.reason) == ("offline", "source x refuses the login")
    start = time.monotonic()
    assert one.feed.stop()
    assert time.monotonic() - start < 0.5


def test_a_silence_is_down(desk: Callable[..., Desk]) -> None:
    one = desk(Script(shot(0.0)), Script(), stall_s=0.4)
    one.feed.start()
    until(lambda: one.feed.status == "online")
    start = time.monotonic()
    until(lambda: one.feed.status == "offline")
    assert time.monotonic() - start == pytest.approx(0.4, abs=0.2)
    assert one.feed.reason == "no frame for 0.4 s; check network and camera"


@pytest.mark.parametrize(("lives", "part"), [(False, "nothing came for 0.3 s"), (True, "no picture in 0.9 s")])
def test_before_the_first_picture_packets_count(
    desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch, lives: bool, part: str
) -> None:
    monkeypatch.setattr("streams.silence.SILENT_S", 0.3)
    monkeypatch.setattr("streams.silence.KEY_FRAME_S", 0.9)
    one = desk(Script(lives=lives), stall_s=0.1)
    start = time.monotonic()
    one.feed.start()
    until(lambda: one.feed.status == "offline")
    assert part in one.feed.reason
    assert time.monotonic() - start == pytest.approx(0.9 if lives else 0.3, abs=0.2)


def test_a_fault_of_a_backend_is_down_and_does_not_end_it(desk: Callable[..., Desk]) -> None:
    one = desk(Script(shot(0.0), ZeroDivisionError("geheim")), Script(shot(0.0)))
    one.feed.start()
    until(lambda: one.feed.stats().captured == 2)
    assert one.told[2] == ("offline", "it fails unexpectedly (ZeroDivisionError); --debug shows where")


def test_a_listener_that_fails_does_not_end_it(desk: Callable[..., Desk], caplog: pytest.LogCaptureFixture) -> None:
    one = desk(Script(shot(0.0), shot(0.1)))
    one.feed._on_status = one.feed._wake = lambda *told: 1 // 0  # type: ignore[assignment,return-value]
    with caplog.at_level(logging.ERROR):
        one.feed.start()
        until(lambda: one.feed.stats().captured == 2)
    assert "a listener failed" in caplog.text


def test_the_cameras_clock_is_compared(desk: Callable[..., Desk]) -> None:
    one = desk(Script(*(shot(number / 10, camera_ahead_s=2.5) for number in range(5))))
    assert one.feed.stats().skew_s is None
    one.feed.start()
    until(lambda: one.feed.stats().captured == 5)
    assert one.feed.stats().skew_s == pytest.approx(2.5, abs=0.05)


# libraries that hang


class Hanging(Script):
    """A source that gives a shot and then hangs in a call, until it is let go; what it gives then is void."""

    def __init__(self, call: str) -> None:
        super().__init__(*([shot(0.0)] if call == "read" else [shot(0.0), SourceError("source x breaks off")]))
        self.call = call
        self.held = threading.Event()
        self.go = threading.Event()

    def _hang(self, call: str) -> None:
        if call == self.call:
            self.held.set()
            assert self.go.wait(10)

    def open(self) -> None:
        self._hang("open")

    def read(self, wait_s: float) -> Shot | None:
        given = super().read(0)
        if given is None:
            self._hang("read")
            return shot(9.9, 9)
        return given

    def close(self) -> None:
        super().close()
        self._hang("close")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls hang after a quarter of a second."""
    for name in ("_OPEN_S", "_READ_S", "_CLOSE_S", "_TELL_S"):
        monkeypatch.setattr(f"streams.feed.{name}", 0.05)
    monkeypatch.setattr("streams.feed._GRACE_S", 0.2)


@contextmanager
def checked(feed: CameraFeed) -> Iterator[None]:
    """Somebody looks after it, as the service's main thread does."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            feed.check()

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield
    finally:
        done.set()
        looker.join()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("open", ["connecting", "it hangs while connecting", "online"]),
        ("read", ["connecting", "online", "it hangs while reading", "online"]),
        ("close", ["connecting", "online", "source x breaks off", "online"]),
    ],
)
def test_what_hangs_is_left_behind(desk: Callable[..., Desk], hasty: None, call: str, told: list[str]) -> None:
    first = Hanging(call)
    one = desk(first, Script(*(shot(number / 10, 7) for number in range(3))), stall_s=0.1)
    with checked(one.feed):
        one.feed.start()
        assert first.held.wait(5)
        start = time.monotonic()
        until(lambda: len(one.opened) == 2)
        assert time.monotonic() - start < 0.25 + 0.25 + 0.5  # grace and back-off
        until(one.feed.ready)
        assert (taken := one.feed.take()) is not None
        assert taken.shot.planes[0, 0, 0] == 7
        captured = one.feed.stats().captured
        first.go.set()
        until(lambda: first.closed == 1)
        until(lambda: [thread.name for thread in threading.enumerate()].count("capture-cam") == 1)
    assert one.feed.stats().captured - captured <= 2  # none of the one that came back
    assert [reason.partition(" and is")[0] or status for status, reason in one.told][: len(told)] == told


def test_not_more_than_some_are_left_behind(
    desk: Callable[..., Desk], hasty: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.feed._MOST_LEFT", 2)
    monkeypatch.setattr("streams.feed._LAST_BACKOFF_S", 0.3)
    hanging = [Hanging("open") for _ in range(2)]
    one = desk(*hanging, Script(shot(0.0)))
    with checked(one.feed):
        one.feed.start()
        until(lambda: one.feed.reason.startswith("2 connections hang and are left behind"))
        time.sleep(0.8)
        assert len(one.opened) == 2
        assert one.feed.status == "offline"
        hanging[0].go.set()
        until(lambda: one.feed.status == "online")
        hanging[1].go.set()
    assert len(one.opened) == 3


def test_a_file_that_is_over_does_not_begin_again(desk: Callable[..., Desk], hasty: None) -> None:
    first = Hanging("close")
    first._steps = iter([shot(0.0), SourceEnded("x.mp4 is over")])
    one = desk(first, Script(shot(0.0)))
    with checked(one.feed):
        one.feed.start()
        assert first.held.wait(5)
        time.sleep(0.7)
        assert (one.feed.status, len(one.opened)) == ("ended", 1)
        first.go.set()


def test_a_file_that_loses_nothing_takes_as_long_as_it_takes(desk: Callable[..., Desk], hasty: None) -> None:
    one = desk(Script(shot(0.0), 0.6, shot(0.1), SourceEnded("over")), lossless=True, stall_s=9.0)
    with checked(one.feed):
        one.feed.start()
        taken = drain(one.feed)
    assert [each.index for each in taken] == [0, 1]
    assert len(one.opened) == 1


def test_a_listener_that_waits_for_ever_does_not_hold_the_camera(desk: Callable[..., Desk], hasty: None) -> None:
    one = desk(Script(shot(0.0), SourceError("no")), Script(shot(0.0)))
    go, note = threading.Event(), one.feed._on_status

    def listen(name: str, status: FeedStatus, reason: str) -> None:
        if reason == "no":
            assert go.wait(10)
        note(name, status, reason)

    one.feed._on_status = listen
    with checked(one.feed):
        one.feed.start()
        until(lambda: one.feed.status == "online" and len(one.opened) == 2)
    go.set()
    assert [status for status, _ in one.told][:4] == ["connecting", "online", "offline", "online"]


def test_stop_while_one_is_left_behind(desk: Callable[..., Desk], hasty: None) -> None:
    first = Hanging("read")
    one = desk(first, Script(shot(0.0)), stall_s=0.1)
    with checked(one.feed):
        one.feed.start()
        until(lambda: len(one.opened) == 2)
        assert one.feed.stop()
        time.sleep(0.1)
    assert len(one.opened) == 2
    first.go.set()
    until(lambda: first.closed == 1)


# stopping


def test_stopped_before_it_started(desk: Callable[..., Desk]) -> None:
    one = desk(Script(shot(0.0)))
    assert one.feed.stop()
    one.feed.start()
    time.sleep(0.05)
    assert one.opened == []


@pytest.mark.parametrize("lossless", [False, True])
def test_stop_ends_the_thread_and_empties_the_slot(desk: Callable[..., Desk], lossless: bool) -> None:
    script = Script(*(shot(number / 10) for number in range(3)))
    one = desk(script, lossless=lossless)
    one.feed.start()
    one.feed.start()
    until(one.feed.ready)
    start = time.monotonic()
    assert one.feed.stop()
    assert time.monotonic() - start < 0.5
    assert one.feed.take() is None
    assert script.closed == 1
    assert "capture-cam" not in [thread.name for thread in threading.enumerate()]


def test_stop_from_the_feeds_own_thread(desk: Callable[..., Desk]) -> None:
    one = desk(Script(shot(0.0)))
    answers: list[bool] = []
    one.feed._wake = lambda: answers.append(one.feed.stop())
    one.feed.start()
    until(lambda: answers)
    assert answers[0] is False
    assert one.feed.stop()


def test_stop_does_not_wait_for_a_library_that_hangs(desk: Callable[..., Desk]) -> None:
    one = desk(Script(0.6))
    one.feed.start()
    until(lambda: one.opened)
    time.sleep(0.05)
    start = time.monotonic()
    assert not one.feed.stop(0.1)
    assert time.monotonic() - start < 0.3
    assert one.feed.stop(2.0)


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.sampled_from(["shot", "error", "silence", "bug"]), max_size=12), wait_s=st.floats(0, 0.05))
def test_stop_at_any_moment(steps: list[str], wait_s: float) -> None:
    made: dict[str, Step] = {"shot": shot(0.0), "error": SourceError("x"), "silence": 0.01, "bug": KeyError("x")}
    feed = CameraFeed(
        "any", lambda: Script(*(made[step] for step in steps)), detect_fps=10, stall_s=1, wake=lambda: None
    )
    feed.start()
    time.sleep(wait_s)
    assert feed.stop()
    assert not feed.ready()
