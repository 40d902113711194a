"""From pixels to metres, and which four points are refused."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigError
from config.loader import load
from config.site import Calibration, Site
from pipelines.ground import Ground, homography
from pipelines.scenario import plan_camera
from tests.support.road import CALIBRATION, GROUND, SIZE, pixel

SQUARE = "[[0.2, 0.4], [0.8, 0.4], [0.95, 0.9], [0.05, 0.9]]"
ROAD = "[[0, 30], [12, 30], [12, 0], [0, 0]]"
SITE = """\
version: 1
cameras:
  cam:
    source: x.mp4
    zones:
      near: [[0.3, 0.6], [0.7, 0.6], [0.7, 0.9]]
      far: [[0.3, 0.05], [0.7, 0.05], [0.7, 0.9]]
    lines:
      a: [[0.1, 0.6], [0.9, 0.6]]
      b: [[0.1, 0.8], [0.9, 0.8]]
"""


def faults(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "site.yaml"
    path.write_text(SITE + text)
    with pytest.raises(ConfigError) as error:
        plan_camera(load(path, Site), "cam")
    return [fault.replace(f"{tmp_path}/", "") for fault in error.value.faults]


def test_the_four_points_are_where_they_were_said_to_be() -> None:
    for (x, y), metres in zip(CALIBRATION.image, CALIBRATION.ground_m, strict=True):
        assert GROUND.point((x * SIZE[0], y * SIZE[1])) == pytest.approx(metres, abs=1e-9)


def test_it_is_opencvs_homography() -> None:
    image, ground = np.array(CALIBRATION.image, np.float32), np.array(CALIBRATION.ground_m, np.float32)
    ours = homography(CALIBRATION.image, CALIBRATION.ground_m)
    assert ours / ours[2, 2] == pytest.approx(cv2.getPerspectiveTransform(image, ground), rel=1e-4, abs=1e-4)


@given(st.floats(-3, 11), st.floats(-2, 150))
def test_there_and_back(x: float, y: float) -> None:
    assert GROUND.point(pixel(x, y)) == pytest.approx((x, y), abs=1e-6)


@given(st.floats(-500, 1500), st.floats(-500, 1500))
def test_many_points_at_once_are_the_same(x: float, y: float) -> None:
    one, (row,) = GROUND.point((x, y)), GROUND.points([(x, y)])
    assert np.isnan(row).all() if one is None else tuple(row) == pytest.approx(one)


def test_nothing_lies_beyond_the_horizon() -> None:
    assert GROUND.points(np.zeros((0, 2))).shape == (0, 2)
    horizon = next(y for y in range(300, -1000, -1) if GROUND.point((500, y)) is None)
    ways = [GROUND.point((500, horizon + step)) for step in (1, 10, 50)]
    assert [way[1] for way in ways if way is not None] == sorted((way[1] for way in ways if way), reverse=True)
    assert len([way for way in ways if way is not None]) == 3
    assert all(GROUND.point((x, horizon - step)) is None for step in (0, 1, 40, 1000) for x in (0, 500, 999))


def test_the_picture_s_size_does_not_matter() -> None:
    half = Ground.of(CALIBRATION, SIZE[0] / 2, SIZE[1] / 2)
    assert half.point((250, 300)) == pytest.approx(GROUND.point((500, 600)))


def test_coordinates_of_a_land_survey_lose_nothing() -> None:
    far = [(x + 4_500_000.0, y + 5_800_000.0) for x, y in CALIBRATION.ground_m]
    ground = Ground.of(Calibration(image=CALIBRATION.image, ground_m=tuple(far)), *SIZE)  # type: ignore[arg-type]
    a, b = ground.point(pixel(1, 10)), ground.point(pixel(4, 14))
    assert a is not None and b is not None
    assert math.dist(a, b) == pytest.approx(5.0, abs=1e-5)


@pytest.mark.parametrize(
    ("image", "ground"),
    [
        (SQUARE, ROAD),
        (SQUARE, "[[0, 0], [12, 0], [12, 30], [0, 30]]"),  # counted away from the far edge
        (SQUARE, "[[12, 30], [0, 30], [0, 0], [12, 0]]"),  # counted from the right
        ("[[0.4, 0.3], [0.42, 0.3], [0.9, 0.95], [0.1, 0.95]]", "[[0, 300], [4, 300], [4, 0], [0, 0]]"),  # a long lane
    ],
)
def test_what_a_camera_can_see_is_taken(tmp_path: Path, image: str, ground: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(f"{SITE}    calibration: {{image: {image}, ground_m: {ground}}}\n")
    assert plan_camera(load(path, Site), "cam").calibration is not None


@pytest.mark.parametrize(
    ("image", "ground", "where", "words"),
    [
        (
            "[[0.1, 0.1], [0.5, 0.5], [0.9, 0.9], [0.1, 0.9]]",
            ROAD,
            "image",
            "[0.1, 0.1], [0.5, 0.5] and [0.9, 0.9] lie on",
        ),
        (SQUARE, "[[0, 0], [0, 10], [0, 20], [5, 5]]", "ground_m", "[0, 0], [0, 10] and [0, 20] lie on one line"),
        (SQUARE, "[[0, 0], [0, 0], [12, 30], [0, 30]]", "ground_m", "lie on one line"),
        (SQUARE, "[[5, 5], [5, 5], [5, 5], [5, 5]]", "ground_m", "lie on one line"),
        ("[[0.1, 0.5], [0.4, 0.5004], [0.9, 0.5], [0.5, 0.9]]", ROAD, "image", "or nearly"),
        (SQUARE, "[[0, 30], [12, 0], [12, 30], [0, 0]]", "", "in the same order"),  # two are swapped
        (SQUARE, "[[0, 30], [0, 0], [12, 30], [12, 0]]", "", "in the same order"),
        (SQUARE, "[[0, 0], [10, 0], [3, 3], [0, 10]]", "", "in the same order"),  # one lies inside of the others
    ],
)
def test_what_measures_nothing_is_refused(tmp_path: Path, image: str, ground: str, where: str, words: str) -> None:
    (fault,) = faults(tmp_path, f"    calibration: {{image: {image}, ground_m: {ground}}}\n")
    assert fault.startswith(f"site.yaml:11: cameras.cam.calibration{'.' if where else ''}{where}: ")
    assert words in fault


@pytest.mark.parametrize(
    "rule",
    [
        "{kind: speed, zone: near}", "{kind: speed, lines: [a, b]}", "{kind: distance, zone: near}",
        "{kind: stopped, zone: near, seconds: 5, metres: 1}",
        "{kind: proximity, labels: [person], to: [car], metres: 2}",
    ],
)  # fmt: skip
def test_metres_without_a_calibration_are_refused(tmp_path: Path, rule: str) -> None:
    (fault,) = faults(tmp_path, f"    rules:\n      - {rule}\n")
    kind = rule.split(":")[1].split(",")[0].strip()
    assert fault.startswith(
        f"site.yaml:12: cameras.cam.rules[0].kind: {kind} measures in metres, and camera cam has no 'calibration'; "
    )


def test_a_zone_that_reaches_the_sky_and_a_point_off_the_ground_are_refused(tmp_path: Path) -> None:
    image = "[[0.4, 0.3], [0.6, 0.3], [0.95, 0.95], [0.05, 0.95]]"
    calibration = f"    calibration: {{image: {image}, ground_m: {ROAD}}}\n"
    (sky,) = faults(tmp_path, f"{calibration}    rules:\n      - {{kind: distance, zone: far}}\n")
    assert sky.startswith("site.yaml:13: cameras.cam.rules[0].zone: zone 'far' reaches the horizon")
    (centre,) = faults(tmp_path, f"{calibration}    rules:\n      - {{kind: speed, zone: near, anchor: centre}}\n")
    assert centre.startswith("site.yaml:13: cameras.cam.rules[0].anchor: metres are measured on the ground")
