"""``person_down`` on scripted falls, by label and by shape."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from config.site import Tracker as TrackerConfig
from pipelines.rules.person_down import PersonDown, PersonDownConfig
from pipelines.tracker import Tracker
from pipelines.values import Event
from tests.support.tracks import LOST_S, Row, detections, play, surroundings

ZONE = ((0.0, 0.0), (320.0, 0.0), (320.0, 480.0), (0.0, 480.0))
UPRIGHT, LYING, STOOPING = (60.0, 160.0), (160.0, 60.0), (90.0, 100.0)


def rule(**keys: Any) -> PersonDown:
    config = PersonDownConfig.model_validate({"kind": "person_down", **keys})
    return PersonDown(config, surroundings(zones={"z": ZONE}, size=(640, 480)))


def film(
    shape: Callable[[float], tuple[float, float]],
    seconds: float = 20,
    fps: float = 10,
    x: Callable[[float], float] = lambda t: 300,
    id: Callable[[float], int] = lambda t: 1,
    called: Callable[[float], str] | None = None,
) -> list[Row]:
    """Somebody whose box has this width and height at each time; its foot stays where it is."""
    rows = []
    for index in range(round(seconds * fps)):
        t = round(index / fps, 6)
        width, height = shape(t)
        seen_as = () if called is None else (called(t),)
        rows.append(Row(t, id(t), "person", x(t), 350, height, width, seen_as))
    return rows


def falls(t: float) -> tuple[float, float]:
    """Upright until 8 s, on the ground from 8.5 s until 15 s, and up again."""
    if 8 <= t < 8.5:
        share = (t - 8) / 0.5
        return (60 + 100 * share, 160 - 100 * share)
    return LYING if 8.5 <= t < 15 else UPRIGHT


def told(events: list[Event]) -> list[tuple[str, str]]:
    return [(str(event.data["action"]), str(event.data["by"])) for event in events]


def test_by_shape() -> None:
    target = rule()
    down, up = play(target, film(falls, seconds=30))
    assert (down.kind, down.rule, down.source_id, down.track_id, down.label) == (
        "person_down", "person_down", "cam", 1, "person",
    )  # fmt: skip
    assert down.data == {"action": "down", "by": "shape"}
    assert down.pts_s == pytest.approx(11.8, abs=0.6)  # wide at 8.3 s, at rest a little later, and so for 3 s
    assert (up.data["action"], up.data["by"]) == ("up", "shape")
    assert up.pts_s == pytest.approx(17.4, abs=0.6)
    assert up.data["lasted_s"] == pytest.approx(up.pts_s - down.pts_s, abs=0.01)
    assert target.counters() == {("totals", "person_down", "down"): 1, ("values", "person_down", "down"): 0}
    assert target.state() == {"zone": None, "falls": {"label": 0, "shape": 1}, "down_now": 0}


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    down, up = play(rule(), film(falls, seconds=30, fps=fps), fps=fps)
    assert (down.pts_s, up.pts_s) == (pytest.approx(11.8, abs=0.4), pytest.approx(17.4, abs=0.4))


NOBODY_FELL: dict[str, list[Row]] = {
    "stands": film(lambda t: UPRIGHT, seconds=30),
    "stoops": film(lambda t: STOOPING if 8 <= t < 15 else UPRIGHT, seconds=30),
    "lay there from the first": film(lambda t: LYING, seconds=60),
    "is wide for a second": film(lambda t: LYING if 8 <= t < 9 else UPRIGHT, seconds=30),
    "carries something wide": film(lambda t: LYING if t >= 8 else UPRIGHT, 30, x=lambda t: 100 + 40 * (t % 10)),
    "is cut by the picture's edge": [row._replace(y=480) for row in film(falls, seconds=30)],
    "is another object": film(falls, 30, id=lambda t: 1 if t < 8 else 2, x=lambda t: 200 if t < 8 else 400),
    "is a car": [row._replace(label="car") for row in film(falls, seconds=30)],
}


@pytest.mark.parametrize("rows", NOBODY_FELL.values(), ids=NOBODY_FELL)
def test_nobody_fell(rows: list[Row]) -> None:
    assert play(rule(), rows) == []


def test_id_switch_on_the_ground_goes_on() -> None:
    for at in (9.0, 10.0, 12.0, 14.0, 16.0):
        events = play(rule(), film(falls, seconds=30, id=lambda t, at=at: 1 + (t >= at)))  # type: ignore[misc]
        assert told(events) == [("down", "shape"), ("up", "shape")], at


def test_by_label() -> None:
    target = rule(fall_labels=["Fall"], shape=False)
    rows = film(lambda t: UPRIGHT, 30, called=lambda t: "Fall" if 8 <= t < 15 else "person")
    down, up = play(target, rows)
    assert down.data == {"action": "down", "by": "label"}
    assert (down.pts_s, up.pts_s) == (pytest.approx(10.9, abs=0.1), pytest.approx(17.4, abs=0.4))
    assert target.state()["falls"] == {"label": 1, "shape": 0}


def test_the_label_comes_before_the_shape() -> None:
    rows = film(falls, 30, called=lambda t: "Fall" if 8 <= t < 15 else "person")
    assert told(play(rule(fall_labels=["Fall"]), rows)) == [("down", "label"), ("up", "label")]


def test_a_label_that_flickers_is_no_fall() -> None:
    chance = random.Random(4)  # noqa: S311
    rows = film(lambda t: UPRIGHT, 60, called=lambda t: "Fall" if chance.random() < 0.5 else "person")
    assert play(rule(fall_labels=["Fall"]), rows) == []


def test_behind_a_tracker_that_votes_on_labels() -> None:
    """A minute upright, then down: by the votes of its track it is `Normal` for another minute."""
    target = rule(labels=["Normal"], fall_labels=["Fall"], shape=False)
    tracker, labels = Tracker(TrackerConfig(), 10), ("Normal", "Fall")
    events = []
    for index in range(700):
        t = round(index / 10, 6)
        row = Row(t, 1, "Normal" if t < 60 else "Fall", 300, 350, 160, 60)
        tracks = tracker.update(detections([row], labels=labels), t)[1]
        events += target.update(tracks, t)
    assert {track.label for track in tracks} == {"Normal"}
    assert told(events) == [("down", "label")]
    assert events[0].pts_s == pytest.approx(62.9, abs=0.1)


def test_a_second_detectors_box_on_the_same_person_says_it() -> None:
    """Two detectors, one box each on one person: the better one is followed, the other one's label is not lost."""
    target, labels = rule(fall_labels=["Fall"], shape=False), ("person", "Fall")
    tracker = Tracker(TrackerConfig(), 10)
    events = []
    for index in range(100):
        t = round(index / 10, 6)
        rows = [Row(t, 1, "person", 300, 350, 160, 60), Row(t, 1, "Fall", 301, 351, 158, 60)]
        found = detections(rows[: 1 + (t > 3)], [0.9, 0.6][: 1 + (t > 3)], labels)
        events += target.update(tracker.update(found, t)[1], t)
    assert told(events) == [("down", "label")]


