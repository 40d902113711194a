"""Whether four points of a picture and four of the ground can belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence

Xy = tuple[float, float]
_FLAT = 0.002
"""A triangle is flat when it is no higher than this share of its longest side."""


def flat_corner(points: Sequence[Xy]) -> tuple[Xy, Xy, Xy] | None:
    """Three of four points that lie on one line, or nearly; ``None`` where no three do."""
    for left_out in range(3, -1, -1):
        a, b, c = (point for index, point in enumerate(points) if index != left_out)
        longest = max(math.dist(a, b), math.dist(b, c), math.dist(a, c))
        if abs(turn(a, b, c)) <= _FLAT * longest**2:
            return a, b, c
    return None


def seen_from_one_side(image: Sequence[Xy], ground: Sequence[Xy]) -> bool:
    """Whether a camera can see four points of the ground so: no horizon between them.

    Each three of them then go round the same way in the picture as on the ground, or all of them the other way
    (Hartley, Chirality, IJCV 26, 1998).
    """
    corners = [[index for index in range(4) if index != left_out] for left_out in range(4)]
    turns = [turn(*(image[i] for i in corner)) * turn(*(ground[i] for i in corner)) for corner in corners]
    return all(value > 0 for value in turns) or all(value < 0 for value in turns)


def turn(a: Xy, b: Xy, c: Xy) -> float:
    """Twice the area of a triangle; the sign says which way round it goes."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
