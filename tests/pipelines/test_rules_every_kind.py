"""What holds for every rule kind: counters, events, mirrored videos, and memory that ends with the tracks."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.evaluate.replay import of_event
from pipelines.geometry import Xy
from pipelines.ground import Ground
from pipelines.rules import RULE_KINDS
from pipelines.rules.base import Rule, RuleConfig, Surroundings
from pipelines.values import Event, Track, grows
from tests.support.road import GROUND, SIZE
from tests.support.sizes import held
from tests.support.tracks import LOST_S, Row, frames

ZONE = ((123.4, 310.7), (880.2, 310.7), (950.9, 940.3), (61.8, 940.3))
FAR_ZONE = ((123.4, 310.7), (880.2, 310.7), (880.2, 500.3), (123.4, 500.3))
LINES = {"near": ((80.3, 700.9), (920.6, 700.9)), "far": ((200.1, 450.2), (820.7, 450.2))}
LATEST_S = max(LOST_S, 2.0) + 0.21
"""Media seconds after a track's last box until which it may be told of."""
PATIENT_S = 2 * 3.0 + 0.21
"""The same of kinds that wait longer for somebody who is hidden."""
PATIENT = {"queue", "crowding", "table_state", "missing_gear", "person_down"}
KINDS: dict[str, dict[str, Any]] = {
    "line_crossing": {"line": "near"},
    "zone_count": {"zone": "z"},
    "dwell": {"zone": "z", "seconds": 1.03},
    "zone_intrusion": {"zone": "z", "seconds": 0.53, "share": 0.31},
    "speed": {"zone": "z", "limit_kmh": 21.7},
    "speed between lines": {"lines": ["near", "far"], "limit_kmh": 21.7},
    "distance": {"zone": "z", "metres": 5.03},
    "stopped": {"zone": "z", "seconds": 1.03},
    "wrong_way": {"zone": "z", "along": "near", "distance": 0.537, "seconds": 0.53},
    "congestion": {"zone": "z", "average_s": 1, "hold_s": 0.53},
    "proximity": {"labels": ["person"], "to": ["car"], "metres": 3.03, "seconds": 0.23},
    "queue": {"zone": "z", "service": "far", "exit": "near", "stand_s": 0.53, "alert_length": 2, "alert_after_s": 1.03},
    "flow_matrix": {"zones": ["far", "z"]},
    "crowding": {"zone": "z", "limit": 2, "seconds": 1.03},
    "table_state": {"zone": "z", "occupied_after_s": 1.03, "clear_after_s": 2.03, "free_after_s": 3.03},
    "missing_gear": {"gear": "vest", "worn": ["car"], "missing": ["truck"], "seconds": 1.03, "min_size": 0},
    "person_down": {"fall_labels": ["truck"], "seconds": 1.03},
    "heatmap": {"half_life_s": 60},
}
"""Each kind with short times, so that much happens; numbers that no frame hits exactly."""
every_kind = pytest.mark.parametrize("case", KINDS)


def config_of(case: str) -> RuleConfig:
    kind = case.split()[0]
    return RULE_KINDS[kind][0].model_validate({"kind": kind, **KINDS[case]})


def make(case: str, mirrored: bool = False, around: Surroundings | None = None) -> Rule:
    made: Rule = RULE_KINDS[case.split()[0]][1](config_of(case), around or surroundings(mirrored))
    return made


def surroundings(mirrored: bool = False) -> Surroundings:
    def at(points: Sequence[Xy]) -> tuple[Xy, ...]:
        return tuple((SIZE[0] - x, y) if mirrored else (x, y) for x, y in points)

    matrix = GROUND._matrix.copy()
    if mirrored:  # x' = width - x
        matrix[:, 2] += SIZE[0] * matrix[:, 0]
        matrix[:, 0] *= -1
    lines = {name: (at(line)[0], at(line)[1]) for name, line in LINES.items()}
    zones = {"z": at(ZONE), "far": at(FAR_ZONE)}
    return Surroundings("cam", lines, zones, LOST_S, SIZE, Ground(matrix))


spots = st.tuples(st.integers(30, 970), st.integers(320, 990))
walks = st.lists(
    st.tuples(
        st.sampled_from(["person", "car", "truck"]),
        st.floats(0, 4),
        st.lists(spots, min_size=2, max_size=5),
        st.sampled_from([0, 3, 4]),
        st.integers(0, 12),
    ),
    min_size=1,
    max_size=5,
)


