"""Counts and events against the truth: matching in time, errors, broken files."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from pipelines.evaluate.evaluate import EvaluateWishes, evaluate
from pipelines.evaluate.event_truth import EventTruth, check_against, events_csv, read_events
from pipelines.evaluate.events import left_out, score_events, total
from pipelines.evaluate.happening import Happening
from pipelines.evaluate.matching import in_time
from pipelines.evaluate.names import Names
from pipelines.evaluate.report import words
from tests.support.runs import ROAD, crossing, write_run

HEAD = "kind,name,label,direction,time_s\n"
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


def rows_by(truth: EventTruth, found: list[Happening]) -> dict[tuple[str, str], tuple[int, int, int]]:
    """``(direction, label)`` of each row that is no sum → true, found, matched."""
    rows = [row for row in score_events(truth, found) if not row["is_sum"]]
    return {(row["direction"], row["label"]): (row["truth"], row["found"], row["matched"]) for row in rows}


def test_one_row_without_a_label_leaves_the_others_theirs() -> None:
    truth = truth_of(happened(1) + happened(5, label="truck", direction="out") + happened(9, label="", direction=""))
    found = happened(1, label="truck") + happened(5, label="truck", direction="out") + happened(9, label="bus")
    assert rows_by(truth, found) == {("in", "car"): (1, 0, 0), ("out", "truck"): (1, 1, 1), ("", ""): (1, 2, 1)}
    open_way = truth_of(happened(1) + happened(5, direction=""))
    found = happened(1, direction="out") + happened(5, direction="out")
    assert rows_by(open_way, found) == {("in", "car"): (1, 0, 0), ("", "car"): (1, 2, 1)}


def test_labels_that_the_truth_does_not_name_are_left_out_and_told() -> None:
    found = happened(1) + happened(2, 3, label="person") + happened(4, name="gate", label="person")
    cars = truth_of(happened(1), ("line_crossing", "gate"))
    assert rows_by(truth_of(happened(1)), found) == {("in", "car"): (1, 1, 1)}
    assert left_out(truth_of(happened(1)), found) == {"person": 2}
    assert total(score_events(cars, found))["found"] == 2  # at the gate nothing happened, whoever it is said to be
    both = replace(truth_of(happened(1)), sought=frozenset({("line_crossing", "road", "person")}))
    assert rows_by(both, found) == {("in", "car"): (1, 1, 1), ("in", "person"): (0, 2, 0)}
    assert left_out(both, found) == {}


def test_two_rules_of_a_kind_in_one_zone_are_told_apart_by_their_names() -> None:
    def found(rule: str, at: float) -> Happening:
        return Happening.of_event("dwell", rule, "car", {"zone": "box"}, at)

    every = [found("short", 5.0), found("short", 25.0), found("long", 60.0)]
    named = truth_of(happened(60, kind="dwell", name="long", direction=""), ("dwell", "short"))
    rows = {row["name"]: (row["truth"], row["found"], row["matched"]) for row in score_events(named, every)}
    assert rows == {"long": (1, 1, 1), "short": (0, 2, 0)}
    (row,) = score_events(truth_of(happened(5, 25, 60, kind="dwell", name="box", direction="")), every)
    assert row["matched"] == 3


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
    left = Happening.of_event(
        "queue", "queue_bar", "person", {"zone": "bar", "left_pts_s": 7.0, "action": "leave"}, 10.0
    )
    assert left.time_s == 7.0
    level = Happening.of_event("congestion", "jam", "", {"zone": "lane", "level": "dense", "before": "free"}, 10.0)
    assert level.direction == "dense"
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
    text = "line_crossing,road,car,in,1.0\nline_crossing,road,person,,\nzone_count,box,,,\n"
    file.write_text(HEAD + text)
    truth = read_events(file, Names())
    assert truth.sought == {("line_crossing", "road", "person")}
    assert events_csv(truth.happenings, truth.watched, truth.sought) == HEAD + text
    file.write_text(HEAD + "crowding,hall,person,begin,1\n")  # a crowd has no label, whoever wrote one
    assert read_events(file, Names()).happenings[0].label == ""


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
        (HEAD + "stopped,lane,car,begin,1\n", ["line 2", "'begin'", "stop, go"]),
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


def test_rules_that_were_off_are_not_asked_where_nothing_happened() -> None:
    places, off = {("line_crossing", "road")}, {"helmet": "the model has no label 'helmet'"}
    truth = truth_of(happened(1), ("missing_gear", "helmet"))
    assert check_against(truth, places, ("car",), "the run", off=off).watched == places
    with pytest.raises(ConfigError, match="no rule missing_gear at 'helmet'"):
        check_against(truth, places, ("car",), "the run")
    missed = truth_of(happened(1, kind="missing_gear", name="helmet", direction="missing"))
    with pytest.raises(ConfigError, match=r"no rule missing_gear at 'helmet' .*was off there: the model has no label"):
        check_against(missed, places, ("car",), "the run", off=off)
    named = truth_of(happened(1, name="kerb"))
    assert check_against(named, places, ("car",), "the run", {("line_crossing", "kerb")}) == named


def test_the_whole_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Table, JSON, CSV and Markdown from an output folder."""
    events = [crossing(1.0), crossing(2.0), crossing(2.5, direction="out"), crossing(2.7, label="car")]
    folder = write_run(tmp_path / "run", [], events=events, rules=ROAD, result="stopped")
    file = tmp_path / "truth.csv"
    file.write_text(HEAD + "line_crossing,road,person,in,1.1\nline_crossing,road,person,in,1.9\n")
    said: list[str] = []
    result = evaluate(EvaluateWishes(folder, [file], out=tmp_path / "out"), said.append)
    assert result["events_total"]["f1"] == 0.8
    assert "stopped" in said[0]
    assert words(result).endswith("events of labels that the truth does not name are left out: 1 car")
    written = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert sorted(written) == ["evaluation.csv", "evaluation.json", "evaluation.md"]
    assert "events,line_crossing,road,in,person,time_s_abs_median,0.1" in written["evaluation.csv"].splitlines()
    assert (
        "| line_crossing | road | in | person | 2 | 2 | 2 | 1.000 | 1.000 | +0 | +0.00 (±0.10, p95 0.10) |"
        in (written["evaluation.md"])
    )
