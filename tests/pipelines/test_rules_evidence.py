"""What rules conclude from what they see over time, and the figures they tell."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.evidence import GAP_S, Clock, Episode, Hold, Share
from pipelines.rules.figures import RECENT, Durations, Level
from pipelines.rules.trail import Trail


def test_a_gap_counts_for_five_seconds_at_most() -> None:
    clock = Clock()
    assert [clock.step(t) for t in (100.0, 100.5, 104.5, 3_704.5, 3_705.0)] == [0, 0.5, 4.0, GAP_S, 0.5]
    assert clock.watched_s == 10.0


def test_a_clock_that_goes_back_does_not() -> None:
    clock = Clock()
    clock.step(5.0)
    assert (clock.step(4.0), clock.step(4.5), clock.watched_s) == (0.0, 0.5, 0.5)


def held(pattern: str, grace_s: float = 0.0) -> list[float]:
    """What a hold says frame by frame, a second each."""
    hold = Hold(grace_s)
    return [hold.update(mark == "x", float(index > 0), float(index)) for index, mark in enumerate(pattern)]


@pytest.mark.parametrize(
    ("pattern", "grace_s", "expected"),
    [
        ("xxxx", 0, [0, 1, 2, 3]),
        ("..xx", 0, [0, 0, 0, 1]),
        ("xx.xx", 0, [0, 1, 0, 0, 1]),
        ("xx.xx", 1, [0, 1, 1, 3, 4]),
        ("xx..xx", 1, [0, 1, 1, 0, 0, 1]),
    ],
)
def test_hold(pattern: str, grace_s: float, expected: list[float]) -> None:
    assert held(pattern, grace_s) == expected


def episodes(values: list[float], after_s: float) -> list[tuple[int, str, float]]:
    """When what happens, and the peak then; a frame a second, five are high and three are low."""
    episode = Episode(5, 3, after_s)
    found = ((index, episode.update(value, float(index > 0), float(index))) for index, value in enumerate(values))
    return [(index, word, episode.peak) for index, word in found if word is not None]


def test_an_episode_begins_and_ends_once_whatever_trembles_between() -> None:
    assert episodes([5, 4, 5, 5, 5, 4, 4, 3, 4, 7, 3, 2, 3, 3], 2) == [(4, "begin", 5), (12, "end", 7)]


def test_an_episode_without_delay() -> None:
    assert episodes([0, 6, 3, 5], 0) == [(1, "begin", 6), (2, "end", 6), (3, "begin", 5)]


def test_the_peak_is_that_of_its_own_episode() -> None:
    assert episodes([9, 0, 5, 5, 1, 1], 1) == [(3, "begin", 5), (5, "end", 5)]


@given(st.lists(st.integers(0, 8), max_size=60), st.sampled_from([0.0, 1.0, 3.0]))
def test_begin_and_end_take_turns(values: list[int], after_s: float) -> None:
    words = [word for _, word, _ in episodes([float(value) for value in values], after_s)]
    assert words == ["begin", "end"] * (len(words) // 2) + ["begin"] * (len(words) % 2)


@pytest.mark.parametrize("step_s", [0.04, 0.1, 0.2, 1.0])
def test_share_looks_back_on_its_seconds(step_s: float) -> None:
    share = Share(3.0)
    said = []
    for index in range(1, round(20 / step_s)):
        share.add(index * step_s > 10, step_s)
        said.append((index * step_s, share.value))
    assert all(value is None for t, value in said if t < 3.0 - 1e-6)
    assert all(value == 0 for t, value in said if 3.0 <= t <= 10)
    crossed = next(t for t, value in said if value is not None and value >= 0.8)
    assert crossed == pytest.approx(12.4, abs=max(0.3, step_s) + 0.01)
    assert said[-1][1] == 1.0


def test_share_of_one_long_step_is_full() -> None:
    share = Share(3.0)
    share.add(True, 4.0)
    assert share.value == 1.0
    share.add(False, 4.0)
    assert share.value == 0.0


def test_a_first_frame_stands_for_no_time_and_is_no_evidence() -> None:
    share = Share(1e-300)
    share.add(True, 0.0)
    assert share.value is None
    share.add(True, 0.1)
    assert share.value == 1.0


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 5)), max_size=200))
def test_share_is_a_share_and_stays_small(frames: list[tuple[bool, float]]) -> None:
    share = Share(2.0)
    for so, step_s in frames:
        share.add(so, step_s)
        assert share.value is None or 0 <= share.value <= 1
        assert len(share._buckets) <= 13


def test_level_is_a_mean_over_time() -> None:
    level = Level()
    for value, step_s in ((0, 0.0), (2, 1.0), (4, 3.0), (1, 1.0)):
        level.update(value, step_s)
    assert level.summary() == {"now": 1, "max": 4, "mean": round((2 * 3 + 4) / 5, 4)}
    assert Level().summary() == {"now": 0, "max": 0, "mean": 0.0}


def test_durations_keep_all_in_the_mean_and_the_last_in_the_percentiles() -> None:
    durations = Durations()
    assert durations.summary() == {"count": 0, "mean_s": None, "p50_s": None, "p85_s": None, "max_s": None}
    for _ in range(RECENT):
        durations.add(100.0)
    for _ in range(RECENT):
        durations.add(10.0)
    assert durations.summary() == {"count": 2 * RECENT, "mean_s": 55.0, "p50_s": 10.0, "p85_s": 10.0, "max_s": 100.0}
    assert len(durations._recent) == RECENT


@pytest.mark.parametrize("fps", [1, 5, 10, 25, 60])
def test_a_trail_tells_walking_from_trembling(fps: int) -> None:
    """A box of 100 pixels that trembles by 3 % moves at less than 0.15 of its height a second, whatever the rate."""
    noise = random.Random(7)  # noqa: S311
    still, walking = Trail(), Trail()
    for frame in range(10 * fps):
        t = frame / fps
        still.add((300 + noise.gauss(0, 3), 200 + noise.gauss(0, 3)), t)
        walking.add((300 + 80 * t, 200.0), t)
        assert len(still._points) <= 12
        if t > 1.5:
            assert (still.speed or 0) < 15 * math.sqrt(2)
            assert walking.speed == pytest.approx(80)


def test_a_trail_knows_no_speed_at_first_and_after_a_gap() -> None:
    trail = Trail()
    assert trail.speed is None
    for t in (0.0, 0.3):
        trail.add((t, 0), t)
        assert trail.speed is None
    trail.add((0.6, 0), 0.6)
    assert trail.speed == pytest.approx(1.0)
    trail.add((500, 0), 100.0)
    assert (trail.speed, trail.since_s) == (None, 100.0)


@settings(max_examples=50)
@given(st.lists(st.floats(0.01, 4), min_size=2, max_size=100))
def test_a_trail_reaches_back_a_window_and_no_further_than_needed(steps_s: list[float]) -> None:
    trail, t = Trail(), 0.0
    for step_s in steps_s:
        t += step_s
        trail.add((0, 0), t)
        times = [point[0] for point in trail._points]
        assert len(times) <= 12
        assert all(late > early for early, late in pairwise(times))
        assert len(times) == 1 or t - times[1] < 1.0
