"""Polygons that cross themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loader import load
from config.polygon import crossing
from config.site import Site

Points = list[tuple[float, float]]


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0, 0), (1, 0), (1, 1), (0, 1)], None),
        ([(0, 0), (1, 1), (1, 0), (0, 1)], (0, 2)),
        ([(0, 0), (1, 0), (0, 1), (1, 1)], (1, 3)),
        ([(0, 0), (1, 0), (1, 1), (0.5, 0.1), (0, 1)], None),  # a dent
        ([(0, 0), (1, 0), (1, 1), (0.5, -0.1), (0, 1)], (0, 2)),  # a dent that is too deep
        ([(0, 0), (1, 0), (1, 1), (0.5, 0), (0, 1)], None),  # a corner that touches a side
        ([(0, 0), (1, 0), (1, 0), (1, 1)], None),  # a corner that was clicked twice
        ([(0, 0), (0.5, 0), (0.5, 0.5), (0.5, 0), (1, 0), (1, 1), (0, 1)], None),  # there and back on one line
        ([(0.5, 0), (0.8, 1), (0, 0.4), (1, 0.4), (0.2, 1)], (0, 2)),  # a star
    ],
)
def test_sides_that_cross(points: Points, expected: tuple[int, int] | None) -> None:
    assert crossing(points) == expected


def test_going_round_the_other_way_is_the_same() -> None:
    bow: Points = [(0, 0), (1, 1), (1, 0), (0, 1)]
    assert crossing(bow[::-1]) is not None
    assert crossing([(0, 1), (1, 1), (1, 0), (0, 0)]) is None


def test_a_site_file_says_where(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        "version: 1\ncameras:\n  a:\n    source: x.mp4\n    zones:\n      z: [[0, 0], [1, 1], [1, 0], [0, 1]]\n"
        "    masks:\n      - [[0, 0], [1, 1], [1, 0], [0, 1]]\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(site, Site)
    zone, mask = caught.value.faults
    assert zone.startswith(f"{site}:6: cameras.a.zones.z: this polygon crosses itself: the side between points 1 and 2")
    assert mask.startswith(f"{site}:8: cameras.a.masks[0]: this polygon crosses itself")
