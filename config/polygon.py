"""Whether the corners of a polygon go round it once: then it has an inside that people and programs agree on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from config.quadrilateral import turn

Xy = tuple[float, float]
MOST_CORNERS = 200
"""Every edge is compared with every other."""
_TINY = 1e-12
"""Twice the area of a triangle that is taken for none; corners are written with a few decimals."""


def with_corners(value: Any) -> Any:
    """Take a list as it is written, unless it is too short for a polygon, or so long that checking it takes too long.

    Raises:
        ValueError: It has fewer than three points, or more than ``MOST_CORNERS``.
    """
    if isinstance(value, list) and len(value) < 3:
        raise ValueError(f"a polygon needs at least 3 points, this one has {len(value)}")
    if isinstance(value, list) and len(value) > MOST_CORNERS:
        raise ValueError(f"a polygon can have {MOST_CORNERS} points at most, this one has {len(value)}")
    return value


def with_area(points: tuple[Xy, ...]) -> tuple[Xy, ...]:
    """Take the corners, unless there is nothing between them.

    Raises:
        ValueError: They lie on one line.
    """
    (x0, y0), (x1, y1) = points[0], next((point for point in points if point != points[0]), points[0])
    if all(abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) < _TINY for x, y in points):
        raise ValueError("all points of this polygon lie on one line: it has no inside")
    return points


def going_round_once(points: tuple[Xy, ...]) -> tuple[Xy, ...]:
    """Take the corners, unless the way round them meets itself.

    Raises:
        ValueError: Two edges cross or touch; says which.
    """
    if (edges := crossing_edges(points)) is not None:
        first, second = (f"from point {edge + 1} to point {(edge + 1) % len(points) + 1}" for edge in edges)
        raise ValueError(
            f"this polygon crosses or touches itself: its edges {first} and {second} meet; write its points in the "
            "order in which they follow each other around it"
        )
    return points


def crossing_edges(points: Sequence[Xy]) -> tuple[int, int] | None:
    """Two edges of a polygon that cross or touch, though they are no neighbours; ``None`` where none do.

    Args:
        points: Corners; one that is written twice on end, or the first again at the end, counts once.

    Returns:
        Numbers from 0 of the corners that the two edges begin at.
    """
    kept = [index for index, point in enumerate(points) if point != points[(index + 1) % len(points)]]
    count = len(kept)
    corners = [points[index] for index in kept]
    ends = [(corners[edge], corners[(edge + 1) % count]) for edge in range(count)]
    spans = [(min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1])) for a, b in ends]
    for first, (left, right, top, bottom) in enumerate(spans):
        for second in range(first + 2, count):
            if (second + 1) % count == first:
                continue  # the last edge ends where the first one begins
            other = spans[second]
            if other[0] > right or other[1] < left or other[2] > bottom or other[3] < top:
                continue  # far from each other, as most are
            if _meet(corners[first], corners[first + 1], corners[second], corners[(second + 1) % count]):
                return kept[first], kept[second]
    return None


def _meet(a: Xy, b: Xy, c: Xy, d: Xy) -> bool:
    """Whether two stretches have a point in common (de Berg et al., Computational Geometry, 3rd ed., chapter 2)."""
    sides = [_side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)]
    if sides[0] * sides[1] < 0 and sides[2] * sides[3] < 0:
        return True
    ends = ((a, b, c), (a, b, d), (c, d, a), (c, d, b))
    return any(side == 0 and _within(*end) for side, end in zip(sides, ends, strict=True))


def _side(a: Xy, b: Xy, point: Xy) -> int:
    """On which hand of someone who walks from a to b a point lies; 0: on their line."""
    area = turn(a, b, point)
    return 0 if abs(area) <= _TINY else 1 if area > 0 else -1


def _within(a: Xy, b: Xy, point: Xy) -> bool:
    """Whether a point on the line through a and b lies between them."""
    x, y = point
    return min(a[0], b[0]) <= x <= max(a[0], b[0]) and min(a[1], b[1]) <= y <= max(a[1], b[1])
