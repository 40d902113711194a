"""Plane geometry in picture coordinates (x to the right, y down)."""

from __future__ import annotations

import math
from collections.abc import Sequence

Xy = tuple[float, float]


def side(a: Xy, b: Xy, point: Xy) -> float:
    """Signed distance of a point from the line A → B, in the units of the points.

    Positive on the left hand of someone walking from A to B as seen in the picture (y grows downwards), negative on
    the right hand. A and B must differ.
    """
    dx, dy = b[0] - a[0], b[1] - a[1]
    cross = dx * (point[1] - a[1]) - dy * (point[0] - a[0])
    return float(-cross / (dx * dx + dy * dy) ** 0.5)


def crossing_position(a: Xy, b: Xy, start: Xy, end: Xy) -> float | None:
    """Where the step start → end meets the endless line through A and B.

    Returns:
        0 at A, 1 at B, outside [0, 1] beyond them; ``None`` when the step does not meet the line.
    """
    before, after = side(a, b, start), side(a, b, end)
    if before == after or before * after > 0:
        return None
    share = before / (before - after)
    x = start[0] + share * (end[0] - start[0])
    y = start[1] + share * (end[1] - start[1])
    dx, dy = b[0] - a[0], b[1] - a[1]
    return ((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy)


def inside(polygon: Sequence[Xy], point: Xy) -> bool:
    """Whether a point lies in a polygon (even-odd rule)."""
    x, y = point
    result = False
    previous = polygon[-1]
    for current in polygon:
        if (current[1] > y) != (previous[1] > y):
            cut = previous[0] + (y - previous[1]) * (current[0] - previous[0]) / (current[1] - previous[1])
            if x < cut:
                result = not result
        previous = current
    return result


class Region:
    """A polygon that is asked often: what is outside its bounding box costs next to nothing."""

    __slots__ = ("_bottom", "_left", "_right", "_top", "polygon")

    def __init__(self, polygon: Sequence[Xy]) -> None:
        """Take the corners."""
        self.polygon = polygon
        self._left, self._right = min(x for x, _ in polygon), max(x for x, _ in polygon)
        self._top, self._bottom = min(y for _, y in polygon), max(y for _, y in polygon)

    def __contains__(self, point: Xy) -> bool:
        """Whether a point lies in it (even-odd rule)."""
        x, y = point
        if x < self._left or x > self._right or y < self._top or y > self._bottom:
            return False
        return inside(self.polygon, point)


def distance_to_edge(polygon: Sequence[Xy], point: Xy) -> float:
    """Distance of a point from the nearest edge of a polygon, inside or outside, in the units of the points."""
    x, y = point
    nearest = math.inf
    x1, y1 = polygon[-1]
    for x2, y2 in polygon:
        dx, dy = x2 - x1, y2 - y1
        length = dx * dx + dy * dy
        share = min(1.0, max(0.0, ((x - x1) * dx + (y - y1) * dy) / length)) if length else 0.0
        nearest = min(nearest, math.hypot(x - x1 - share * dx, y - y1 - share * dy))
        x1, y1 = x2, y2
    return nearest


def area(polygon: Sequence[Xy]) -> float:
    """Area of a polygon that does not cross itself, in squared units of the points (shoelace formula)."""
    x1, y1 = polygon[-1]
    twice = 0.0
    for x2, y2 in polygon:
        twice += x1 * y2 - x2 * y1
        x1, y1 = x2, y2
    return abs(twice) / 2


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    """Intersection over union of two boxes x1, y1, x2, y2."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return float(shared / union) if union > 0 else 0.0


def scale(points: Sequence[Xy], width: float, height: float) -> tuple[Xy, ...]:
    """Turn relative 0..1 points into pixels."""
    return tuple((x * width, y * height) for x, y in points)
