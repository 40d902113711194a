"""`compare --train` without its frameworks: the dataset, its pictures as they are trained on, and the report."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest

from config.errors import ConfigError
from detectors.training.rehead import rehead
from pipelines.compare.train_dataset import read_dataset
from pipelines.compare.train_html import train_page
from pipelines.compare.train_report import agreement, as_csv, failed_row, row_of, words
from pipelines.compare.train_split import Split, lay_down_split
from streams.errors import SourceError

YAML = "path: set\ntrain: images/train\nval: images/val\ntest:\nnames:\n  0: person\n  1: car\n"


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    """A dataset of three pictures; its YAML."""
    for split, count in (("train", 2), ("val", 1)):
        for kind in ("images", "labels"):
            (tmp_path / "set" / kind / split).mkdir(parents=True)
        for number in range(count):
            image = np.full((40, 80, 3), 40 * number, np.uint8)
            cv2.imwrite(str(tmp_path / "set/images" / split / f"{number}.png"), image)
            (tmp_path / "set/labels" / split / f"{number}.txt").write_text("1 0.5 0.5 0.25 0.5\n\n")
    file = tmp_path / "data.yaml"
    file.write_text(YAML)
    return file


def test_a_dataset_is_read_whole(dataset: Path) -> None:
    (dataset.parent / "set/labels/train/0.txt").write_text("1 0.5 0.5 0.25 0.5\n0 1 1 0.1 0.1\n1 0.5 0.5 0.25 0.5\n")
    (dataset.parent / "set/labels/train/1.txt").unlink()
    found = read_dataset(dataset)
    assert found.names == ("person", "car")
    assert [sample.picture.name for sample in (*found.train, *found.val)] == ["0.png", "1.png", "0.png"]
    assert found.train[0].rows == ((1, 0.5, 0.5, 0.25, 0.5), (0, 1.0, 1.0, 0.1, 0.1))
    assert found.train[1].rows == ()


def test_lists_of_pictures_and_names_as_a_list_are_read_too(dataset: Path) -> None:
    (dataset.parent / "set/val.txt").write_text("./images/val/0.png\n\n./images/train/1.png\n")
    dataset.write_text("path: set\ntrain: [images/train, images/val]\nval: val.txt\nnames: [person, car]\n")
    found = read_dataset(dataset)
    assert (len(found.train), len(found.val)) == (3, 2)


def to_yaml(old: str, new: str) -> Callable[[Path], None]:
    return lambda file: file.write_text(YAML.replace(old, new)) and None


def to_label(text: str) -> Callable[[Path], None]:
    return lambda file: (file.parent / "set/labels/train/1.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{text}\n") and None


def without(pattern: str) -> Callable[[Path], None]:
    def remove(file: Path) -> None:
        for path in (file.parent / "set").glob(pattern):
            path.unlink()

    return remove


@pytest.mark.parametrize(
    ("harm", "parts"),
    [
        (lambda file: file.unlink(), ["--train", "data.yaml does not exist", "name the YAML"]),
        (lambda file: file.write_bytes(b"\xff\xfe\x00"), ["data.yaml", "not text"]),
        (to_yaml(YAML, ""), ["does not describe a dataset", "'train', 'val' and 'names'"]),
        (to_yaml("path: set", "path: [set"), ["data.yaml, line", "not valid YAML"]),
        (to_yaml("val: images/val\n", ""), ["'val' is missing"]),
        (to_yaml("train: images/train\n", ""), ["'train' is missing"]),
        (to_yaml("images/train", "3"), ["'train' must be a path"]),
        (to_yaml("images/train", "nowhere"), ["'train'", "nowhere does not exist", "name a folder"]),
        (to_yaml("images/train", "images/train/0.png"), ["'train'", "0.png is neither a folder nor a .txt"]),
        (to_yaml("names:\n  0: person\n  1: car\n", ""), ["'names' must list the classes"]),
        (to_yaml("  1: car", "  2: car"), ["'names' must list the classes", "number them from 0"]),
        (to_yaml("  1: car", "  1: person"), ["'person' twice"]),
        (without("images/train/*"), ["'train': no pictures in", ".png"]),
        (without("labels/val/*"), ["'val'", "none of its 1 pictures has an object", "labels/val/0.txt"]),
        (to_label("2 0.5 0.5 0.1 0.1"), ["1.txt, line 2", "class 2 is not one of the 2", "data.yaml"]),
        (to_label("-1 0.5 0.5 0.1 0.1"), ["1.txt, line 2", "class -1"]),
        (to_label("0 0.5 0.5 0.1"), ["1.txt, line 2", "class x y w h", "correct the line"]),
        (to_label("0 0.5 0.5 0.1 0.1 0.2 0.2"), ["1.txt, line 2", "class x y w h"]),
        (to_label("person 0.5 0.5 0.1 0.1"), ["1.txt, line 2", "class x y w h"]),
        (to_label("0 50 50 10 10"), ["1.txt, line 2", "values from 0 to 1"]),
        (to_label("0 nan 0.5 0.1 0.1"), ["1.txt, line 2", "values from 0 to 1"]),
        (to_label("0 0.5 0.5 0 0.1"), ["1.txt, line 2", "above 0"]),
    ],
)
def test_what_is_wrong_is_one_sentence_with_its_place(
    dataset: Path, harm: Callable[[Path], None], parts: list[str]
) -> None:
    harm(dataset)
    with pytest.raises(ConfigError) as told:
        read_dataset(dataset)
    assert len(told.value.faults) == 1
    for part in parts:
        assert part in str(told.value)


def test_pictures_are_letterboxed_with_their_objects(dataset: Path, tmp_path: Path) -> None:
    found = read_dataset(dataset)
    assert lay_down_split(found.train, 64, tmp_path / "laid") == [(40, 80), (40, 80)]
    split = Split(tmp_path / "laid", 64)
    batch = split.batch([1, 0])
    assert batch.pictures.shape == (2, 64, 64, 3)
    assert batch.pictures[0, 32, 32] == pytest.approx(40 / 255)
    assert batch.pictures[0, 2, 2] == pytest.approx(114 / 255)
    assert batch.real.tolist() == [[True], [True]]
    np.testing.assert_allclose(batch.objects[0, 0], [1, 0.5, 0.5, 0.25, 0.25])
    assert sorted(split.order(0)) == [0, 1]


def test_a_picture_that_cannot_be_read_is_named(dataset: Path, tmp_path: Path) -> None:
    (dataset.parent / "set/images/train/1.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"1\.png cannot be read as a picture"):
        lay_down_split(read_dataset(dataset).train, 64, tmp_path / "laid")


def test_classes_known_by_name_keep_their_rows_and_new_ones_are_the_same_every_time() -> None:
    random = np.random.default_rng(1)
    state = {
        f"model.22.cv3.{level}.2.{part}": random.normal(size=shape).astype(np.float32)
        for level in range(2)
        for part, shape in (("weight", (3, 4, 1, 1)), ("bias", (3,)))
    }
    known = ("person", "car", "dog")
    same, kept = rehead(state, "model.22", (8, 16), known, known)
    assert kept == 3 and all(same[key] is state[key] for key in state)
    new, kept = rehead(state, "model.22", (8, 16), known, ("helmet", "car"))
    again, _ = rehead(state, "model.22", (8, 16), known, ("helmet", "car"))
    weight, bias = new["model.22.cv3.1.2.weight"], new["model.22.cv3.1.2.bias"]
    assert kept == 1 and weight.shape == (2, 4, 1, 1)
    np.testing.assert_array_equal(weight[1], state["model.22.cv3.1.2.weight"][1])
    np.testing.assert_array_equal(weight, again["model.22.cv3.1.2.weight"])
    assert bias[0] == pytest.approx(np.log(5 / 2 / 40**2)) and abs(weight[0]).max() < 0.1


def trained(runtime: str, seconds: float, loss: float, map50: float) -> dict[str, Any]:
    parts = {"box": loss / 2, "cls": loss / 4, "dfl": loss / 4, "total": loss}
    answer = {
        "device": "cpu", "trained": 100, "first": parts | {"gradient": 10 * loss}, "start_s": 1.0, "total_s": 9.0,
        "epochs": [{"seconds": seconds, "loss": parts}] * 2, "rss_mb": 700.0, "gpu_mb": None,
    }  # fmt: skip
    scored = {"map50_95": map50 / 2, "map50": map50, "pictures": 4, "objects": 9, "classes": 2}
    return row_of(runtime, answer, 20, scored | {"map50": 0.0, "map50_95": 0.0}, scored)


def whole(*rows: dict[str, Any]) -> dict[str, Any]:
    result = {
        "dataset": "a<b>.yaml", "model": "yolov8n", "classes": ["person", "car"], "same_classes": False,
        "kept_classes": 1, "train_pictures": 20, "val_pictures": 4, "val_trained": 0, "imgsz": 320, "batch": 8,
        "epochs": 2, "optimiser": "SGD", "loss": "real", "frozen": "Frozen: the backbone", "rows": list(rows),
        "machine": {"cpu": "a", "cores": 2, "threads": 2}, "agreement": agreement(rows),
    }  # fmt: skip
    return result | {"words": words(result)}


def test_the_words_say_who_was_faster_and_whether_accuracy_agrees() -> None:
    told = " ".join(whole(trained("torch", 2.0, 4.0, 0.5), trained("tensorflow", 4.0, 4.0001, 0.51))["words"])
    assert "Frozen: the backbone" in told and "the dataset's 2 classes: 1 of them by their names" in told
    assert "torch is faster: 10.00 and 5.00 images/s, 2.00 times tensorflow" in told
    assert "differs by 2.5e-05 of its value" in told and "the same loss on both" in told
    assert "Accuracy agrees after 2 epochs: mAP50 and mAP50-95 differ by 0.010 at most" in told
    apart = " ".join(whole(trained("torch", 2.0, 4.0, 0.5), trained("tensorflow", 2.01, 4.4, 0.1))["words"])
    assert "equally fast here" in apart and "NOT the same loss" in apart and "Accuracy does not agree" in apart


def test_a_framework_that_failed_is_a_row_and_nothing_is_compared_with_it() -> None:
    result = whole(trained("torch", 2.0, 4.0, 0.5), failed_row("tensorflow", "no <YOLO>, sorry"))
    assert result["agreement"] is None
    assert "Only torch was trained" in result["words"][-1]
    assert words(whole(failed_row("torch", "no")))[0].startswith("No framework could train")
    lines = list(csv.DictReader(io.StringIO(as_csv(result["rows"]))))
    assert [(line["runtime"], line["epoch"], line["error"]) for line in lines] == [
        ("torch", "1", ""), ("torch", "2", ""), ("tensorflow", "", "no <YOLO>, sorry"),
    ]  # fmt: skip
    assert (lines[1]["loss_total"], lines[1]["after_map50"], lines[1]["images_per_s"]) == ("4.0", "0.5", "10.0")
    html = train_page(result)
    tree = ElementTree.fromstring(html.partition("\n")[2].replace('<meta charset="utf-8">', ""))  # noqa: S314 - our own
    assert len(list(tree.iter("svg"))) == 1
    assert "no &lt;YOLO&gt;" in html and "a&lt;b&gt;.yaml" in html
