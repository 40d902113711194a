"""Tiles: where they lie, how their boxes become one set, and that they find what the whole frame does not show."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from config.site import Tiles
from detectors.detections import Detections
from detectors.detector import StageTimes
from detectors.nms import nms
from detectors.tiles import TiledDetector, cut, merge, parts_of, spans, views_of
from pipelines.loaded import LoadedModel

LABELS = ("car", "truck", "person")
GRID = Tiles(rows=2, cols=3, overlap=0.2)
VEHICLES = ("car", "truck", "bus", "motorcycle")
WHOLE, LEFT, RIGHT = (0, 0, 180, 100), (0, 0, 100, 100), (80, 0, 180, 100)


def boxes(*rows: tuple[Any, ...]) -> Detections:
    """Rows of (label, score, x1, y1, x2, y2)."""
    xyxy = np.array([row[2:] for row in rows], np.float32).reshape(-1, 4)
    ids = np.array([LABELS.index(row[0]) for row in rows], np.int64)
    return Detections(xyxy, np.array([row[1] for row in rows], np.float32), ids, LABELS)


def merged(whole: Detections, left: Detections, right: Detections) -> list[tuple[str, float, list[float]]]:
    found = merge([whole, left, right], [WHOLE, LEFT, RIGHT])
    return [
        (found.label(row), round(float(found.score[row]), 2), found.xyxy[row].tolist()) for row in range(len(found))
    ]


@pytest.mark.parametrize("overlap", [0.0, 0.2, 0.5])
@pytest.mark.parametrize("count", range(1, 9))
@pytest.mark.parametrize("length", [1, 5, 480, 719, 1920])
def test_spans_are_of_one_size_cover_all_and_overlap(length: int, count: int, overlap: float) -> None:
    found = spans(length, count, overlap)
    assert len(found) == count
    (size,) = {last - first for first, last in found}
    assert (found[0][0], found[-1][1]) == (0, length)
    for (_, end), (start, _) in itertools.pairwise(found):
        assert end - start >= overlap * size - 1


def test_views_are_the_whole_picture_and_the_tiles_row_by_row() -> None:
    views = views_of(1280, 720, GRID)
    assert views[0] == (0, 0, 1280, 720)
    assert views[1:4] == ((0, 0, 493, 400), (393, 0, 886, 400), (787, 0, 1280, 400))
    assert len(views) == parts_of(GRID) == 7
    assert views_of(64, 48, Tiles(rows=1, cols=1)) == ((0, 0, 64, 48),)
    assert parts_of(Tiles(rows=1, cols=1)) == parts_of(None) == 1


def test_tiles_are_views_of_the_picture() -> None:
    image = np.zeros((720, 1280, 3), np.uint8)
    parts = list(cut(image, views_of(1280, 720, GRID)))
    assert [part.shape for part in parts] == [(720, 1280, 3), *[(400, 493, 3)] * 6]
    assert all(np.shares_memory(part, image) for part in parts)


def test_boxes_come_back_to_the_pixels_of_the_picture() -> None:
    found = merged(boxes(), boxes(("car", 0.5, 10, 20, 30, 40)), boxes(("car", 0.9, 30, 20, 50, 40)))
    assert found == [("car", 0.9, [110, 20, 130, 40]), ("car", 0.5, [10, 20, 30, 40])]


def test_what_two_tiles_see_whole_is_one() -> None:
    found = merged(boxes(), boxes(("car", 0.5, 84, 20, 96, 40)), boxes(("car", 0.9, 4, 20, 16, 40)))
    assert found == [("car", 0.9, [84, 20, 96, 40])]


@pytest.mark.parametrize("label", ["car", "truck"])
def test_a_piece_at_an_inner_edge_goes_however_sure_and_whatever_its_name(label: str) -> None:
    found = merged(boxes(), boxes((label, 0.9, 85, 20, 100, 40)), boxes(("car", 0.3, 5, 20, 45, 40)))
    assert found == [("car", 0.3, [85, 20, 125, 40])]


def test_a_box_at_the_edge_of_the_picture_is_not_cut_off() -> None:
    found = merged(boxes(("car", 0.3, 0, 0, 50, 40)), boxes(("car", 0.9, 0, 0, 48, 40)), boxes())
    assert found == [("car", 0.9, [0, 0, 48, 40])]


def test_two_pieces_of_what_no_view_shows_whole_become_one() -> None:
    found = merged(boxes(), boxes(("truck", 0.6, 20, 20, 100, 60)), boxes(("truck", 0.8, 0, 21, 70, 60)))
    assert found == [("truck", 0.8, [20, 20, 150, 60])]


def test_large_objects_are_the_whole_pictures() -> None:
    whole = boxes(("truck", 0.3, 20, 20, 150, 60))
    found = merged(whole, boxes(("truck", 0.9, 20, 20, 100, 60)), boxes(("car", 0.8, 0, 20, 70, 60)))
    assert found == [("truck", 0.3, [20, 20, 150, 60])]


def test_neighbours_and_what_stands_before_another_stay() -> None:
    row = boxes(("car", 0.9, 10, 20, 30, 40), ("car", 0.8, 26, 20, 46, 40), ("person", 0.7, 12, 20, 18, 40))
    assert len(merged(boxes(), row, boxes())) == 3
    whole = boxes(("truck", 0.9, 20, 0, 160, 100))
    assert len(merged(whole, boxes(("person", 0.5, 93, 40, 100, 60)), boxes())) == 2


def test_one_object_with_two_names_is_the_better_one() -> None:
    found = merged(boxes(("truck", 0.5, 10, 10, 50, 50)), boxes(("car", 0.6, 10, 10, 50, 49)), boxes())
    assert found == [("car", 0.6, [10, 10, 50, 49])]


def test_nothing_found_and_too_few_results() -> None:
    assert merged(boxes(), boxes(), boxes()) == []
    with pytest.raises(ValueError, match="3 parts of a picture need as many results, got 1"):
        merge([boxes()], [WHOLE, LEFT, RIGHT])


class Counting:
    """A detector that finds one car in the middle of each picture it is given."""

    labels = LABELS
    last_times = StageTimes(1.0, 2.0, 3.0)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def detect(self, images: Sequence[Any]) -> list[Detections]:
        """One car each."""
        self.batches.append(len(images))
        middles = [(image.shape[1] / 2, image.shape[0] / 2) for image in images]
        return [boxes(("car", 0.5, x - 4, y - 4, x + 4, y + 4)) for x, y in middles]


def test_all_parts_of_all_pictures_are_one_batch() -> None:
    counting = Counting()
    tiled = TiledDetector(counting, Tiles(rows=2, cols=2))
    images = [np.zeros(shape, np.uint8) for shape in ((240, 320, 3), (480, 640, 3))]
    found = tiled.detect(images)
    assert counting.batches == [10]
    assert [len(item) for item in found] == [5, 5]
    assert found[1].xyxy.max() > 320
    assert tiled.labels == LABELS and tiled.last_times.inference_ms == 2.0
    assert tiled.last_times.preprocess_ms >= 1.0 and tiled.last_times.postprocess_ms >= 3.0
    assert tiled.detect([]) == []
    with pytest.raises(ValueError, match="image 0 must be"):
        tiled.detect([np.zeros((4, 4), np.uint8)])


def vehicles(found: Detections) -> Detections:
    return found[np.array([found.label(row) in VEHICLES for row in range(len(found))], bool)]


def each_once(found: Detections) -> int:
    """Vehicles, where two boxes with IoU over 0.5 are one whatever their labels."""
    return len(nms(found.xyxy, found.score, np.zeros(len(found), np.int64), 0.5))


def doubles(found: Detections) -> list[tuple[str, list[float], list[float]]]:
    """Pairs of one label with IoU over 0.5 or one over 80 % inside the other, and any with IoU over 0.8."""
    pairs = []
    for one in range(len(found)):
        for two in range(one):
            a, b = found.xyxy[one].astype(float), found.xyxy[two].astype(float)
            shared = float((np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])).clip(0).prod())
            areas = [float((box[2:] - box[:2]).prod()) for box in (a, b)]
            iou, same = shared / (sum(areas) - shared), found.class_id[one] == found.class_id[two]
            if iou > 0.8 + 1e-3 or (same and (iou > 0.5 + 1e-3 or shared / min(areas) > 0.8 + 1e-3)):
                pairs.append((found.label(one), a.tolist(), b.tolist()))
    return pairs


def test_tiles_find_twice_the_vehicles_and_none_twice(data_dir: Path, yolov8n: LoadedModel) -> None:
    video = cv2.VideoCapture(str(data_dir / "highway.mp4"))
    tiled = TiledDetector(yolov8n.detector, GRID)
    whole_count = tiled_count = 0
    for number in range(360):
        _, image = video.read()
        if number % 60:
            continue
        (whole,) = yolov8n.detector.detect([image])
        (found,) = tiled.detect([image])
        assert doubles(found) == []
        whole_count += each_once(vehicles(whole))
        tiled_count += each_once(vehicles(found))
        for row in np.flatnonzero(whole.score > 0.5):  # nothing that was plain to see is lost
            box, others = whole.xyxy[row], found.xyxy
            shared = (np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])).clip(0).prod(axis=1)
            assert shared.max() > 0.5 * (box[2:] - box[:2]).prod(), (number, box)
    video.release()
    assert tiled_count >= 2 * whole_count > 0, (tiled_count, whole_count)
