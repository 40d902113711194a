"""``missing_gear`` on scripted people, helmets and vests."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.site import Tracker as TrackerConfig
from pipelines.rules.missing_gear import MissingGear, MissingGearConfig
from pipelines.rules.wearing import Box, wearers
from pipelines.tracker import Tracker
from pipelines.values import Event
from tests.support.tracks import Row, detections, play, surroundings

SIZE = (640, 480)
ZONE = ((0.0, 0.0), (320.0, 0.0), (320.0, 480.0), (0.0, 480.0))
POSITIVE = {"worn": ["helmet"]}
NEGATIVE = {"missing": ["no-helmet"]}
BOTH = {**POSITIVE, **NEGATIVE}


def rule(**keys: Any) -> MissingGear:
    config = MissingGearConfig.model_validate({"kind": "missing_gear", "gear": "helmet", "where": "head", **keys})
    return MissingGear(config, surroundings(zones={"z": ZONE}, size=SIZE))


def person(t: float, id: int = 1, x: float = 200, height: float = 200) -> Row:
    return Row(t, id, "person", x, 300, height)


def on_head(t: float, label: str, of: int = 1, x: float = 200, height: float = 200) -> Row:
    """A box in the top sixth of a person's box."""
    return Row(t, 100 + of, label, x, 300 - 5 * height / 6, height / 6)


def film(
    head: Callable[[float], str | None], seconds: float = 20, fps: float = 10, id: Callable[[float], int] = lambda t: 1
) -> list[Row]:
    """A person, and what is on their head at each time."""
    rows = []
    for index in range(round(seconds * fps)):
        t = round(index / fps, 6)
        rows.append(person(t, id(t)))
        label = head(t)
        if label is not None:
            rows.append(on_head(t, label))
    return rows


def actions(events: list[Event]) -> list[tuple[str, float]]:
    return [(str(event.data["action"]), event.pts_s) for event in events]


@pytest.mark.parametrize(
    ("keys", "head", "expected"),
    [
        (POSITIVE, "helmet", []),
        (POSITIVE, None, [("missing", 3.0)]),
        (NEGATIVE, None, []),
        (NEGATIVE, "no-helmet", [("missing", 3.0)]),
        (BOTH, "helmet", []),
        (BOTH, None, []),
        (BOTH, "no-helmet", [("missing", 3.0)]),
    ],
)
def test_what_the_labels_say(keys: dict[str, Any], head: str | None, expected: list[tuple[str, float]]) -> None:
    assert actions(play(rule(**keys), film(lambda t: head))) == expected


def test_missing_and_found_again() -> None:
    target = rule(**BOTH)
    missing, found = play(target, film(lambda t: "helmet" if t < 10 or t >= 20 else "no-helmet", seconds=40))
    assert (missing.kind, missing.rule, missing.source_id, missing.track_id, missing.label) == (
        "missing_gear", "missing_gear_helmet", "cam", 1, "person",
    )  # fmt: skip
    assert missing.pts_s == pytest.approx(12.9, abs=0.1)
    assert missing.data == {"gear": "helmet", "action": "missing"}
    assert found.pts_s == pytest.approx(22.3, abs=0.3)
    assert found.data["lasted_s"] == pytest.approx(found.pts_s - missing.pts_s)
    assert target.counters() == {
        ("totals", "missing_gear_helmet", "missing"): 1,
        ("values", "missing_gear_helmet", "missing"): 0,
        ("values", "missing_gear_helmet", "people"): 1,
    }
    assert target.state() == {"gear": "helmet", "zone": None, "episodes": 1, "missing_now": 0, "people_now": 1}


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_same_at_any_frame_rate(fps: float) -> None:
    rows = film(lambda t: "helmet" if t < 8 or t >= 16 else None, seconds=25, fps=fps)
    missing, found = play(rule(**POSITIVE), rows, fps=fps)
    assert missing.pts_s == pytest.approx(10.9, abs=0.2)
    assert found.pts_s == pytest.approx(18.4, abs=0.5)


def test_a_helmet_that_is_found_now_and_then_at_night_is_neither_missing_nor_found() -> None:
    chance = random.Random(2)  # noqa: S311
    assert play(rule(**POSITIVE), film(lambda t: "helmet" if chance.random() < 0.5 else None, seconds=120)) == []


def test_one_frame_in_eight_that_misses_it_is_nothing() -> None:
    assert play(rule(**POSITIVE), film(lambda t: None if round(t * 10) % 8 == 0 else "helmet", seconds=60)) == []


