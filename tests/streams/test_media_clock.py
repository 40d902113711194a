"""Media time: exact, equal for both kinds of time stamps, always rising."""

from __future__ import annotations

import itertools
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from streams.media_clock import MediaClock

TIME_BASES = [Fraction(1, rate) for rate in (10, 25, 600, 1000, 12_800, 15_360, 30_000, 90_000, 200_000)]


@given(
    time_base=st.sampled_from(TIME_BASES),
    origin=st.integers(0, 10**6),
    steps=st.lists(st.integers(1, 10**5), max_size=50),
)
def test_floats_and_truncated_nanoseconds_give_the_same_time(
    time_base: Fraction, origin: int, steps: list[int]
) -> None:
    precise, truncated = MediaClock(time_base, 25), MediaClock(time_base, 25)
    for ticks in itertools.accumulate(steps, initial=0):
        milliseconds = float(ticks * time_base) * 1e3
        one = precise.tick(round(milliseconds * 1e6))
        other = truncated.tick(int((origin + ticks) * time_base * 10**9))
        assert one == other
        assert abs(one - float(ticks * time_base)) <= 0.6e-6


@given(stamps=st.lists(st.none() | st.integers(-(10**10), 10**12), min_size=1, max_size=60))
def test_time_always_rises_from_zero(stamps: list[int | None]) -> None:
    clock = MediaClock(Fraction(1, 90_000), 0.0)
    times = [clock.tick(stamp) for stamp in stamps]
    assert times[0] == 0.0
    assert all(late > early for early, late in itertools.pairwise(times))


def test_where_stamps_lack_or_repeat_the_nominal_rate_counts() -> None:
    clock = MediaClock(Fraction(1, 1000), 20)
    assert [clock.tick(stamp) for stamp in (None, None, None)] == [0.0, 0.05, 0.1]
    clock = MediaClock(Fraction(1, 1000), 20)
    stamps = (0, 50_000_000, 50_000_000, 50_000_000, 400_000_000)
    assert [clock.tick(stamp) for stamp in stamps] == [0.0, 0.05, 0.1, 0.15, 0.4]
