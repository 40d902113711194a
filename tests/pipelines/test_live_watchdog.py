"""Stages that hang are seen, and only those."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial

import pytest

from pipelines.live.service import Service
from pipelines.live.telling import Telling
from pipelines.live.watchdog import Watchdog


@dataclass
class Camera:
    name: str
    due: int = 0
    processed: int = 0
    expects_results: bool = True


def test_frames_in_and_nothing_out_for_30_s() -> None:
    dog, camera = Watchdog(30), Camera("a")
    for second in range(30):
        camera.due += 10
        assert dog.hung([camera], float(second)) == [], second
    camera.due += 10
    assert dog.hung([camera], 30.0) == [camera]
    camera.due += 10
    assert dog.hung([camera], 31.0) == []  # its time begins again


def test_a_camera_that_gives_results_or_no_frames_is_well() -> None:
    dog, busy, away = Watchdog(30), Camera("busy"), Camera("away")
    for second in range(200):
        busy.due += 10
        if second % 20 == 0:
            busy.processed += 1
        assert dog.hung([busy, away], float(second)) == []


def test_what_is_switched_off_is_no_fault() -> None:
    dog, camera = Watchdog(30), Camera("a", expects_results=False)
    for second in range(100):
        camera.due += 10
        assert dog.hung([camera], float(second)) == []
    camera.expects_results = True
    for second in range(100, 129):
        camera.due += 10
        assert dog.hung([camera], float(second)) == []


def test_one_of_two() -> None:
    dog, good, bad = Watchdog(5), Camera("good"), Camera("bad")
    found = []
    for second in range(12):
        good.due, bad.due, good.processed = good.due + 1, bad.due + 1, good.processed + 1
        found += [camera.name for camera in dog.hung([good, bad], float(second))]
    assert found == ["bad", "bad"]


def test_a_camera_that_is_gone_is_forgotten() -> None:
    dog = Watchdog(5)
    dog.hung([Camera("a", due=1)], 0.0)
    assert dog.hung([], 1.0) == []
    assert dog.hung([Camera("a", due=9)], 100.0) == []


def test_a_step_that_always_fails_is_logged_with_its_trace_once_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    """It comes five times a second, for months."""

    def fails() -> None:
        raise ZeroDivisionError("no")

    service = Service.__new__(Service)
    service._tell = Telling(logging.getLogger("pipelines.live.service"), logging.ERROR, 30.0)
    for step in (fails, partial(fails), fails):
        service._guarded(step)
    (record,) = caplog.records
    assert record.getMessage() == "a step of the service fails"
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
