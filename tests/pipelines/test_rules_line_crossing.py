"""``line_crossing`` on scripted trajectories with known crossings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.site import Tracker as TrackerConfig
from pipelines.rules.line_crossing import LineCrossing, LineCrossingConfig
from pipelines.tracker import Tracker
from pipelines.values import Event
from tests.support.tracks import LOST_S, Row, mirrored, play, steps, surroundings, track_and_play, walk

A, B = (100.0, 200.0), (500.0, 200.0)
MIDDLE = 300.0


def crossing(
    a: tuple[float, float] = A, b: tuple[float, float] = B, lost_s: float = LOST_S, **keys: object
) -> LineCrossing:
    config = LineCrossingConfig.model_validate({"kind": "line_crossing", "line": "l", **keys})
    return LineCrossing(config, surroundings({"l": (a, b)}, lost_s=lost_s))


def directions(events: list[Event]) -> list[str]:
    return [str(event.data["direction"]) for event in events]


def vertical(ys: list[float], x: float = MIDDLE, **keys: object) -> list[Row]:
    return steps([(x, y) for y in ys], **keys)  # type: ignore[arg-type]


SCRIPTS: dict[str, tuple[list[Row], list[str]]] = {
    "walks up over it": (walk(lambda t: (MIDDLE, 280 - 40 * t)), ["in"]),
    "walks down over it": (walk(lambda t: (MIDDLE, 120 + 40 * t)), ["out"]),
    "comes near and turns": (walk(lambda t: (MIDDLE, 206 + 20 * abs(t - 2))), []),
    "one foot over, then back": (vertical([260, 230, 210, 198, 199, 210, 240]), []),
    "trembles on it, then goes on": (vertical([260, 230, 208, 193, 206, 192, 209, 194, 207, 170, 150]), ["in"]),
    "trembles on it, then goes back": (vertical([260, 230, 208, 193, 206, 192, 209, 194, 207, 230]), []),
    "trembles on it, then vanishes": (vertical([260, 230, 208, 193, 206, 192, 209, 194]), []),
    "trembles deep on its own side": (vertical([260, *[230, 192] * 10, 240]), []),
    "trembles deep on the far side": (vertical([260, *[208, 170] * 10, 150]), ["in"]),
    "stops on it and goes on": (vertical([260, 230, 201, *[200] * 40, 199, 160]), ["in"]),
    "stops on it and goes back": (vertical([260, 230, 201, *[200] * 40, 204, 240]), []),
    "stops exactly on it, sidles, goes on": (
        steps([(300, 260), (300, 200), (340, 200), (380, 200), (380, 150)]),
        ["in"],
    ),
    "stop and go": (vertical([260, 220, 208, 208, 204, 204, 200, 200, 196, 196, 192, 192, 180]), ["in"]),
    "jumps over it": (vertical([260, 260, 120]), ["in"]),
    "jumps over it in its second frame": (vertical([260, 120]), ["in"]),
    "jumps from touch to touch": (vertical([260, 205, 195, 120]), ["in"]),
    "is seen only once": (vertical([120]), []),
    "starts on it and goes up": (vertical([200, 200, 180, 150]), []),
    "starts on it and goes down": (vertical([198, 203, 220, 250]), []),
    "starts on it, leaves it, crosses it": (vertical([200, 230, 250, 210, 180]), ["in"]),
    "back and forth": (vertical([260, 150, 260, 150, 260]), ["in", "out", "in", "out"]),
    "back and forth slowly": (walk(lambda t: (MIDDLE, 200 + 60 * math.cos(t * math.pi / 2)), end=8), ["in", "out"] * 2),
    "beyond the first end": (walk(lambda t: (60, 280 - 40 * t)), []),
    "beyond the second end": (walk(lambda t: (540, 280 - 40 * t)), []),
    "just inside the first end": (walk(lambda t: (101, 280 - 40 * t)), ["in"]),
    "aslant, meets it beyond the end": (steps([(520, 280), (560, 120), (300, 120)]), []),
    "aslant, meets it between the ends": (steps([(560, 280), (440, 120)]), ["in"]),
    "around the end and home over it": (steps([(300, 280), (600, 280), (600, 120), (300, 120), (300, 280)]), ["out"]),
    "around the end and around again": (steps([(300, 280), (600, 280), (600, 120), (600, 280), (300, 280)]), []),
    "onto the line beyond its end, along it, off": (
        steps([(560, 260), (560, 200), (400, 200), (300, 200), (300, 120)]),
        ["in"],
    ),
    "parallel to it, above": (walk(lambda t: (80 + 120 * t, 185)), []),
    "parallel to it, below": (walk(lambda t: (80 + 120 * t, 215)), []),
    "along it, trembling": (walk(lambda t: (80 + 120 * t, 200 + 8 * math.sin(40 * t))), []),
    "leaves and comes back as a new object": (
        vertical([260, 220, 150, 100]) + [row._replace(t=row.t + 5, id=2) for row in vertical([260, 220, 150, 100])],
        ["in", "in"],
    ),
    "unseen over the line, same id": (
        vertical([260, 240, 220]) + [row._replace(t=row.t + 1.2) for row in vertical([170, 150])],
        ["in"],
    ),
    "unseen and back on its own side, same id": (
        vertical([260, 240, 220]) + [row._replace(t=row.t + 1.2) for row in vertical([215, 230, 260])],
        [],
    ),
    "two people pass each other": (
        walk(lambda t: (250, 280 - 40 * t), id=1) + walk(lambda t: (350, 120 + 40 * t), id=2),
        ["in", "out"],
    ),
    "two people in step, side by side": (
        walk(lambda t: (250, 280 - 40 * t), id=1) + walk(lambda t: (280, 280 - 40 * t), id=2),
        ["in", "in"],
    ),
    "a queue, one behind the other": (
        walk(lambda t: (300, 300 - 40 * t), id=1) + walk(lambda t: (300, 330 - 40 * t), id=2, end=5),
        ["in", "in"],
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script(name: str) -> None:
    rows, expected = SCRIPTS[name]
    rule = crossing(labels=["person"])
    events = play(rule, rows)
    assert directions(events) == expected
    assert rule.counters() == {
        ("counts", "l", direction, "person"): expected.count(direction) for direction in ("in", "out")
    }


@pytest.mark.parametrize("name", SCRIPTS)
def test_mirrored_script_has_mirrored_directions(name: str) -> None:
    rows, expected = SCRIPTS[name]
    other = {"in": "out", "out": "in"}
    assert sorted(directions(play(crossing(), mirrored(rows, 200)))) == sorted(other[word] for word in expected)
    assert sorted(directions(play(crossing(B, A), rows))) == sorted(other[word] for word in expected)


@pytest.mark.parametrize(
    ("towards", "left"),
    [((1, 0), (0, -1)), ((0, -1), (-1, 0)), ((-1, 0), (0, 1)), ((0, 1), (1, 0))],
    ids=["east", "north", "west", "south"],
)
def test_in_ends_on_the_left_hand_of_someone_walking_from_a_to_b(
    towards: tuple[int, int], left: tuple[int, int]
) -> None:
    """Left as seen in the picture: walking east (to the right) it is north (up)."""
    a = (300.0 - 100 * towards[0], 300.0 - 100 * towards[1])
    b = (300.0 + 100 * towards[0], 300.0 + 100 * towards[1])
    to_left = [(300 + share * left[0], 300 + share * left[1]) for share in range(-60, 61, 20)]
    assert directions(play(crossing(a, b), steps(to_left))) == ["in"]
    assert directions(play(crossing(a, b), steps(reversed(to_left)))) == ["out"]


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_slow_motion_gives_the_same_events_at_any_frame_rate(fps: float) -> None:
    rows = [
        *walk(lambda t: (200, 260 - 15 * t), end=8, fps=fps, id=1),
        *walk(lambda t: (420, 140 + 15 * t), end=8, fps=fps, id=2),
        *walk(lambda t: (300, 230 - 50 * math.sin(t * math.pi / 4)), end=8, fps=fps, id=3),
        *walk(lambda t: (560, 260 - 15 * t), end=8, fps=fps, id=4),
    ]
    events = play(crossing(), rows, fps=fps)
    found = sorted((event.track_id, str(event.data["direction"]), event.pts_s) for event in events)
    assert [entry[:2] for entry in found] == [(1, "in"), (2, "out"), (3, "in"), (3, "out")]
    expected = [70 / 15, 70 / 15, math.asin(0.8) / math.pi * 4, (math.pi - math.asin(0.4)) / math.pi * 4]
    for (_, _, at), moment in zip(found, expected, strict=True):
        assert moment - 1e-6 <= at <= moment + 1 / fps + 1e-6


def switched(rows: list[Row], at: int, gap: int) -> list[Row]:
    """The id changes with row ``at``; for ``gap`` frames before it nothing is seen."""
    return [row._replace(id=1 if index < at else 2) for index, row in enumerate(rows) if not at - gap <= index < at]


WALKS = {
    "down, walking": (A, B, walk(lambda t: (MIDDLE, 140 + 40 * t), end=3)),
    "down, running": (A, B, walk(lambda t: (MIDDLE, 40 + 300 * t), end=1.1)),
    "right, walking": ((300.0, 50.0), (300.0, 400.0), walk(lambda t: (240 + 40 * t, 250), end=3)),
    "right, running": ((300.0, 50.0), (300.0, 400.0), walk(lambda t: (100 + 300 * t, 250), end=1.3)),
    "aslant": (A, B, walk(lambda t: (200 + 60 * t, 140 + 50 * t), end=3)),
}


@pytest.mark.parametrize("gap", range(5))
@pytest.mark.parametrize("name", WALKS)
def test_id_switch_anywhere_around_the_line_is_one_crossing(name: str, gap: int) -> None:
    a, b, rows = WALKS[name]
    once = directions(play(crossing(a, b), rows))
    assert len(once) == 1
    for at in range(gap + 2, len(rows)):
        assert directions(play(crossing(a, b), switched(rows, at, gap))) == once, f"switch at row {at}"


def test_id_switch_there_and_back_is_one_crossing() -> None:
    rows = WALKS["down, walking"][2]
    for at in range(2, len(rows) - 4):
        ids = [1] * at + [2] * 3 + [1] * (len(rows) - at - 3)
        flipped = [row._replace(id=number) for row, number in zip(rows, ids, strict=True)]
        assert directions(play(crossing(), flipped)) == ["out"], f"switch at row {at}"


def test_id_switch_while_standing_on_the_line_is_one_crossing() -> None:
    rows = vertical([260, 230, *[203, 198] * 10, 170, 140])
    for at in range(2, len(rows)):
        assert directions(play(crossing(), switched(rows, at, 0))) == ["in"], f"switch at row {at}"


@pytest.mark.parametrize("seed", range(5))
def test_standing_on_the_line_for_a_minute_is_no_crossing(seed: int) -> None:
    jitter = np.random.default_rng(seed).normal(0, 2, 600)  # 2 % of the height, as boxes of real detectors do
    assert directions(play(crossing(), vertical([200 + float(value) for value in jitter]))) == []


def test_a_new_object_elsewhere_takes_over_nothing() -> None:
    rows = vertical([260, 230, 210]) + [row._replace(t=row.t + 0.3, id=2) for row in vertical([150, 120], x=400)]
    assert directions(play(crossing(), rows)) == []


def test_a_new_object_at_the_place_of_one_long_gone_takes_over_nothing() -> None:
    rows = vertical([260, 230, 210]) + [row._replace(t=row.t + 1.4, id=2) for row in vertical([190, 170, 150])]
    assert directions(play(crossing(), rows)) == []


def test_label_flips_are_one_crossing_under_the_majority_label() -> None:
    rule = crossing(labels=["car", "truck"])
    rows = walk(lambda t: (150 + 60 * t, 280 - 40 * t), label="car")
    flipping = [row._replace(label="truck") if index % 3 == 1 else row for index, row in enumerate(rows)]
    events = track_and_play(rule, Tracker(TrackerConfig(), 10), flipping)
    assert [(event.label, event.data["direction"]) for event in events] == [("car", "in")]
    assert rule.state() == {"line": "l", "in": {"car": 1, "truck": 0}, "out": {"car": 0, "truck": 0}}


def test_object_with_two_names_at_once_is_one_crossing() -> None:
    rows = walk(lambda t: (150 + 60 * t, 280 - 40 * t), label="car")
    twins = [row._replace(label="truck", x=row.x + 2) for row in rows if 0.8 < row.t < 3]
    events = track_and_play(crossing(), Tracker(TrackerConfig(), 10), rows + twins)
    assert [event.data["direction"] for event in events] == ["in"]


def test_unconfirmed_boxes_never_reach_the_rule() -> None:
    flashes = [Row(t, 1, "person", MIDDLE, y) for t, y in ((0.0, 260), (0.5, 240), (1.0, 150), (1.5, 130))]
    weak = walk(lambda t: (MIDDLE, 280 - 40 * t))
    assert track_and_play(crossing(), Tracker(TrackerConfig(), 10), flashes) == []
    assert track_and_play(crossing(), Tracker(TrackerConfig(), 10), weak, score=0.3) == []
    assert len(track_and_play(crossing(), Tracker(TrackerConfig(), 10), weak, score=0.9)) == 1


def test_missed_frames_behind_the_tracker_are_one_crossing() -> None:
    rows = walk(lambda t: (MIDDLE, 280 - 40 * t))
    for first in range(5, 36, 3):
        seen = [row for index, row in enumerate(rows) if not first <= index < first + 5]
        assert directions(track_and_play(crossing(), Tracker(TrackerConfig(), 10), seen)) == ["in"]


def test_event_says_all_there_is_to_say() -> None:
    rule = crossing(name="gate")
    first, second = play(rule, vertical([260, 150, 260], label="car"))
    assert (first.kind, first.rule, first.source_id, first.track_id, first.label) == (
        "line_crossing", "gate", "cam", 1, "car",
    )  # fmt: skip
    assert first.pts_s == 0.1
    assert first.data == {"line": "l", "direction": "in", "at_pts_s": 0.1, "tripwire_crossings": 1}
    assert second.data == {"line": "l", "direction": "out", "at_pts_s": 0.2, "tripwire_crossings": 2}


def test_labels_that_were_not_asked_for_do_not_count() -> None:
    rule = crossing(labels=["car"])
    rows = vertical([260, 150], label="person") + vertical([260, 150], x=200, id=2, label="car")
    assert [event.label for event in play(rule, rows)] == ["car"]
    assert rule.counters() == {("counts", "l", "in", "car"): 1, ("counts", "l", "out", "car"): 0}


def test_the_centre_counts_when_asked_for() -> None:
    low, high = vertical([240, 220, 190, 170]), vertical([320, 280, 240, 220])
    assert directions(play(crossing(anchor="centre"), low)) == []
    assert directions(play(crossing(anchor="centre"), high)) == ["in"]


@pytest.mark.parametrize(("margin", "expected"), [(0.0, ["in"]), (0.1, ["in"]), (0.2, [])])
def test_margin_is_relative_to_the_height(margin: float, expected: list[str]) -> None:
    assert directions(play(crossing(margin=margin), vertical([240, 210, 190, 185]))) == expected


def test_memory_is_bounded() -> None:
    rule = crossing()
    most = 0
    for frame in range(10_000):
        t = frame / 10
        tracks = [
            Row(t, 2 * (frame // 2) + lane, "person", 150 + 200 * lane, 250 - 100 * (frame % 2)) for lane in (0, 1)
        ]
        play(rule, tracks)
        most = max(most, len(rule._objects._memory))
    assert rule.counters()["counts", "l", "in", "person"] >= 9_000
    assert most <= 2 * 2 * LOST_S * 10
    play(rule, [Row(2_000.0, 99_999, "person", 300, 250)])
    assert len(rule._objects._memory) == 1


far = st.floats(0, 189, width=32) | st.floats(211, 400, width=32)
anywhere = st.tuples(st.floats(110, 490, width=32), st.floats(0, 400, width=32))
clear = st.tuples(st.floats(110, 490, width=32), far)


@settings(max_examples=300, deadline=None)
@given(first=clear, between=st.lists(anywhere, max_size=30), last=clear)
def test_in_minus_out_is_the_net_change_of_side(
    first: tuple[float, float], between: list[tuple[float, float]], last: tuple[float, float]
) -> None:
    rule = crossing()
    rows = steps([first, *between, last])
    before = {"in": 0, "out": 0}
    for row in rows:
        play(rule, [row])
        now = {word: rule.counters().get(("counts", "l", word, "person"), 0) for word in before}
        assert all(now[word] >= before[word] for word in before)
        before = now
    assert abs(before["in"] - before["out"]) <= 1
    assert before["in"] - before["out"] == (last[1] < 200) - (first[1] < 200)


@settings(max_examples=100, deadline=None)
@given(
    tremble=st.lists(st.floats(-9.9, 9.9), max_size=40),
    start=st.sampled_from([230.0, 170.0]),
    end=st.sampled_from([230.0, 170.0]),
)
def test_trembling_within_the_margin_never_adds_a_crossing(tremble: list[float], start: float, end: float) -> None:
    events = play(crossing(), vertical([start, *[200 + value for value in tremble], end]))
    assert directions(events) == ([] if start == end else ["in"] if end < 200 else ["out"])
