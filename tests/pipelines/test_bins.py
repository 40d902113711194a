"""Counts in bins of time."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.detections import Detections
from pipelines.bins import Bins, Row, most_gap_s
from pipelines.rules.flow_matrix import FlowMatrix, FlowMatrixConfig
from pipelines.sinks.bins import BinsSink
from pipelines.values import CounterKey, Event, FrameResult, Timings
from pipelines.wall_clock import WallClock
from streams.frame import Frame
from tests.support.tracks import surroundings

PICTURE = np.zeros((1, 1, 3), np.uint8)
ZEROS: dict[CounterKey, int] = {("counts", "road", "in", "car"): 0, ("occupancy", "box", "car"): 2}


def crossing(label: str = "car", direction: str = "in") -> Event:
    return Event("line_crossing", "r", "cam", 0.0, 0.0, 1, label, {"line": "road", "direction": direction})


def turn(origin: str, target: str) -> Event:
    return Event("flow_matrix", "f", "cam", 0.0, 0.0, 1, "car", {"from": origin, "to": target})


def result(pts_s: float, *events: Event) -> FrameResult:
    frame = Frame("cam", 0, PICTURE, pts_s, 0.0)
    none = Detections.empty(("car",))
    return FrameResult(frame, none, np.zeros(0, np.int64), (), events, ZEROS, Timings(0, 0, 0, 0, 0, 0, 0))


def run(bins: Bins, results: Iterable[FrameResult]) -> list[Row]:
    rows = [row for one in results for row in bins.update(one)]
    return rows + bins.finish()


def test_counts_and_seconds_per_bin() -> None:
    results = [result(second, *([crossing()] if second in (10, 70, 71) else [])) for second in range(125)]
    rows = run(Bins(1), results)
    assert [(row.offset_s, row.count, row.observed_s) for row in rows] == [(0, 1, 60), (60, 2, 60), (120, 0, 4)]
    assert {(row.start, row.movement, row.direction, row.label) for row in rows} == {(None, "road", "in", "car")}


def test_no_bin_is_watched_for_longer_than_it_is() -> None:
    each_20_s = run(Bins(0.5, most_gap_s=180), [result(second, crossing()) for second in range(0, 101, 20)])
    assert [row.observed_s for row in each_20_s] == [30, 30, 30, 10]
    each_minute = run(Bins(0.5, most_gap_s=180), [result(0, crossing()), result(60), result(120)])
    assert [row.count for row in each_minute] == [1, None, None, None, None]


def test_what_was_not_watched_has_no_count() -> None:
    rows = run(Bins(1), [result(0), result(1, crossing()), result(250), result(251)])
    assert [(row.offset_s, row.count, row.observed_s) for row in rows] == [
        (0, 1, 1), (60, None, 0), (120, None, 0), (180, None, 0), (240, 0, 1),
    ]  # fmt: skip


def test_turning_movements_and_labels_are_rows_of_their_own() -> None:
    rows = run(Bins(1), [result(0), result(1, turn("north", "east"), crossing("bus", "out"), crossing("bus", "out"))])
    assert [(row.movement, row.direction, row.label, row.count) for row in rows] == [
        ("north>east", "", "car", 1), ("road", "in", "car", 0), ("road", "out", "bus", 2),
    ]  # fmt: skip


def test_ways_between_zones_are_0_before_the_first_one() -> None:
    around = surroundings(zones={name: ((0, 0), (1, 0), (1, 1)) for name in ("north", "east")})

    def flows(**keys: object) -> FlowMatrix:
        config = {"kind": "flow_matrix", "zones": ["north", "east"], **keys}
        return FlowMatrix(FlowMatrixConfig.model_validate(config), around)

    bins = Bins(1)
    bins.expect([flows(labels=["car", "bus"]), flows(name="all_labels")])
    rows = run(bins, [result(second, *([turn("north", "east")] if second == 70 else [])) for second in range(80)])
    ways = [(row.offset_s, row.movement, row.label, row.count) for row in rows if ">" in row.movement]
    assert ways == [
        (0, "east>north", "bus", 0), (0, "east>north", "car", 0),
        (0, "north>east", "bus", 0), (0, "north>east", "car", 0),
        (60, "east>north", "bus", 0), (60, "east>north", "car", 0),
        (60, "north>east", "bus", 0), (60, "north>east", "car", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(("fps", "gap_s"), [(25, 2.0), (0, 2.0), (1 / 3, 9.0)])
def test_how_far_apart_watched_frames_may_be(fps: float, gap_s: float) -> None:
    assert most_gap_s(fps) == pytest.approx(gap_s)


def test_bins_begin_at_full_quarters_of_the_place() -> None:
    begin = datetime(2026, 11, 26, 7, 52, 30, tzinfo=UTC).timestamp()
    wall = WallClock(ZoneInfo("Asia/Kathmandu"), begin)  # 5:45 before UTC: 13:37:30
    rows = run(Bins(15, wall), [result(second) for second in range(0, 600)])
    assert [(row.start.isoformat() if row.start else "", row.offset_s) for row in rows] == [
        ("2026-11-26T13:30:00+05:45", -450.0), ("2026-11-26T13:45:00+05:45", 450.0),
    ]  # fmt: skip


def live(begin: datetime, seconds: int, minutes: float, skew: Callable[[int], float] = lambda at: 0.0) -> list[Row]:
    """Rows of a camera whose frames tell the time, one a second, some of them a little wrong."""
    zone = begin.tzinfo
    assert zone is not None
    wall = WallClock(zone)
    bins, rows = Bins(minutes, wall), []
    for at in range(seconds):
        wall.note(at, begin.timestamp() + at + skew(at))
        rows += bins.update(result(at, crossing()))
    return rows + bins.finish()


@pytest.mark.parametrize(
    "skew", [lambda at: 0.7 * (-1) ** at, lambda at: -3e-4 * at, lambda at: 5.0 if at > 600 else 0]
)
def test_a_camera_s_clock_may_tremble_drift_or_be_set_and_no_bin_comes_twice(skew: Callable[[int], float]) -> None:
    rows = live(datetime(2026, 11, 26, 7, 52, 30, tzinfo=UTC), 2400, 15, skew)
    assert [row.start.isoformat() if row.start else "" for row in rows] == [
        f"2026-11-26T{time}:00+00:00" for time in ("07:45", "08:00", "08:15", "08:30")
    ]  # fmt: skip
    assert sum(row.count or 0 for row in rows) == 2400
    assert [row.observed_s for row in rows] == pytest.approx([450, 900, 900, 150], abs=6)


def test_a_clock_that_is_set_far_back_begins_a_bin_anew() -> None:
    rows = live(datetime(2026, 11, 26, 8, 0, tzinfo=UTC), 1200, 15, lambda at: -3600.0 if at > 1000 else 0.0)
    assert [row.start.isoformat() if row.start else "" for row in rows] == [
        f"2026-11-26T{time}:00+00:00" for time in ("08:00", "08:15", "07:15")
    ]  # fmt: skip


@pytest.mark.parametrize(("day", "hours"), [(datetime(2026, 3, 29), 23), (datetime(2026, 10, 25), 25)])
def test_a_day_on_which_clocks_are_changed_is_one_bin_and_its_quarters_are_quarters(day: datetime, hours: int) -> None:
    begin = day.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    wall = WallClock(ZoneInfo("Europe/Berlin"), begin.timestamp())
    times = [60.0 * minute for minute in range(hours * 60 + 30)]
    days = run(Bins(1440, wall), [result(time, crossing()) for time in times])
    assert [(row.offset_s, row.count) for row in days] == [(0, hours * 60), (hours * 3600, 30)]
    quarters = run(Bins(15, wall), [result(time, crossing()) for time in times])
    assert [row.count for row in quarters] == [15] * (4 * hours + 2)
    assert len({row.start.isoformat() for row in quarters if row.start}) == len(quarters)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 5000, allow_nan=False), min_size=1, max_size=60), st.sampled_from([0.5, 1, 15, 60]))
def test_nothing_is_lost_and_bins_do_not_overlap(steps: list[float], minutes: float) -> None:
    times = np.cumsum(steps).tolist()
    rows = run(Bins(minutes), [result(time, crossing()) for time in times])
    assert sum(row.count or 0 for row in rows) == len(times)
    assert all(row.observed_s <= minutes * 60 + 2 for row in rows)
    begins = [row.offset_s for row in rows]
    assert begins == sorted(set(begins))
    assert all(row.count is not None or row.observed_s == 0 for row in rows)


def test_the_file(tmp_path: Path) -> None:
    sink = BinsSink(tmp_path, Bins(1, WallClock(UTC, 0.0)))
    for second in (0, 1, 130):
        sink.write(result(second, crossing()))
    for _ in range(2):
        sink.close("done")
    with (tmp_path / "bins.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["start"], row["class"], row["count"], row["observed_s"]) for row in rows] == [
        ("1970-01-01T00:00:00+00:00", "car", "2", "1.0"),
        ("1970-01-01T00:01:00+00:00", "car", "", "0.0"),
        ("1970-01-01T00:02:00+00:00", "car", "1", "0.0"),
    ]
