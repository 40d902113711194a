"""``zone_count`` on scripted trajectories with known visits."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.site import Tracker as TrackerConfig
from pipelines.rules.zone_count import ZoneCount, ZoneCountConfig
from pipelines.tracker import Tracker
from pipelines.values import Event
from tests.support.tracks import LOST_S, Row, play, steps, surroundings, track_and_play, walk

ZONE = ((200.0, 100.0), (400.0, 100.0), (400.0, 300.0), (200.0, 300.0))


def counting(lost_s: float = LOST_S, zone: tuple[tuple[float, float], ...] = ZONE, **keys: object) -> ZoneCount:
    config = ZoneCountConfig.model_validate({"kind": "zone_count", "zone": "z", **keys})
    return ZoneCount(config, surroundings(zones={"z": zone}, lost_s=lost_s))


def actions(events: list[Event]) -> list[tuple[str, float]]:
    return [(str(event.data["action"]), float(str(event.data["at_pts_s"]))) for event in events]


def visits(rule: ZoneCount) -> int:
    return sum(rule.state()["visits"].values())


def through(t: float) -> tuple[float, float]:
    """Enters at 1.0 s and is last inside at 2.9 s."""
    return (100 + 100 * t + 0.01, 200)


def test_enter_and_leave() -> None:
    rule = counting(labels=["person"])
    enter, leave = play(rule, walk(through))
    assert (enter.kind, enter.rule, enter.source_id, enter.track_id, enter.label) == (
        "zone_count", "zone_count_z", "cam", 1, "person",
    )  # fmt: skip
    assert enter.pts_s == 1.1
    assert enter.data == {"zone": "z", "action": "enter", "at_pts_s": 1.0, "occupancy": 1}
    assert leave.pts_s == pytest.approx(3.5)
    assert leave.data == {"zone": "z", "action": "leave", "at_pts_s": 2.9, "occupancy": 0, "dwell_time_sec": 1.9}
    assert rule.state()["visits"] == {"person": 1}
    assert rule.counters() == {("occupancy", "z", "person"): 0, ("totals", "zone_count_z", "person"): 1}


def test_standing_inside_from_the_first_frame_is_a_visit() -> None:
    rule = counting()
    assert actions(play(rule, steps([(300, 200)] * 20))) == [("enter", 0.0)]
    assert (rule.state()["now"], visits(rule)) == (1, 1)


def test_flicker_at_the_edge_is_one_visit() -> None:
    rule = counting()
    trembling = walk(lambda t: (400 + 6 * math.sin(35 * t), 200), end=10)
    outside = [row._replace(t=round(row.t + 10, 6), x=450) for row in walk(lambda t: (450, 200), end=2)]
    events = play(rule, trembling + outside[1:])
    assert [word for word, _ in actions(events)] == ["enter", "leave"]
    assert visits(rule) == 1


def test_one_step_out_within_the_grace_is_the_same_visit() -> None:
    rule = counting(grace_s=0.5)
    feet = [(300, 200)] * 5 + [(410, 200)] * 5 + [(300, 200)] * 5
    assert actions(play(rule, steps(feet))) == [("enter", 0.0)]


def test_out_for_longer_than_the_grace_is_another_visit() -> None:
    rule = counting(grace_s=0.5)
    feet = [(300, 200)] * 5 + [(410, 200)] * 8 + [(300, 200)] * 5
    assert actions(play(rule, steps(feet))) == [("enter", 0.0), ("leave", 0.4), ("enter", 1.3)]
    assert visits(rule) == 2


def test_without_grace_it_leaves_at_once() -> None:
    rule = counting(grace_s=0)
    events = play(rule, steps([(300, 200), (300, 200), (410, 200), (420, 200)]))
    assert [event.pts_s for event in events] == [0.1, 0.2]


def test_touching_the_zone_in_a_single_frame_is_no_visit() -> None:
    rule = counting(grace_s=0)
    assert play(rule, steps([(100, 200), (300, 200), (100, 200), (300, 200), (100, 200)])) == []


def test_vanishing_inside_ends_the_visit_when_it_was_last_seen() -> None:
    rule = counting(labels=["person"])
    rows = steps([(300, 200)] * 11)
    events = play(rule, rows, until=4)
    assert actions(events) == [("enter", 0.0), ("leave", 1.0)]
    assert events[1].pts_s == pytest.approx(1.0 + LOST_S + 0.1)
    assert events[1].data["dwell_time_sec"] == 1.0
    assert rule.counters()["occupancy", "z", "person"] == 0


@pytest.mark.parametrize("back", [{"id": 2}, {"id": 1}])
def test_who_was_told_to_have_left_and_comes_back_begins_anew(back: dict[str, int]) -> None:
    """Lost for longer than the tracker waits, and at the same place again, under a new id or its own."""
    rule = counting(lost_s=0.5, labels=["person"])
    rows = steps([(300, 200)] * 101) + [row._replace(t=row.t + 10.8, **back) for row in steps([(300, 200)] * 21)]
    events = play(rule, rows, until=15)
    assert actions(events) == [("enter", 0.0), ("leave", 10.0), ("enter", 10.8), ("leave", pytest.approx(12.8))]
    assert [event.data.get("dwell_time_sec") for event in events] == [None, 10.0, None, 2.0]
    assert rule.state()["mean"] == pytest.approx(12 / 15, abs=1e-4)


def test_unseen_for_less_than_the_lost_time_stays() -> None:
    rule = counting()
    rows = [row for row in steps([(300, 200)] * 40) if not 1.0 < row.t < 2.4]
    assert actions(play(rule, rows)) == [("enter", 0.0)]


def test_id_switch_inside_is_the_same_visit() -> None:
    rows = walk(through)
    for at in range(1, len(rows)):
        for gap in (0, 2):
            rule = counting()
            seen = [row._replace(id=1 + (i >= at)) for i, row in enumerate(rows) if not at - gap <= i < at]
            words = [word for word, _ in actions(play(rule, seen, until=6))]
            assert words == ["enter", "leave"], f"switch at row {at}"
            assert visits(rule) == 1


def test_labels_that_were_not_asked_for_do_not_count() -> None:
    rule = counting(labels=["person", "bus"])
    events = play(rule, walk(through, id=1, label="car") + walk(through, id=2, label="person"))
    assert {event.label for event in events} == {"person"}
    assert rule.state()["visits"] == {"bus": 0, "person": 1}
    assert rule.counters() == {
        ("occupancy", "z", "bus"): 0, ("occupancy", "z", "person"): 0,
        ("totals", "zone_count_z", "bus"): 0, ("totals", "zone_count_z", "person"): 1,
    }  # fmt: skip


def test_zeros_are_there_before_the_first_frame() -> None:
    rule = counting(labels=["person"])
    assert rule.counters() == {("occupancy", "z", "person"): 0, ("totals", "zone_count_z", "person"): 0}
    assert rule.state() == {"zone": "z", "visits": {"person": 0}, "now": 0, "max": 0, "mean": 0.0}


def test_occupancy_largest_and_mean() -> None:
    """One inside for 2 of 4 seconds, another for all 4: 6 object seconds, two at most."""
    rule = counting(grace_s=0)
    short = steps([(100, 200)] * 10 + [(300, 200)] * 20 + [(100, 200)] * 11, id=1)
    events = play(rule, short + steps([(250, 150)] * 41, id=2))
    assert [event.data["occupancy"] for event in events] == [1, 2, 1]
    state = rule.state()
    assert (state["now"], state["max"]) == (1, 2)
    assert state["mean"] == pytest.approx((4 + 1.9) / 4, abs=1e-4)  # last seen inside at 2.9 s


def test_mean_is_over_media_time_whatever_the_frame_rate() -> None:
    rule = counting(grace_s=0)
    times = [0.0, 0.1, 0.2, 1.0, 1.05, 2.0, 3.9, 4.0]
    play(rule, [Row(t, 1, "person", 300 if t < 1.01 else 50, 200) for t in times])
    assert rule.state()["mean"] == pytest.approx(1.0 / 4)  # last seen inside at 1.0 s


@pytest.mark.parametrize("lost_s", [LOST_S, 7200.0])
def test_an_outage_was_neither_empty_nor_full(lost_s: float) -> None:
    """Somebody there for 10 s, an hour without a picture, and 10 s more, gone meanwhile or there all the time."""
    rule = counting(lost_s=lost_s)
    there = steps([(300, 200)] * 101)
    play(rule, there)
    play(rule, [row._replace(t=row.t + 3600, x=300 if lost_s > 60 else 50) for row in there])
    assert rule.state()["mean"] == pytest.approx(25 / 25 if lost_s > 60 else 10 / 25, abs=0.01)


def test_label_that_changes_inside_moves_the_occupancy() -> None:
    rule = counting(labels=["car", "truck"])
    rows = [Row(t / 10, 1, "car" if t < 5 else "truck", 300, 200) for t in range(10)]
    play(rule, rows)
    assert rule.counters() == {
        ("occupancy", "z", "car"): 0, ("occupancy", "z", "truck"): 1,
        ("totals", "zone_count_z", "car"): 1, ("totals", "zone_count_z", "truck"): 0,
    }  # fmt: skip
    assert rule.state()["now"] == 1


def test_behind_the_tracker_a_flash_is_no_visit_and_a_walk_is_one() -> None:
    rule = counting()
    flash = [Row(t, 9, "person", 300, 200) for t in (0.5, 1.5, 2.5)]
    assert track_and_play(rule, Tracker(TrackerConfig(), 10), flash) == []
    rule = counting()
    events = track_and_play(rule, Tracker(TrackerConfig(), 10), walk(through))
    assert [word for word, _ in actions(events)] == ["enter", "leave"]


def test_concave_zone() -> None:
    """A horseshoe, open to the right: its hollow is outside."""
    shoe = (
        (0.0, 0.0),
        (300.0, 0.0),
        (300.0, 100.0),
        (100.0, 100.0),
        (100.0, 200.0),
        (300.0, 200.0),
        (300.0, 300.0),
        (0.0, 300.0),
    )
    rule = counting(zone=shoe, grace_s=0)
    events = play(rule, steps([point for point in ((200, 50), (200, 150), (200, 250), (50, 150)) for _ in range(2)]))
    assert [word for word, _ in actions(events)] == ["enter", "leave", "enter"]


def test_memory_is_bounded() -> None:
    rule = counting()
    most = 0
    for number in range(10_000):
        spot = 210 + 37 * number % 180
        for frame in (0, 1):
            play(rule, [Row(number / 5 + frame / 10, number, "person", spot, 200, 8)])
        most = max(most, len(rule._presence._objects._memory) + len(rule._presence.stays))
    assert visits(rule) == 10_000
    assert most <= 4 * LOST_S * 10
    play(rule, [Row(3_000.0, 99_999, "person", 600, 200)])
    assert (len(rule._presence._objects._memory), len(rule._presence.stays)) == (1, 0)


places = st.sampled_from([(300.0, 200.0), (390.0, 290.0), (500.0, 200.0), (100.0, 50.0)])


@settings(max_examples=100, deadline=None)
@given(
    objects=st.lists(st.lists(st.one_of(places, st.none()), min_size=1, max_size=40), min_size=1, max_size=4),
    grace=st.sampled_from([0.0, 0.25, 0.5]),
)
def test_visits_equal_departures_and_those_still_there(
    objects: list[list[tuple[float, float] | None]], grace: float
) -> None:
    rule = counting(grace_s=grace)
    rows = [
        Row(round(index / 10, 6), number, "person", foot[0], foot[1], 20 + number)
        for number, feet in enumerate(objects, 1)
        for index, foot in enumerate(feet)
        if foot is not None
    ]
    events = play(rule, rows, until=5)
    words = [word for word, _ in actions(events)]
    assert visits(rule) == words.count("enter")
    assert words.count("enter") - words.count("leave") == rule.state()["now"]
    assert all(0 <= int(str(event.data["occupancy"])) <= len(objects) for event in events)
    play(rule, [Row(60.0, 99, "person", 700, 700)])
    assert rule.state()["now"] == 0
