"""``queue`` on scripted queues: who waits, how long, and who was served."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules.base import Place
from pipelines.rules.queue import Queue, QueueConfig
from pipelines.values import Event
from tests.support.tracks import LOST_S, Row, play, steps, surroundings

ZONE = ((200.0, 100.0), (400.0, 100.0), (400.0, 300.0), (200.0, 300.0))
COUNTER = ((100.0, 100.0), (200.0, 100.0), (200.0, 300.0), (100.0, 300.0))
EXIT = ((200.0, 100.0), (200.0, 300.0))
OUT, IN = (500.0, 200.0), (300.0, 200.0)


def queueing(**keys: Any) -> Queue:
    config = QueueConfig.model_validate({"kind": "queue", "zone": "z", **keys})
    return Queue(config, surroundings(lines={"exit": EXIT}, zones={"z": ZONE, "counter": COUNTER}))


def way(*legs: tuple[float, float, float], fps: float = 10, id: int = 1, start: float = 0.0) -> list[Row]:
    """Walks to each (x, y) at 100 pixels a second, and stands there for so many seconds; boxes are 100 pixels high."""
    feet: list[tuple[float, float]] = [(500.0, 200.0)]
    for x, y, seconds in legs:
        (x0, y0) = feet[-1]
        count = max(1, round(max(abs(x - x0), abs(y - y0)) / 100 * fps))
        feet += [(x0 + (x - x0) * step / count, y0 + (y - y0) * step / count) for step in range(1, count + 1)]
        feet += [(x, y)] * round(seconds * fps)
    return [row._replace(t=round(row.t + start, 6)) for row in steps(feet, fps=fps, id=id)]


def by_action(events: list[Event], action: str) -> list[Event]:
    return [event for event in events if event.data["action"] == action]


def test_who_has_stood_and_leaves_has_waited() -> None:
    rule = queueing()
    rows = way((300, 200, 20), (500, 200, 3))
    (left,) = play(rule, rows)
    assert (left.kind, left.rule, left.source_id, left.track_id, left.label) == ("queue", "queue_z", "cam", 1, "person")
    assert left.data["action"] == "leave"
    assert left.data["served"] is None
    assert left.data["wait_s"] == pytest.approx(21.2, abs=0.7)  # from standing at 2 s until out of the zone at 23 s
    assert rule.counters() == {("totals", "queue_z", "waited"): 1, ("values", "queue_z", "length"): 0}
    assert rule.state()["length"]["max"] == 1
    assert rule.state()["wait"]["count"] == 1


def test_who_walks_through_does_not_wait() -> None:
    rule = queueing()
    assert play(rule, way((100, 200, 3))) == []
    assert rule.state()["length"]["max"] == 0


def test_who_stops_for_a_moment_does_not_wait() -> None:
    rule = queueing(stand_s=4)
    assert play(rule, way((300, 200, 2), (100, 200, 3))) == []


def test_moving_up_is_one_wait() -> None:
    rule = queueing()
    (left,) = play(rule, way((380, 200, 10), (340, 200, 10), (300, 200, 10), (260, 200, 10), (100, 200, 3)))
    assert left.data["wait_s"] == pytest.approx(42, abs=1.5)


def test_slow_people_tremble_and_still_stand() -> None:
    noise = random.Random(3)  # noqa: S311
    rows = [
        row._replace(x=row.x + noise.gauss(0, 2), y=row.y + noise.gauss(0, 3))
        for row in way((300, 200, 60), (500, 200, 3))
    ]
    (left,) = play(queueing(), rows)
    assert left.data["wait_s"] == pytest.approx(61.2, abs=1)


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_wait_at_any_frame_rate(fps: float) -> None:
    (left,) = play(queueing(service="counter"), way((300, 200, 15), (150, 200, 3), fps=fps), fps=fps)
    assert left.data["wait_s"] == pytest.approx(16.2, abs=0.5)
    assert left.data["served"] is True


SERVED = {
    "into the service zone": (way((300, 200, 9), (150, 200, 4)), True),
    "away from it": (way((300, 200, 9), (500, 200, 5)), False),
    "away, and late to it": (way((300, 200, 9), (300, 500, 4), (150, 500, 0), (150, 200, 3)), False),
    "vanishes in the queue": (way((300, 200, 9)), None),
}


@pytest.mark.parametrize("how", [{"service": "counter"}, {"exit": "exit"}, {"service": "counter", "exit": "exit"}])
@pytest.mark.parametrize(("rows", "served"), SERVED.values(), ids=SERVED)
def test_who_was_served(rows: list[Row], served: bool | None, how: dict[str, str]) -> None:
    rule = queueing(**how)
    (left,) = play(rule, rows, until=rows[-1].t + 10)
    assert left.data["served"] is served
    assert rule.state()["totals"] == {
        "waited": 1, "served": int(served is True), "unserved": int(served is False),
    }  # fmt: skip
    assert left.pts_s - float(str(left.data["left_pts_s"])) <= max(3.0, 3 * LOST_S) + 0.11
    assert left.data["at_pts_s"] == left.data["left_pts_s"]


def test_the_place_of_service_inside_the_queues_zone_is_not_the_queue() -> None:
    counter = ((200.0, 100.0), (250.0, 100.0), (250.0, 300.0), (200.0, 300.0))
    config = QueueConfig.model_validate({"kind": "queue", "zone": "z", "service": "counter"})
    rule = Queue(config, surroundings(zones={"z": ZONE, "counter": counter}))
    (left,) = play(rule, way((300, 200, 10), (225, 200, 30)))
    assert left.data["served"] is True
    assert left.data["wait_s"] == pytest.approx(11, abs=1)
    assert left.pts_s < 16


def test_a_step_out_and_back_is_the_same_wait() -> None:
    rule = queueing(service="counter")
    (left,) = play(rule, way((390, 200, 10), (410, 200, 2), (390, 200, 10), (150, 200, 2)))
    assert left.data["wait_s"] == pytest.approx(25, abs=1.5)
    assert rule.state()["totals"] == {"waited": 1, "served": 1, "unserved": 0}


def test_id_switches_and_hidden_seconds_are_the_same_wait() -> None:
    rows = way((300, 200, 30), (150, 200, 3))
    for gap in (0.0, 0.8, 2.5):
        for at in (6.0, 15.0, 25.0):
            rule = queueing(service="counter")
            seen = [row._replace(id=1 + (row.t >= at)) for row in rows if not at - gap <= row.t < at]
            (left,) = play(rule, seen)
            assert left.data["wait_s"] == pytest.approx(31.2, abs=0.7), (gap, at)
            assert rule.state()["length"]["max"] == 1


def test_label_flips_do_not_break_a_wait() -> None:
    rows = way((300, 200, 30), (150, 200, 3))
    flipped = [row._replace(label="car" if 8 <= row.t % 10 < 9 else "person") for row in rows]
    (left,) = play(queueing(service="counter"), flipped)
    assert left.data["wait_s"] == pytest.approx(31.2, abs=0.7)


def test_other_labels_do_not_wait() -> None:
    rows = [row._replace(label="car") for row in way((300, 200, 20), (500, 200, 3))]
    assert play(queueing(), rows) == []


def test_alerts() -> None:
    rule = queueing(alert_length=2, alert_after_s=5, alert_wait_s=20)
    rows = way((350, 150, 40), (500, 150, 30)) + way((350, 250, 20), (500, 250, 30), id=2, start=5)
    events = play(rule, rows)
    (long,) = by_action(events, "long_queue")
    (over,) = by_action(events, "long_queue_over")
    assert (long.track_id, long.label) == (None, None)
    assert (long.data["length"], long.data["peak"], over.data["length"], over.data["peak"]) == (2, 2, 1, 2)
    assert 13 <= long.pts_s <= 15.5  # the second stands from 6.5 s on, is in the queue at 8.5 s, and 5 s more
    assert 33 <= over.pts_s <= 37
    waits = by_action(events, "long_wait")
    assert [event.track_id for event in waits] == [1, 2]
    assert all(event.data["wait_s"] == pytest.approx(20, abs=0.2) for event in waits)
    assert len(by_action(events, "leave")) == 2


def test_length_largest_mean_and_rate() -> None:
    """One after the other for ten minutes, each 20 s in the queue and then served: 150 an hour or so."""
    rule = queueing(service="counter")
    rows = [row for n in range(25) for row in way((300, 200, 20), (150, 200, 2), id=n + 1, start=24.0 * n)]
    events = play(rule, rows)
    state = rule.state()
    assert len(events) == state["totals"]["served"] == 25
    assert state["served_per_hour"] == pytest.approx(150, rel=0.05)
    assert state["length"]["max"] == 1
    assert state["length"]["mean"] == pytest.approx(0.8, abs=0.1)
    assert state["wait"]["p50_s"] == pytest.approx(21.2, abs=0.7)
    assert state["longest_now_s"] == 0.0


def test_the_rate_is_unknown_in_the_first_minute() -> None:
    rule = queueing()
    play(rule, way((300, 200, 30)))
    assert rule.state()["served_per_hour"] is None
    assert rule.state()["longest_now_s"] > 25


def test_what_does_not_fit_the_camera() -> None:
    place = Place({"exit": EXIT}, {"z": ZONE, "counter": COUNTER})

    def faults(**keys: str) -> list[tuple[str, str]]:
        return QueueConfig.model_validate({"kind": "queue", "zone": "z", **keys}).faults_at(place)

    assert faults(service="counter", exit="exit") == []
    assert faults(service="desk") == [("service", "unknown zone 'desk'; allowed: z, counter")]
    assert faults(exit="door") == [("exit", "unknown line 'door'; allowed: exit")]
    assert [key for key, _ in faults(service="z")] == ["service"]
    empty = QueueConfig.model_validate({"kind": "queue", "zone": "z", "exit": "door"}).faults_at(Place())
    assert empty == [("exit", "unknown line 'door'; allowed: none: the camera has no lines")]


spots = st.sampled_from([IN, (250.0, 150.0), OUT, (150.0, 200.0), None])


@settings(max_examples=30, deadline=None)
@given(
    people=st.lists(st.lists(st.tuples(spots, st.integers(1, 30)), max_size=6), min_size=1, max_size=3),
    how=st.sampled_from([{}, {"service": "counter"}, {"exit": "exit"}]),
)
def test_everybody_who_waited_is_told_once(
    people: list[list[tuple[tuple[float, float] | None, int]]], how: dict[str, str]
) -> None:
    rule = queueing(**how)
    rows = [
        Row(round(index / 5, 6), number, "person", foot[0], foot[1] + 10 * number)
        for number, legs in enumerate(people, 1)
        for index, foot in enumerate(foot for foot, frames in legs for _ in range(frames))
        if foot is not None
    ]
    events = play(rule, rows, fps=5, until=60)
    totals = rule.state()["totals"]
    assert len(events) == totals["waited"] == rule.state()["wait"]["count"]
    assert rule.counters()["values", "queue_z", "length"] == 0
    assert not rule._undecided
    last = max((row.t for row in rows), default=0.0)
    assert all(event.pts_s <= last + 2 * 3.0 + 0.3 for event in events)
    assert all(float(str(event.data["wait_s"])) >= 0 for event in events)
    if how:
        assert totals["served"] + totals["unserved"] <= totals["waited"]
