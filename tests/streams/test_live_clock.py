"""Media time of cameras: from 0, strictly increasing, as smooth as the stamps where they can be believed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.live_clock import LiveClock

STAMPS = st.none() | st.floats(-1e6, 1e6, allow_nan=False)
GAPS = st.floats(0, 5, allow_nan=False)


@given(frames=st.lists(st.tuples(STAMPS, GAPS, st.booleans()), min_size=1, max_size=80), by_stamps=st.booleans())
def test_it_rises_from_zero_whatever_comes(frames: list[tuple[float | None, float, bool]], by_stamps: bool) -> None:
    clock = LiveClock(by_stamps)
    arrived_s, times = 1000.0, []
    for stamp_s, gap_s, restarts in frames:
        arrived_s += gap_s
        if restarts:
            clock.restart()
        times.append(clock.tick(stamp_s, arrived_s))
    assert times[0] == 0.0
    assert all(late > early for early, late in itertools.pairwise(times))
    assert all(time_s == round(time_s, 6) for time_s in times)


@given(frames=st.lists(st.tuples(STAMPS, GAPS, st.booleans()), min_size=2, max_size=200))
def test_it_never_leaves_the_monotonic_clock_far(frames: list[tuple[float | None, float, bool]]) -> None:
    clock = LiveClock()
    arrived_s = 0.0
    clock.tick(None, arrived_s)
    for stamp_s, gap_s, restarts in frames:
        arrived_s += gap_s
        if restarts:
            clock.restart()
        assert abs(clock.tick(stamp_s, arrived_s) - arrived_s) <= 5.0 + 1e-3


def test_stamps_smooth_the_arrival() -> None:
    clock = LiveClock()
    arrivals = [5.0, 5.13, 5.18, 5.33, 5.4]
    times = [clock.tick(80 + number / 10, arrived) for number, arrived in enumerate(arrivals)]
    assert times == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize(
    ("stamp", "arrived", "step"),
    [
        (10.1, 100.2, 0.1),  # plausible
        (12.1, 100.2, 2.1),  # just so
        (12.3, 100.2, 0.2),  # too far ahead of the monotonic clock
        (10.0, 100.2, 0.2),  # repeated
        (9.0, 100.2, 0.2),  # back
        (None, 100.2, 0.2),  # none
    ],
)
def test_a_step_is_the_stamps_own_where_it_is_plausible(stamp: float | None, arrived: float, step: float) -> None:
    clock = LiveClock()
    assert clock.tick(10.0, 100.0) == 0.0
    assert clock.tick(stamp, arrived) == pytest.approx(step)


def test_a_reconnect_counts_by_the_monotonic_clock() -> None:
    clock = LiveClock()
    assert [clock.tick(7.0, 50.0), clock.tick(7.1, 50.1)] == pytest.approx([0.0, 0.1])
    clock.restart()
    assert clock.tick(0.0, 62.1) == pytest.approx(12.1)
    assert clock.tick(0.1, 62.3) == pytest.approx(12.2)


def test_many_reconnects_do_not_add_up() -> None:
    """Each connection begins with a burst of 0.3 s, which the stamps count and the monotonic clock does not."""
    clock, arrived_s, time_s = LiveClock(), 0.0, 0.0
    for _ in range(100):
        clock.restart()
        arrived_s += 0.5
        for number in range(10):
            arrived_s += 0.0 if 0 < number <= 3 else 0.1
            time_s = clock.tick(number / 10, arrived_s)
    assert time_s == pytest.approx(arrived_s - 0.6, abs=0.4)


def test_stamps_at_a_wrong_pace_are_given_up() -> None:
    clock = LiveClock()
    times = [clock.tick(number * 0.04, number * 0.1) for number in range(1000)]  # FFmpeg's, for MJPEG at 10 fps
    assert times[-1] == pytest.approx(99.9, abs=5.1)
    assert times[-1] - times[-2] == pytest.approx(0.1)


def test_of_a_file_only_stamps_count() -> None:
    clock = LiveClock(by_stamps=True)
    stamps = (3.0, 3.1, 3.1, None, 60.0)
    assert [clock.tick(stamp, 0.0) for stamp in stamps] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4], abs=60)
    clock = LiveClock(by_stamps=True)
    assert [clock.tick(stamp, 9.0) for stamp in (None, None)] == pytest.approx([0.0, 0.04])
