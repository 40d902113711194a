"""The capture thread: order, a queue that blocks, an end from any state."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import SourceError
from streams.frame import Frame
from streams.open import open_source
from streams.reader import FrameReader
from streams.source import Backend, SourceInfo


class Numbers:
    """A source of ``count`` tiny frames that may break off; counts what was asked of it."""

    live = False

    def __init__(self, count: int, error: Exception | None = None) -> None:
        self.count = count
        self.error = error
        self.made = 0

    @property
    def info(self) -> SourceInfo:
        return SourceInfo(1, 1, 10.0, self.count, "opencv")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            self.made += 1
            yield Frame("n", index, np.zeros((1, 1, 3), np.uint8), index / 10, 0.0)
        if self.error is not None:
            raise self.error


def until(condition: object, seconds: float = 5.0) -> None:
    """Wait for a condition of another thread."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


def capture_threads() -> int:
    return sum(thread.name == "capture" for thread in threading.enumerate())


@settings(max_examples=30, deadline=None)
@given(count=st.integers(0, 30), capacity=st.integers(1, 8))
def test_all_frames_come_in_order(count: int, capacity: int) -> None:
    with FrameReader(Numbers(count), capacity) as reader:
        assert [frame.index for frame in reader] == list(range(count))
        assert (reader.read, reader.given, reader.waiting) == (count, count, 0)


def test_a_full_queue_blocks_the_source_and_drops_nothing() -> None:
    source = Numbers(50)
    with FrameReader(source, capacity=3) as reader:
        until(lambda: source.made == 4)  # three wait, the fourth is in the thread's hands
        time.sleep(0.05)
        assert (source.made, reader.waiting) == (4, 3)
        assert [frame.index for frame in reader] == list(range(50))


def test_the_error_comes_after_the_good_frames() -> None:
    seen = []
    with (
        FrameReader(Numbers(7, SourceError("breaks off")), 2) as reader,
        pytest.raises(SourceError, match="breaks off"),
    ):
        for frame in reader:
            seen.append(frame.index)
    assert seen == list(range(7))


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_stop_ends_the_thread_while_the_queue_is_full(taken: int) -> None:
    before = capture_threads()
    source = Numbers(1000)
    reader = FrameReader(source, capacity=2)
    reader.start()
    frames = iter(reader)
    for _ in range(taken):
        next(frames)
    until(lambda: reader.waiting == 2)
    start = time.monotonic()
    reader.stop()
    reader.stop()
    assert time.monotonic() - start < 0.5
    assert capture_threads() == before
    assert list(frames) == []
    assert source.made < 20


def test_stop_wakes_a_waiting_consumer() -> None:
    release = threading.Event()

    class Slow(Numbers):
        def __iter__(self) -> Iterator[Frame]:
            release.wait(5)
            yield from ()

    reader = FrameReader(Slow(0))
    got: list[list[Frame]] = []
    consumer = threading.Thread(target=lambda: got.append(list(reader)))
    consumer.start()
    stopper = threading.Thread(target=reader.stop)
    stopper.start()
    consumer.join(2)
    assert not consumer.is_alive()
    release.set()
    stopper.join(2)
    assert got == [[]]


def test_stopped_before_it_started_it_gives_nothing() -> None:
    reader = FrameReader(Numbers(5))
    reader.stop()
    assert list(reader) == []


def test_a_capacity_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        FrameReader(Numbers(1), 0)


def test_real_videos_are_read_ahead(data_dir: Path, backend: Backend) -> None:
    with (
        open_source(data_dir / "worker-zone-detection.mp4", "a", backend) as source,
        FrameReader(source) as reader,
    ):
        assert [frame.index for frame in reader] == list(range(71))


def test_leaving_a_real_video_midway_is_quick(data_dir: Path, backend: Backend) -> None:
    with open_source(data_dir / "highway.mp4", "a", backend) as source:
        with FrameReader(source) as reader:
            for frame in reader:
                if frame.index == 20:
                    break
            start = time.monotonic()
        assert time.monotonic() - start < 0.5
    assert capture_threads() == 0
