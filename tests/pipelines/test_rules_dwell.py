"""``dwell`` on scripted stays."""

from __future__ import annotations

import pytest

from pipelines.rules.dwell import Dwell, DwellConfig
from tests.support.tracks import LOST_S, Row, play, steps, surroundings

ZONE = ((200.0, 100.0), (400.0, 100.0), (400.0, 300.0), (200.0, 300.0))
IN, OUT = (300.0, 200.0), (500.0, 200.0)


def dwelling(seconds: float = 2.0, **keys: object) -> Dwell:
    config = DwellConfig.model_validate({"kind": "dwell", "zone": "z", "seconds": seconds, **keys})
    return Dwell(config, surroundings(zones={"z": ZONE}))


def test_one_event_for_a_long_stay() -> None:
    rule = dwelling(name="blocked")
    (event,) = play(rule, steps([OUT] * 5 + [IN] * 60, label="car"))
    assert (event.kind, event.rule, event.source_id, event.track_id, event.label) == (
        "dwell", "blocked", "cam", 1, "car",
    )  # fmt: skip
    assert event.pts_s == 2.5
    assert event.data == {"zone": "z", "dwell_time_sec": 2.0, "entered_pts_s": 0.5}
    told = {"reported": {"car": 1}, "now": {"car": 1}}
    assert rule.state() == {"zone": "z", "seconds": 2.0, **told, "longest_s": 5.9}
    assert rule.counters() == {("totals", "blocked", "car"): 1, ("values", "blocked", "car"): 1}


def test_short_stay_is_nothing() -> None:
    rule = dwelling(labels=["person"])
    assert play(rule, steps([IN] * 20 + [OUT] * 30)) == []
    assert rule.counters() == {("totals", "dwell_z", "person"): 0, ("values", "dwell_z", "person"): 0}
    assert rule.state()["longest_s"] == pytest.approx(1.9)


def test_again_after_it_came_back() -> None:
    rule = dwelling()
    events = play(rule, steps([IN] * 30 + [OUT] * 10 + [IN] * 30))
    assert [event.pts_s for event in events] == [2.0, 6.0]
    assert rule.state()["reported"] == {"person": 2}
    play(rule, [Row(7.0 + index / 10, 1, "person", *OUT) for index in range(10)])
    assert rule.counters() == {("totals", "dwell_z", "person"): 2, ("values", "dwell_z", "person"): 0}


def test_two_short_stays_do_not_add_up() -> None:
    assert play(dwelling(), steps([IN] * 15 + [OUT] * 10 + [IN] * 15)) == []


def test_a_step_out_within_the_grace_does_not_interrupt() -> None:
    feet = ([IN] * 6 + [OUT] * 3) * 4
    (event,) = play(dwelling(), steps(feet))
    assert event.data["entered_pts_s"] == 0.0


def test_time_outside_does_not_count_as_stay() -> None:
    """1.9 s inside, then outside within the grace: the stay ended when it was last inside."""
    assert play(dwelling(), steps([IN] * 20 + [OUT] * 20)) == []


def test_vanishing_inside_before_the_time_is_nothing() -> None:
    rule = dwelling()
    assert play(rule, steps([IN] * 15), until=6) == []
    assert rule.state()["longest_s"] == pytest.approx(1.4)


def test_unseen_for_less_than_the_lost_time_goes_on() -> None:
    rows = [row for row in steps([IN] * 30) if not 0.8 < row.t < 2.1]
    (event,) = play(dwelling(), rows)
    assert event.data["entered_pts_s"] == 0.0


def test_a_label_that_is_another_for_longer_than_the_lost_time_ends_the_stay_for_good() -> None:
    """From a person to a bicycle after 3 s, and back 2 s later: the seconds before are those of another stay."""
    rows = [row._replace(label="bicycle" if 3 <= row.t < 5 else "person") for row in steps([IN] * 80)]
    events = play(dwelling(labels=["person"]), rows, until=12)
    assert [(event.pts_s, event.data["entered_pts_s"]) for event in events] == [(2.0, 0.0), (7.0, 5.0)]


def test_id_switch_inside_goes_on_and_is_reported_once() -> None:
    rows = steps([IN] * 40)
    for at in range(1, 40, 3):
        (event,) = play(dwelling(), [row._replace(id=1 + (i >= at)) for i, row in enumerate(rows)])
        assert (event.pts_s, event.data["entered_pts_s"]) == (2.0, 0.0)


def test_each_object_for_itself_and_only_the_labels_asked_for() -> None:
    rule = dwelling(labels=["person"])
    rows = steps([IN] * 30, id=1) + steps([OUT] * 5 + [(250.0, 120.0)] * 30, id=2) + steps([IN] * 30, id=3, label="car")
    assert [(event.track_id, event.pts_s) for event in play(rule, rows)] == [(1, 2.0), (2, 2.5)]


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    rows = steps([IN] * round(4 * fps), fps=fps)
    (event,) = play(dwelling(), rows, fps=fps)
    assert event.pts_s == pytest.approx(2.0)


def test_memory_is_bounded() -> None:
    rule = dwelling()
    most = 0
    for number in range(10_000):
        spot = 210 + 37 * number % 180
        for frame in (0, 1):
            play(rule, [Row(number / 5 + frame / 10, number, "person", spot, 200, 8)])
        most = max(most, len(rule._presence._objects._memory) + len(rule._presence.stays))
    assert most <= 4 * LOST_S * 10
    play(rule, [Row(3_000.0, 99_999, "person", 600, 200)])
    assert (len(rule._presence._objects._memory), len(rule._presence.stays)) == (1, 0)
