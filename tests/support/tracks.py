"""Scripted trajectories: rows of (t, id, label, foot x, foot y, height) become the tracks of each frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol

import numpy as np

from detectors.detections import Detections
from pipelines.rules import Surroundings
from pipelines.tracker import Tracker
from pipelines.values import Event, Track

LOST_S = 1.5
LABELS = ("person", "car", "truck", "bus")


class Row(NamedTuple):
    """One object in one frame; its box is half as wide as it is high, unless it says otherwise."""

    t: float
    id: int
    label: str
    x: float
    y: float
    height: float = 100.0
    width: float | None = None
    seen_as: tuple[str, ...] = ()


class TakesTracks(Protocol):
    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]: ...


Path = Callable[[float], tuple[float, float]]


def box(row: Row) -> tuple[float, float, float, float]:
    half = row.height / 4 if row.width is None else row.width / 2
    return (row.x - half, row.y - row.height, row.x + half, row.y)


def walk(
    path: Path,
    start: float = 0.0,
    end: float = 4.0,
    fps: float = 10,
    id: int = 1,
    label: str = "person",
    height: float = 100,
) -> list[Row]:
    """An object whose foot is at ``path(t)`` from ``start`` to ``end``, both included."""
    count = round((end - start) * fps) + 1
    times = [round(start + index / fps, 6) for index in range(count)]
    return [Row(t, id, label, *path(t), height) for t in times]


def steps(feet: Iterable[tuple[float, float]], fps: float = 10, id: int = 1, label: str = "person") -> list[Row]:
    """An object whose foot is at these points, frame by frame."""
    return [Row(round(index / fps, 6), id, label, x, y) for index, (x, y) in enumerate(feet)]


def frames(rows: Iterable[Row], *, fps: float = 10, until: float | None = None) -> list[tuple[float, list[Track]]]:
    """The tracks of each frame; frames in which nothing is seen are there too, at ``fps``."""
    ordered = sorted(rows, key=lambda row: (row.t, row.id))
    first: dict[int, float] = {}
    by_time: dict[float, list[Track]] = {}
    for t, group in groupby(ordered, key=lambda row: row.t):
        by_time[t] = [
            Track(row.id, row.label, box(row), 0.9, first.setdefault(row.id, t), t, row.seen_as) for row in group
        ]
    start = ordered[0].t if ordered else 0.0
    end = max(until or 0.0, ordered[-1].t if ordered else 0.0)
    for index in range(int((end - start) * fps + 1.0001)):
        by_time.setdefault(round(start + index / fps, 6), [])
    return sorted(by_time.items())


def play(rule: TakesTracks, rows: Iterable[Row], *, fps: float = 10, until: float | None = None) -> list[Event]:
    """All events of a rule that sees these rows."""
    return [event for t, tracks in frames(rows, fps=fps, until=until) for event in rule.update(tracks, t)]


def track_and_play(
    rule: TakesTracks, tracker: Tracker, rows: Iterable[Row], score: float = 0.9, fps: float = 10
) -> list[Event]:
    """All events of a rule behind a tracker; the rows' ids only name the objects."""
    seen: dict[float, list[Row]] = {}
    for row in rows:
        seen.setdefault(row.t, []).append(row)
    events = []
    for index in range(round(max(seen) * fps) + 1):
        t = round(index / fps, 6)
        tracks = tracker.update(detections(seen.get(t, []), score), t)[1]
        events += rule.update(tracks, t)
    return events


def detections(
    rows: Sequence[Row], score: float | Sequence[float] = 0.9, labels: tuple[str, ...] = LABELS
) -> Detections:
    """The rows of one frame as a detector would give them."""
    scores = np.broadcast_to(np.asarray(score, np.float32), (len(rows),)).copy()
    boxes = np.array([box(row) for row in rows], np.float32).reshape(-1, 4)
    classes = np.array([labels.index(row.label) for row in rows], np.int64)
    return Detections(boxes, scores, classes, labels)


def surroundings(
    lines: dict[str, tuple[tuple[float, float], tuple[float, float]]] | None = None,
    zones: dict[str, tuple[tuple[float, float], ...]] | None = None,
    lost_s: float = LOST_S,
    **more: Any,
) -> Surroundings:
    return Surroundings("cam", lines or {}, zones or {}, lost_s, **more)


def mirrored(rows: Iterable[Row], y: float) -> list[Row]:
    """The same rows on the other side of the horizontal line at ``y``."""
    return [row._replace(y=2 * y - row.y) for row in rows]