def test_only_in_the_zone() -> None:
    assert play(rule(zone="z"), film(falls, 30, x=lambda t: 500)) == []
    down, _ = play(rule(zone="z"), film(falls, 30, x=lambda t: 200))
    assert (down.rule, down.data["zone"]) == ("person_down_z", "z")


def test_gone_is_not_down_now() -> None:
    target = rule()
    play(target, film(falls, seconds=14))
    assert target.state()["down_now"] == 1
    assert play(target, [Row(15 + t / 10, 9, "car", 500, 300) for t in range(30)]) == []
    assert (target.state()["down_now"], len(target._memory)) == (0, 0)


def test_refused() -> None:
    with pytest.raises(ValidationError, match="neither 'fall_labels' nor 'shape'"):
        PersonDownConfig.model_validate({"kind": "person_down", "shape": False})


def test_what_it_needs_of_a_model() -> None:
    keys = {"kind": "person_down", "optional": True, "labels": ["person", "Normal"], "fall_labels": ["Fall"]}
    both = PersonDownConfig.model_validate(keys)
    label_only = PersonDownConfig.model_validate({**keys, "shape": False})
    coco, fall = {"person", "car"}, {"Normal", "Fall"}
    found = both.within(coco)
    assert found is not None and (found.labels, found.brought()) == (("person",), ())
    assert label_only.within(coco) is None
    for config in (both, label_only):
        found = config.within(fall)
        assert found is not None and (found.labels, found.brought()) == (("Normal",), ("Fall",))
    assert both.within({"car"}) is None


shapes = st.sampled_from([UPRIGHT, LYING, STOOPING, None])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(shapes, st.integers(1, 60)), max_size=8))
def test_down_and_up_take_turns(spells: list[tuple[tuple[float, float] | None, int]]) -> None:
    target = rule()
    rows = [
        Row(round(index / 10, 6), 1, "person", 300, 350, shape[1], shape[0])
        for index, shape in enumerate(shape for shape, frames in spells for _ in range(frames))
        if shape is not None
    ]
    events = play(target, rows, until=60)
    words = [word for word, _ in told(events)]
    # a box that was hidden for long is another person: then a fall may follow a fall
    assert words.count("down") == target.counters()["totals", "person_down", "down"]
    assert all(word in ("down", "up") for word in words)
    assert words.count("up") <= words.count("down")
    assert max((event.pts_s for event in events), default=0.0) <= max((row.t for row in rows), default=0.0)
    assert target.state()["down_now"] == 0 or (rows and rows[-1].t + LOST_S >= 60)
