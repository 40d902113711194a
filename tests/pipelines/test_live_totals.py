"""Counters that outlive the process."""

from __future__ import annotations

import pytest

from pipelines.live.totals import Notes, Totals

CAR = ("counts", "road", "in", "car")
BOX = ("occupancy", "box", "car")
SERVED = ("totals", "queue_till", "served")
WAITING = ("values", "queue_till", "waiting")


def kept(*parts: Notes) -> dict[str, str]:
    """What a store would hold after these changes."""
    found: dict[str, str] = {}
    for part in parts:
        for key, value in part.items():
            if value is None:
                found.pop(key, None)
            else:
                found[key] = value
    return found


def values(totals: Totals) -> dict[tuple[str, ...], int]:
    return {key: total.value for key, total in totals.items()}


def test_zeros_are_there_from_the_start() -> None:
    totals = Totals("a", [CAR, BOX], [], {}, 5.0)
    assert values(totals) == {CAR: 0, BOX: 0}
    assert {total.since for _, total in totals.items()} == {5.0}
    again = Totals("a", [CAR, BOX], [], kept(totals.begun), 99.0)
    assert {total.since for _, total in again.items()} == {5.0}
    assert again.begun == {}


def test_only_what_changed_is_told_and_kept() -> None:
    totals = Totals("a", [CAR, BOX], [], {}, 0.0)
    assert totals.update({CAR: 0, BOX: 0}, 1.0) == ([], {})
    changed, notes = totals.update({CAR: 1, BOX: 2}, 2.0)
    assert [(key, total.value) for key, total in changed] == [(CAR, 1), (BOX, 2)]
    assert len([key for key in notes if key.startswith("total/")]) == 1  # occupancy is not worth keeping
    assert totals.update({CAR: 1, BOX: 2}, 3.0) == ([], {})


def test_a_new_process_goes_on_and_says_since_when() -> None:
    first = Totals("a", [CAR, BOX], [], {}, 10.0)
    first.watched_s = 7.5
    _, notes = first.update({CAR: 3, BOX: 1}, 20.0)
    second = Totals("a", [CAR, BOX], [], kept(notes), 99.0)
    assert values(second) == {CAR: 3, BOX: 0}
    assert dict(second.items())[CAR].since == 10.0
    assert second.observed_s(dict(second.items())[CAR]) == 7.5
    changed, _ = second.update({CAR: 1, BOX: 0}, 100.0)  # the rules began at 0 again
    assert [(key, total.value) for key, total in changed] == [(CAR, 4)]


@pytest.mark.parametrize(("growing", "present"), [(CAR, BOX), (SERVED, WAITING)])
def test_what_grows_is_kept_and_what_is_there_now_is_not(growing: tuple[str, ...], present: tuple[str, ...]) -> None:
    first = Totals("a", [growing, present], [], {}, 0.0)
    changed, notes = first.update({growing: 3, present: 2}, 1.0)
    assert [(key, total.value) for key, total in changed] == [(growing, 3), (present, 2)]
    assert len([key for key in notes if key.startswith("total/")]) == 1
    second = Totals("a", [growing, present], [], kept(first.begun, notes), 2.0)
    assert values(second) == {growing: 3, present: 0}
    second.go_on_from({growing: 1, present: 1})
    second.update({growing: 2, present: 5}, 3.0)
    assert values(second) == {growing: 4, present: 5}
    assert [(key, total.value) for key, total in second.empty()] == [(present, 0)]
    assert values(second) == {growing: 4, present: 0}


def test_rules_that_begin_anew_take_nothing_away() -> None:
    totals = Totals("a", [CAR], [], {}, 0.0)
    totals.update({CAR: 5}, 1.0)
    totals.restart()
    assert totals.update({CAR: 0}, 2.0) == ([], {})
    totals.update({CAR: 2}, 3.0)
    assert values(totals) == {CAR: 7}


def test_labels_of_a_rule_for_all_labels_are_kept_too() -> None:
    dog = ("counts", "road", "in", "dog")
    cat = ("occupancy", "box", "cat")
    first = Totals("a", [], [("counts", "road"), ("occupancy", "box")], {}, 0.0)
    _, notes = first.update({dog: 2, cat: 1}, 1.0)
    second = Totals("a", [], [("counts", "road"), ("occupancy", "box")], kept(notes), 9.0)
    assert values(second) == {dog: 2, cat: 0}


def test_what_is_no_longer_configured_is_not_published() -> None:
    _, notes = Totals("a", [CAR], [], {}, 0.0).update({CAR: 2}, 1.0)
    assert values(Totals("a", [BOX], [("counts", "other")], kept(notes), 2.0)) == {BOX: 0}
    assert values(Totals("b", [CAR], [], kept(notes), 2.0)) == {CAR: 0}  # another camera's


def test_nobody_is_left_when_the_camera_is_away() -> None:
    totals = Totals("a", [CAR, BOX], [], {}, 0.0)
    totals.update({CAR: 2, BOX: 3}, 1.0)
    assert [(key, total.value) for key, total in totals.empty()] == [(BOX, 0)]
    assert totals.empty() == []
    changed, _ = totals.update({CAR: 2, BOX: 3}, 2.0)  # it is back, and they still stand there
    assert [(key, total.value) for key, total in changed] == [(BOX, 3)]


def test_a_counter_that_does_not_change_is_told_again_each_minute() -> None:
    totals = Totals("a", [CAR, BOX], [], {}, 1000.0)
    assert [key for key, _ in totals.stale(1000.0, 60)] == [CAR, BOX]
    assert totals.stale(1059.0, 60) == []
    totals.update({CAR: 1, BOX: 0}, 1059.0)
    totals.watched_s = 42.0
    told = totals.stale(1061.0, 60)
    assert [(key, total.value, totals.observed_s(total)) for key, total in told] == [(BOX, 0, 42.0)]
    assert [key for key, _ in totals.stale(1119.0, 60)] == [CAR]
    assert [key for key, _ in totals.stale(900.0, 60)] == [BOX, CAR]  # the clock was set back


def test_many_counters_are_told_in_turn() -> None:
    keys = [("counts", "road", "in", f"label{number:03}") for number in range(100)]
    totals = Totals("a", keys, [], {}, 0.0)
    seen: list[tuple[str, ...]] = []
    for now in range(1000, 1060, 10):
        told = [key for key, _ in totals.stale(float(now), 10)]
        assert len(told) <= 17
        seen += told
    assert sorted(seen) == keys
    assert [key for key, _ in totals.stale(1060.0, 10)] == seen[:17]
    assert Totals("a", [], [], {}, 0.0).stale(0.0, 10) == []


def test_words_of_a_rule_for_all_labels_are_kept_too() -> None:
    dog, cat = ("totals", "speeding", "dog"), ("values", "speeding", "cat")
    places = [("totals", "speeding"), ("values", "speeding")]
    _, notes = Totals("a", [], places, {}, 0.0).update({dog: 2, cat: 1}, 1.0)
    assert values(Totals("a", [], places, kept(notes), 9.0)) == {dog: 2, cat: 0}


@pytest.mark.parametrize("text", ["", "{}", "no json", '{"value": "x", "since": 1, "watched_before": 0}', "[1]"])
def test_damaged_notes_begin_at_zero(text: str) -> None:
    _, notes = Totals("a", [CAR], [], {}, 0.0).update({CAR: 2}, 1.0)
    damaged = {key: text for key in kept(notes)}
    totals = Totals("a", [CAR], [], damaged, 9.0)
    assert values(totals) == {CAR: 0}
    assert totals.watched_s == 0.0
