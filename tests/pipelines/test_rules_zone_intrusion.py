"""``zone_intrusion``: after how long, by which part of the box, and on which nights."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from pipelines.rules.zone_intrusion import ZoneIntrusion, ZoneIntrusionConfig
from pipelines.wall_clock import WallClock
from tests.support.tracks import LOST_S, Row, play, steps, surroundings

ZONE = ((200.0, 100.0), (400.0, 100.0), (400.0, 300.0), (200.0, 300.0))
IN, OUT = (300.0, 200.0), (500.0, 200.0)
BERLIN = ZoneInfo("Europe/Berlin")


def intrusion(start: str | None = None, **keys: object) -> ZoneIntrusion:
    """A rule over ``ZONE``; media time 0 is at ``start``, of a Thursday unless it says otherwise."""
    config = ZoneIntrusionConfig.model_validate({"kind": "zone_intrusion", "zone": "z", **keys})
    began = None if start is None else datetime.fromisoformat(start).replace(tzinfo=BERLIN).timestamp()
    return ZoneIntrusion(config, surroundings(zones={"z": ZONE}, wall=WallClock(BERLIN, began)))


def test_one_event_for_each_stay() -> None:
    rule = intrusion(seconds=1, labels=["person"])
    assert rule.counters() == {("totals", "zone_intrusion_z", "person"): 0, ("values", "zone_intrusion_z", "person"): 0}
    first, second = play(rule, steps([OUT] * 5 + [IN] * 30 + [OUT] * 30 + [IN] * 30))
    assert (first.kind, first.rule, first.track_id, first.label) == ("zone_intrusion", "zone_intrusion_z", 1, "person")
    assert (first.pts_s, first.data) == (1.5, {"zone": "z", "dwell_time_sec": 1.0, "entered_pts_s": 0.5})
    assert second.pts_s == 7.5
    assert rule.counters() == {("totals", "zone_intrusion_z", "person"): 2, ("values", "zone_intrusion_z", "person"): 1}
    play(rule, [Row(20.0, 9, "car", 0, 0)])
    assert rule.state() == {
        "zone": "z", "schedule": None, "open": True, "reported": {"person": 2}, "now": {"person": 0},
    }  # fmt: skip


def test_a_step_outside_within_the_grace_is_the_same_stay() -> None:
    assert len(play(intrusion(grace_s=2), steps([IN] * 20 + [OUT] * 15 + [IN] * 20))) == 1
    assert len(play(intrusion(grace_s=1), steps([IN] * 20 + [OUT] * 15 + [IN] * 20))) == 2


def test_a_box_that_flickers_into_the_zone_is_none() -> None:
    assert play(intrusion(), steps(([OUT] * 4 + [IN]) * 20)) == []


def test_night_time_noise_is_none() -> None:
    """Single boxes here and there, each with an id of its own."""
    spots = [(frame, 210 + 37 * frame % 180, 110 + 59 * frame % 180) for frame in range(0, 900, 3)]
    rows = [Row(frame / 10, frame, "person", x, y, 40) for frame, x, y in spots]
    assert play(intrusion(), rows) == []


def test_id_switch_inside_is_no_second_intrusion() -> None:
    rows = [row._replace(id=1 + index // 7) for index, row in enumerate(steps([IN] * 60))]
    assert len(play(intrusion(seconds=2), rows)) == 1


def test_labels_that_are_not_asked_for() -> None:
    rows = steps([IN] * 30, label="car")
    assert play(intrusion(labels=["person"]), rows) == []
    flipping = [row._replace(label="car" if index % 5 == 4 else "person") for index, row in enumerate(rows)]
    assert len(play(intrusion(labels=["person"], seconds=1), flipping)) == 1


@pytest.mark.parametrize(("share", "count"), [(None, 0), (0.2, 1), (0.49, 1), (0.51, 0)])
def test_the_part_of_the_box_that_is_inside(share: float | None, count: int) -> None:
    """The upper half of the box is inside, its foot is below the zone."""
    assert len(play(intrusion(share=share), steps([(300.0, 350.0)] * 20))) == count


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    (event,) = play(intrusion(seconds=2), steps([OUT] * fps + [IN] * (4 * fps), fps=fps), fps=fps)
    assert event.pts_s == pytest.approx(3.0)


NIGHT = {"schedule": "mon-fri 18:00-06:00", "seconds": 1}


@pytest.mark.parametrize(
    ("start", "count"),
    [("2026-11-26T17:30", 0), ("2026-11-26T18:00", 1), ("2026-11-28T05:58", 1), ("2026-11-28T06:00", 0),
     ("2026-11-28T18:00", 0), ("2026-11-30T03:00", 0), ("2026-07-01T18:00", 1)],
)  # fmt: skip
def test_only_while_the_schedule_is_open(start: str, count: int) -> None:
    rule = intrusion(start, **NIGHT)
    assert len(play(rule, steps([IN] * 30))) == count
    assert rule.state()["open"] is bool(count)


def test_who_is_inside_when_it_opens_has_its_seconds_from_then_on() -> None:
    rule = intrusion("2026-11-26T17:59:58", **NIGHT)
    (event,) = play(rule, steps([IN] * 60))
    assert (event.pts_s, event.data["dwell_time_sec"], event.data["entered_pts_s"]) == (3.0, 1.0, 0.0)


def test_who_stays_over_a_day_is_told_again_in_the_evening() -> None:
    rule = intrusion("2026-11-26T05:59:58", **NIGHT)
    rows = [Row(t, 1, "truck", *IN) for t in [*range(3600 * 12 + 60)]]
    first, second = play(rule, rows, fps=1)
    assert (first.pts_s, second.pts_s) == (1.0, 12 * 3600 + 3.0)
    assert rule.counters()["totals", "zone_intrusion_z", "truck"] == 2


def test_no_intruder_is_there_while_it_is_closed() -> None:
    rule = intrusion("2026-11-26T05:59:57", **NIGHT)
    play(rule, steps([IN] * 20))
    assert rule.counters()["values", "zone_intrusion_z", "person"] == 1
    play(rule, [row._replace(t=row.t + 2.1) for row in steps([IN] * 20)])
    assert rule.counters()["values", "zone_intrusion_z", "person"] == 0


def test_a_live_camera_tells_the_time_itself() -> None:
    rule = intrusion(None, **NIGHT)
    evening = datetime(2026, 11, 26, 19, tzinfo=BERLIN).timestamp()
    found = []
    for row in steps([IN] * 30):
        rule._wall.note(row.t, evening + row.t)
        found += play(rule, [row])
    assert len(found) == 1


def test_memory_ends_with_the_track() -> None:
    rule = intrusion()
    play(rule, steps([IN] * 20), until=4 * LOST_S + 2)
    assert (len(rule._presence._objects._memory), len(rule._presence.stays)) == (0, 0)
