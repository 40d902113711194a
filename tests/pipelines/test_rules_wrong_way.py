"""``wrong_way``: against the direction, far enough and long enough."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.geometry import Xy
from pipelines.rules.base import Place
from pipelines.rules.wrong_way import WrongWay, WrongWayConfig
from tests.support.tracks import Row, play, surroundings, walk

ZONE = ((200.0, 0.0), (900.0, 0.0), (900.0, 800.0), (200.0, 800.0))
LINE = ((300.0, 400.0), (800.0, 400.0))


def going(line: tuple[Xy, Xy] = LINE, zone: tuple[Xy, ...] = ZONE, **keys: Any) -> WrongWay:
    config = WrongWayConfig.model_validate(
        {"kind": "wrong_way", "zone": "z", **({} if "angle" in keys else {"along": "l"}), **keys}
    )
    return WrongWay(config, surroundings({"l": line}, {"z": zone}))


def test_against_the_line_is_told_once() -> None:
    rule = going(labels=["car"])
    (event,) = play(rule, walk(lambda t: (1000 - 80 * t, 400), end=12, label="car"))
    assert (event.label, event.data["zone"], event.data["heading_deg"]) == ("car", "z", 270.0)
    assert event.data["heights"] == pytest.approx(1.0, abs=0.1)
    assert event.pts_s == pytest.approx(1.3 + 1.3, abs=0.2)  # in at 900, a height later
    assert rule.counters() == {("totals", "wrong_way_z", "car"): 1, ("values", "wrong_way_z", "car"): 0}
    assert rule.state() == {"zone": "z", "direction_deg": 90.0, "reported": {"car": 1}, "now": {"car": 0}}


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    (event,) = play(going(), walk(lambda t: (880 - 50 * t, 400), end=10, fps=fps), fps=fps)
    assert event.pts_s == pytest.approx(2.0, abs=0.21)


def test_the_right_way_is_nothing() -> None:
    noise = np.random.default_rng(1)
    rows = [
        row._replace(x=row.x + noise.normal(0, 3), y=row.y + noise.normal(0, 3))
        for row in walk(lambda t: (220 + 40 * t, 400), end=16)
    ]
    assert play(going(), rows) == []


@pytest.mark.parametrize(
    ("step", "count"), [((0, 60), 0), ((0, -60), 0), ((-60, 20), 1), ((-30, 60), 0), ((-30, 45), 1), ((30, 60), 0)]
)
def test_across_is_nothing_and_aslant_only_within_the_tolerance(step: Xy, count: int) -> None:
    start = (700.0, 400.0 - 4 * step[1])
    rows = walk(lambda t: (start[0] + step[0] * t, start[1] + step[1] * t), end=8)
    assert len(play(going(), rows)) == count


def test_a_little_way_back_is_nothing_and_a_long_one_after_a_turn_is() -> None:
    rolls = walk(lambda t: (300 + 100 * t if t < 4 else max(700 - 40 * (t - 4), 620), 400), end=12)
    assert play(going(), rolls) == []
    (event,) = play(going(), walk(lambda t: (300 + 100 * t if t < 4 else 700 - 60 * (t - 4), 400), end=12))
    assert event.data["since_pts_s"] == pytest.approx(4.0, abs=0.11)


def test_a_jump_back_is_nothing_before_its_time() -> None:
    rows = walk(lambda t: (700, 400) if t < 3 else (500, 400), end=3.5)
    assert play(going(seconds=1), rows) == []


def test_standing_and_trembling_is_nothing() -> None:
    noise = np.random.default_rng(2)
    rows = [row._replace(x=row.x + noise.normal(0, 6)) for row in walk(lambda t: (600, 400), end=300)]
    assert play(going(), rows) == []


def test_it_is_told_once_although_it_comes_back_or_gets_a_new_id() -> None:
    def path(t: float) -> Xy:  # against the way, out, and in again, where it went in before
        return (880 - 100 * t if t < 8 else 80 + 200 * (t - 8) if t < 12 else 880 - 100 * (t - 12)), 400.0

    assert len(play(going(), walk(path, end=18))) == 1
    rows = [row._replace(id=1 + i // 11) for i, row in enumerate(walk(lambda t: (880 - 60 * t, 400), end=10))]
    assert len(play(going(), rows)) == 1


def test_the_way_outside_does_not_count() -> None:
    """Backwards outside of the zone, then in and the right way."""
    rows = walk(lambda t: (1400 - 100 * t if t < 12 else 200 + 60 * (t - 12), 900 if t < 11.9 else 400), end=20)
    assert play(going(), rows) == []


def test_who_comes_round_again_the_right_way_is_told_of_nothing() -> None:
    """Through the zone, back outside of it, and through it again."""

    def path(t: float) -> Xy:
        if t < 10:
            return 150 + 80 * t, 400
        return (950 - 80 * (t - 10), 900) if t < 18 else (310 + 60 * (t - 18), 900 if t < 18.3 else 400)

    assert play(going(), walk(path, end=26)) == []


@pytest.mark.parametrize(
    ("angle", "step"), [(0, (0.0, -60.0)), (90, (60.0, 0.0)), (180, (0.0, 60.0)), (270, (-60.0, 0.0))]
)
def test_the_angle_is_counted_from_up(angle: float, step: Xy) -> None:
    ahead = walk(lambda t: (550 + step[0] * (t - 3), 400 + step[1] * (t - 3)), end=6)
    assert play(going(angle=angle), ahead) == []
    back = walk(lambda t: (550 - step[0] * (t - 3), 400 - step[1] * (t - 3)), end=6)
    (event,) = play(going(angle=angle), back)
    assert event.data["heading_deg"] == pytest.approx((angle + 180) % 360, abs=0.1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(150, 950), st.integers(50, 750)), min_size=2, max_size=7))
def test_a_mirrored_video_has_the_same_events(corners: list[Xy]) -> None:
    zone = ((200.37, 0.1), (899.61, 0.1), (899.61, 799.3), (200.37, 799.3))  # nothing is ever exactly on its edge
    odd = {"distance": 0.9371, "seconds": 0.973}

    def path(t: float) -> Xy:
        index, share = int(t // 2), t % 2 / 2
        (x0, y0), (x1, y1) = corners[index], corners[min(index + 1, len(corners) - 1)]
        return x0 + share * (x1 - x0), y0 + share * (y1 - y0)

    rows = walk(path, end=2 * len(corners) - 2.1)
    there = [(event.pts_s, event.track_id) for event in play(going(zone=zone, **odd), rows)]

    def mirror(point: Xy) -> Xy:
        return 1100 - point[0], point[1]

    other = going(line=(mirror(LINE[0]), mirror(LINE[1])), zone=tuple(map(mirror, zone)), **odd)
    flipped = [Row(row.t, row.id, row.label, 1100 - row.x, row.y, row.height) for row in rows]
    assert [(event.pts_s, event.track_id) for event in play(other, flipped)] == there


@pytest.mark.parametrize("keys", [{}, {"along": "l", "angle": 90}, {"angle": 360}, {"along": "l", "tolerance": 100}])
def test_what_says_no_direction_is_refused(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        WrongWayConfig.model_validate({"kind": "wrong_way", "zone": "z", **keys})


def test_a_line_that_is_not_there_is_told() -> None:
    config = WrongWayConfig.model_validate({"kind": "wrong_way", "zone": "z", "along": "lane"})
    assert config.faults_at(Place()) == [("along", "unknown line 'lane'; allowed: none: the camera has no lines")]
    assert config.faults_at(Place({"lane": LINE})) == []
