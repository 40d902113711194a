"""Plane geometry in picture coordinates, y downwards."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipelines.geometry import Xy, crossing_position, inside, iou, scale, side

HORSESHOE = ((0.0, 0.0), (6.0, 0.0), (6.0, 2.0), (2.0, 2.0), (2.0, 4.0), (6.0, 4.0), (6.0, 6.0), (0.0, 6.0))
whole = st.integers(-1000, 1000).map(float)
points = st.tuples(whole, whole)


@pytest.mark.parametrize(
    ("a", "b", "point", "expected"),
    [
        ((0, 0), (10, 0), (5, -3), 3),  # walking right, above is left
        ((0, 0), (10, 0), (5, 3), -3),
        ((0, 0), (0, 10), (3, 5), 3),  # walking down, right in the picture is left
        ((0, 0), (0, -10), (3, -5), -3),
        ((0, 0), (10, 0), (500, -3), 3),  # the line has no end
        ((0, 0), (10, 10), (10, 0), math.sqrt(50)),
        ((0, 0), (10, 0), (7, 0), 0),
    ],
)
def test_side(a: Xy, b: Xy, point: Xy, expected: float) -> None:
    assert side(a, b, point) == pytest.approx(expected)


@given(points, points, points)
def test_side_changes_its_sign_with_the_direction(a: Xy, b: Xy, point: Xy) -> None:
    assume(a != b)
    assert side(a, b, point) == pytest.approx(-side(b, a, point), abs=1e-6)
    mirrored = [(-x, y) for x, y in (a, b, point)]
    assert side(*mirrored) == pytest.approx(-side(a, b, point), abs=1e-6)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((5, 5), (5, -5), 0.5),
        ((0, 5), (0, -5), 0.0),
        ((10, 5), (10, -5), 1.0),
        ((-5, 5), (-5, -5), -0.5),
        ((0, 10), (20, -10), 1.0),
        ((5, 5), (5, 0), 0.5),  # reaches it
        ((5, 0), (9, 5), 0.5),  # begins on it
        ((5, 5), (5, 1), None),
        ((5, 5), (9, 5), None),
        ((2, 0), (9, 0), None),  # along it
    ],
)
def test_crossing_position(start: Xy, end: Xy, expected: float | None) -> None:
    assert crossing_position((0, 0), (10, 0), start, end) == pytest.approx(expected)


@given(points, points, points, points)
def test_a_step_meets_the_line_exactly_when_it_changes_side(a: Xy, b: Xy, start: Xy, end: Xy) -> None:
    assume(a != b)
    before, after = side(a, b, start), side(a, b, end)
    met = crossing_position(a, b, start, end)
    assert (met is not None) == (before != after and before * after <= 0)
    if met is not None:
        at = (a[0] + met * (b[0] - a[0]), a[1] + met * (b[1] - a[1]))
        detour = math.dist(start, at) + math.dist(at, end) - math.dist(start, end)
        assert detour == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((1, 1), True),
        ((1, 3), True),
        ((4, 1), True),
        ((4, 3), False),
        ((4, 5), True),
        ((7, 3), False),
        ((-1, 3), False),
    ],
)
def test_inside_a_horseshoe(point: Xy, expected: bool) -> None:
    assert inside(HORSESHOE, point) is expected
    assert inside(HORSESHOE[::-1], point) is expected


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=3, max_size=8),
    st.integers(0, 59),
    st.integers(0, 59),
)
def test_inside_agrees_with_opencv_on_hulls(corners: list[tuple[int, int]], x: int, y: int) -> None:
    hull = cv2.convexHull(np.array(corners, np.int32)).reshape(-1, 2)
    assume(len(hull) >= 3)
    point = (x + 0.31, y + 0.57)
    expected = cv2.pointPolygonTest(hull.astype(np.float32), point, True)
    assume(abs(expected) > 1e-3)
    assert inside([(float(px), float(py)) for px, py in hull], point) is bool(expected > 0)


def test_two_zones_side_by_side_share_no_point() -> None:
    """A foot on the common edge is in one of them, never in both or none."""
    left, right = [(0, 0), (5, 0), (5, 9), (0, 9)], [(5, 0), (9, 0), (9, 9), (5, 9)]
    for y in (0.5, 3.0, 8.9):
        assert inside(left, (5, y)) != inside(right, (5, y))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 10, 10), (0, 0, 10, 10), 1.0),
        ((0, 0, 10, 10), (5, 0, 15, 10), 1 / 3),
        ((0, 0, 10, 10), (10, 0, 20, 10), 0.0),
        ((0, 0, 10, 10), (2, 2, 4, 4), 0.04),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0.0),
        ((0, 0, 0, 10), (0, 0, 0, 10), 0.0),
    ],
)
def test_iou(a: tuple[float, ...], b: tuple[float, ...], expected: float) -> None:
    assert iou(a, b) == pytest.approx(expected)
    assert iou(b, a) == pytest.approx(expected)


def test_scale() -> None:
    assert scale([(0, 0), (0.5, 0.25), (1, 1)], 200, 100) == ((0, 0), (100, 25), (200, 100))
