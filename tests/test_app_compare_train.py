"""`compare --train` by the real command line: real weights, real pictures, labels that the model itself has drawn."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.auto_label import label
from pipelines.loaded import LoadedModel
from tests.support.cli import Done

Call = Callable[..., Done]
NEEDED = ("torch", "tensorflow", "pycocotools")
if missing := [name for name in NEEDED if find_spec(name) is None]:
    pytest.skip(f"{', '.join(missing)} is not installed", allow_module_level=True)

TRAIN, VAL = 12, 6


@pytest.fixture
def dataset(
    request: pytest.FixtureRequest, made_once: Callable[..., Path], models_dir: Path, data_dir: Path, tmp_path: Path
) -> Path:
    """A classroom of a real video, labelled by the model, under names that it does not know; its YAML."""

    def fill(folder: Path) -> None:
        model: LoadedModel = request.getfixturevalue("yolov8n")
        label(model.detector, [data_dir / "classroom.mp4"], TRAIN + VAL, ["person", "chair"], True, folder)

    shutil.copytree(made_once("classroom", fill), tmp_path / "set")
    return tmp_path / "set" / "data.yaml"


def test_both_frameworks_learn_the_same(call: Call, dataset: Path) -> None:
    done = call("compare", "--train", dataset, "--epochs", "2", "--imgsz", "160", "--out", "out")
    assert done.code == 0, done.err
    result = json.loads(Path("out/train.json").read_text())
    torch_row, keras_row = rows = result["rows"]
    assert [row["runtime"] for row in rows] == ["torch", "tensorflow"]
    assert (result["train_pictures"], result["val_pictures"], result["val_trained"]) == (TRAIN, VAL, 0)
    assert (result["same_classes"], result["kept_classes"]) == (False, 0)
    for row in rows:
        assert row["error"] is None
        first, last = row["loss"]
        assert last["total"] < 0.95 * first["total"]
        assert row["images_per_s"] > 0 and row["rss_mb"] > 100 and row["total_s"] > row["train_s"] > 0
        assert len(row["epoch_s"]) == 2 and row["after"]["objects"] > 0
    assert torch_row["trained"] == keras_row["trained"]
    for part in ("box", "cls", "dfl", "total", "gradient"):
        assert keras_row["first"][part] == pytest.approx(torch_row["first"][part], rel=1e-3)
    for ours, theirs in zip(keras_row["loss"], torch_row["loss"], strict=True):
        assert ours == pytest.approx(theirs, rel=5e-3)
    assert keras_row["before"]["map50"] == pytest.approx(torch_row["before"]["map50"], abs=0.02)
    assert keras_row["after"]["map50"] == pytest.approx(torch_row["after"]["map50"], abs=0.02)
    assert "the same loss on both" in done.out and "Accuracy agrees after 2 epochs" in done.out
    assert "Frozen: layers 0 to 9" in done.out
    with Path("out/train.csv").open() as lines:
        assert [(line["runtime"], line["epoch"]) for line in csv.DictReader(lines)] == [
            ("torch", "1"), ("torch", "2"), ("tensorflow", "1"), ("tensorflow", "2"),
        ]  # fmt: skip
    assert "tensorflow" in Path("out/train.html").read_text()


def test_a_network_that_tensorflow_cannot_rebuild_is_trained_on_torch_alone(call: Call, dataset: Path) -> None:
    from ultralytics import YOLO

    YOLO("yolo11n.yaml", verbose=False).save("eleven.pt")
    done = call("compare", "--train", dataset, "--epochs", "1", "--imgsz", "64", "--models", "eleven.pt", "--out", "o")
    assert done.code == 0, done.err
    torch_row, keras_row = json.loads(Path("o/train.json").read_text())["rows"]
    assert torch_row["error"] is None and len(torch_row["loss"]) == 1
    assert "only plain YOLOv8" in keras_row["error"]
    assert f"tensorflow failed: {keras_row['error']}" in done.out
    assert "Only torch was trained" in done.out


def test_one_that_is_not_installed_and_a_head_with_another_loss_are_rows_with_their_reasons(
    call: Call, dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ultralytics import YOLO

    from pipelines.compare import train

    with monkeypatch.context() as patch:
        patch.setattr(train, "is_installed", lambda name: name != "tensorflow")
        done = call("compare", "--train", dataset, "--runtimes", "tensorflow", "--imgsz", "64")
    assert done.code == 1
    assert "tensorflow failed: tensorflow is not installed; install it with pip" in done.out
    YOLO("yolov10n.yaml", verbose=False).save("ten.pt")
    done = call("compare", "--train", dataset, "--imgsz", "64", "--models", "ten.pt")
    assert done.code == 1
    assert "torch failed: model" in done.out and "is not trained with the loss of YOLOv8" in done.out
    assert "No framework could train" in done.out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ([], ["nothing to compare", "--train DATASET.yaml"]),
        (["my.mp4", "--epochs", "3"], ["--epochs", "--train"]),
        (["--train", "no.yaml"], ["--train", "no.yaml does not exist"]),
        (["my.mp4", "--train", "no.yaml"], ["a video has no part in --train"]),
        (["--train", "no.yaml", "--frames", "3"], ["--frames has no part in --train"]),
        (["--train", "no.yaml", "--rounds", "2"], ["--rounds has no part in --train"]),
        (["--train", "no.yaml", "--precisions", "fp32"], ["--precisions has no part in --train"]),
        (["--train", "no.yaml", "--labels", "here"], ["--labels has no part in --train"]),
        (["--train", "no.yaml", "--config", "site.yaml"], ["--config has no part in --train"]),
        (["--train", "no.yaml", "--sustained", "1"], ["--sustained has no part in --train"]),
        (["--train", "no.yaml", "--runtimes", "torch,litert"], ["--runtimes: litert does not train"]),
        (["--train", "no.yaml", "--runtimes", ","], ["--runtimes: ',' names nothing"]),
        (["--train", "no.yaml", "--imgsz", "320,640"], ["--imgsz", "several"]),
    ],
)
def test_wrong_arguments_are_one_sentence(call: Call, arguments: list[str], parts: list[str]) -> None:
    call("compare", *arguments).failed(2, *parts)


def test_wrong_models_and_no_epochs_are_told_before_anything_is_trained(call: Call, dataset: Path) -> None:
    call("compare", "--train", dataset, "--models", "a,b").failed(2, "--models", "several")
    Path("graph.pb").write_bytes(b"graph")
    call("compare", "--train", dataset, "--models", "graph.pb").failed(
        2, "--models: graph is no checkpoint", "YOLOv8 .pt"
    )
    done = call("compare", "--train", dataset, "--epochs", "0")
    assert done.code == 2 and "--epochs" in done.err
    (dataset.parent / "images/val/0002.png").write_bytes(b"no picture")
    done = call("compare", "--train", dataset)
    assert done.code == 1 and "0002.png cannot be read as a picture" in done.errors[0]
