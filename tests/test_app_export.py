"""`export` and what `analyze` does with its results, by the real command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.cli import Done

Call = Callable[..., Done]
NEEDED = ("torch", "onnx", "onnxruntime")
if missing := [name for name in NEEDED if find_spec(name) is None]:
    pytest.skip(f"{', '.join(missing)} is not installed (extras 'torch', 'export')", allow_module_level=True)


@pytest.fixture
def video(data_dir: Path) -> Path:
    """A short real video: 23 frames."""
    return data_dir / "people-detection.mp4"


def objects(name: str) -> tuple[str, int]:
    summary = json.loads((Path("results") / name / "summary.json").read_text())
    return summary["framework"], summary["objects"]


def test_a_runtime_without_a_file_exports_it_once_and_says_so(
    call: Call, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))  # the shared one may hold it already
    size = ("--imgsz", "320")
    assert call("analyze", video, "--model", "yolov8n", *size).code == 0
    expected = objects(video.stem)[1]
    for first in (True, False):
        done = call("analyze", video, "--model", "yolov8n", "--runtime", "onnxruntime", *size)
        assert done.code == 0, done.err
        assert ("exporting yolov8n to onnx fp32" in done.err) == first
        assert ("beside its source: 6 of 6 boxes matched" in done.err) == first
        assert objects(video.stem) == ("onnxruntime", expected)


def test_an_export_is_carried_and_named_as_the_model(call: Call, video: Path, tmp_path: Path) -> None:
    done = call("export", "yolov8n", "--to", "onnx", "--imgsz", "384,640", "--calibrate", video, "--out", "usb")
    assert done.code == 0, done.err
    assert done.out.splitlines() == ["usb/yolov8n-onnx-fp32-384x640"]
    assert "boxes matched (100.0 %) on 20 pictures" in done.err
    again = call(
        "export", "yolov8n", "--to", "onnx", "--imgsz", "384,640", "--calibrate", video
    )  # other pictures may come
    assert "kept from before" in again.err
    assert "boxes matched (100.0 %) on 20 pictures" in again.err
    shutil.move("usb", "there")
    call("analyze", video, "--model", "there/yolov8n-onnx-fp32-384x640").failed(
        2, "an export for runtime 'onnxruntime'"
    )
    done = call("analyze", video, "--model", "there/yolov8n-onnx-fp32-384x640", "--runtime", "onnxruntime")
    assert (done.code, done.err) == (0, "")
    assert objects(video.stem)[0] == "onnxruntime"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--to", "onxx"], ["--to", "onxx", "onnx, openvino, litert, saved_model, tensorrt"]),
        (["--to", ""], ["--to", "no target"]),
        (["--to", "litert", "--precision", "int8"], ["int8 needs frames", "--calibrate"]),
        (["--to", "onnx,litert", "--precision", "int8"], ["'int8' is not available", "onnxruntime", "fp32"]),
        (["--to", "onnx", "--imgsz", "640x384"], ["--imgsz", "640x384", "384,640"]),
        (["--to", "onnx", "--imgsz", "100"], ["--imgsz", "multiples of 32"]),
    ],
)
def test_wrong_wishes(call: Call, arguments: list[str], parts: list[str]) -> None:
    call("export", "yolov8n", *arguments).failed(2, *parts)


def test_frames_that_are_not_there(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    wish = ("export", "yolov8n", "--to", "onnx", "--calibrate")
    call(*wish, "empty").failed(1, "empty holds neither pictures nor videos")
    call(*wish, "none.mp4").failed(1, "none.mp4")


def test_a_file_in_the_place_of_the_folder_is_told_before_anything_is_exported(call: Call, tmp_path: Path) -> None:
    (tmp_path / "usb").touch()
    for out in ("usb", "usb/here"):
        done = call("export", "yolov8n", "--to", "onnx", "--out", out)
        done.failed(1, f"cannot create {out}", "--out")
        assert done.err.count("\n") == 1


def test_a_model_that_is_no_checkpoint(call: Call, tmp_path: Path) -> None:
    (tmp_path / "graph.pb").write_bytes(b"x")
    call("export", "./graph.pb", "--to", "onnx").failed(2, "graph.pb cannot be exported", ".pt")


def test_a_target_that_fails_is_told_and_the_others_are_done(call: Call) -> None:
    if find_spec("tensorrt") is not None:
        pytest.skip("TensorRT is installed here")
    done = call("export", "yolov8n", "--to", "tensorrt,onnx")
    assert done.code == 2
    assert len(done.errors) == 1
    assert "TensorRT cannot be imported" in done.errors[0]
    assert len(done.out.splitlines()) == 1
