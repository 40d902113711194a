"""Polygons that cross or touch themselves, and those that do not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.polygon import crossing_edges

Xy = tuple[float, float]
BOW: list[Xy] = [(0.1, 0.1), (0.9, 0.9), (0.9, 0.1), (0.1, 0.9)]
STAR: list[Xy] = [(0.5 + 0.4 * math.sin(k * 0.8 * math.pi), 0.5 - 0.4 * math.cos(k * 0.8 * math.pi)) for k in range(5)]
MEETING: dict[str, tuple[list[Xy], tuple[int, int]]] = {
    "a bow": (BOW, (0, 2)),
    "a five-pointed star": (STAR, (0, 2)),
    "a corner on another edge": ([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)], (0, 2)),
    "two parts that share a corner": ([(0, 0), (0.5, 0.5), (1, 0), (1, 1), (0.5, 0.5), (0, 1)], (0, 3)),
    "one edge along another": ([(0, 0), (1, 0), (1, 1), (0.6, 1), (0.6, 0), (0.2, 0), (0, 1)], (0, 3)),
    "a bow with a corner written twice": ([BOW[0], BOW[0], *BOW[1:]], (1, 3)),
}
PLAIN: dict[str, list[Xy]] = {
    "a triangle": [(0, 0), (1, 0), (0, 1)],
    "a square, closed by its first corner": [(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)],
    "a horseshoe": [(0, 0), (1, 0), (1, 1), (0.7, 1), (0.7, 0.3), (0.3, 0.3), (0.3, 1), (0, 1)],
    "a corner on a straight edge": [(0, 0), (0.5, 0), (1, 0), (1, 1)],
    "a ring with a narrow gap": [
        (0, 0), (1, 0), (1, 1), (0, 1), (0, 0.01), (0.2, 0.2), (0.2, 0.8), (0.8, 0.8), (0.8, 0.2), (0.2, 0.19),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", MEETING)
def test_edges_that_meet_are_found(name: str) -> None:
    points, edges = MEETING[name]
    assert crossing_edges(points) == edges
    assert crossing_edges(points[::-1]) is not None


@pytest.mark.parametrize("name", PLAIN)
def test_polygons_that_go_round_once(name: str) -> None:
    assert crossing_edges(PLAIN[name]) is None
    assert crossing_edges(PLAIN[name][::-1]) is None


@given(
    st.lists(st.integers(0, 359), min_size=4, max_size=12, unique=True),
    st.lists(st.floats(0.1, 0.5), min_size=12, max_size=12),
)
def test_a_star_around_a_point_goes_round_once_and_not_with_two_corners_swapped(
    angles: list[int], radii: list[float]
) -> None:
    """Corners by their angle around the middle never cross; on a circle, two swapped ones always do."""
    ordered = sorted(angles)
    gaps = [(after - before) % 360 for before, after in zip(ordered, [*ordered[1:], ordered[0]], strict=True)]
    if max(gaps) < 180:
        at = [
            (r * math.cos(math.radians(a)), r * math.sin(math.radians(a))) for a, r in zip(ordered, radii, strict=False)
        ]
        assert crossing_edges(at) is None
    circle = [(math.cos(math.radians(angle)), math.sin(math.radians(angle))) for angle in ordered]
    circle[1], circle[2] = circle[2], circle[1]
    assert crossing_edges(circle) is not None
