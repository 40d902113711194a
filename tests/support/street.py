"""A street that is made up: walkers whose way is known, and the boxes a detector would give of them.

Nobody has to annotate it, and it is as long and as busy as one likes. Near walkers hide far ones, a pole hides those
who pass behind it; the less is seen of somebody, the lower the score, until there is no box. Boxes tremble by some
percent of their height from frame to frame, some have a second box for the upper body, and at some places something
that is no walker is taken for one now and then. The numbers were chosen by hand, to look like YOLOv8n on a street.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.nms import nms

WIDTH, HEIGHT = 768, 576
FPS = 25
_POLE = (370.0, 388.0, 470.0)
"""Left and right edge, and foot; who stands in front of it hides it."""
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StreetFrame:
    """One moment.

    Attributes:
        pts_s: Media time, seconds.
        true_ids: (N,) int64 walkers.
        true_boxes: (N, 4) float32, pixels, cut at the picture's edges; hidden ones are there, too.
        xyxy: (M, 4) float32 boxes of the detector, best score first.
        score: (M,) float32, all above 0.05.
    """

    pts_s: float
    true_ids: NDArray[np.int64]
    true_boxes: NDArray[np.float32]
    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]


@dataclass(slots=True)
class _Walker:
    begins_s: float
    feet: Array
    slim: float
    tall: float
    bias: float
    tremble: Array
    mood: float = 0.0


def tall_at(y: float) -> float:
    """How high a walker is whose foot is at ``y``: the camera looks down a little."""
    return 30.0 + 130.0 * y / HEIGHT


def street(seed: int, seconds: float = 30.0, per_second: float = 0.35) -> list[StreetFrame]:
    """Walkers alone, in pairs and in threes, who turn and stop; 25 frames a second.

    Args:
        seed: Another one gives another street.
        seconds: How long.
        per_second: How many groups come in.
    """
    random = np.random.default_rng(seed)
    walkers = _walkers(random, seconds, per_second)
    ghosts = [[random.uniform(20, 740), random.uniform(160, 560), 0.0] for _ in range(3)]
    return [_frame(random, walkers, ghosts, index / FPS) for index in range(int(seconds * FPS))]


def thinned(frames: list[StreetFrame], fps: float) -> list[StreetFrame]:
    """Every n-th frame, so that about ``fps`` a second are left."""
    return frames[:: max(1, round(FPS / fps))]


def _walkers(random: np.random.Generator, seconds: float, per_second: float) -> list[_Walker]:
    walkers = []
    now = -20.0  # those who are there already
    while (now := now + float(random.exponential(1 / per_second))) < seconds:
        way = _way(random)
        beside = [np.zeros(2)]
        for _ in range(int(random.choice([0, 1, 2], p=[0.65, 0.27, 0.08]))):
            beside.append(random.normal(0, 1, 2) * (0.45, 0.15) * tall_at(float(way[:, 1].mean())))
        for place in beside:
            slim, tall = random.uniform(0.34, 0.46), random.uniform(0.92, 1.08)
            walkers.append(_Walker(now, way + place, slim, tall, float(random.normal(0, 0.05)), np.zeros(4)))
    return walkers


def _way(random: np.random.Generator) -> Array:
    """(N, 2) feet of a walk from one edge to another, a step for each frame."""
    edges = (
        (-40.0, random.uniform(140, 560)), (WIDTH + 40.0, random.uniform(140, 560)),
        (random.uniform(50, 700), 110.0), (random.uniform(50, 700), HEIGHT + 130.0),
    )  # fmt: skip
    first, last = random.permutation(4)[:2]
    turns = [(random.uniform(80, 690), random.uniform(160, 540)) for _ in range(random.integers(0, 3))]
    goals = np.array([*turns, edges[last]])
    speed = max(0.3, random.normal(0.78, 0.14))  # heights a second: 1.3 m/s of someone of 1.7 m
    stop_at, stop_for = random.uniform(3, 12), random.uniform(1, 6) * random.integers(0, 2)
    foot = np.array(edges[first])
    feet: list[Array] = []
    goal = 0
    while goal < len(goals) and len(feet) < 90 * FPS:
        step = speed * tall_at(foot[1]) / FPS * (not stop_at <= len(feet) / FPS < stop_at + stop_for)
        left = goals[goal] - foot
        far = float(np.hypot(*left))
        if far < step + 1:
            goal += 1
        else:
            foot = foot + left / far * step * (1.0, 0.7)
        feet.append(foot)
    return np.array(feet)


def _frame(random: np.random.Generator, walkers: list[_Walker], ghosts: list[list[float]], pts_s: float) -> StreetFrame:
    there = []
    for number, walker in enumerate(walkers):
        index = int((pts_s - walker.begins_s) * FPS)
        if 0 <= index < len(walker.feet) and (box := _true_box(walker, index)) is not None:
            there.append((number, box))
    there.sort(key=lambda one: -one[1][3])  # the nearest first
    found: list[Any] = []
    for place, (number, box) in enumerate(there):
        found += _found(random, walkers[number], box, [other for _, other in there[:place]])
    for ghost in ghosts:
        x, y, mood = ghost
        ghost[2] = 0.9 * mood + random.normal(0, 0.05)
        tall = tall_at(y)
        corners = np.array([x - tall * 0.2, y - tall, x + tall * 0.2, y]) + random.normal(0, 1.5, 4)
        found.append((*corners, 0.18 + 1.2 * ghost[2]))
    rows = np.array([row for row in found if row[4] > 0.05], np.float32).reshape(-1, 5)
    rows = rows[np.argsort(-rows[:, 4])]
    rows[:, 4] = np.minimum(rows[:, 4], 0.95)
    kept = rows[np.sort(nms(rows[:, :4], rows[:, 4], np.zeros(len(rows), np.int64), 0.7))]
    ids = np.array([number for number, _ in there], np.int64)
    boxes = np.array([box for _, box in there], np.float32).reshape(-1, 4)
    return StreetFrame(pts_s, ids, boxes, kept[:, :4], kept[:, 4])


def _true_box(walker: _Walker, index: int) -> Array | None:
    x, y = walker.feet[index]
    tall = tall_at(y) * walker.tall
    wide = tall * walker.slim * (1 + 0.08 * np.sin(index * 0.5))  # legs
    box = np.array([x - wide / 2, y - tall, x + wide / 2, y])
    cut = np.clip(box, 0, (WIDTH, HEIGHT, WIDTH, HEIGHT))
    sides = cut[2:] - cut[:2]
    return cut if sides.min() > 0 and sides.prod() > 0.4 * wide * tall else None


def _found(random: np.random.Generator, walker: _Walker, box: Array, nearer: list[Array]) -> list[Any]:
    """The boxes of one walker: one, none, or one more for the upper body."""
    tall = box[3] - box[1]
    across = box[0] + (np.arange(8) + 0.5) / 8 * (box[2] - box[0])
    down = box[1] + (np.arange(16) + 0.5) / 16 * tall
    x, y = np.meshgrid(across, down)
    seen = np.ones(x.shape, bool)
    for other in nearer:
        inset = 0.12 * (other[2] - other[0])
        seen &= ~((x > other[0] + inset) & (x < other[2] - inset) & (y > other[1] + 2) & (y < other[3]))
    if box[3] < _POLE[2] + 10:
        seen &= ~((x > _POLE[0]) & (x < _POLE[1]) & (y < _POLE[2]))
    share = float(seen.mean())
    walker.tremble = 0.7 * walker.tremble + random.normal(0, 0.021 * tall, 4) * (0.6, 0.5, 0.6, 0.8)
    walker.mood = 0.8 * walker.mood + random.normal(0, 0.05)
    score = 0.8 + walker.bias + walker.mood - max(0.0, 0.9 - share) ** 1.1 - 0.15 * (tall < 55) - 0.25 * (tall < 42)
    shown = box + walker.tremble
    if 0.05 < share < 0.7 and random.random() < 0.6:  # half way to the box of what is seen of it
        shown = (shown + np.array([x[seen].min(), y[seen].min(), x[seen].max(), y[seen].max()])) / 2
    found = [(*shown, score)] if share > 0.12 else []
    if random.random() < 0.03:
        left, right = box[[0, 2]] + random.normal(0, 0.05, 2) * tall
        found.append((left, box[1], right, box[1] + tall * random.uniform(0.5, 0.95), random.uniform(0.1, 0.45)))
    return found
