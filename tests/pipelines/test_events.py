"""The lives of objects on scripted tracks."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from pipelines.events import ObjectEvent, ObjectLives, ObjectState, object_id
from pipelines.values import Track
from tests.support.road import GROUND, drive, shaken, stretch
from tests.support.tracks import LOST_S, Row, frames, steps, walk

UNIX = 1_700_000_000.0
LEFT = ((0.0, 0.0), (300.0, 0.0), (300.0, 400.0), (0.0, 400.0))
RIGHT = ((300.0, 0.0), (600.0, 0.0), (600.0, 400.0), (300.0, 400.0))
ZONES = {"left": LEFT, "right": RIGHT}


def lives(**keys: float) -> ObjectLives:
    return ObjectLives("gate", ZONES, keys.get("lost_s", LOST_S))


def live(
    target: ObjectLives, rows: Sequence[Row], scores: Sequence[float] | None = None, until: float | None = None
) -> list[tuple[float, ObjectEvent]]:
    """All events with the media time they came at; the wall clock is media time plus a constant."""
    events = []
    for index, (t, tracks) in enumerate(frames(rows, until=until)):
        if scores is not None:
            tracks = [scored(track, scores[index]) for track in tracks]
        events += [(t, event) for event in target.update(tracks, t, UNIX + t)]
    return events


def scored(track: Track, score: float) -> Track:
    return Track(track.id, track.label, track.xyxy, score, track.first_seen_s, track.last_seen_s)


def kinds(events: Sequence[tuple[float, ObjectEvent]]) -> list[tuple[float, str]]:
    return [(t, event.type) for t, event in events]


def test_a_short_life() -> None:
    target = lives()
    events = live(target, walk(lambda t: (100, 200), end=2), until=6)
    assert kinds(events) == [(0.0, "new"), (3.6, "end")]
    (_, new), (_, end) = events
    assert new.before == new.after
    assert re.fullmatch(r"1700000000\.000000-[a-z0-9]{6}", new.after.id)
    assert new.after.model_dump() == {
        "id": new.after.id, "camera": "gate", "frame_time": UNIX, "label": "person", "sub_label": None,
        "top_score": 0.9, "score": 0.9, "false_positive": False, "start_time": UNIX, "end_time": None,
        "box": (75.0, 100.0, 125.0, 200.0), "area": 5000, "current_zones": ("left",), "entered_zones": ("left",),
        "stationary": False, "speed_kmh": None, "has_snapshot": False, "has_clip": False,
    }  # fmt: skip
    assert end.before == new.after
    assert end.after == new.after.model_copy(update={"frame_time": UNIX + 3.6, "end_time": UNIX + 2})
    assert target.open == {}


def test_zones_by_the_foot_point() -> None:
    events = live(lives(), walk(lambda t: (250 + 20 * t, 200), end=5))
    assert kinds(events) == [(0.0, "new"), (2.5, "update")]
    update = events[1][1]
    assert (update.before.current_zones, update.after.current_zones) == (("left",), ("right",))
    assert update.after.entered_zones == ("left", "right")
    assert (update.after.frame_time, update.after.box) == (UNIX + 2.5, (275.0, 100.0, 325.0, 200.0))


@pytest.mark.parametrize(("fps", "known_s", "late_s"), [(2, 1.5, 2), (5, 1, 1.2), (10, 1, 1.2), (25, 1, 1.2)])
def test_the_speed_over_the_ground_of_a_calibrated_camera(fps: float, known_s: float, late_s: float) -> None:
    """36 km/h along the road for 4 s with boxes that tremble by 1 %, then standing for 4 s."""
    target = ObjectLives("gate", {"road": stretch(0, 60)}, LOST_S, ground=GROUND)
    rows = shaken(drive(lambda t: (4.0, 5 + 10 * min(t, 4.0)), end=8, fps=fps), 0.01)
    speeds = {}
    for t, tracks in frames(rows, fps=fps):
        target.update(tracks, t, UNIX + t)
        speeds[t] = next(iter(target.open.values())).speed_kmh
    assert {speed for t, speed in speeds.items() if t < 0.45} == {None}  # half a second must have been seen
    going = [speed for t, speed in speeds.items() if known_s <= t <= 4]
    standing = [speed for t, speed in speeds.items() if t > 4 + late_s]
    assert all(speed is not None and abs(speed - 36) < 4 for speed in going)
    assert sum(speed or 0.0 for speed in going) / len(going) == pytest.approx(36, abs=1)
    assert all(speed is not None and speed < 3 for speed in standing)


def test_the_last_speed_stands_in_the_end_and_there_is_none_beyond_the_horizon_or_without_a_calibration() -> None:
    target = ObjectLives("gate", {}, LOST_S, ground=GROUND)
    *_, (_, end) = live(target, drive(lambda t: (4.0, 5 + 10 * t), end=2), until=6)
    assert end.type == "end"
    assert end.after.speed_kmh == pytest.approx(36, abs=1)
    in_the_sky = live(target, walk(lambda t: (500 + 9 * t, 20), end=4, id=2), until=8)
    bare = live(lives(), walk(lambda t: (100 + 50 * t, 200), end=4), until=8)
    assert {event.after.speed_kmh for _, event in (*in_the_sky, *bare)} == {None}


def test_a_speed_goes_on_over_an_id_switch() -> None:
    rows = drive(lambda t: (4.0, 5 + 10 * t), end=3)
    target = ObjectLives("gate", {}, LOST_S, ground=GROUND)
    live(target, [row._replace(id=1 if row.t < 1.5 else 2) for row in rows if row.t <= 1.6])
    (state,) = target.open.values()
    assert state.speed_kmh == pytest.approx(36, abs=1)


def test_updates_come_once_a_second_with_the_latest_state() -> None:
    """In and out of the zone five times a second."""
    feet = [(310.0 if index % 2 else 290.0, 200.0) for index in range(31)]
    events = live(lives(), steps(feet))
    assert [event.type for _, event in events] == ["new", "update", "update"]
    assert events[1][1].after.current_zones == ("left",)
    assert events[1][1].after.entered_zones == ("left", "right")
    for (earlier, before), (later, after) in pairwise(events):
        assert later - earlier >= 1 - 1e-9
        assert after.before == before.after


def test_what_came_back_within_the_second_is_no_news() -> None:
    feet = [(290.0, 200.0)] * 15 + [(310.0, 200.0)] + [(290.0, 200.0)] * 20
    events = live(lives(), steps(feet))
    assert [(t, event.after.current_zones) for t, event in events] == [
        (0.0, ("left",)), (1.5, ("right",)), (2.5, ("left",)),
    ]  # fmt: skip
    quick = [(290.0, 200.0)] * 15 + [(310.0, 200.0)] * 2 + [(290.0, 200.0), (310.0, 200.0)] * 2
    events = live(lives(), steps(quick + [(310.0, 200.0)] * 10))
    assert len(events) == 2


def test_the_latest_state_is_told_although_it_has_vanished_meanwhile() -> None:
    feet = [(290.0, 200.0)] * 5 + [(310.0, 200.0)] * 2
    events = live(lives(), steps(feet), until=4)
    assert kinds(events) == [(0.0, "new"), (1.0, "update"), (2.2, "end")]
    assert (events[1][1].after.current_zones, events[1][1].after.frame_time) == (("right",), UNIX + 0.6)


def test_a_better_score_is_told_from_a_hundredth_on() -> None:
    rows = walk(lambda t: (100, 200), end=4)
    scores = [0.5] * 15 + [0.509] * 5 + [0.51] * 5 + [0.4] * 10 + [0.9] * 6
    events = live(lives(), rows, scores)
    assert [(t, event.type, event.after.top_score, event.after.score) for t, event in events] == [
        (0.0, "new", 0.5, 0.5), (2.0, "update", 0.51, 0.51), (3.5, "update", 0.9, 0.9),
    ]  # fmt: skip


@pytest.mark.parametrize("trembling", [0.0, 0.03, 0.06])
def test_stationary_after_10_s_and_moving_again(trembling: float) -> None:
    random = np.random.default_rng(4)

    def path(t: float) -> tuple[float, float]:
        x = 100 + 40 * min(t, 2) + 40 * max(0, t - 40)
        dx, dy = random.normal(0, 100 * trembling, 2)
        return (x + float(dx), 200 + float(dy))

    events = [(t, e) for t, e in live(lives(), walk(path, end=42)) if e.before.stationary != e.after.stationary]
    assert [event.after.stationary for _, event in events] == [True, False]
    assert events[0][0] == pytest.approx(12, abs=1.5)
    assert 40 < events[1][0] < 42


def test_a_slow_walker_is_not_stationary() -> None:
    """A tenth of its height in 5 s."""
    events = live(lives(), walk(lambda t: (100 + 2 * t, 200), end=60))
    assert not any(event.after.stationary for _, event in events)


def test_one_odd_box_does_not_make_it_move() -> None:
    feet = [(100.0, 200.0)] * 200 + [(160.0, 200.0)] + [(100.0, 200.0)] * 50
    events = live(lives(), steps(feet))
    assert [(t, event.after.stationary) for t, event in events] == [(0.0, False), (10.0, True)]


def test_stationary_at_any_frame_rate() -> None:
    for fps in (2, 5, 25):
        target = lives()
        times = [index / fps for index in range(round(15 * fps))]
        events = [
            (t, event)
            for t in times
            for event in target.update([Track(1, "car", (0, 0, 50, 100), 0.9, 0.0, t)], t, UNIX + t)
        ]
        assert [(t, event.after.stationary) for t, event in events] == [(0.0, False), (10.0, True)]


def test_an_id_switch_goes_on_with_the_same_object() -> None:
    rows = [row._replace(id=1 + int(row.t // 1)) for row in walk(lambda t: (100 + 30 * t, 200), end=5)]
    target = lives()
    events = live(target, rows)
    assert kinds(events) == [(0.0, "new")]
    assert list(target.open) == [events[0][1].after.id]


def test_elsewhere_it_is_another_object() -> None:
    rows = walk(lambda t: (100, 200), end=1) + walk(lambda t: (450, 200), start=1.1, end=4, id=2)
    events = live(lives(), rows)
    assert kinds(events) == [(0.0, "new"), (1.1, "new"), (2.6, "end")]
    assert events[0][1].after.id == events[2][1].after.id != events[1][1].after.id


@pytest.mark.parametrize("lost_s", [0.5, 1.5, 4.0])
def test_it_ends_after_lost_s_unseen(lost_s: float) -> None:
    rows = [row for row in walk(lambda t: (100, 200), end=8) if not 1 < row.t < 1 + lost_s]
    events = live(lives(lost_s=lost_s), rows, until=20)
    assert [event.type for _, event in events] == ["new", "end"]
    (t, end) = events[1]
    assert t == pytest.approx(8 + lost_s + 0.1)
    assert end.after.end_time == UNIX + 8


def test_end_all() -> None:
    target = lives()
    live(target, walk(lambda t: (100, 200), end=2) + walk(lambda t: (450, 200), start=0.5, end=1.5, id=2))
    before = target.open
    events = target.end_all(UNIX + 9)
    assert [event.type for event in events] == ["end", "end"]
    assert {event.after.id: event.after.end_time for event in events} == dict(
        zip(before, (UNIX + 2, UNIX + 1.5), strict=True)
    )
    assert [event.after.frame_time for event in events] == [UNIX + 9] * 2
    assert (target.open, target.end_all(UNIX + 10)) == ({}, [])


def test_after_end_all_the_same_track_is_another_object_and_media_time_may_start_anew() -> None:
    target = lives()
    rows = walk(lambda t: (100, 200), end=2)
    first = live(target, rows)[0][1].after.id
    target.end_all(UNIX + 2)
    events = live(target, rows)
    assert kinds(events) == [(0.0, "new")]
    assert events[0][1].after.id != first


def test_open_is_what_was_last_seen() -> None:
    target = lives()
    live(target, walk(lambda t: (100 + 10 * t, 200), end=2))
    ((key, state),) = target.open.items()
    assert (state.id, state.frame_time, state.end_time) == (key, UNIX + 2, None)
    assert state.box == pytest.approx((95, 100, 145, 200))


def test_each_object_has_one_new_and_one_end_and_a_chain_between() -> None:
    random = np.random.default_rng(6)
    rows = [
        Row(round(start + index / 10, 1), number, "person", 60 + 480 * float(random.random()), 300, 60)
        for number, start in enumerate(np.round(random.uniform(0, 60, 30), 1).tolist(), 1)
        for index in range(20)
    ]
    target = ObjectLives("gate", ZONES, 0.3)
    chains: dict[str, list[ObjectEvent]] = {}
    for _, event in live(target, rows, until=70):
        chains.setdefault(event.after.id, []).append(event)
    assert len(chains) >= 10
    for chain in chains.values():
        assert [event.type for event in chain] == ["new"] + ["update"] * (len(chain) - 2) + ["end"]
        assert all(later.before == earlier.after for earlier, later in pairwise(chain))
        assert all(event.before.end_time is None for event in chain)


def test_the_wall_clock_decides_nothing() -> None:
    rows = walk(lambda t: (250 + 20 * t, 200), end=15)
    clocks = (lambda t: UNIX + t, lambda t: UNIX - 1000 * t, lambda t: UNIX)
    seen = []
    for clock in clocks:
        target = lives()
        told = [(t, event) for t, tracks in frames(rows) for event in target.update(tracks, t, clock(t))]
        seen.append([(t, event.type, event.after.current_zones) for t, event in told])
    assert seen[0] == seen[1] == seen[2]


def test_ids_are_unique() -> None:
    assert len({object_id(UNIX) for _ in range(2_000)}) == 2_000
    assert object_id(1.5).startswith("1.500000-")


def test_json_keeps_all_keys_and_rounds_boxes_and_can_be_read_again() -> None:
    target = ObjectLives("gate", ZONES, LOST_S, has_snapshot=True)
    (event,) = target.update([Track(1, "car", (1 / 3, 2.0, 50.123456, 100.0), 2 / 3, 0.0, 0.0)], 0.0, UNIX)
    written = json.loads(event.after.model_dump_json())
    assert list(written) == list(ObjectState.model_fields)
    assert written["box"] == [0.33, 2.0, 50.12, 100.0]
    assert (written["top_score"], written["has_snapshot"]) == (0.6667, True)
    again = ObjectState.model_validate(written)
    assert again == event.after.model_copy(update={"box": (0.33, 2.0, 50.12, 100.0)})


def test_nothing_is_kept_of_what_has_ended() -> None:
    target = lives()
    most = 0
    for number in range(10_000):
        spot = 10 + 37 * number % 500
        for frame in (0, 1):
            t = number / 5 + frame / 10
            target.update([Track(number, "person", (spot, 0, spot + 4, 8), 0.9, t, t)], t, UNIX + t)
        most = max(most, len(target._lives), len(target._memory))
    assert most <= 4 * LOST_S * 10
    target.update([], 3_000.0, UNIX)
    assert (len(target._lives), len(target._memory)) == (0, 0)
