"""``stopped``: what has come to a stop, and what was parked all along."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.geometry import Xy
from pipelines.rules.stopped import Stopped, StoppedConfig
from tests.support.road import calibrated, drive, shaken, stretch
from tests.support.tracks import Row, play, surroundings, walk

ZONE = ((200.0, 0.0), (900.0, 0.0), (900.0, 600.0), (200.0, 600.0))


def stopping(**keys: Any) -> Stopped:
    config = StoppedConfig.model_validate({"kind": "stopped", "zone": "z", "seconds": 5, **keys})
    return Stopped(config, surroundings(zones={"z": ZONE}))


def arrive(t: float) -> Xy:
    """In from the left at 100 pixels a second, at rest at 500 from 5 s to 25 s, and on."""
    return 100 * t if t < 5 else 500 if t < 25 else 500 + 100 * (t - 25), 300.0


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_a_stop_and_its_end_at_any_frame_rate(fps: float) -> None:
    rule = stopping()
    stop, go = play(rule, walk(arrive, end=28, fps=fps, label="car"), fps=fps)
    assert (stop.data["action"], stop.data["zone"], stop.label) == ("stop", "z", "car")
    assert stop.pts_s == pytest.approx(10.0, abs=0.4)
    assert stop.data["since_pts_s"] == pytest.approx(5.0, abs=0.4)
    assert (go.data["action"], go.data["ended_by"]) == ("go", "moved")
    assert go.data["stopped_s"] == pytest.approx(20.2, abs=0.6)
    assert go.pts_s == pytest.approx(26.3, abs=0.4)
    assert rule.counters() == {("totals", "stopped_z", "car"): 1, ("values", "stopped_z", "car"): 0}
    assert rule.state()["longest_s"] == pytest.approx(20.2, abs=0.6)


def test_who_stands_there_now() -> None:
    rule = stopping(labels=["car"])
    assert rule.counters() == {("totals", "stopped_z", "car"): 0, ("values", "stopped_z", "car"): 0}
    play(rule, walk(arrive, end=12, label="car"))
    assert rule.counters() == {("totals", "stopped_z", "car"): 1, ("values", "stopped_z", "car"): 1}


def test_stop_and_go_in_a_queue_is_no_stop() -> None:
    rows = walk(lambda t: (150 + 60 * (t // 4) + 20 * min(t % 4, 3), 300), end=40, label="car")
    assert play(stopping(), rows) == []


def test_a_slow_roll_is_no_stop() -> None:
    assert play(stopping(), walk(lambda t: (150 + 8 * t, 300), end=60, label="car")) == []


def test_what_was_parked_is_none_unless_asked_for() -> None:
    noise = np.random.default_rng(3)
    rows = [row._replace(x=row.x + noise.normal(0, 3)) for row in walk(lambda t: (500, 300), end=60, label="car")]
    assert play(stopping(), rows) == []
    (event,) = play(stopping(parked=True), rows)
    assert event.data["action"] == "stop"


def test_a_parked_car_that_drives_off_and_stops_again_counts_then() -> None:
    rows = walk(lambda t: (300 if t < 10 else min(300 + 80 * (t - 10), 620), 300), end=30, label="car")
    (event,) = play(stopping(), rows)
    assert event.data["since_pts_s"] == pytest.approx(14, abs=0.4)


def test_a_box_half_hidden_for_a_moment_is_no_move() -> None:
    """Somebody passes in front: the lower half of the box is gone for less than a second."""
    rows = [
        row._replace(y=row.y - 50, height=50) if 15 < row.t < 15.9 else row for row in walk(arrive, end=28, label="car")
    ]
    assert [event.data["action"] for event in play(stopping(), rows)] == ["stop", "go"]


def test_a_truck_in_front_for_a_while_does_not_make_it_two() -> None:
    """Hidden for three seconds, and found again under another id: it was told, and never moved since."""
    rows = [row._replace(id=1 + (row.t > 15)) for row in walk(arrive, end=24, label="car") if not 14 < row.t < 17]
    stop, go = play(stopping(), rows, until=24)
    assert (stop.data["action"], go.data["action"], go.data["ended_by"]) == ("stop", "go", "lost")


def test_id_switch_at_rest_is_the_same_stop() -> None:
    for at in range(52, 220, 12):
        rows = [row._replace(id=1 + (i >= at)) for i, row in enumerate(walk(arrive, end=28, label="car"))]
        assert [event.data["action"] for event in play(stopping(), rows)] == ["stop", "go"]


def test_it_leaves_the_zone_or_the_picture() -> None:
    rows = walk(lambda t: (min(100 * t, 880), 300) if t < 20 else (1000, 300), end=25, label="car")
    assert [event.data.get("ended_by") for event in play(stopping(), rows)] == [None, "left"]
    gone = [row for row in walk(arrive, end=28, label="car") if row.t < 20]
    _, go = play(stopping(), gone, until=25)
    assert (go.data["ended_by"], go.data["stopped_s"]) == ("lost", pytest.approx(14.9, abs=0.4))
    assert go.pts_s == pytest.approx(21.5, abs=0.2)
    assert go.data["at_pts_s"] == pytest.approx(19.9, abs=0.11)  # a truth would say so


def test_label_flips_and_other_labels() -> None:
    rows = [row._replace(label="truck" if i % 9 == 8 else "car") for i, row in enumerate(walk(arrive, end=28))]
    assert len(play(stopping(labels=["car"]), rows)) == 2
    assert play(stopping(labels=["person"]), rows) == []


def test_in_metres_a_far_car_stops_as_a_near_one_does() -> None:
    for stand in (12.0, 45.0):
        config = StoppedConfig.model_validate({"kind": "stopped", "zone": "z", "seconds": 5, "metres": 1.5})
        rule = Stopped(config, calibrated(z=stretch(5, 55)))
        rows = shaken(drive(lambda t, y=stand: (4.0, min(6 * t, y)), end=20), 0.01)  # type: ignore[misc]
        (event,) = play(rule, rows)
        assert event.data["since_pts_s"] == pytest.approx(stand / 6, abs=0.5)


def test_memory_ends_with_the_track() -> None:
    rule = stopping()
    play(rule, [Row(t / 10, 1, "car", 300, 300) for t in range(50)], until=15)
    assert len(rule._presence._objects._memory) == 0
