"""What holds for every rule kind that looks at zones and people, whatever comes: on random ways and endless tracks."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.rules import RULE_KINDS, Rule
from pipelines.values import Track
from tests.support.tracks import Row, box, frames, surroundings

ZONES = {
    "a": ((0.0, 0.0), (300.0, 0.0), (300.0, 480.0), (0.0, 480.0)),
    "b": ((300.0, 0.0), (640.0, 0.0), (640.0, 480.0), (300.0, 480.0)),
    "c": ((100.0, 100.0), (250.0, 100.0), (250.0, 300.0), (100.0, 300.0)),
}
LINES = {"l": ((300.0, 0.0), (300.0, 480.0))}
CONFIGS: dict[str, dict[str, Any]] = {
    "queue": {
        "zone": "a", "service": "b", "exit": "l", "stand_s": 0.5, "alert_length": 2, "alert_after_s": 1,
        "alert_wait_s": 2,
    },
    "flow_matrix": {"zones": ["c", "a", "b"]},
    "crowding": {"zone": "a", "limit": 2, "seconds": 1},
    "table_state": {"zone": "a", "occupied_after_s": 1, "clear_after_s": 2, "free_after_s": 3},
    "missing_gear": {"gear": "helmet", "worn": ["car"], "missing": ["truck"], "seconds": 1, "min_size": 0},
    "person_down": {"fall_labels": ["bus"], "seconds": 1},
    "heatmap": {"half_life_s": 60},
}  # fmt: skip
LATEST_S = 2 * 3.0 + 0.2
"""After this much without anybody the last event about a track is over: twice the longest patience."""


def rule(kind: str) -> Rule:
    config, made = RULE_KINDS[kind]
    found: Rule = made(
        config.model_validate({"kind": kind, **CONFIGS[kind]}), surroundings(LINES, ZONES, size=(640, 480))
    )
    return found


spots = st.tuples(st.sampled_from([50, 150, 290, 310, 500]), st.sampled_from([90, 200, 400]))
legs = st.tuples(spots, st.integers(1, 25), st.sampled_from([40.0, 120.0]), st.booleans())
ways = st.lists(st.lists(legs, max_size=5), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(ways, st.lists(st.sampled_from(["person", "person", "person", "bus", "truck", "car"]), min_size=7, max_size=7))
@pytest.mark.parametrize("kind", CONFIGS)
def test_totals_never_fall_and_nothing_is_told_of_tracks_that_are_gone(
    kind: str, objects: list[list[Any]], labels: list[str]
) -> None:
    target = rule(kind)
    rows = []
    for number, way in enumerate(objects, 1):
        index = 0
        for (x, y), count, width, is_seen in way:
            for _ in range(count if is_seen else 0):
                t = round(index / 5, 6)
                label = labels[(index // 4) % 7]
                rows.append(Row(t, number, "person", x + 9 * number, y, 80, width, (label,)))
                index += 1
            index += 0 if is_seen else count
    last = {number: max((row.t for row in rows if row.id == number), default=0.0) for number in range(len(objects) + 1)}
    before = dict(target.counters())
    assert set(before.values()) <= {0}
    for t, tracks in frames(rows, fps=5, until=60):
        events = target.update(tracks, t)
        assert all(event.pts_s == t and event.kind == kind and event.rule == target.name for event in events)
        assert all(t <= last[event.track_id] + LATEST_S for event in events if event.track_id is not None)
        now = dict(target.counters())
        assert now.keys() == before.keys()
        assert all(value >= 0 for value in now.values())
        assert all(now[key] >= before[key] for key in now if key[0] == "totals")
        before = now
    assert all(value == 0 for key, value in before.items() if key[0] == "values")


CODE = (type, types.ModuleType, types.FunctionType, types.BuiltinMethodType)


def reachable(root: object) -> int:
    """How many objects hang on another one; code and classes do not count."""
    seen: set[int] = set()
    todo = [root]
    while todo:
        found = todo.pop()
        if id(found) in seen or isinstance(found, CODE):
            continue
        seen.add(id(found))
        todo += gc.get_referents(found)
    return len(seen)


def short_lives(kind: str) -> Callable[[int, int], None]:
    """Lets tracks of two frames, half a second apart, pass by; each is all that the kind looks for."""
    target = rule(kind)

    def run(first: int, last: int) -> None:
        for number in range(first, last):
            for frame, x in enumerate((150, 400)):
                t = number / 2 + frame / 4
                row = Row(t, number, "person", x + 37 * number % 90, 150 + 61 * number % 240, 60, 30, ("bus", "truck"))
                target.update([Track(row.id, row.label, box(row), 0.9, t, t, row.seen_as)], t)

    run.target = target  # type: ignore[attr-defined]
    return run


@pytest.mark.parametrize("kind", CONFIGS)
def test_thousands_of_tracks_leave_it_as_small_as_it_was(kind: str) -> None:
    run = short_lives(kind)
    run(0, 1500)
    before = reachable(run.target)  # type: ignore[attr-defined]
    run(1500, 4000)
    after = reachable(run.target)  # type: ignore[attr-defined]
    assert after <= before * 1.02 + 20
