"""Labels of pictures, and average precision against them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import ConfigError
from detectors.detections import Detections
from pipelines.compare.frames import Laid
from pipelines.compare.truth import Box, Truth, read_truth, score

NAMES = ("person", "car")
PICTURES = [Laid("a.jpg", (100, 200)), Laid("b.png", (50, 100))]


def found(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    values = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(
        values[:, :4].astype(np.float32), values[:, 4].astype(np.float32), values[:, 5].astype(np.int64), NAMES
    )


def coco(**changes: Any) -> dict[str, Any]:
    return {
        "images": [{"id": 7, "file_name": "some/where/a.jpg"}, {"id": 8, "file_name": "b.png"}],
        "categories": [{"id": 3, "name": "car"}, {"id": 9, "name": "zebra"}],
        "annotations": [
            {"image_id": 7, "category_id": 3, "bbox": [10, 20, 30, 40]},
            {"image_id": 8, "category_id": 9, "bbox": [0, 0, 5, 5], "iscrowd": 1},
        ],
    } | changes


def test_yolo_labels_are_relative_to_the_picture_and_named_by_the_model(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1 0.5 0.5 0.1 0.2\n\n0 0.25 0.25 0.5 0.5 0.9\n")
    truth = read_truth(tmp_path, PICTURES, NAMES)
    assert truth.boxes[0] == (
        Box("car", pytest.approx((90, 40, 20, 20))),  # type: ignore[arg-type]
        Box("person", pytest.approx((0, 0, 100, 50))),  # type: ignore[arg-type]
    )
    assert truth.boxes[1] == ()


def test_classes_txt_names_the_numbers_of_another_set(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("2 0.5 0.5 0.1 0.2\n")
    (tmp_path / "classes.txt").write_text("helmet\nvest\nperson\n")
    assert read_truth(tmp_path, PICTURES, NAMES).boxes[1][0].label == "person"


def test_coco_is_looked_up_by_the_names_of_pictures(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(json.dumps(coco()))
    truth = read_truth(file, PICTURES, NAMES)
    assert truth.boxes == ((Box("car", (10, 20, 30, 40)),), (Box("zebra", (0, 0, 5, 5), crowd=True),))


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("2 0.5 0.5 0.1 0.2", "class below 2"),
        ("-1 0.5 0.5 0.1 0.2", "class below 2"),
        ("0 0.5 0.5 0.1", "class x y w h"),
        ("0 50 50 10 20", "values from 0 to 1"),
        ("0 nan 0.5 0.1 0.2", "values from 0 to 1"),
        ("person 0.5 0.5 0.1 0.2", "class x y w h"),
        ("0 0.1 0.1 0.2 0.1 0.2 0.2", "class x y w h"),  # the outline of a segmentation is no box
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, line: str, part: str) -> None:
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.2\n{line}\n")
    with pytest.raises(ConfigError, match=r"a\.txt, line 2") as told:
        read_truth(tmp_path, PICTURES, NAMES)
    assert part in str(told.value)


def with_box(**changes: Any) -> str:
    """COCO whose second annotation is another one; NaN is what Python's own ``json`` writes and reads."""
    good: dict[str, Any] = {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}
    return json.dumps(coco(annotations=[good, good | changes]))


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "is not JSON (Expecting value"),
        ("{", "is not JSON (Expecting"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "has no list 'images'"),
        (json.dumps({"images": []}), "has no list 'categories'"),
        (json.dumps(coco(annotations={"1": 2})), "has no list 'annotations'"),
        (json.dumps(coco(annotations=[7])), "annotation 1 is not"),
        (json.dumps(coco(images=[{"id": 7}])), "image 1 is not"),
        (json.dumps(coco(categories=[{"id": [3], "name": "car"}])), "category 1 is not"),
        (with_box(category_id=4), "annotation 2 has category_id 4, which its categories lack (3 car, 9 zebra)"),
        (with_box(category_id=[3]), "annotation 2 is not"),
        (with_box(image_id=70), "annotation 2 has image_id 70, which its images lack"),
        (with_box(bbox=[1, 2]), "annotation 2: bbox [1, 2] is not"),
        (with_box(bbox="1234"), "annotation 2: bbox '1234' is not"),
        (with_box(bbox=[1, 2, 3, float("nan")]), "annotation 2: bbox [1, 2, 3, nan] is not"),
        (with_box(bbox=[1, 2, -3, 4]), "annotation 2: bbox [1, 2, -3, 4] is not"),
        (with_box(bbox=[1, 2, 3, 10**400]), "annotation 2: bbox [1, 2, 3, 1000"),
        (with_box(track_id="a"), "annotation 2: track_id 'a' is not a whole number"),
        (json.dumps(coco(images=[{"id": 7, "file_name": "a.jpg"}], annotations=[])), "does not list b.png (1 of 2"),
        (
            json.dumps(coco(images=[*coco()["images"], {"id": 9, "file_name": "other/a.jpg"}])),
            "lists two pictures that are called a.jpg",
        ),
        (json.dumps(coco(annotations=[])), "no box for these pictures of a class that the model knows"),
    ],
)
def test_wrong_coco_is_one_sentence(tmp_path: Path, content: str, part: str) -> None:
    file = tmp_path / "labels.json"
    file.write_text(content)
    with pytest.raises(ConfigError) as told:
        read_truth(file, PICTURES, NAMES)
    assert part in str(told.value) and len(str(told.value)) < 400
    assert str(told.value).count("--labels") == 1


