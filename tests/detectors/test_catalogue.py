from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from config.catalogue import BUILT_IN, NpmSource, PyPISource, catalogue, load_catalogue
from config.errors import ConfigError

ENTRY = {
    "name": "mine",
    "about": "a model",
    "family": "yolo",
    "labels": ["cat", "dog"],
    "licence": "MIT",
    "size_mb": 1,
    "files": {"mine.pt": "0" * 64},
    "source": {"ultralytics": "mine.pt", "release": "v1"},
}


def test_knows_the_models_it_promises() -> None:
    assert catalogue().names == (
        "yolov8n",
        "yolov8s",
        "yolov8m",
        "yolov8l",
        "yolov8x",
        "human-fall-yolov8s",
        "pedestrian-ssdlite",
        "human-centernet",
    )


def test_coco_is_the_eighty_classes_in_order() -> None:
    labels = catalogue().get("yolov8n").labels
    assert labels is not None and len(labels) == len(set(labels)) == 80
    assert (labels[0], labels[2], labels[5], labels[7], labels[79]) == ("person", "car", "bus", "truck", "toothbrush")


def test_every_entry_says_who_a_person_is_and_how_it_is_licensed() -> None:
    for entry in catalogue().models:
        assert entry.people and entry.licence and entry.about
        assert entry.download_mb >= entry.size_mb or isinstance(entry.source, PyPISource), "wheels are compressed"
        assert entry.runnable or entry.reason


def test_a_model_of_two_files_opens_the_first() -> None:
    entry = catalogue().get("human-centernet")
    assert entry.file == "centernet.json" and entry.sha256 == entry.files["centernet.json"]
    assert isinstance(entry.source, NpmSource) and len(entry.source.members) == 2


def test_frozen_graph_names_its_tensors() -> None:
    tensors = catalogue().get("pedestrian-ssdlite").tensors
    assert tensors is not None and tensors.input == "image_tensor:0" and tensors.count == "num_detections:0"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolov8q", "did you mean yolov8"),
        ("pedestrian", "did you mean pedestrian-ssdlite"),
        ("zzz", "unknown model 'zzz' (known: yolov8n"),
    ],
)
def test_unknown_name_lists_what_is_known(name: str, expected: str) -> None:
    with pytest.raises(ConfigError, match="human-centernet") as caught:
        catalogue().get(name)
    assert expected in str(caught.value)


def test_found_by_file_name_and_by_checksum() -> None:
    entry = catalogue().get("yolov8s")
    assert catalogue().find("yolov8s.pt") is entry
    assert catalogue().by_sha256(entry.sha256) is entry
    assert catalogue().find("best.pt") is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"colour": "red"}, "unknown key"),
        ({"files": {"mine.pt": "abc"}}, "SHA-256"),
        ({"files": {"../mine.pt": "0" * 64}}, "without folders"),
        ({"files": {"a.pt": "0" * 64, "b.pt": "0" * 64}}, "2 files but 1"),
        ({"people": ["person"]}, "not among the labels"),
        ({"labels": "imagenet"}, "not a label set"),
        ({"family": "ssd"}, "not 'ssd'"),
        ({"runnable": False}, "reason"),
        ({"source": {"ftp": "x"}}, "source"),
    ],
)
def test_a_wrong_entry_is_refused(tmp_path: Path, change: dict[str, object], expected: str) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": [{**ENTRY, **change}]}))
    with pytest.raises(ConfigError) as caught:
        load_catalogue(path)
    assert expected in str(caught.value) and str(path) in str(caught.value)


def test_labels_may_be_left_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": [{**ENTRY, "labels": "file"}]}))
    assert load_catalogue(path).get("mine").labels is None


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "models.yaml"
    path.write_text(yaml.safe_dump({"models": [ENTRY, ENTRY]}))
    with pytest.raises(ConfigError, match="twice"):
        load_catalogue(path)


def test_a_missing_catalogue_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        load_catalogue(tmp_path / "none.yaml")
    assert BUILT_IN.is_file()