def test_id_switch_goes_on_and_is_told_once() -> None:
    rows = film(lambda t: "no-helmet", seconds=30, id=lambda t: 1 + int(t // 2))
    ((action, at),) = actions(play(rule(**BOTH), rows))
    assert (action, at) == ("missing", 3.0)


def test_behind_a_tracker_that_votes_on_labels() -> None:
    """A minute with a helmet, then without: the head's box is one track, which by its votes is a helmet for long."""
    target, tracker = rule(**BOTH), Tracker(TrackerConfig(), 10)
    events = []
    labels = ("person", "helmet", "no-helmet")
    for index in range(700):
        t = round(index / 10, 6)
        rows = [person(t), on_head(t, "helmet" if t < 60 else "no-helmet")]
        tracks = tracker.update(detections(rows, labels=labels), t)[1]
        events += target.update(tracks, t)
    assert {track.label for track in tracks} == {"person", "helmet"}
    assert actions(events) == [("missing", pytest.approx(62.9, abs=0.1))]


def test_two_people_and_one_helmet() -> None:
    rows = [row for row in film(lambda t: "helmet") for row in (row, *([person(row.t, 2, 350)] if row.id == 1 else []))]
    (event,) = play(rule(**POSITIVE), rows)
    assert event.track_id == 2


def test_where_it_is_worn_counts() -> None:
    in_hand = [row if row.id == 1 else row._replace(y=260) for row in film(lambda t: "helmet")]
    assert len(play(rule(**POSITIVE), in_hand)) == 1
    assert play(rule(**POSITIVE, where="any"), in_hand) == []


def test_small_people_and_other_labels_are_not_looked_at() -> None:
    small = [person(t / 10, height=40) for t in range(100)]
    assert play(rule(**POSITIVE), small) == []
    assert len(play(rule(**POSITIVE, min_size=0.05), small)) == 1
    assert play(rule(**POSITIVE), [row._replace(label="car") for row in film(lambda t: None)]) == []


def test_a_head_above_the_picture_says_nothing() -> None:
    rows = [Row(t / 10, 1, "person", 200, 200, 200) for t in range(100)]
    assert play(rule(**POSITIVE), rows) == []
    assert len(play(rule(worn=["vest"], where="torso"), rows)) == 1


def test_only_in_the_zone() -> None:
    rows = [person(t / 10, x=150 if t >= 100 else 450) for t in range(200)]
    (event,) = play(rule(**POSITIVE, zone="z"), rows)
    assert (event.pts_s, event.data["zone"], event.rule) == (12.9, "z", "missing_gear_helmet_z")


def test_a_label_of_the_whole_person_may_say_it() -> None:
    rows = [Row(t / 10, 1, "bare", 200, 300, 200) for t in range(100)]
    (event,) = play(rule(labels=["person", "bare"], missing=["bare"], where="any"), rows)
    assert event.label == "bare"


def test_a_twin_of_the_persons_box_may_say_it() -> None:
    rows = [Row(t / 10, 1, "person", 200, 300, 200, seen_as=("person", "bare")) for t in range(100)]
    assert len(play(rule(missing=["bare"], where="any"), rows)) == 1


def test_gone_is_not_missing_now() -> None:
    target = rule(**POSITIVE)
    play(target, film(lambda t: None, seconds=5))
    assert target.state()["missing_now"] == 1
    assert play(target, [Row(6 + t / 10, 9, "car", 500, 300) for t in range(30)]) == []
    assert (target.state()["missing_now"], len(target._memory)) == (0, 0)


def test_refused() -> None:
    for keys in ({}, {"worn": [], "missing": []}):
        with pytest.raises(ValidationError, match="without labels it sees nothing"):
            MissingGearConfig.model_validate({"kind": "missing_gear", "gear": "helmet", **keys})


def test_what_it_needs_of_a_model() -> None:
    config = MissingGearConfig.model_validate({
        "kind": "missing_gear", "gear": "helmet", "optional": True, "labels": ["person", "worker"],
        "worn": ["helmet", "Hardhat"], "missing": ["no-helmet", "NO-Hardhat"],
    })  # fmt: skip
    assert config.within({"person", "car"}) is None
    assert config.within({"Hardhat"}) is None
    found = config.within({"person", "Hardhat", "car"})
    assert found is not None and (found.labels, found.brought()) == (("person",), ("Hardhat",))
    found = config.within({"worker", "NO-Hardhat", "helmet"})
    assert found is not None and (found.labels, found.brought()) == (("worker",), ("helmet", "NO-Hardhat"))


STANDING: Box = (100, 100, 200, 400)
HELMET: Box = (135, 95, 165, 135)


def test_whose_helmet() -> None:
    front, behind = STANDING, (150.0, 60.0, 230.0, 300.0)
    of_behind = (175.0, 60.0, 205.0, 90.0)
    assert wearers([front, behind], [of_behind, HELMET], "head") == {0: 1, 1: 0}
    assert wearers([front, behind], [HELMET], "head") == {0: 0}
    assert wearers([front], [], "head") == {} == wearers([], [HELMET], "head")


@pytest.mark.parametrize(
    ("box", "where"),
    [
        ((135, 95, 165, 135), {"head", "any"}),
        ((110, 170, 190, 260), {"torso", "any"}),
        ((135, 350, 165, 395), {"any"}),
        ((135, 20, 165, 60), set()),
        ((400, 100, 430, 130), set()),
        ((200, 110, 230, 140), set()),  # beside the head, two thirds of it outside
    ],
)
def test_regions(box: Box, where: set[str]) -> None:
    assert {word for word in ("head", "torso", "any") if wearers([STANDING], [box], word)} == where  # type: ignore[arg-type]


corner = st.integers(0, 300)
boxes = st.lists(
    st.tuples(corner, corner, st.integers(1, 120), st.integers(1, 200)).map(
        lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3]))
    ),
    max_size=6,
)


@given(boxes, boxes)
def test_one_each_and_mirrored_alike(people: list[Box], gear: list[Box]) -> None:
    found = wearers(people, gear, "head")
    assert len(set(found.values())) == len(found)

    def mirror(box: Box) -> Box:
        return (1000 - box[2], box[1], 1000 - box[0], box[3])

    assert len(wearers([mirror(box) for box in people], [mirror(box) for box in gear], "head")) == len(found)
