"""``speed`` and ``distance`` on drives with known speeds over a road seen in perspective."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from pipelines.geometry import Xy
from pipelines.ground import KMH
from pipelines.rules.course import Course
from pipelines.rules.distance import Distance, DistanceConfig
from pipelines.rules.speed import RECENT_S, Speed, SpeedConfig
from pipelines.values import Event
from tests.support.road import across, calibrated, drive, shaken, stretch
from tests.support.tracks import frames, play, steps, surroundings

LINES = {"near": across(10), "far": across(30)}


def speeding(**keys: Any) -> Speed:
    config = SpeedConfig.model_validate({"kind": "speed", **({"zone": "z"} | keys)})
    return Speed(config, calibrated(LINES, z=stretch(10, 50)))


def timing(**keys: Any) -> Speed:
    config = SpeedConfig.model_validate({"kind": "speed", "lines": ["near", "far"], **keys})
    return Speed(config, calibrated(LINES))


def at(kmh: float, start: float = 0.0) -> Callable[[float], Xy]:
    """Away from the camera on the right half of the road."""
    return lambda t: (6.0, start + t * kmh / KMH)


def kmh_of(events: list[Event]) -> list[float]:
    return [float(str(event.data["speed_kmh"])) for event in events]


@pytest.mark.parametrize("kmh", [8, 30, 50, 100])
@pytest.mark.parametrize("fps", [5, 10, 25])
def test_a_steady_drive_is_measured_at_any_frame_rate(kmh: float, fps: float) -> None:
    seconds = 60 / (kmh / KMH)
    rule = speeding()
    (event,) = play(rule, drive(at(kmh), end=seconds, fps=fps), fps=fps, until=seconds + 5)
    assert (event.data["action"], event.data["zone"], event.data["over_limit"]) == ("passage", "z", False)
    assert kmh_of([event]) == pytest.approx([kmh], abs=0.11)
    assert event.data["max_kmh"] == pytest.approx(kmh, abs=0.11)
    assert rule.counters()["totals", "speed_z", "measured"] == 1


@pytest.mark.parametrize("seed", range(5))
def test_boxes_that_tremble_change_little(seed: int) -> None:
    rows = shaken(drive(at(50), end=4.5), 0.02, seed)
    (event,) = play(speeding(), rows, until=8)
    assert kmh_of([event]) == pytest.approx([50], abs=2.5)


def test_toward_the_camera_and_mirrored_it_is_the_same() -> None:
    rows = drive(lambda t: (2.0, 60 - t * 50 / KMH), end=4.3)
    (event,) = play(speeding(), rows, until=8)
    assert kmh_of([event]) == pytest.approx([50], abs=0.2)
    (mirrored,) = play(speeding(), [row._replace(x=1000 - row.x) for row in rows], until=8)
    assert kmh_of([mirrored]) == pytest.approx([50], abs=0.2)


def test_too_fast_is_told_at_once_and_counted_once() -> None:
    rule = speeding(limit_kmh=50)
    first, last = play(rule, shaken(drive(at(70), end=3.5), 0.01), until=8)
    assert (first.data["action"], first.data["over_limit"], first.data["limit_kmh"]) == ("over_limit", True, 50)
    assert (last.data["action"], last.data["over_limit"]) == ("passage", True)
    assert first.pts_s < 2.2 < float(str(last.data["at_pts_s"])) < last.pts_s
    assert kmh_of([first, last]) == pytest.approx([70, 70], abs=3)
    assert rule.counters()["totals", "speed_z", "over_limit"] == 1
    assert rule.state()["over_limit_labels"] == {"car": 1}


@pytest.mark.parametrize("fps", [2, 3, 4])
def test_few_frames_a_second_are_enough_for_a_speed(fps: float) -> None:
    """Smoothed over four steps then, and held for as much longer: a box that jumps once is no speeder."""
    first, last = play(speeding(limit_kmh=20), drive(at(30), end=7, fps=fps), fps=fps, until=12)
    assert [event.data["action"] for event in (first, last)] == ["over_limit", "passage"]
    assert first.pts_s < 4.8 < last.pts_s
    assert kmh_of([first, last]) == pytest.approx([30, 30], abs=0.2)
    assert last.data["max_kmh"] == pytest.approx(30, abs=0.2)
    jump = drive(lambda t: (6, 8 + t * 40 / KMH + (1.5 if t > 2 else 0)), end=5, fps=fps)
    assert [event.data["action"] for event in play(speeding(limit_kmh=46), jump, fps=fps, until=9)] == ["passage"]


def test_a_largest_speed_that_nobody_knows_is_none() -> None:
    """A frame each 2 s: the way and the time are known, and no speed at any moment. Seen twice is no way."""
    (event,) = play(speeding(), drive(at(8), end=28, fps=0.5), fps=0.5, until=40)
    assert (kmh_of([event]), event.data["max_kmh"]) == (pytest.approx([8], abs=0.2), None)
    rule = speeding()
    assert play(rule, drive(at(140, start=15), end=2, fps=2)[:2], fps=2, until=7) == []
    assert rule.state()["unmeasured"] == 1


def test_a_little_below_the_limit_is_nothing() -> None:
    for seed in range(10):
        rule = speeding(limit_kmh=50, passages=False)
        assert play(rule, shaken(drive(at(46), end=5), 0.015, seed), until=9) == []
        assert rule.counters()["totals", "speed_z", "measured"] == 1


def test_single_boxes_that_are_out_of_place_make_no_speeder() -> None:
    rows = drive(at(40), end=5.5)
    for hit in range(12, 40, 3):
        bad = [row._replace(y=row.y + row.height * (0.5 if i == hit else 0)) for i, row in enumerate(rows)]
        (event,) = play(speeding(limit_kmh=50), bad, until=9)
        assert (event.data["action"], event.data["over_limit"]) == ("passage", False)
        assert kmh_of([event]) == pytest.approx([40], abs=2)


def test_an_id_switch_is_the_same_passage() -> None:
    rows = drive(at(40), end=5.5)
    for at_row in range(12, 45, 4):
        switched = [row._replace(id=1 + (i >= at_row)) for i, row in enumerate(rows)]
        (event,) = play(speeding(), switched, until=9)
        assert kmh_of([event]) == pytest.approx([40], abs=0.5)


def test_label_flips_among_those_asked_for_change_nothing() -> None:
    rows = [row._replace(label="truck" if i > 25 else "car") for i, row in enumerate(drive(at(40), end=5.5))]
    (event,) = play(speeding(labels=["car", "truck"]), rows, until=9)
    assert (event.label, kmh_of([event])) == ("truck", pytest.approx([40], abs=0.2))


def test_stop_and_go_is_the_way_divided_by_the_time() -> None:
    def path(t: float) -> Xy:  # 20 m at 10 m/s, 10 s at rest, and on
        return 6.0, 5 + 10 * (min(t, 2) + max(0.0, t - 12))

    (event,) = play(speeding(), shaken(drive(path, end=16.5), 0.01), until=20)
    assert kmh_of([event]) == pytest.approx([40 / 14 * KMH], rel=0.2)
    assert event.data["max_kmh"] == pytest.approx(36, abs=3)


def test_a_gap_is_bridged_or_left_out() -> None:
    rows = drive(at(40), end=5.5)
    for gap in (0.4, 1.2):
        seen = [row for row in rows if not 2.0 < row.t < 2.0 + gap]
        (event,) = play(speeding(), seen, until=9)
        assert kmh_of([event]) == pytest.approx([40], abs=0.5)


def test_what_is_seen_too_briefly_is_not_measured() -> None:
    rule = speeding()
    assert play(rule, drive(at(40, start=15), end=0.3), until=4) == []
    assert rule.state()["unmeasured"] == 1


def test_a_box_that_jumps_a_car_s_length_ahead_is_no_speeder() -> None:
    rows = drive(lambda t: (6, 8 + t * 40 / KMH + (1.5 if t > 2 else 0)), end=5)
    assert [event.data["action"] for event in play(speeding(limit_kmh=46), rows, until=9)] == ["passage"]


def test_a_box_that_jumps_to_another_car_is_no_aeroplane() -> None:
    rows = drive(lambda t: (6, 12 + 8 * t) if t < 2 else (6, 12 + 8 * t - 14), end=5)
    for event in play(speeding(limit_kmh=300), rows, until=9):
        assert not event.data["over_limit"]


# --- between two lines ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [5, 10, 25])
@pytest.mark.parametrize("kmh", [20, 36, 90])
def test_between_two_lines(kmh: float, fps: float) -> None:
    seconds = 55 / (kmh / KMH)
    rule = timing()
    (event,) = play(rule, drive(at(kmh), end=seconds, fps=fps), fps=fps)
    assert kmh_of([event]) == pytest.approx([kmh], rel=0.03)
    assert event.data["metres"] == pytest.approx(20, abs=0.01)
    assert (event.data["from"], event.data["to"], event.rule) == ("near", "far", "speed_near_far")
    assert rule.state()["lines"] == ["near", "far"]


def test_between_two_lines_the_other_way() -> None:
    (event,) = play(timing(), drive(lambda t: (2.0, 55 - 10 * t), end=5))
    assert (event.data["from"], event.data["to"]) == ("far", "near")
    assert kmh_of([event]) == pytest.approx([36], rel=0.02)


def test_metres_that_are_written_need_no_calibration() -> None:
    config = SpeedConfig.model_validate({"kind": "speed", "lines": ["a", "b"], "metres": 25, "limit_kmh": 80})
    rule = Speed(config, surroundings({"a": ((0, 100), (300, 100)), "b": ((0, 400), (300, 400))}))
    (event,) = play(rule, steps([(150, 90 + 30 * step) for step in range(12)]))  # 300 pixels in a second
    assert kmh_of([event]) == pytest.approx([25 * KMH], rel=1e-6)
    assert event.data["over_limit"] is True
    assert rule.counters()["totals", "speed_a_b", "over_limit"] == 1


def test_who_trembles_on_the_first_line_has_its_time_from_the_last_touch() -> None:
    def path(t: float) -> Xy:
        return 6.0, 9.9 + 0.2 * (round(t * 10) % 2) if t < 5 else 9.9 + 10 * (t - 5)

    (event,) = play(timing(), drive(path, end=8))
    assert kmh_of([event]) == pytest.approx([36], rel=0.02)


def test_back_and_forth_over_one_line_is_no_passage() -> None:
    feet = [y for _ in range(5) for y in (5, 8, 12, 15, 12, 8)]
    assert play(timing(), drive(lambda t: (6.0, feet[min(round(t * 10), 29)]), end=3)) == []


def test_who_turns_round_behind_the_second_line_has_passed_once() -> None:
    def path(t: float) -> Xy:
        return 6.0, 10 * t if t < 3.5 else 70 - 10 * t if t < 4.5 else 10 * t - 20

    assert len(play(timing(), drive(path, end=6))) == 1


def test_beside_the_lines_is_no_passage() -> None:
    assert play(timing(), drive(lambda t: (12.0, 10 * t), end=5)) == []


def test_an_id_switch_between_the_lines_is_the_same_passage() -> None:
    rows = [row._replace(id=1 + (i >= 20)) for i, row in enumerate(drive(at(36), end=5))]
    (event,) = play(timing(), rows)
    assert kmh_of([event]) == pytest.approx([36], rel=0.02)


# --- what is kept ---------------------------------------------------------------------------------------------------


def fleet(rule: Speed, speeds: list[float], start: float = 0.0) -> float:
    """One car after the other between the lines, ten seconds apart."""
    for number, kmh in enumerate(speeds):
        begin = start + 10 * number
        for row in drive(at(kmh), end=35 / (kmh / KMH)):
            play(rule, [row._replace(t=begin + row.t, id=int(start) + number + 10)])
    return start + 10 * len(speeds)


def test_percentiles_of_all_and_of_the_last_quarter_of_an_hour() -> None:
    rule = timing(limit_kmh=60)
    end = fleet(rule, [21 + step for step in range(20)])
    found = rule.state()["speeds"]
    assert set(found) == {"all", "car"}
    assert found["all"] == found["car"]
    assert found["all"]["count"] == 20
    for share, kmh in ((50, 30), (85, 37), (95, 39)):
        assert found["all"][f"p{share}_kmh"] == pytest.approx(kmh, rel=0.03)
        assert rule.counters()["values", "speed_near_far", f"p{share}_kmh"] == pytest.approx(kmh, abs=1)
    rule.update([], end + RECENT_S + 20)
    assert rule.counters()["values", "speed_near_far", "p85_kmh"] == 0
    assert rule.state()["speeds"]["all"]["count"] == 20
    assert timing().state()["speeds"] == {
        "all": {"count": 0, "p50_kmh": None, "p85_kmh": None, "p95_kmh": None, "max_kmh": None}
    }


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "either a 'zone' to measure in, or two 'lines'"), ({"zone": "z", "lines": ["a", "b"]}, "either a 'zone'"),
        ({"lines": ["a", "a"]}, "both 'lines' are the same"), ({"zone": "z", "metres": 5}, "'metres' is the way"),
        ({"lines": ["a"]}, "lines"), ({"zone": "z", "limit_kmh": 0}, "limit_kmh"),
    ],
)  # fmt: skip
def test_what_measures_nothing_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SpeedConfig.model_validate({"kind": "speed", **keys})


def test_a_course_is_moved_little_by_one_wrong_place_in_five() -> None:
    course = Course(1.0)
    for step in range(11):
        wrong = 50.0 if step in (3, 8) else 0.0
        course.add(step / 10, (2.0 * step / 10 + wrong, -1.0 * step / 10))
    assert course.velocity == pytest.approx((2.0, -1.0))
    course.add(5.0, (0.0, 0.0))
    assert course.velocity is None  # after a gap it begins again
    assert len(course) == 1


# --- distance -------------------------------------------------------------------------------------------------------


def travelling(**keys: Any) -> Distance:
    config = DistanceConfig.model_validate({"kind": "distance", "zone": "z", **keys})
    return Distance(config, calibrated(z=stretch(5, 55)))


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_metres_of_a_drive(fps: float) -> None:
    rule = travelling()
    rows = shaken(drive(at(36), end=5.8, fps=fps), 0.01)
    (event,) = play(rule, rows, fps=fps, until=9)
    assert event.data["action"] == "leave"
    assert event.data["metres"] == pytest.approx(50, abs=5)
    assert event.pts_s - float(str(event.data["at_pts_s"])) == pytest.approx(0.6, abs=0.25)  # the grace
    assert rule.counters()["totals", "distance_z", "objects"] == 1
    assert rule.counters()["totals", "distance_z", "metres"] == pytest.approx(50, abs=5)
    assert set(rule.state()) == {"zone", "metres", "objects", "longest_m"}


def test_what_stands_and_trembles_travels_nothing() -> None:
    for distance in (8, 25, 50):
        rule = travelling()
        rows = shaken(drive(lambda t, y=distance: (4.0, y), end=120), 0.02)  # type: ignore[misc]
        (event,) = play(rule, rows, until=125)
        assert float(str(event.data["metres"])) < 3


def test_there_and_back_is_twice_the_way_and_told_when_it_is_reached() -> None:
    rule = travelling(metres=20)
    rows = drive(lambda t: (4.0, 10 + (5 * t if t < 3 else 30 - 5 * t)), end=6, metres=1.7, label="person")
    reached, leave = play(rule, rows, until=9)
    assert (reached.data["action"], reached.track_id) == ("reached", 1)
    assert reached.pts_s == pytest.approx(4.5, abs=0.5)  # where it turns, up to a step is lost
    assert leave.data["metres"] == pytest.approx(30, abs=3)


def test_a_single_wrong_box_adds_no_way() -> None:
    rows = [
        row._replace(y=row.y + (60 if i % 20 == 10 else 0)) for i, row in enumerate(drive(lambda t: (4.0, 20), end=20))
    ]
    (event,) = play(travelling(), rows, until=24)
    assert event.data["metres"] == 0


def test_an_id_switch_goes_on() -> None:
    rows = [row._replace(id=1 + (i >= 30)) for i, row in enumerate(drive(at(36), end=5.8))]
    (event,) = play(travelling(), rows, until=9)
    assert event.data["metres"] == pytest.approx(50, abs=4)


def test_metres_never_fall() -> None:
    rule = travelling()
    before = 0
    for t, tracks in frames(shaken(drive(lambda t: (4.0, 30 + 10 * (round(t) % 3)), end=30), 0.02), until=35):
        rule.update(tracks, t)
        now = rule.counters()["totals", "distance_z", "metres"]
        assert now >= before
        before = now
    assert before > 50
