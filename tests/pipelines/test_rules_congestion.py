"""``congestion``: how dense, how fast, and when the level changes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.rules.congestion import Congestion, CongestionConfig
from pipelines.values import Event
from tests.support.road import calibrated, drive, shaken, stretch
from tests.support.tracks import Row, play, steps, surroundings

LANE = stretch(5, 55, 4, 8)
"""50 m of the right lane."""
FLAT = ((0.0, 0.0), (1000.0, 0.0), (1000.0, 200.0), (0.0, 200.0))


def lane(**keys: Any) -> Congestion:
    config = CongestionConfig.model_validate({"kind": "congestion", "zone": "z", **keys})
    return Congestion(config, calibrated(z=LANE))


def flat(**keys: Any) -> Congestion:
    """A lane of a camera that knows no metres."""
    config = CongestionConfig.model_validate({"kind": "congestion", "zone": "z", **keys})
    return Congestion(config, surroundings(zones={"z": FLAT}))


def cars(places: list[float], speed: float, start: float, end: float, fps: float = 10) -> list[Row]:
    """Cars in the lane, from these metres on, at metres a second; who has left by 55 m comes in again at 5."""
    rows = []
    for number, place in enumerate(places):
        for row in drive(lambda t, p=place: (6.0, 5.5 + (p + speed * t) % 49), start, end, fps):  # type: ignore[misc]
            lap = int((place + speed * row.t) // 49)
            rows.append(row._replace(id=1 + number + 100 * lap))
    return rows


def levels(events: list[Event]) -> list[tuple[str, str]]:
    return [(str(event.data["before"]), str(event.data["level"])) for event in events]


@pytest.mark.parametrize("fps", [2, 5, 10, 25])
def test_a_jam_that_comes_and_goes(fps: float) -> None:
    places = [0.0, 8, 16, 24, 32]
    rows = [
        *cars([10.0], 14, 0, 60, fps),
        *[row._replace(id=row.id + 10_000) for row in cars(places, 1.0, 60 + max(0.2, 1 / fps), 130, fps)],
    ]
    rule = lane()
    events = play(rule, shaken(rows, 0.005), fps=fps, until=190)
    assert levels(events) == [("free", "dense"), ("dense", "jammed"), ("jammed", "dense"), ("dense", "free")]
    jam = next(event for event in events if event.data["level"] == "jammed")
    assert (jam.track_id, jam.label, jam.data["vehicles"]) == (None, None, 5)
    assert 66 < jam.pts_s < 100
    assert float(str(jam.data["vehicles_per_100m"])) >= 5
    assert float(str(jam.data["speed_kmh"])) <= 10
    assert 145 < events[-1].pts_s < 170
    assert rule.counters()["totals", "congestion_z", "jams"] == 1
    assert rule.state()["seconds"]["jammed"] == pytest.approx(events[-2].pts_s - jam.pts_s, abs=0.3)


def test_the_length_of_the_lane_and_what_is_there_now() -> None:
    rule = lane()
    play(rule, cars([0.0, 20], 10, 0, 22))
    assert rule.state()["length_m"] == pytest.approx(50, abs=0.2)
    now = {key[2]: value for key, value in rule.counters().items() if key[0] == "values"}
    assert now["vehicles"] == 2
    assert now["speed_kmh"] == pytest.approx(36, abs=2)
    assert rule.state()["vehicles_per_100m"] == pytest.approx(4, abs=0.8)


def test_many_that_move_fast_are_dense_and_no_jam() -> None:
    events = play(lane(), cars([0.0, 10, 20, 30, 40], 12, 0, 60))
    assert levels(events) == [("free", "dense")]


def test_one_at_rest_is_no_jam() -> None:
    assert play(lane(dense=3), cars([20.0], 0, 0, 100)) == []


def test_a_level_that_does_not_last_is_not_told() -> None:
    rows = [*cars([0.0, 10, 20, 30], 1, 0, 5), *cars([0.0], 12, 5.1, 60)]
    assert play(lane(average_s=1), rows) == []


def test_at_the_threshold_it_does_not_flicker() -> None:
    """Two and three cars by turns, every 30 s: 4 and 6 on 100 m, where 5 is dense."""
    rows = []
    for turn in range(8):
        places = [0.0, 15.0, 30.0][: 2 + turn % 2]
        rows += [row._replace(id=row.id + turn * 10_000) for row in cars(places, 5, turn * 30, turn * 30 + 29.9)]
    assert levels(play(lane(dense=5, jammed=20), rows)) == [("free", "dense")]


def test_an_id_switch_is_not_one_more() -> None:
    rows = [row._replace(id=row.id + 10 * int(row.t)) for row in cars([5.0, 30.0], 0.5, 0, 10)]
    rule = lane()
    play(rule, rows)
    assert rule.counters()["values", "congestion_z", "vehicles"] == 2


def test_labels_that_are_not_asked_for_do_not_count() -> None:
    rule = lane(labels=["car"])
    play(rule, [row._replace(label="person") for row in cars([0.0, 10, 20, 30], 1, 0, 40)])
    assert rule.state()["vehicles"] == 0


def test_without_a_calibration_it_is_the_covered_share_and_heights_a_second() -> None:
    rule = flat(hold_s=2, average_s=2, jammed=0.35)
    crowd = [row for n in range(16) for row in steps([(60.0 + 60 * n, 150.0)] * 100, id=n, label="car")]
    (jam,) = play(rule, crowd)
    assert jam.data["level"] == "jammed"
    assert float(str(jam.data["covered_share"])) > 0.3
    assert jam.data["speed_heights"] == 0
    assert ("values", "congestion_z", "speed_kmh") not in rule.counters()
    assert rule.state()["length_m"] is None
    moving = [row for n in range(16) for row in steps([(60.0 + 60 * n + 5 * i, 150) for i in range(100)], id=n)]
    assert [event.data["level"] for event in play(flat(hold_s=2, average_s=2, jammed=0.35), moving)] == ["dense"]


def test_nothing_at_all_is_free() -> None:
    rule = lane()
    for frame in range(100):
        assert rule.update([], frame / 10) == []
    assert (rule.state()["level"], rule.state()["speed_kmh"]) == ("free", None)
    assert rule.state()["seconds"] == {"free": 9.9, "dense": 0.0, "jammed": 0.0}


def test_thresholds_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValidationError, match="'jammed' must be more than 'dense'"):
        lane(dense=5, jammed=4)
    assert CongestionConfig.model_validate({"kind": "congestion", "zone": "z", "dense": 4}).thresholds(True)[1] == 8
