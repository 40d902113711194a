"""``table_state`` on scripted evenings at one table."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.table_state import TableState, TableStateConfig
from pipelines.values import Event
from tests.support.tracks import Row, play, steps, surroundings

ZONE = ((200.0, 100.0), (400.0, 100.0), (400.0, 300.0), (200.0, 300.0))
TIMES = {"occupied_after_s": 20, "clear_after_s": 60, "free_after_s": 300}


def table(**keys: Any) -> TableState:
    config = TableStateConfig.model_validate({"kind": "table_state", "zone": "z", **TIMES, **keys})
    return TableState(config, surroundings(zones={"z": ZONE}))


def seated(start: float, end: float, id: int = 1, x: float = 250, fps: float = 2) -> list[Row]:
    """Somebody whose box is centred in the zone."""
    count = round((end - start) * fps) + 1
    return [row._replace(t=round(row.t + start, 6)) for row in steps([(x, 250)] * count, fps=fps, id=id)]


def changes(events: list[Event]) -> list[tuple[str, float]]:
    return [(str(event.data["state"]), float(str(event.data["at_pts_s"]))) for event in events]


def test_an_evening() -> None:
    """A party of two from 100 s to 1000 s, cleared by staff for 10 s, free; another party at 1500 s."""
    rule = table()
    rows = seated(100, 1000) + seated(105, 990, id=2, x=350) + seated(1010, 1020, id=3)
    rows += seated(1500, 1800, id=4)
    assert rule.state()["state"] == "free"
    events = play(rule, [Row(0, 99, "person", 900, 900), *rows], fps=2, until=2300)
    assert changes(events) == [
        ("occupied", pytest.approx(100, abs=1)),
        ("to_clear", pytest.approx(1020, abs=1)),  # nobody knows that it was staff at 1010 s
        ("free", pytest.approx(1321, abs=3)),
        ("occupied", pytest.approx(1500, abs=1)),
        ("to_clear", pytest.approx(1800, abs=1)),
        ("free", pytest.approx(2101, abs=3)),
    ]
    seat, leave, free, again, _, _ = events
    assert (seat.kind, seat.rule, seat.track_id) == ("table_state", "table_state_z", None)
    assert (seat.data["previous"], seat.data["previous_s"]) == ("free", pytest.approx(100, abs=1))
    assert (leave.data["previous"], leave.data["previous_s"]) == ("occupied", pytest.approx(920, abs=2))
    assert leave.data["people"] == 2
    assert free.data["turnover_s"] == pytest.approx(1221, abs=4)
    assert "turnover_s" not in again.data
    state = rule.state()
    assert (state["parties"], state["stay"]["count"], state["turnover"]["count"]) == (2, 2, 2)
    assert state["empty"]["mean_s"] == pytest.approx(480, abs=2)
    assert rule.counters() == {
        ("totals", "table_state_z", "parties"): 2,
        ("values", "table_state_z", "people"): 0,
        ("values", "table_state_z", "occupied"): 0,
        ("values", "table_state_z", "to_clear"): 0,
    }


def test_counters_of_a_party() -> None:
    rule = table()
    play(rule, seated(0, 30) + seated(0, 30, id=2, x=350), fps=2)
    assert rule.counters()["values", "table_state_z", "people"] == 2
    assert rule.counters()["values", "table_state_z", "occupied"] == 1
    play(rule, [Row(100, 99, "person", 900, 900)], fps=2)
    play(rule, [Row(t / 2, 99, "person", 900, 900) for t in range(201, 400)], fps=2)
    assert rule.counters()["values", "table_state_z", "to_clear"] == 1


def test_passers_by_and_staff_are_no_party() -> None:
    rows = [row for start in range(0, 300, 30) for row in seated(start, start + 15, id=start)]
    assert play(table(), rows, fps=2, until=600) == []


def test_short_absences_are_the_same_party() -> None:
    rows = [row for start in range(0, 600, 60) for row in seated(start, start + 25, id=start)]
    assert changes(play(table(), rows, fps=2)) == [("occupied", 0.5)]


def test_the_next_party_before_the_table_is_free() -> None:
    events = play(table(), seated(0, 100) + seated(200, 300, id=2), fps=2)
    assert [word for word, _ in changes(events)] == ["occupied", "to_clear", "occupied"]
    assert events[2].data["previous"] == "to_clear"
    assert events[2].data["turnover_s"] == pytest.approx(200, abs=2)


def test_seated_people_that_flicker_are_one_party() -> None:
    """Sitting people are found in half of the frames, under ever new numbers."""
    chance = random.Random(11)  # noqa: S311
    rows = [row._replace(id=int(row.t // 3)) for row in seated(0, 600) if chance.random() < 0.5]
    events = play(table(), rows, fps=2, until=800)
    assert [word for word, _ in changes(events)] == ["occupied", "to_clear"]
    assert rows and events[1].data["at_pts_s"] == pytest.approx(600, abs=3)


def test_a_party_that_is_hidden_now_and_then_sits_down_all_the_same() -> None:
    rows = [row for row in seated(0, 60) if row.t % 10 < 5.5]
    assert changes(play(table(), rows, fps=2)) == [("occupied", 0.5)]
    assert play(table(hidden_s=1), rows, fps=2) == []


def test_a_camera_that_was_away_ends_no_party() -> None:
    rule = table()
    assert len(play(rule, seated(0, 100), fps=2)) == 1
    assert play(rule, seated(1000, 1100, id=2), fps=2) == []
    assert rule.state()["state"] == "occupied"


def test_a_chair_is_no_guest() -> None:
    assert play(table(), [row._replace(label="chair") for row in seated(0, 100)], fps=2) == []


@pytest.mark.parametrize("fps", [1, 5, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    rule = table(occupied_after_s=5, clear_after_s=8, free_after_s=20)
    events = play(rule, seated(2, 20, fps=fps), fps=fps, until=60)
    assert changes(events) == [
        ("occupied", pytest.approx(2, abs=1.1)),
        ("to_clear", pytest.approx(20, abs=0.1)),
        ("free", pytest.approx(41.5, abs=1.1)),
    ]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 40)), max_size=12))
def test_states_follow_each_other(spells: list[tuple[bool, int]]) -> None:
    rule = table(occupied_after_s=3, clear_after_s=5, free_after_s=8, hidden_s=1)
    rows = [
        Row(round(index / 2, 6), 1, "person", 250 if there else 900, 250)
        for index, there in enumerate(there for there, frames in spells for _ in range(frames))
    ]
    events = play(rule, rows, fps=2, until=400)
    state, at = "free", 0.0
    for event in events:
        assert event.data["previous"] == state
        assert event.data["state"] in {"free": ["occupied"], "occupied": ["to_clear"]}.get(state, ["free", "occupied"])
        assert at <= float(str(event.data["at_pts_s"])) <= event.pts_s
        state, at = str(event.data["state"]), float(str(event.data["at_pts_s"]))
    assert state == "free"
    parties = sum(event.data["state"] == "occupied" for event in events)
    assert rule.counters()["totals", "table_state_z", "parties"] == parties == rule.state()["stay"]["count"]
