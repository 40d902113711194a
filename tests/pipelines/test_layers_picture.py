"""What is drawn for those who watch live: where, and that nobody is recognised under the blur."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pipelines.layers import LAYERS, LayerPainter, Picture, colour_of, pixelate, reduced
from pipelines.values import FrameResult, bare
from tests.support.face import result_of

LINES = {"road": ((0.25, 0.5), (0.75, 0.5))}
ZONES = {"yard": ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4), (0.1, 0.4))}
NOISE = np.random.default_rng(1)


def painted(*layers: Any, result: FrameResult | None = None, width: int = 320, **more: Any) -> Picture:
    return drawn_by(LayerPainter(layers, LINES, ZONES), result or result_of(), width, **more)


def drawn_by(painter: LayerPainter, result: FrameResult, width: int = 320, **more: Any) -> Picture:
    painter.note(result)
    return painter.draw(result, width, **more)


def changed(picture: Picture, before: Picture) -> set[tuple[int, int]]:
    """(x, y) of the pixels that differ."""
    rows, cols = np.nonzero((picture != before).any(axis=2))
    return set(zip(cols.tolist(), rows.tolist(), strict=True))


def test_without_layers_the_picture_is_a_copy_as_large_as_asked_for() -> None:
    result = result_of(size=(640, 360))
    picture = painted(result=result, width=320)
    assert (picture.shape, int(picture.min()), int(picture.max())) == ((180, 320, 3), 90, 90)
    same = painted(result=result, width=2000)
    assert same.shape == (360, 640, 3)
    same[:] = 0  # a frame is read-only; what was drawn is nobody else's
    assert result.frame.image.min() == 90


def test_a_line_has_an_arrow_into_its_side_in() -> None:
    plain = result_of().frame.image
    drawn = changed(painted("lines"), plain)
    assert (160, 90) in drawn
    assert (80, 90) in drawn
    above = [point for point in drawn if point[1] < 85]  # A is on the left: the left hand is above
    assert (160, 80) in above
    assert not {point for point in drawn if point[1] > 105}
    other = {"road": (LINES["road"][1], LINES["road"][0])}
    turned = drawn_by(LayerPainter(["lines"], other, {}), result_of())
    below = changed(turned, plain)
    assert (160, 100) in below
    assert (160, 80) not in below


def test_a_zone_and_its_name_are_there() -> None:
    drawn = changed(painted("zones"), result_of().frame.image)
    assert {(32, 18), (128, 18), (128, 72), (32, 72)} <= drawn
    assert (100, 50) not in drawn
    assert {point for point in drawn if 35 < point[0] < 70 and 20 < point[1] < 35}  # the name


def test_boxes_have_the_colour_of_their_track_on_a_reduced_picture() -> None:
    result = result_of(boxes={7: (100, 60, 200, 160), -1: (400, 100, 500, 300)}, size=(640, 360))
    picture = painted("boxes", result=result, width=320)
    assert tuple(picture[80, 75]) == colour_of(7)  # the lower edge, at half the size
    assert tuple(picture[150, 225]) == (190, 190, 190)
    assert (picture[60, 75] == 90).all()


def test_trails_follow_the_feet_and_end() -> None:
    painter = LayerPainter(["tracks"], {}, {})
    for index in range(10):
        x = 50.0 + 10 * index
        picture = drawn_by(painter, result_of(index=index, boxes={3: (x, 40, x + 20, 100)}))
    assert tuple(picture[100, 100]) == colour_of(3)
    assert (picture[100, 40] == 90).all()
    later = drawn_by(painter, result_of(pts_s=3.95))  # what is older than 3 s is gone
    assert (later[100, 65] == 90).all()
    assert (drawn_by(painter, result_of(pts_s=60.0)) == 90).all()
    assert painter._trails == {}


def test_a_clock_that_is_set_back_leaves_no_trail_for_ever() -> None:
    painter = LayerPainter(["tracks", "blur"], {}, {})
    for index in range(3):
        drawn_by(painter, result_of(pts_s=1000.0 + index / 10, boxes={3: (50 + index, 40, 70, 100)}))
    drawn_by(painter, result_of(pts_s=0.0))
    assert painter._trails == {}
    assert not painter._covers


@pytest.mark.parametrize("box", [(100.0, 40.0, 160.0, 140.0), (-20.0, -30.0, 60.0, 70.0), (290.0, 150.0, 400.0, 300.0)])
def test_nobody_is_recognised_under_the_blur(box: tuple[float, float, float, float]) -> None:
    face = NOISE.integers(0, 256, (180, 320, 3), dtype=np.uint8)
    result = noisy(face, {1: box})
    picture = painted("blur", result=result)
    x1, y1, x2, y2 = (max(0, int(value)) for value in box)
    inside, before = picture[y1:y2, x1:x2], face[y1:y2, x1:x2]
    assert inside.std() < before.std() / 4
    assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= 7 * 7
    outside = np.ones(face.shape[:2], bool)
    outside[max(0, y1 - 15) : y2 + 15, max(0, x1 - 15) : x2 + 15] = False
    assert (picture[outside] == face[outside]).all()


def noisy(image: Picture, boxes: Mapping[int, tuple[float, float, float, float]], pts_s: float = 0.0) -> FrameResult:
    from dataclasses import replace

    result = result_of(boxes=dict(boxes), pts_s=pts_s)
    return replace(result, frame=replace(result.frame, image=image.copy()))


def test_a_frame_in_which_a_box_is_missed_shows_nobody() -> None:
    image = NOISE.integers(0, 256, (180, 320, 3), dtype=np.uint8)
    painter = LayerPainter(["blur"], {}, {})
    drawn_by(painter, noisy(image, {1: (100, 40, 160, 140)}))
    missed = drawn_by(painter, noisy(image, {}, pts_s=0.5))
    assert missed[50:130, 110:150].std() < image.std() / 4
    gone = drawn_by(painter, noisy(image, {}, pts_s=1.5))
    assert (gone == image).all()


def test_where_nothing_is_looked_for_the_blur_covers_everything() -> None:
    image = NOISE.integers(0, 256, (180, 320, 3), dtype=np.uint8)
    nothing = bare(noisy(image, {}).frame, ("person",))
    picture = drawn_by(LayerPainter(["blur"], {}, {}), nothing)
    assert picture.std() < image.std() / 4
    assert (drawn_by(LayerPainter([], {}, {}), nothing) == image).all()


def test_what_is_not_drawn_is_covered_all_the_same() -> None:
    """Somebody who is seen in a frame that nobody draws, and missed in the next one."""
    image = NOISE.integers(0, 256, (180, 320, 3), dtype=np.uint8)
    painter = LayerPainter(["blur"], {}, {})
    painter.note(noisy(image, {1: (100, 40, 160, 140)}))
    missed = drawn_by(painter, noisy(image, {}, pts_s=0.1))
    assert missed[50:130, 110:150].std() < image.std() / 4


def test_the_blur_lies_under_what_is_drawn() -> None:
    box = {1: (100.0, 40.0, 160.0, 140.0)}
    picture = painted("blur", "boxes", result=result_of(boxes=box))
    assert tuple(picture[140, 130]) == colour_of(1)


def test_heat_is_drawn_where_it_is() -> None:
    grid = np.zeros((9, 16))
    grid[4, 8] = 10.0
    drawn = changed(painted("heatmap", heat=grid), result_of().frame.image)
    assert (170, 90) in drawn
    assert (20, 20) not in drawn
    assert not changed(painted("heatmap"), result_of().frame.image)


def test_pixelate_of_nothing_changes_nothing() -> None:
    picture = reduced(result_of().frame.image, 320)
    for box in ((10, 10, 10, 50), (-50, -50, -10, -10), (400, 10, 500, 60), (50, 50, 20, 20)):
        pixelate(picture, *box)
    assert (picture == 90).all()


def test_everything_at_once_on_a_tiny_picture() -> None:
    result = result_of(boxes={1: (2, 2, 60, 30), -1: (0, 0, 64, 36)}, size=(64, 36))
    picture = drawn_by(LayerPainter(LAYERS, LINES, ZONES), result, 64, heat=np.ones((2, 2)))
    assert picture.shape == (36, 64, 3)
