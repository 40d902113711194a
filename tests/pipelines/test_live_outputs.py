"""The thread for what may be slow, and the snapshots it makes."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from config.site import Snapshots
from pipelines.live.outputs import Job, Outputs
from pipelines.live.snapshots import MAX_BYTES, BestViews, crop_of, encode
from streams.errors import OutputError
from tests.support.live import wait_until


def nothing() -> None:
    """Nobody is told."""


def test_jobs_are_done_in_order_and_the_end_waits_for_them() -> None:
    done: list[int] = []
    outputs = Outputs()
    outputs.start()
    for number in range(50):
        outputs.put(Job("a", lambda number=number: done.append(number), nothing))  # type: ignore[misc]
    outputs.close(5)
    assert done == list(range(50))


def test_when_it_cannot_keep_up_the_oldest_go_and_are_counted() -> None:
    gate, done, lost = threading.Event(), list[int](), list[int]()
    outputs = Outputs(capacity=3)
    outputs.start()
    outputs.put(Job("a", gate.wait, nothing))
    wait_until(lambda: outputs.depth == 0, "the first one is not begun")
    for number in range(10):
        job = Job("a", lambda number=number: done.append(number), lambda number=number: lost.append(number))  # type: ignore[misc]
        outputs.put(job)
    assert outputs.depth == 3
    gate.set()
    outputs.close(5)
    assert (lost, done) == (list(range(7)), [7, 8, 9])


def test_a_failing_job_is_told_once_a_minute_and_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    lost, done = list[int](), list[int]()

    def full() -> None:
        raise OutputError("cannot write x: No space left on device")

    def bug() -> None:
        raise KeyError("x")

    outputs = Outputs()
    outputs.start()
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            outputs.put(Job("camera a", full, lambda: lost.append(1)))
        outputs.put(Job("camera b", bug, lambda: lost.append(1)))
        outputs.put(Job("camera a", lambda: done.append(1), nothing))
        outputs.close(5)
    assert (len(lost), done) == (21, [1])
    said = [record.getMessage() for record in caplog.records]
    assert said == ["camera a: cannot write x: No space left on device", "camera b: KeyError: 'x'"]


def test_a_job_that_hangs_does_not_hold_the_end_up() -> None:
    outputs = Outputs()
    outputs.start()
    never = threading.Event()
    outputs.put(Job("a", never.wait, nothing))
    outputs.close(0.2)  # returns
    never.set()


def test_a_view_is_the_box_with_a_margin_within_the_picture() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    assert crop_of(image, (50, 20, 90, 60)).shape == (53, 53, 3)
    assert crop_of(image, (-10, -10, 500, 500)).shape == (100, 200, 3)
    assert crop_of(image, (199.9, 99.9, 200, 100)).size > 0


def test_a_jpeg_is_small_enough_and_of_the_height(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (1080, 1920, 3), np.uint8)
    data = encode(noise, Snapshots(height=360, quality=95))
    assert len(data) <= MAX_BYTES
    assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (360, 640, 3)
    small = encode(noise[:50, :40], Snapshots())
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape == (50, 40, 3)


def test_a_label_is_sent_once_a_second_at_most() -> None:
    views = BestViews()
    assert [views.wanted("car", pts_s) for pts_s in (0.0, 0.5, 0.99, 1.0, 1.5, 2.1)] == [
        True, False, False, True, False, True,
    ]  # fmt: skip
    assert views.wanted("person", 2.1)
