"""Whether a polygon crosses itself."""

from __future__ import annotations

from collections.abc import Sequence

from config.quadrilateral import Xy, turn

_NONE = 1e-12
"""Less than this is no turn: a corner that touches a side does not cross it."""


def crossing(points: Sequence[Xy]) -> tuple[int, int] | None:
    """The first two sides that cross, by the 0-based number of the point each begins at; ``None`` where none do.

    Sides cross where the ends of each lie on different sides of the other (Cormen et al., Introduction to Algorithms,
    33.1). A side that touches another, or runs along it, does not cross it.

    Args:
        points: The corners in order; the last side leads back to the first.
    """
    sides = [(point, points[(index + 1) % len(points)]) for index, point in enumerate(points)]
    for first, (a, b) in enumerate(sides):
        left, right, top, bottom = _bounds(a, b)
        for second in range(first + 2, len(sides)):
            c, d = sides[second]
            if max(c[0], d[0]) < left or min(c[0], d[0]) > right or max(c[1], d[1]) < top or min(c[1], d[1]) > bottom:
                continue
            if _apart(turn(a, b, c), turn(a, b, d)) and _apart(turn(c, d, a), turn(c, d, b)):
                return first, second
    return None


def _bounds(a: Xy, b: Xy) -> tuple[float, float, float, float]:
    return min(a[0], b[0]), max(a[0], b[0]), min(a[1], b[1]), max(a[1], b[1])


def _apart(one: float, other: float) -> bool:
    return (one > _NONE and other < -_NONE) or (one < -_NONE and other > _NONE)