def rows_of(script: list[tuple[str, float, list[Xy], int, int]]) -> list[Row]:
    """Objects that walk from spot to spot in a second each, missed in every n-th frame, with a gap in their midst."""
    rows = []
    for number, (label, start, corners, missed, gap) in enumerate(script):
        for index in range(10 * (len(corners) - 1)):
            (x0, y0), (x1, y1) = corners[index // 10], corners[index // 10 + 1]
            share = index % 10 / 10
            if (missed and index % missed == missed - 1) or 5 <= index < 5 + gap:
                continue
            shown = "car" if label == "truck" and index % 7 == 6 else label
            x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
            rows.append(Row(round(round(start, 1) + index / 10, 6), number + 1, shown, x, y, 20 + y / 10))
    return rows


def seen(rule: Rule, rows: list[Row]) -> Iterator[tuple[float, list[Track], list[Event]]]:
    for t, tracks in frames(rows, until=max((row.t for row in rows), default=0.0) + 12):
        yield t, tracks, rule.update(tracks, t)


def test_every_kind_is_looked_at() -> None:
    assert {case.split()[0] for case in KINDS} == set(RULE_KINDS)


@every_kind
@settings(max_examples=15, deadline=None)
@given(script=walks)
def test_counters_events_and_the_end_of_all(case: str, script: list[tuple[str, float, list[Xy], int, int]]) -> None:
    rule, config = make(case), config_of(case)
    before: dict[tuple[str, ...], int] = {}
    last_seen: dict[int, float] = {}
    for t, tracks, events in seen(rule, rows_of(script)):
        last_seen.update((track.id, t) for track in tracks)
        now = dict(rule.counters())
        assert all(isinstance(value, int) and value >= 0 for value in now.values())
        assert all(now.get(key, -1) >= value for key, value in before.items() if grows(key))
        assert all(key[1] == rule.name for key in now if key[0] in ("totals", "values"))
        before = now
        for event in events:
            assert (event.kind, event.rule, event.pts_s) == (rule.kind, rule.name, t)
            assert json.loads(json.dumps(dict(event.data), allow_nan=False)) == event.data
            one = of_event(event)  # what a truth tells of it is what the kind declares
            assert one.direction in config.told()
            assert bool(one.label) == (one.direction not in config.scene_words)
            assert one.time_s <= t
            assert one.name in (KINDS[case].get("line"), KINDS[case].get("zone"), rule.name)
            if event.track_id is not None:  # nothing is told of a track that is long gone
                assert t - last_seen[event.track_id] <= (PATIENT_S if case in PATIENT else LATEST_S)
    json.dumps(rule.state(), allow_nan=False)
    there = {key: value for key, value in rule.counters().items() if not grows(key) and value}
    assert {key for key in there if not key[2].startswith("p")} == set(), "nobody is there; percentiles stay a while"


@every_kind
@settings(max_examples=15, deadline=None)
@given(script=walks)
def test_a_mirrored_video_has_the_same_events(case: str, script: list[tuple[str, float, list[Xy], int, int]]) -> None:
    rows = rows_of(script)
    flipped = [row._replace(x=SIZE[0] - row.x) for row in rows]

    def told(mirrored: bool, script: list[Row]) -> list[tuple[Any, ...]]:
        found = [event for _, _, events in seen(make(case, mirrored), script) for event in events]
        words = ("action", "from", "to", "direction", "level", "over_limit")
        swapped = {"in": "out", "out": "in"} if mirrored else {}  # left is right in a mirror
        rows = [(event.pts_s, event.track_id, *map(event.data.get, words)) for event in found]
        return [tuple(swapped.get(value, value) if isinstance(value, str) else value for value in row) for row in rows]

    assert told(True, flipped) == told(False, rows)


@settings(max_examples=25, deadline=None)
@given(script=walks, order=st.permutations(range(len(KINDS))))
def test_what_a_rule_says_does_not_depend_on_others(
    script: list[tuple[str, float, list[Xy], int, int]], order: list[int]
) -> None:
    """Rules of a camera find much out together: each of two of every kind says what it says alone."""
    around = surroundings()
    alone = [make(case) for case in KINDS]
    together = [[make(case, around=around) for case in KINDS] for _ in range(2)]
    for t, tracks in frames(rows_of(script)):
        told = [rule.update(tracks, t) for rule in alone]
        for rules in together:
            said = {row: rules[row].update(tracks, t) for row in order}
            assert [said[row] for row in sorted(order)] == told
    for rules in together:
        assert [rule.counters() for rule in rules] == [rule.counters() for rule in alone]
        assert [rule.state() for rule in rules] == [rule.state() for rule in alone]


SLOW: list[tuple[str, list[tuple[float, float, float]]]] = [
    ("car", [(0, 500, 980), (9, 500, 400), (12, 500, 330)]),  # up the road, over both lines
    ("car", [(1, 300, 340), (4, 300, 600), (9, 300, 600), (13, 250, 960)]),  # down, with a stop in the zone
    ("person", [(2, 60, 720), (5, 350, 620), (14, 350, 620), (17, 300, 980)]),  # in from the side, stands, leaves
    ("person", [(2.5, 60, 800), (5.5, 420, 640), (12, 420, 640), (15, 420, 980)]),
    ("truck", [(3, 940, 700), (8, 600, 690), (13, 150, 690), (15, 40, 690)]),  # across, along the near line
    ("truck", [(6, 350, 590), (9, 350, 590)]),  # a small box on the third one, which says that gear is missing
]
"""Who goes where: seconds, and the foot's place in pixels, in straight lines."""


def slow_rows(fps: float) -> list[Row]:
    rows = []
    for number, (label, stations) in enumerate(SLOW, 1):
        times, xs, ys = (np.array(column) for column in zip(*stations, strict=True))
        for index in range(math.ceil(times[0] * fps), int(times[-1] * fps) + 1):
            x, y = float(np.interp(index / fps, times, xs)), float(np.interp(index / fps, times, ys))
            rows.append(Row(round(index / fps, 6), number, label, x, y, 20 + y / 10 if number < 6 else 20))
    return rows


@every_kind
def test_slow_motion_has_the_same_events_at_any_frame_rate(case: str) -> None:
    """Of each object the same things in the same order, at nearly the same time: a way is known to a step of it."""
    apart_s = 1.0 if case == "distance" else 0.5
    told: dict[int, dict[int | None, list[tuple[Any, ...]]]] = {}
    times: dict[int, dict[int | None, list[float]]] = {}
    for fps in (5, 10, 25):
        rule, rows = make(case), slow_rows(fps)
        told[fps], times[fps] = {}, {}
        for t, tracks in frames(rows, fps=fps, until=28):
            for event in rule.update(tracks, t):
                words = ("action", "state", "from", "to", "direction", "level", "over_limit")
                told[fps].setdefault(event.track_id, []).append(tuple(map(event.data.get, words)))
                times[fps].setdefault(event.track_id, []).append(t)
    assert told[5] == told[10] == told[25]
    assert told[10] or case in ("heatmap", "person_down"), "nothing happens"
    for key, moments in times[25].items():
        for fps in (5, 10):
            assert times[fps][key] == pytest.approx(moments, abs=apart_s), (fps, key)


def crowd(start: int, count: int) -> Iterator[tuple[float, list[Track]]]:
    """Objects that cross the picture in two frames each, four at a time."""
    for number in range(start, start + count, 4):
        for step in range(2):
            t = (number / 4 * 2 + step) / 10
            yield t, [
                Track(
                    id, "car" if id % 2 else "person", (x - 20, y - 80, x + 20, y), 0.9, t - step / 10, t
                )
                for id in range(number, number + 4)
                for x, y in [(150 + 211 * (id % 4) + 40 * math.sin(id), 640 + 120 * step + 90 * math.cos(id))]
            ]  # fmt: skip


def holds(case: str, count: int) -> tuple[int, int, int]:
    """Values held after a tenth of so many objects, after all of them, and when all are gone."""
    rule = make(case)
    early = 0
    last = 0.0
    for index, (t, tracks) in enumerate(crowd(1, count)):
        rule.update(tracks, t)
        rule.counters()
        last = t
        if index == count // 20:
            early = held(rule)
    late = held(rule)
    for step in range(1, 41):
        rule.update([], last + step / 2)
    return early, late, held(rule)


@every_kind
def test_memory_is_flat(case: str) -> None:
    early, late, gone = holds(case, 1_200)
    assert late < 1.5 * early + 400
    assert gone <= max(late, held(make(case)) + 600)


@pytest.mark.slow
@every_kind
def test_memory_is_flat_over_a_million_tracks(case: str) -> None:
    early, late, gone = holds(case, 1_000_000)
    assert late < 1.1 * early + 15_000  # a histogram of speeds fills up; a value for each track would be a million
    assert gone <= late
