"""Rates and percentiles."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.metrics import STAGES, WARM_FRAMES, Histogram, Rate, RunMetrics
from pipelines.values import Timings

TIMINGS = Timings(1, 2, 3, 4, 5, 6, 7)


def filled(values: np.ndarray) -> Histogram:
    histogram = Histogram()
    for value in values.tolist():
        histogram.add(value)
    return histogram


@pytest.mark.parametrize(
    "values",
    [
        np.random.default_rng(1).lognormal(3, 1, 20_000),
        np.random.default_rng(2).uniform(0.01, 400, 5_000),
        np.concatenate([np.full(990, 12.5), np.full(10, 900.0)]),
        np.array([33.3]),
        np.array([1.0, 2.0, 3.0]),
    ],
    ids=["lognormal", "uniform", "two values", "one", "three"],
)
def test_percentiles_are_numpys_within_1_percent(values: np.ndarray) -> None:
    histogram = filled(values)
    for share in (0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.99, 0.999, 1):
        expected = np.percentile(values, share * 100, method="inverted_cdf")
        assert histogram.percentile(share) == pytest.approx(expected, rel=0.01)
    assert histogram.mean == pytest.approx(values.mean())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=200))
def test_any_durations_within_1_percent_and_in_order(values: list[float]) -> None:
    histogram = filled(np.array(values))
    shares = [0.0, 0.5, 0.95, 0.99, 1.0]
    found = [histogram.percentile(share) for share in shares]
    assert found == sorted(found)
    for share, value in zip(shares, found, strict=True):
        assert value == pytest.approx(np.percentile(values, share * 100, method="inverted_cdf"), rel=0.01)


def test_durations_beyond_the_ends_are_kept() -> None:
    assert filled(np.array([0.0, -1.0, 1e-9])).percentile(0.5) == pytest.approx(1e-3, rel=0.01)
    assert filled(np.array([1e12])).percentile(0.5) > 1e6


def test_nothing_is_zero() -> None:
    assert Histogram().summary() == {"p50": 0.0, "p95": 0.0, "p99": 0.0}
    assert Histogram().mean == 0.0


def test_memory_is_constant() -> None:
    histogram, rate = Histogram(), Rate(window_s=2)
    size = histogram._counts.nbytes
    for index in range(20_000):
        histogram.add(index * 7.0)
        rate.tick(index / 100)
        assert len(rate._times) <= 202
    assert histogram._counts.nbytes == size < 20_000


@pytest.mark.parametrize("fps", [0.5, 10, 29.97, 240])
def test_rate(fps: float) -> None:
    rate = Rate(window_s=10)
    assert rate.value(0.0) == 0.0
    for index in range(500):
        rate.tick(index / fps)
    assert rate.value(499 / fps) == pytest.approx(fps)
    assert rate.value(499 / fps + 11) == 0.0


def test_rate_follows_a_change_within_its_window() -> None:
    rate = Rate(window_s=5)
    for index in range(100):
        rate.tick(index / 10)
    for index in range(120):
        rate.tick(10 + index / 20)
    assert rate.value(15.95) == pytest.approx(20)


def test_fps_is_frames_after_the_first_30_by_their_wall_time() -> None:
    """The slow first frames (loading, tracing) do not count."""
    begin = time.perf_counter()
    metrics = RunMetrics()
    time.sleep(0.2)
    before = time.perf_counter()
    for _ in range(WARM_FRAMES):
        metrics.add(TIMINGS, 2)
    assert metrics.fps <= WARM_FRAMES / 0.2
    for _ in range(20):
        time.sleep(0.005)
        metrics.add(TIMINGS, 1)
    end = time.perf_counter()
    assert 20 / (end - before) <= metrics.fps <= 20 / (20 * 0.005)
    assert (metrics.frames, metrics.objects) == (50, 80)
    assert 0.3 <= metrics.elapsed_s <= end - begin


def test_waiting_after_the_last_frame_does_not_slow_the_run_down() -> None:
    metrics = RunMetrics()
    for _ in range(40):
        metrics.add(TIMINGS, 0)
    before = metrics.fps
    time.sleep(0.05)
    assert metrics.fps == before


@pytest.mark.parametrize("frames", [0, 1, 29, 30])
def test_fps_of_a_short_run_is_over_all_frames(frames: int) -> None:
    metrics = RunMetrics()
    time.sleep(0.05)
    for _ in range(frames):
        metrics.add(TIMINGS, 0)
    assert metrics.fps == pytest.approx(frames / metrics.elapsed_s if frames else 0)
    assert metrics.fps <= frames / 0.05


def test_stages() -> None:
    metrics = RunMetrics()
    for _ in range(10):
        metrics.add(TIMINGS, 0)
    found = metrics.stage_ms()
    assert tuple(found) == STAGES
    for position, stage in enumerate(STAGES, 1):
        assert found[stage]["p50"] == pytest.approx(position, rel=0.01)
        assert found[stage]["mean"] == position