def test_a_coco_file_that_is_not_text_is_told_once(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"^--labels: \S*labels\.json cannot be read \(it is not text\)$"):
        read_truth(file, PICTURES, NAMES)


def test_labels_are_checked_before_any_model_says_its_classes(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text(with_box(category_id=4))
    with pytest.raises(ConfigError, match="category_id 4"):
        read_truth(file, PICTURES, None)
    (tmp_path / "a.txt").write_text("7 0.5 0.5 0.1 0.2\n")
    assert read_truth(tmp_path, PICTURES, None).boxes[0][0].label == "7"  # 80 classes, say: the model will tell
    (tmp_path / "a.txt").write_text("7 0.5 0.5 0.1 2\n")
    with pytest.raises(ConfigError, match=r"a\.txt, line 1: .* a class and values from 0 to 1"):
        read_truth(tmp_path, PICTURES, None)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    (tmp_path / "a.txt").write_text("7 0.5 0.5 0.1 0.2\n")
    with pytest.raises(ConfigError, match="class below 2"):
        read_truth(tmp_path, PICTURES, None)


def test_labels_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        read_truth(tmp_path / "no", PICTURES, NAMES)
    with pytest.raises(ConfigError, match=r"has no \.txt for any of the pictures, such as a\.txt"):
        read_truth(tmp_path, PICTURES, NAMES)


def test_average_precision_is_cocos() -> None:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed (extra 'compare')")
    truth = Truth(((Box("car", (10, 20, 30, 40)), Box("zebra", (0, 0, 9, 9))), (Box("car", (0, 0, 20, 20)),)), NAMES)
    perfect = [found((10, 20, 40, 60, 0.9, 1), (0, 0, 9, 9, 0.9, 0)), found((0, 0, 20, 20, 0.8, 1))]
    known = Truth(truth.boxes, ("car", "zebra"))
    right = score(known, perfect, PICTURES)
    assert (right["map50_95"], right["map50"], right["objects"], right["classes"]) == (1.0, 1.0, 2, 1)
    # one of two found, at an IoU of 0.75 or more but below 0.8: right at 6 of 10 thresholds, half of the recall
    half = score(known, [found((10, 20, 40, 51, 0.9, 1)), found()], PICTURES)
    assert half["map50"] == pytest.approx(51 / 101, abs=1e-3)
    assert half["map50_95"] == pytest.approx(0.6 * 51 / 101, abs=1e-3)
    assert score(known, [found(), found()], PICTURES)["map50_95"] == 0.0
