"""`compare` by the real command line, with real weights on a real video."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import cv2
import pytest

from tests.support.cli import Done

Call = Callable[..., Done]
NEEDED = ("torch", "onnx", "onnxruntime")
if missing := [name for name in NEEDED if find_spec(name) is None]:
    pytest.skip(f"{', '.join(missing)} is not installed (extras 'torch', 'export')", allow_module_level=True)


SITE = """
version: 1
site: hall
mqtt: {host: 127.0.0.1, port: 1}
cameras:
  door:
    source: VIDEO
    lines: {across: [[0.0, 0.5], [1.0, 0.5]]}
    zones: {all: [[0, 0], [1, 0], [1, 1], [0, 1]]}
    rules:
      - {kind: line_crossing, line: across, labels: [person]}
      - {kind: zone_count, zone: all, labels: [person]}
"""


def test_each_combination_is_a_row_and_one_that_fails_has_its_reason(
    call: Call, data_dir: Path, models_dir: Path, tmp_path: Path
) -> None:
    """With a site file the whole video is counted, too, and nothing is published: nobody listens at its broker."""
    shutil.copy(models_dir / "yolov8n.pt", tmp_path / "mine.pt")
    video = data_dir / "people-detection.mp4"
    (tmp_path / "site.yaml").write_text(SITE.replace("VIDEO", str(video)))
    done = call(
        "compare", video, "--runtimes", "torch,onnxruntime,tensorrt", "--precisions", "fp32", "--frames", "6",
        "--models", "mine.pt", "--imgsz", "416", "--rounds", "1", "--config", "site.yaml", "--out", "out",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert f"preparing, 3 of 3: {tmp_path / 'mine.pt'} on tensorrt fp32 at 416" in done.err
    assert f"round 1 of 1, 2 of 2: {tmp_path / 'mine.pt'} on onnxruntime fp32 at 416" in done.err
    result = json.loads(Path("out/compare.json").read_text())
    rows = result["rows"]
    assert [(row["runtime"], row["batch"]) for row in rows] == [
        ("torch", 1), ("torch", 4), ("onnxruntime", 1), ("onnxruntime", 4), ("tensorrt", None),
    ]  # fmt: skip
    assert (result["frames"], result["reference"]) == (6, "torch fp32")
    for row in rows[:4]:
        ms = row["ms"]["total"]
        assert 0 < ms["p50"] <= ms["p95"] <= ms["p99"]
        assert row["ms"]["inference"]["p50"] < ms["p50"]
        assert row["fps"] > 0 and row["cpu_s"] > 0 and row["rss_mb"] > 50 and row["size_mb"] > 5
        assert row["agreement"]["boxes"] > 0
        assert (row["agreement"]["iou75"], row["agreement"]["class_flips"]) == (1.0, 0)
        assert row["counts"]["same"] is True, row
        assert row["counts"]["people-detection"]["zones"]["all"]["max"] > 0
    assert "tensorrt" in rows[4]["error"]
    assert f"tensorrt fp32 failed: {rows[4]['error']}" in done.out
    assert "equal precision" in done.out
    assert "onnxruntime" in Path("out/compare.html").read_text()
    assert "onnxruntime fp32 416" in Path("out/compare.md").read_text()
    assert len(Path("out/compare.csv").read_text().splitlines()) == 6


@pytest.mark.parametrize(
    ("arguments", "code", "parts"),
    [
        (["no.mp4"], 1, ["no.mp4 does not exist"]),
        (["VIDEO", "--runtimes", "pytorch"], 2, ["--runtimes", "pytorch", "onnxruntime"]),
        (["VIDEO", "--precisions", "int4"], 2, ["--precisions", "int4", "bf16"]),
        (["VIDEO", "--imgsz", "640x384"], 2, ["--imgsz", "640x384"]),
        (["VIDEO", "--models", "yolov99"], 2, ["yolov99"]),
        (["VIDEO", "--models", ","], 2, ["--models: ',' names nothing"]),
        (["VIDEO", "--runtimes", ""], 2, ["--runtimes: '' names nothing"]),
        (["VIDEO", "--precisions", " , "], 2, ["--precisions", "names nothing"]),
        (["VIDEO", "--imgsz", ","], 2, ["--imgsz", "names nothing"]),
    ],
)
def test_wrong_arguments_are_one_sentence(
    call: Call, data_dir: Path, arguments: list[str], code: int, parts: list[str]
) -> None:
    words = [data_dir / "people-detection.mp4" if word == "VIDEO" else word for word in arguments]
    call("compare", *words).failed(code, *parts)


def test_a_wrong_site_file_is_told_before_anything_is_measured(call: Call, data_dir: Path, tmp_path: Path) -> None:
    video = data_dir / "people-detection.mp4"
    (tmp_path / "site.yaml").write_text(SITE + "  wrong: 1\n")
    call("compare", video, "--config", "site.yaml").failed(2, "site.yaml")
    call("compare", video, "--camera", "door").failed(2, "--camera", "--config")


def test_nothing_that_runs_is_a_failure(call: Call, data_dir: Path) -> None:
    done = call(
        "compare", data_dir / "people-detection.mp4", "--runtimes", "tensorrt", "--precisions", "fp32", "--frames", "2"
    )
    assert done.code == 1
    assert "nothing is recommended" in done.out


def test_labelled_pictures_are_scored_and_a_long_run_is_told(call: Call, data_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed (extra 'compare')")
    from streams.spread import spread_pictures

    pictures, labels = tmp_path / "pictures", tmp_path / "labels"
    pictures.mkdir()
    labels.mkdir()
    for number, image in enumerate(spread_pictures(data_dir / "people-detection.mp4", 4)):
        cv2.imwrite(str(pictures / f"{number}.png"), image)
    made = label_with_the_model(pictures, labels)
    done = call(
        "compare", pictures, "--runtimes", "onnxruntime", "--precisions", "fp32", "--frames", "4", "--rounds", "1",
        "--labels", labels, "--sustained", "0.05", "--out", "out",
    )  # fmt: skip
    assert done.code == 0, done.err
    row = json.loads(Path("out/compare.json").read_text())["rows"][0]
    assert (row["map"]["pictures"], row["map"]["objects"]) == (4, made)
    assert row["map"]["map50"] > 0.95  # its own clear boxes; nothing unlikely stands above them
    assert row["sustained"]["minutes"] >= 0.05 and row["sustained"]["last_fps"] > 0
    assert "mAP" in done.out
    video = data_dir / "people-detection.mp4"
    call("compare", video, "--labels", labels).failed(2, "--labels", "people-detection.mp4")
    call("compare", pictures, "--labels", "nowhere").failed(2, "--labels", "nowhere")


def label_with_the_model(pictures: Path, labels: Path) -> int:
    """Write the model's own clear boxes as labels, YOLO's way; return how many there are."""
    from config.site import Detector as DetectorConfig
    from detectors.load import load_detector
    from detectors.model_files import chosen

    detector = load_detector(chosen("yolov8n"), DetectorConfig(confidence=0.5))
    made = 0
    for file in sorted(pictures.glob("*.png")):
        image = cv2.imread(str(file))
        assert image is not None
        (found,) = detector.detect([image])
        height, width = image.shape[:2]
        lines = [
            f"{class_id} {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} {(x2 - x1) / width} {(y2 - y1) / height}"
            for (x1, y1, x2, y2), class_id in zip(
                found.xyxy.clip(0, [width, height, width, height]).tolist(), found.class_id.tolist(), strict=True
            )
        ]
        (labels / f"{file.stem}.txt").write_text("\n".join(lines))
        made += len(lines)
    return made
