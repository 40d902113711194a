"""``crowding`` on scripted crowds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from config.site import Calibration
from pipelines.ground import Ground
from pipelines.rules.base import Place
from pipelines.rules.crowding import Crowding, CrowdingConfig, ground_area
from tests.support.tracks import Row, play, steps, surroundings

ZONE = ((200.0, 100.0), (400.0, 100.0), (400.0, 300.0), (200.0, 300.0))


def crowd(**keys: Any) -> Crowding:
    config = CrowdingConfig.model_validate({"kind": "crowding", "zone": "z", "limit": 3, "seconds": 2, **keys})
    return Crowding(config, surroundings(zones={"z": ZONE}))


def people(n: int, start: float, end: float, fps: float = 10, first: int = 1) -> list[Row]:
    """So many people, side by side in the zone."""
    count = round((end - start) * fps) + 1
    return [
        row._replace(t=round(row.t + start, 6))
        for number in range(n)
        for row in steps([(210 + 20 * number, 200)] * count, fps=fps, id=first + number)
    ]


def test_begin_peak_and_end() -> None:
    rule = crowd()
    begin, end = play(rule, people(1, 0, 30) + people(2, 5, 20, first=2) + people(2, 8, 10, first=4), until=40)
    assert (begin.kind, begin.rule, begin.source_id, begin.track_id, begin.label) == (
        "crowding", "crowding_z", "cam", None, None,
    )  # fmt: skip
    assert begin.pts_s == pytest.approx(7.1)
    assert begin.data == {
        "zone": "z", "action": "begin", "people": 3, "peak": 3, "limit": 3, "since_pts_s": pytest.approx(5.1),
    }  # fmt: skip
    assert (end.data["action"], end.data["people"], end.data["peak"]) == ("end", 1, 5)
    assert 22 <= end.pts_s <= 24
    assert end.data["lasted_s"] == pytest.approx(16.5, abs=0.6)
    assert rule.counters() == {
        ("totals", "crowding_z", "crowds"): 1,
        ("values", "crowding_z", "crowded"): 0,
        ("values", "crowding_z", "people"): 0,
    }
    state = rule.state()
    assert (state["crowds"], state["crowded"], state["people"]["max"], state["area_m2"]) == (1, False, 5, None)
    assert state["crowded_s"] == pytest.approx(16.5, abs=0.6)


def test_for_a_moment_is_no_crowd() -> None:
    assert play(crowd(seconds=4), people(5, 0, 1.5), until=10) == []


def test_around_the_limit_is_one_crowd() -> None:
    """Ten people, of whom one is hidden half of the time: 9 are more than 80 % of 10."""
    rows = [row for row in people(10, 0, 30) if row.id != 10 or row.t % 6 < 3]
    (begin,) = play(crowd(limit=10), rows)
    assert begin.data["action"] == "begin"


def test_flicker_of_one_is_no_end() -> None:
    rows = [row for row in people(3, 0, 30) if row.id != 2 or row.t % 2 < 1]
    (begin,) = play(crowd(release=0.9), rows)
    assert begin.data["peak"] == 3


def test_id_switches_add_nobody() -> None:
    rows = [row._replace(id=row.id + 10 * int(row.t)) for row in people(2, 0, 20)]
    assert play(crowd(), rows) == []


def test_a_camera_that_was_away_has_seen_no_crowd_for_that_time() -> None:
    """A crowd for one second, an hour without pictures, a crowd for one second: never two seconds of it."""
    rows = people(3, 0, 1) + people(3, 3600, 3601, first=20)
    rule = crowd(seconds=8)
    assert play(rule, rows, fps=0.001) == []


def test_only_people_are_a_crowd() -> None:
    assert play(crowd(), [row._replace(label="car") for row in people(5, 0, 10)]) == []
    assert len(play(crowd(labels=["car"]), [row._replace(label="car") for row in people(5, 0, 10)])) == 1


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    begin, end = play(crowd(), people(4, 0, 10, fps=fps), fps=fps, until=20)
    assert begin.pts_s == pytest.approx(2.1, abs=0.25)
    assert end.pts_s == pytest.approx(13.5, abs=0.5)


def calibrated() -> Ground:
    """A hundred pixels are a metre: the zone has 4 square metres."""
    return Ground(np.diag([0.01, 0.01, 1.0]))


def test_people_on_a_square_metre() -> None:
    config = CrowdingConfig.model_validate({"kind": "crowding", "zone": "z", "per_m2": 1.2, "seconds": 1})
    rule = Crowding(config, surroundings(zones={"z": ZONE}, ground=calibrated()))
    assert play(rule, people(4, 0, 5)) == []
    (begin,) = play(rule, people(5, 10, 15, first=10))
    assert (begin.data["limit"], begin.data["people_per_m2"]) == (4.8, 1.25)
    assert rule.state()["area_m2"] == 4.0


def test_area_is_that_on_the_ground() -> None:
    """A zone between the calibrated points of a street 12 m wide and 30 m long, seen at a slant."""
    corners = ((0.2, 0.4), (0.8, 0.4), (0.95, 0.9), (0.05, 0.9))
    calibration = Calibration(image=corners, ground_m=((0, 0), (12, 0), (12, 30), (0, 30)))
    assert ground_area(Ground.of(calibration, 1, 1), corners) == pytest.approx(360)
    pixels = [(x * 1920, y * 1080) for x, y in corners]
    assert ground_area(Ground.of(calibration, 1920, 1080), pixels) == pytest.approx(360)
    assert ground_area(steep(), SKY) is None


STREET = ((0.4, 0.4), (0.6, 0.4), (0.95, 0.9), (0.05, 0.9))
SKY = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))


def steep() -> Ground:
    """Its horizon is at a quarter of the picture's height."""
    return Ground.of(Calibration(image=STREET, ground_m=((0, 0), (12, 0), (12, 30), (0, 30))), 1, 1)


def test_refused() -> None:
    config = CrowdingConfig.model_validate({"kind": "crowding", "zone": "z", "per_m2": 2})
    (fault,) = config.faults_at(Place(zones={"z": SKY}))
    assert fault[0] == "kind" and "no 'calibration'" in fault[1] and "'limit' in place of 'per_m2'" in fault[1]
    (fault,) = config.faults_at(Place(zones={"z": SKY}, ground=steep()))
    assert fault[0] == "zone" and "reaches the horizon" in fault[1]
    assert config.faults_at(Place(zones={"z": STREET}, ground=steep())) == []
    for keys in ({}, {"limit": 3, "per_m2": 2}):
        with pytest.raises(ValidationError, match="give either 'limit' or 'per_m2'"):
            CrowdingConfig.model_validate({"kind": "crowding", "zone": "z", **keys})
