"""Counts and events against the truth: matching in time, errors, broken files."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from pipelines.evaluate.evaluate import EvaluateWishes, evaluate
from pipelines.evaluate.event_truth import EventTruth, check_against, events_csv, read_events
from pipelines.evaluate.events import score_events, total
from pipelines.evaluate.happening import Happening
from pipelines.evaluate.matching import in_time
from pipelines.evaluate.names import Names
from tests.support.runs import ROAD, crossing, write_run

TIMES = st.lists(st.integers(0, 60).map(lambda tenth: tenth / 10), max_size=6)


def happened(*times: float, kind: str = "line_crossing", name: str = "road", **keys: Any) -> list[Happening]:
    values = {"label": "car", "direction": "in", **keys}
    return [Happening(kind, name, time_s=time, **values) for time in times]


def truth_of(happenings: list[Happening], *watched: tuple[str, str]) -> EventTruth:
    places = {(one.kind, one.name) for one in happenings} | set(watched)
    return EventTruth(Path("truth.csv"), tuple(happenings), frozenset(places))


@given(TIMES, TIMES)
@settings(max_examples=60, deadline=None)
def test_pairs_are_as_many_and_as_near_as_can_be(truth: list[float], found: list[float]) -> None:
    """Beside every way of pairing, tried one after the other."""
    pairs = in_time(truth, found, 1.0)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    apart = [abs(truth[row] - found[column]) for row, column in pairs]
    assert all(value <= 1.0 + 1e-9 for value in apart)
    few, many = sorted((truth, found), key=len)
    best = (0, 0.0)
    for chosen in permutations(many, len(few)):
        near = [abs(a - b) for a, b in zip(few, chosen, strict=True) if abs(a - b) <= 1.0 + 1e-9]
        best = min(best, (-len(near), sum(near)))
    assert (-len(pairs), pytest.approx(sum(apart), abs=1e-6)) == best


def test_pairing_is_quick_for_a_day() -> None:
    times = [float(second) for second in range(20_000)]
    assert len(in_time(times, [time + 0.3 for time in times], 0.4)) == 20_000


@given(st.lists(st.integers(0, 500), min_size=1, max_size=20, unique=True), st.floats(-0.9, 0.9))
@settings(max_examples=30, deadline=None)
def test_shifted_times_are_the_time_error(seconds: list[int], shift: float) -> None:
    truth = happened(*(3.0 * second for second in seconds))
    found = happened(*(3.0 * second + shift for second in seconds))
    (row,) = score_events(truth_of(truth), found)
    assert (row["precision"], row["recall"], row["error"]) == (1.0, 1.0, 0)
    assert row["time_s"]["median"] == pytest.approx(shift, abs=1e-3)
    assert row["time_s"]["abs_p95"] == pytest.approx(abs(shift), abs=1e-3)


def test_double_missing_and_turned_ones() -> None:
    truth = happened(1, 5, 9) + happened(12, direction="out")
    found = happened(1.1, 1.3, 5.2) + happened(12.1, direction="in")
    rows = score_events(truth_of(truth), found)
    by_direction = {row["direction"]: row for row in rows}
    into = by_direction["in"]
    assert (into["truth"], into["found"], into["matched"], into["error"]) == (3, 4, 2, 1)
    assert (into["precision"], into["recall"]) == (0.5, round(2 / 3, 4))
    assert (by_direction["out"]["recall"], by_direction["out"]["precision"]) == (0.0, None)
    both = by_direction["*"]  # of the line: a count that is right by two mistakes is told apart
    assert (both["truth"], both["found"], both["matched"], both["error"]) == (4, 4, 2, 0)
    assert total(rows) == {"truth": 4, "found": 4, "matched": 2, "precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_labels_and_directions_the_truth_leaves_open_are_not_looked_at() -> None:
    truth = happened(1, 5, label="", direction="")
    found = happened(1, label="truck", direction="out") + happened(5)
    (row,) = score_events(truth_of(truth), found)
    assert (row["matched"], row["label"], row["direction"]) == (2, "", "")


def test_where_nothing_happened_everything_found_is_wrong() -> None:
    watched = ("line_crossing", "gate")
    (row,) = score_events(truth_of([], watched), [])
    assert (row["truth"], row["found"], row["precision"]) == (0, 0, None)
    (row,) = score_events(truth_of([], watched), happened(3, name="gate") + happened(4))
    assert (row["name"], row["found"], row["precision"], row["error"]) == ("gate", 1, 0.0, 1)


def test_dwell_and_queue_errors_are_those_of_the_matched_ones() -> None:
    truth = happened(10, 20, kind="zone_count", direction="leave", seconds=8.0, value=2.0)
    found = happened(10.2, 25, kind="zone_count", direction="leave", seconds=7.5, value=3.0)
    (row,) = score_events(truth_of(truth), found)
    assert row["seconds"] == {"n": 1, "mean": -0.5, "median": -0.5, "abs_median": 0.5, "abs_p95": 0.5}
    assert row["value"]["median"] == 1.0


def test_an_event_of_any_kind_is_read() -> None:
    data = {"zone": "box", "action": "leave", "at_pts_s": 4.0, "dwell_time_sec": 2.5, "occupancy": 3}
    one = Happening.of_event("zone_count", "zone_count_box", "car", data, 4.6)
    assert one == Happening("zone_count", "box", "car", "leave", 4.0, 2.5, 3.0)
    other = Happening.of_event("proximity", "too_near", "", {"distance_m": 1.5, "is_near": True}, 7.0)
    assert (other.name, other.direction, other.time_s, other.value) == ("too_near", "", 7.0, None)


def test_a_csv_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    rows = happened(1.25, seconds=2.0) + happened(0.5, label="", direction="out")
    file.write_text(events_csv(rows, [("line_crossing", "road"), ("zone_count", "box")]))
    truth = read_events(file, Names())
    assert truth.happenings == (rows[1], rows[0])
    assert truth.watched == {("line_crossing", "road"), ("zone_count", "box")}
    assert read_events(file, Names.parse("car=vehicle")).happenings[1].label == "vehicle"
    assert len(read_events(file, Names.parse("car=")).happenings) == 1


HEAD = "kind,name,label,direction,time_s\n"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("kind,name,label,time_s\n", ["line 1", "'direction'"]),
        ("kind,name,label,direction,time_s,colour\n", ["line 1", "'colour'"]),
        (HEAD + "line_crossing,road,car,in\n", ["line 2", "4 values", "5"]),
        (HEAD + "\nline_crossing,road,car,in,soon\n", ["line 3", "'soon'"]),
        (HEAD + "line_crossing,road,car,in,-1\n", ["line 2", "'-1'"]),
        (HEAD + "line_crossing,road,car,in,nan\n", ["line 2", "'nan'"]),
        (HEAD + "crossing,road,car,in,1\n", ["line 2", "'crossing'", "line_crossing"]),
        (HEAD + "line_crossing,,car,in,1\n", ["line 2", "'name'"]),
        (HEAD + "line_crossing,road,car,in,99\n", ["line 2", "99 s", "30.0 s"]),
        ("", ["line 1", "'kind'"]),
    ],
)
def test_a_broken_csv_is_refused(tmp_path: Path, text: str, parts: list[str]) -> None:
    file = tmp_path / "events.csv"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_events(file, Names(), last_s=30.0)
    (sentence,) = caught.value.faults
    for part in (f"--truth: {file}", *parts):
        assert part in sentence


def test_a_truth_of_other_lines_and_labels_is_refused() -> None:
    places = {("line_crossing", "road"), ("zone_count", "box")}
    check_against(truth_of(happened(1)), places, ("car",), "the run")
    with pytest.raises(ConfigError, match=r"no rule line_crossing at 'gate' .*line_crossing road, zone_count box"):
        check_against(truth_of(happened(1, name="gate")), places, ("car",), "the run")
    with pytest.raises(ConfigError, match=r"label 'tram' is none .* --map tram=car"):
        check_against(truth_of(happened(1, label="tram")), places, ("car",), "the run")


def test_the_whole_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table, JSON, CSV and Markdown from an output folder."""
    events = [crossing(1.0), crossing(2.0), crossing(2.5, direction="out")]
    folder = write_run(tmp_path / "run", [], events=events, rules=ROAD, result="stopped")
    file = tmp_path / "truth.csv"
    file.write_text(HEAD + "line_crossing,road,person,in,1.1\nline_crossing,road,person,in,1.9\n")
    said: list[str] = []
    result = evaluate(EvaluateWishes(folder, [file], out=tmp_path / "out"), said.append)
    assert result["events_total"]["f1"] == 0.8
    assert "stopped" in said[0]
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert sorted(written) == ["evaluation.csv", "evaluation.json", "evaluation.md"]
    assert "events,line_crossing,road,in,person,time_s_abs_median,0.1" in written["evaluation.csv"].splitlines()
    assert (
        "| line_crossing | road | in | person | 2 | 2 | 2 | 1.000 | 1.000 | +0 | +0.00 (±0.10, p95 0.10) |"
        in (written["evaluation.md"])
    )
