"""``proximity``: encounters of people and vehicles, in metres."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipelines.geometry import Xy
from pipelines.rules.base import Place
from pipelines.rules.proximity import Proximity, ProximityConfig
from pipelines.values import Event
from tests.support.road import GROUND, calibrated, drive, shaken, stretch
from tests.support.tracks import Row, play


def near(**keys: Any) -> Proximity:
    config = ProximityConfig.model_validate(
        {"kind": "proximity", "labels": ["person"], "to": ["truck", "car"], "metres": 3, **keys}
    )
    return Proximity(config, calibrated(z=stretch(5, 30)))


def person(path: Callable[[float], Xy], id: int = 1, **keys: Any) -> list[Row]:
    return drive(path, id=id, label="person", metres=1.7, **keys)


def vehicle(path: Callable[[float], Xy], id: int = 2, **keys: Any) -> list[Row]:
    """Its box is as wide as 0.5 of 2 m, so that its lower edge is 1 m long."""
    return drive(path, id=id, label="truck", metres=2.0, **keys)


def passing(t: float) -> Xy:
    """Past somebody at (2, 20): nearest after 4 s."""
    return 4.0, 4 * t + 4


def actions(events: list[Event]) -> list[str]:
    return [str(event.data["action"]) for event in events]


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_an_encounter_is_told_once_and_at_its_end(fps: float) -> None:
    rule = near()
    rows = person(lambda t: (2.0, 20.0), end=10, fps=fps) + vehicle(passing, end=10, fps=fps)
    first, last = play(rule, rows, fps=fps, until=14)
    assert (first.kind, first.rule, first.track_id, first.label) == ("proximity", "proximity", 1, "person")
    assert (first.data["action"], first.data["vehicle_id"], first.data["vehicle_label"]) == ("near", 2, "truck")
    half = math.sqrt(9 - 1.5**2) / 4  # the lower edge begins half a metre before its middle
    assert first.pts_s == pytest.approx(4 - half + 0.5, abs=0.25)
    assert last.data["action"] == "apart"
    assert last.data["least_m"] == pytest.approx(1.5, abs=0.05)
    assert last.data["seconds"] == pytest.approx(2 * half, abs=0.4)
    assert last.pts_s - float(str(last.data["at_pts_s"])) == pytest.approx(2.0, abs=0.3)  # the grace
    assert "at_pts_s" not in first.data
    assert rule.counters() == {("totals", "proximity", "person"): 1, ("values", "proximity", "person"): 0}
    state = rule.state()
    assert state.pop("least_m") == pytest.approx(1.5, abs=0.05)
    assert state == {"zone": None, "metres": 3, "reported": {"person": 1}, "now": {"person": 0}}


def test_while_it_lasts_it_is_counted() -> None:
    rule = near()
    play(rule, person(lambda t: (2.0, 20.0), end=4) + vehicle(passing, end=4))
    assert rule.counters()["values", "proximity", "person"] == 1


def test_far_apart_or_near_for_a_moment_is_nothing() -> None:
    assert play(near(), person(lambda t: (0.0, 20.0), end=10) + vehicle(lambda t: (7.0, 4 * t), end=10)) == []
    quick = vehicle(lambda t: (4.0, 15 * t - 20), end=4)
    assert play(near(seconds=1), person(lambda t: (2.0, 20.0), end=4) + quick, until=8) == []


def test_far_away_a_pixel_is_more_than_near_by() -> None:
    """Two metres are two metres at both ends of the road."""
    for y in (8.0, 50.0):
        rows = person(lambda t, y=y: (2.0, y), end=2) + vehicle(lambda t, y=y: (4.4, y), end=2)  # type: ignore[misc]
        assert actions(play(near(metres=2.2), rows)) == ["near"]
        assert play(near(metres=1.7), rows) == []


def test_at_the_limit_it_does_not_flicker() -> None:
    noise = np.random.default_rng(4)
    rows = shaken(person(lambda t: (2.0, 12.0), end=60), 0.005)
    rows += vehicle(lambda t: (5.5 + noise.normal(0, 0.1), 12.0), end=60)
    found = actions(play(near(), rows, until=65))
    assert found in ([], ["near", "apart"])
    assert actions(play(near(metres=3.1, grace_s=0), rows, until=65)) == ["near", "apart"]


def test_who_comes_back_is_told_again() -> None:
    def path(t: float) -> Xy:
        return (2.5 if t % 10 < 4 else 7.9), 20.0

    rows = person(path, end=19) + vehicle(lambda t: (1.0, 20.0), end=19)
    assert actions(play(near(), rows, until=22)) == ["near", "apart", "near", "apart"]
    assert actions(play(near(grace_s=8), rows, until=20)) == ["near"]  # one encounter


def test_id_switches_of_both_are_the_same_encounter() -> None:
    people = [row._replace(id=1 + 10 * (row.t > 4)) for row in person(lambda t: (2.0, 20.0), end=10)]
    trucks = [row._replace(id=2 + 10 * (row.t > 4.3)) for row in vehicle(passing, end=10)]
    assert actions(play(near(), people + trucks, until=14)) == ["near", "apart"]


def test_one_that_is_unseen_for_a_moment_is_still_near() -> None:
    people = [row for row in person(lambda t: (2.0, 20.0), end=8) if not 3.6 < row.t < 4.4]
    assert actions(play(near(), people + vehicle(lambda t: (3.5, 20.0), end=8), until=12)) == ["near", "apart"]


def test_two_people_are_two_encounters() -> None:
    rows = person(lambda t: (2.0, 20.0), id=1, end=10) + person(lambda t: (6.0, 20.0), id=3, end=10)
    found = play(near(), rows + vehicle(passing, end=10), until=14)
    assert sorted((event.track_id, event.data["action"]) for event in found) == [
        (1, "apart"), (1, "near"), (3, "apart"), (3, "near"),
    ]  # fmt: skip


def test_only_in_the_zone_and_only_while_it_moves() -> None:
    rows = person(lambda t: (2.0, 40.0), end=20) + vehicle(lambda t: (4.0, 40.0), end=20)
    assert actions(play(near(), rows)) == ["near"]
    assert play(near(zone="z"), rows) == []
    assert play(near(moving_kmh=3), rows) == []
    for fps in (2, 10):
        slow = person(lambda t: (2.0, 20.0), end=10, fps=fps) + vehicle(passing, end=10, fps=fps)
        assert actions(play(near(moving_kmh=8), slow, fps=fps, until=14)) == ["near", "apart"]
        assert play(near(moving_kmh=20), slow, fps=fps, until=14) == []


def test_two_people_or_two_trucks_are_nothing() -> None:
    assert play(near(), person(lambda t: (2.0, 20.0), id=1) + person(lambda t: (2.5, 20.0), id=2)) == []
    assert play(near(), vehicle(lambda t: (2.0, 20.0), id=1) + vehicle(lambda t: (5.5, 20.0), id=2)) == []
    assert near().update([], 0.0) == []


def test_beyond_the_horizon_nothing_is_near() -> None:
    above = next(float(y) for y in range(300, -500, -1) if GROUND.point((500.0, float(y))) is None) - 20
    rows = [Row(t / 10, id, label, 500.0, above, 30) for t in range(30) for id, label in ((1, "person"), (2, "truck"))]
    assert play(near(), rows) == []


def test_the_tail_of_a_long_vehicle_is_near_too() -> None:
    rows = [row._replace(label="truck", height=row.height * 4) for row in vehicle(lambda t: (8.0, 20.0))]
    assert actions(play(near(), person(lambda t: (4.0, 20.0)) + rows)) == ["near"]


def test_a_label_on_both_sides_is_refused() -> None:
    config = ProximityConfig.model_validate(
        {"kind": "proximity", "labels": ["person", "car"], "to": ["car"], "metres": 2}
    )
    assert config.faults_at(Place(ground=GROUND)) == [("to", "'car' is among the 'labels', too; write it once")]
    assert config.labels_by_key(()) == {"labels": ("person", "car"), "to": ("car",)}
