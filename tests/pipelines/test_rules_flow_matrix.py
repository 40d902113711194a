"""``flow_matrix`` on scripted ways from zone to zone."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.base import Place
from pipelines.rules.flow_matrix import FlowMatrix, FlowMatrixConfig
from pipelines.values import Event
from tests.support.tracks import LOST_S, Row, play, steps, surroundings, walk

Zone = tuple[tuple[float, float], ...]


def square(x: float, y: float, size: float = 100) -> Zone:
    return ((x, y), (x + size, y), (x + size, y + size), (x, y + size))


ZONES = {"a": square(0, 0), "b": square(300, 0), "c": square(300, 300), "next": square(100, 0)}
SPOTS = {"a": (50.0, 50.0), "b": (350.0, 50.0), "c": (350.0, 350.0), None: (200.0, 250.0)}


def flows(zones: list[str] | str = ("a", "b", "c"), **keys: Any) -> FlowMatrix:  # type: ignore[assignment]
    config = FlowMatrixConfig.model_validate({"kind": "flow_matrix", "zones": zones, **keys})
    return FlowMatrix(config, surroundings(zones=ZONES))


def moves(events: list[Event]) -> list[tuple[str, str]]:
    return [(str(event.data["from"]), str(event.data["to"])) for event in events]


def over(*names: str | None, frames: int = 10, id: int = 1, label: str = "person", fps: float = 10) -> list[Row]:
    """Stands so many frames at each place, and is at the next in the next frame."""
    return steps([SPOTS[name] for name in names for _ in range(frames)], id=id, label=label, fps=fps)


def test_one_event_for_a_movement() -> None:
    rule = flows()
    (event,) = play(rule, over("a", None, None, "b"))
    assert (event.kind, event.rule, event.source_id, event.track_id, event.label) == (
        "flow_matrix", "flow_matrix", "cam", 1, "person",
    )  # fmt: skip
    assert event.pts_s == 3.1
    assert event.data == {"from": "a", "to": "b", "seconds": 2.1, "at_pts_s": 3.0, "total": 1}
    assert {key: n for key, n in rule.counters().items() if n} == {("totals", "flow_matrix", "a_to_b"): 1}
    assert len(rule.counters()) == 6
    there = rule.state()["movements"]["a"]["b"]
    assert (there["count"], there["labels"], there["p50_s"]) == (1, {"person": 1}, 2.1)
    assert rule.state()["movements"]["b"]["a"]["count"] == 0


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (("a", "b"), [("a", "b")]),
        (("a", None, "a", None), []),
        ((None, "a"), []),
        (("a", "b", "c"), [("a", "b"), ("b", "c")]),
        (("a", None, "b", None, "a", None, "b"), [("a", "b"), ("b", "a"), ("a", "b")]),
    ],
)
def test_ways(way: tuple[str | None, ...], expected: list[tuple[str, str]]) -> None:
    assert moves(play(flows(), over(*way))) == expected


def test_a_single_frame_in_a_zone_is_no_visit() -> None:
    rows = steps([SPOTS["a"]] * 5 + [SPOTS["b"]] + [SPOTS[None]] * 5 + [SPOTS["c"]] * 5)
    assert moves(play(flows(), rows)) == [("a", "c")]


def test_zones_that_are_not_named_are_passed_over() -> None:
    assert moves(play(flows(["a", "c"]), over("a", "b", "c"))) == [("a", "c")]


def test_standing_on_the_border_of_two_zones_is_no_movement() -> None:
    noise = random.Random(5)  # noqa: S311
    feet = [(100 + noise.gauss(0, 3), 50.0) for _ in range(3000)]
    rule = flows(["a", "next"])
    assert play(rule, steps([(50, 50)] * 5 + feet, fps=10)) == []
    clear = [(150.0, 50.0)] * 5
    assert moves(play(flows(["a", "next"]), steps([(50, 50)] * 5 + feet + clear + feet))) == [("a", "next")]


def test_the_first_of_overlapping_zones_counts() -> None:
    big = {"big": square(0, 0, 400), "small": square(100, 100)}
    config = FlowMatrixConfig.model_validate({"kind": "flow_matrix", "zones": ["small", "big"], "margin": 0})
    rule = FlowMatrix(config, surroundings(zones=big))
    rows = steps([(50, 50)] * 5 + [(150, 150)] * 5 + [(350, 350)] * 5)
    assert moves(play(rule, rows)) == [("big", "small"), ("small", "big")]


def test_what_takes_too_long_is_no_movement() -> None:
    rows = over("a", None, None, "b", None, "c")
    assert moves(play(flows(within_s=1.5), rows)) == [("b", "c")]


def test_labels_and_those_that_were_not_asked_for() -> None:
    rule = flows(labels=["car"])
    events = play(rule, over("a", "b", id=1) + over("a", "b", id=2, label="car"))
    assert [event.label for event in events] == ["car"]
    assert rule.state()["movements"]["a"]["b"]["labels"] == {"car": 1}


def test_label_that_changes_on_the_way_counts_as_what_it_is_then() -> None:
    rows = [row._replace(label="car" if row.t < 1.5 else "truck") for row in over("a", None, "b")]
    (event,) = play(flows(labels=["truck"]), rows)
    assert event.label == "truck"


def test_id_switch_anywhere_on_the_way() -> None:
    rows = walk(lambda t: (20 + 80 * t, 50.0), end=5)
    for at in range(1, len(rows)):
        for gap in (0, 3):
            seen = [row._replace(id=1 + (i >= at)) for i, row in enumerate(rows) if not at - gap <= i < at]
            found = moves(play(flows(["a", "b"]), seen))
            assert found == [("a", "b")], f"switch at row {at}, {gap} hidden"


def test_hidden_between_two_zones_for_less_than_the_lost_time() -> None:
    rows = [row for row in over("a", None, "b", frames=12) if not 1.2 < row.t < 2.4]
    assert moves(play(flows(), rows)) == [("a", "b")]


def test_gone_for_longer_is_another_object() -> None:
    first, later = over("a"), [row._replace(t=row.t + 10, id=2) for row in over("b")]
    assert play(flows(), first + later) == []


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    rows = walk(lambda t: (20 + 40 * t, 50.0), end=10, fps=fps)
    (event,) = play(flows(["a", "b"]), rows, fps=fps)
    assert event.pts_s == pytest.approx(7.0, abs=0.45)
    assert event.data["seconds"] == pytest.approx(5.0, abs=0.45)


def test_a_mirrored_picture_mirrors_the_movements() -> None:
    def mirror(x: float) -> float:
        return 400 - x

    way = walk(lambda t: (50 + 60 * t, 50 + 40 * math.sin(t)), end=5)
    mirrored = [row._replace(x=mirror(row.x)) for row in way]
    assert moves(play(flows(["a", "b"]), way)) == [("a", "b")]
    assert moves(play(flows(["a", "b"]), mirrored)) == [("b", "a")]


def test_refused() -> None:
    def faults(zones: Any, known: list[str]) -> list[tuple[str, str]]:
        config = FlowMatrixConfig.model_validate({"kind": "flow_matrix", "zones": zones})
        return config.faults_at(Place(zones={name: ZONES["a"] for name in known}))

    assert faults(("a", "b"), ["a", "b"]) == []
    assert faults(("a", "b", "a"), ["a", "b"]) == [("zones", "zone 'a' is named twice")]
    (fault,) = faults(("a", "b_to_c", "a_to_b", "c"), [])
    assert fault == ("zones", "two movements between these zones would be called 'a_to_b_to_c'; rename a zone")


names = st.sampled_from(["a", "b", "c", None])


@settings(max_examples=100, deadline=None)
@given(
    objects=st.lists(st.lists(st.tuples(names, st.integers(1, 6)), max_size=10), min_size=1, max_size=4),
    hidden=st.sets(st.integers(0, 60)),
)
def test_each_object_goes_from_where_it_came_to(objects: list[list[tuple[str | None, int]]], hidden: set[int]) -> None:
    rule = flows()
    rows = [
        Row(round(index / 10, 6), number, "person", SPOTS[name][0] + 5 * number, SPOTS[name][1], 40)
        for number, legs in enumerate(objects, 1)
        for index, name in enumerate(name for name, frames in legs for _ in range(frames))
        if index not in hidden
    ]
    events = play(rule, rows, until=5)
    for number in range(1, len(objects) + 1):
        way = moves([event for event in events if event.track_id == number])
        assert all(origin != target for origin, target in way)
        assert all(way[index][1] == way[index + 1][0] for index in range(len(way) - 1))
    assert sum(rule.counters().values()) == len(events)
    assert max((event.pts_s for event in events), default=0.0) <= max((row.t for row in rows), default=0.0)
    play(rule, [Row(100.0, 99, "person", 700, 700)], until=100 + 3 * LOST_S)
    assert len(rule._objects._memory) == 0
