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
    line = Tripline(a, b)
    meeting = line.meet(start, end, line.side(start), line.side(end))
    return None if meeting is None else meeting[1]


class Tripline:
    """A line that is asked about many points."""

    def __init__(self, a: Xy, b: Xy) -> None:
        """Take its ends, which must differ."""
        self._a = a
        self._dx, self._dy = b[0] - a[0], b[1] - a[1]
        self._square = self._dx * self._dx + self._dy * self._dy
        self._length = float(self._square**0.5)

    def side(self, point: Xy) -> float:
        """Signed distance of a point, as ``side`` says."""
        return (self._dy * (point[0] - self._a[0]) - self._dx * (point[1] - self._a[1])) / self._length

    def meet(self, start: Xy, end: Xy, before: float, after: float) -> tuple[float, float] | None:
        """When and where the step start → end meets the endless line.

        Args:
            start: Where the step begins.
            end: Where it ends.
            before: Signed distance of its begin.
            after: Signed distance of its end.

        Returns:
            The share of the step that lies before the line, and where on the line that is: 0 at A, 1 at B, outside
            [0, 1] beyond them; ``None`` when the step does not meet the line.
        """
        if before == after or before * after > 0:
            return None
        share = before / (before - after)
        x = start[0] + share * (end[0] - start[0]) - self._a[0]
        y = start[1] + share * (end[1] - start[1]) - self._a[1]
        return share, (x * self._dx + y * self._dy) / self._square


class Area:
    """A polygon that is asked about many points."""

    def __init__(self, polygon: Sequence[Xy]) -> None:
        """Take the corners."""
        self.polygon = tuple(polygon)
        xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
        self.box = (min(xs), min(ys), max(xs), max(ys))
        """x1, y1, x2, y2 around it."""
        ends = [*polygon[-1:], *polygon[:-1]]
        self._edges = [
            (x0, y0, y1, (x1 - x0) / (y1 - y0)) for (x0, y0), (x1, y1) in zip(ends, polygon, strict=True) if y0 != y1
        ]

    def contains(self, point: Xy) -> bool:
        """Whether a point lies in it, as ``inside`` says."""
        x, y = point
        x1, y1, x2, y2 = self.box
        if x < x1 or x > x2 or y < y1 or y > y2:
            return False
        result = False
        for start_x, start_y, end_y, slope in self._edges:
            if (start_y > y) != (end_y > y) and x < start_x + (y - start_y) * slope:
                result = not result
        return result

    def share_of(self, box: Sequence[float]) -> float:
        """How much of a box x1, y1, x2, y2 lies in it, from 0 to 1.

        The polygon is cut to the box, side by side (Sutherland and Hodgman, Reentrant polygon clipping, 1974), and
        what is left measured by the shoelace formula; edges that run there and back along a side add nothing.
        """
        x1, y1, x2, y2 = box
        left, top, right, bottom = self.box
        area = (x2 - x1) * (y2 - y1)
        if area <= 0 or x2 <= left or x1 >= right or y2 <= top or y1 >= bottom:
            return 0.0
        points = list(self.polygon)
        for axis, bound, sign in ((0, x1, 1.0), (0, x2, -1.0), (1, y1, 1.0), (1, y2, -1.0)):
            points = _cut(points, axis, bound, sign)
        return min(1.0, abs(signed_area(points)) / area)


def _cut(points: list[Xy], axis: int, bound: float, sign: float) -> list[Xy]:
    """The part of a polygon on one side of an upright or level line; ``sign`` says on which."""
    kept: list[Xy] = []
    for start, end in zip(points[-1:] + points[:-1], points, strict=True):
        before, after = sign * (start[axis] - bound), sign * (end[axis] - bound)
        if before * after < 0:
            share = before / (before - after)
            kept.append((start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])))
        if after >= 0:
            kept.append(end)
    return kept


def signed_area(points: Sequence[Xy]) -> float:
    """The area of a polygon; its sign says which way round it goes."""
    ends = [*points[-1:], *points[:-1]]
    return sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in zip(ends, points, strict=True)) / 2


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
