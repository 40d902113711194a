"""Which box of a helmet or vest belongs to which person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Where = Literal["head", "torso", "any"]
Box = tuple[float, float, float, float]
_REGIONS: dict[Where, tuple[float, float]] = {"head": (-0.1, 0.33), "torso": (0.1, 0.75), "any": (-0.1, 1.0)}
"""From where to where on a person's box something is worn: 0 is its top, 1 its bottom."""
_WIDER = 0.1
"""So much of a person's width may gear stand out to each side."""
LEAST_SHARE = 0.5
"""A person's gear lies in its region with at least this share of its area."""


def wearers(people: Sequence[Box], gear: Sequence[Box], where: Where) -> dict[int, int]:
    """Give each person the gear that is theirs: one each, the nearest pairs first.

    A pair is possible where at least half of the gear's area lies in the region of the person's box. Of the possible
    ones that comes first whose centres (of gear and region) are nearest, in sizes of the region: of two people one
    behind the other, a helmet is the one's whose head is there.

    Args:
        people: N boxes x1, y1, x2, y2 in pixels.
        gear: M boxes in pixels.
        where: What part of a person it is worn on.

    Returns:
        Row of the gear by row of the person; people without any are not in it.
    """
    if not people or not gear:
        return {}
    share, distance = _shares(regions(people, where), np.array(gear))
    rows, columns = np.nonzero(share >= LEAST_SHARE)
    order = np.argsort(distance[rows, columns], kind="stable")
    found: dict[int, int] = {}
    taken: set[int] = set()
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row not in found and column not in taken:
            found[row] = column
            taken.add(column)
    return found


def regions(people: Sequence[Box], where: Where) -> NDArray[np.float64]:
    """The part of each person's box on which something is worn: (N, 4) x1, y1, x2, y2 in pixels."""
    boxes = np.array(people, np.float64).reshape(-1, 4)
    width, height = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    top, bottom = _REGIONS[where]
    y1 = boxes[:, 1]
    return np.stack(
        [boxes[:, 0] - _WIDER * width, y1 + top * height, boxes[:, 2] + _WIDER * width, y1 + bottom * height], axis=1
    )


def _shares(places: NDArray[np.float64], gear: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(N, M) share of each gear's area in each region; (N, M) squared distance of their centres in region sizes."""
    sides = np.minimum(places[:, None, 2:], gear[:, 2:]) - np.maximum(places[:, None, :2], gear[:, :2])
    area = (gear[:, 2:] - gear[:, :2]).prod(axis=1)
    share = np.maximum(sides, 0.0).prod(axis=2) / np.maximum(area, 1e-9)
    between = (places[:, None, :2] + places[:, None, 2:] - gear[:, :2] - gear[:, 2:]) / 2
    size = np.maximum(places[:, 2:] - places[:, :2], 1e-9)
    return share, ((between / size[:, None]) ** 2).sum(axis=2)
