"""Exports: made once, made again when they must be, and what bad ones get."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import SightlineError
from config.site import Detector as DetectorConfig
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.export.facts import FACTS, FILES, is_export, read_facts
from detectors.export.make import export_model, parity_words
from detectors.export.store import Export, Wanted, cached_folder, carry, exported, kept
from detectors.load import load_detector
from detectors.load_export import PACKAGES
from detectors.model_files import ResolvedModel, resolve
from detectors.parity import Agreement, agreement
from streams.spread import spread_pictures

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("torch", "onnx", "onnxruntime")
if missing := [name for name in NEEDED if find_spec(name) is None]:
    pytest.skip(f"{', '.join(missing)} is not installed (extras 'torch', 'export')", allow_module_level=True)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this module alone."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("SIGHTLINE_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def model(models_dir: Path) -> ResolvedModel:
    return resolve("yolov8n")


@pytest.fixture(scope="module")
def onnx(cache: Path, model: ResolvedModel) -> tuple[Export, list[str]]:
    """The ONNX export, and what was said while it was made."""
    said: list[str] = []
    return export_model(model, Wanted("onnx", "fp32"), said.append), said


@pytest.fixture
def copy(onnx: tuple[Export, list[str]], tmp_path: Path) -> Path:
    """An export's folder to spoil."""
    return carry(onnx[0], tmp_path)


def config(runtime: str = "onnxruntime", **wishes: Any) -> DetectorConfig:
    return DetectorConfig.model_validate({"runtime": runtime, "device": "cpu", **wishes})


def refused(error: type[SightlineError], folder: Path, *parts: str, **wishes: Any) -> None:
    """Loading a folder of the user's fails with one sentence that has these parts in it."""
    with pytest.raises(error) as caught:
        load_detector(resolve(str(folder)), config(**wishes)).close()
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text


def spoil(folder: Path, **facts: Any) -> None:
    told = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps({**told, **facts}))


def test_it_is_made_once_and_compared_with_its_source(onnx: tuple[Export, list[str]], model: ResolvedModel) -> None:
    export, said = onnx
    assert export.made
    assert export.folder == cached_folder(model, Wanted("onnx", "fp32"))
    assert len(said) == 2
    assert "exporting yolov8n to onnx fp32, any size (once; kept in " in said[0]
    assert "(100.0 %) on 2 pictures; worst box error 0.0" in said[1]
    again: list[str] = []
    second = export_model(model, Wanted("onnx", "fp32"), again.append)
    assert (second.made, second.facts, again) == (False, export.facts, [])


def test_frames_to_calibrate_on_make_no_other_export_of_what_takes_none(
    onnx: tuple[Export, list[str]], model: ResolvedModel
) -> None:
    assert kept(model, Wanted("onnx", "fp32", frames_from="1 picture of my.mp4")) == replace(onnx[0], made=False)


def test_facts_say_where_it_comes_from(onnx: tuple[Export, list[str]], model: ResolvedModel) -> None:
    facts = onnx[0].facts
    assert (facts.source, facts.source_sha256) == ("yolov8n", model.sha256)
    assert (facts.family, facts.precision, facts.imgsz, facts.stride, len(facts.labels)) == (
        "yolo",
        "fp32",
        None,
        32,
        80,
    )
    assert {"torch", "ultralytics", "onnx"} <= set(facts.versions)


def test_a_changed_source_is_exported_anew(
    onnx: tuple[Export, list[str]], model: ResolvedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the name: the checksum of the file decides."""
    shutil.copyfile(model.path, tmp_path / "own.pt")
    before = resolve(str(tmp_path / "own.pt"))
    assert cached_folder(before, Wanted("onnx", "fp32")) == onnx[0].folder
    import torch

    content = torch.load(model.path, map_location="cpu", weights_only=False)
    torch.save({**content, "note": "changed"}, tmp_path / "own.pt")
    after = resolve(str(tmp_path / "own.pt"))
    said: list[str] = []
    export = exported(after, Wanted("onnx", "fp32"), said.append)
    assert export.made
    assert export.folder != onnx[0].folder
    assert export.facts.source_sha256 == after.sha256 != model.sha256


def test_what_was_left_half_written_or_damaged_is_made_again(
    onnx: tuple[Export, list[str]], model: ResolvedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path))
    want = Wanted("onnx", "fp32", size=(64, 64))
    assert exported(model, want, lambda line: None).made
    folder = cached_folder(model, want)
    for damage in (lambda: (folder / FILES["onnx"]).write_bytes(b"half"), lambda: (folder / FACTS).write_text("{")):
        damage()
        said: list[str] = []
        assert exported(model, want, said.append).made
        assert len(said) == 2
        assert "made again" in said[0]
        assert not exported(model, want, said.append).made


def test_a_copy_is_a_model(copy: Path, onnx: tuple[Export, list[str]]) -> None:
    assert copy.name == "yolov8n-onnx-fp32"
    for path in (copy, copy / FILES["onnx"]):
        resolved = resolve(str(path))
        assert (resolved.name, resolved.path, resolved.family) == ("yolov8n", copy, "yolo")
        assert resolved.people == ("person",)
    detector = load_detector(resolve(str(copy)), config())
    assert (detector.framework, detector.model, len(detector.labels)) == ("onnxruntime", "yolov8n", 80)
    detector.close()


def test_another_runtime_is_refused(copy: Path) -> None:
    refused(RuntimeUnavailableError, copy, str(copy), "'onnxruntime', not 'torch'", runtime="torch")


def test_another_precision_is_refused(copy: Path) -> None:
    refused(RuntimeUnavailableError, copy, "'int8' is not available", "onnxruntime", "fp32", precision="int8")
    refused(RuntimeUnavailableError, copy, "'fp16' is not available on cpu", "fp32", precision="fp16")


def test_another_size_is_refused(model: ResolvedModel, cache: Path, tmp_path: Path) -> None:
    export = exported(model, Wanted("onnx", "fp32", size=(64, 96)), lambda line: None)
    folder = carry(export, tmp_path)
    assert folder.name == "yolov8n-onnx-fp32-64x96"
    for imgsz in (640, (96, 64)):
        refused(ModelError, folder, str(folder), "was exported for 64x96", "--imgsz", imgsz=imgsz)
    detector = load_detector(resolve(str(folder)), config(imgsz=96))
    found = detector.detect([np.zeros((50, 40, 3), np.uint8), np.zeros((20, 400, 3), np.uint8)])
    assert len(found) == 2
    assert detector.family.imgsz == (64, 96)
    detector.close()


def test_another_version_is_refused(copy: Path) -> None:
    spoil(copy, format=99)
    refused(ModelError, copy, str(copy), "format 99", "export it again")


def test_a_damaged_file_is_refused(copy: Path) -> None:
    (copy / FILES["onnx"]).write_bytes(b"half")
    refused(ModelError, copy, str(copy), "is not what was exported", "copy it again")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}'])
def test_damaged_facts_are_refused(copy: Path, text: str) -> None:
    (copy / FACTS).write_text(text)
    refused(ModelError, copy, str(copy / FACTS), "export it again")


@pytest.mark.parametrize("labels", [["person"], [str(number) for number in range(81)]])
def test_a_wrong_number_of_labels_is_refused_before_the_first_frame(copy: Path, labels: list[str]) -> None:
    spoil(copy, labels=labels)
    refused(ModelError, copy, str(copy), f"{len(labels)} labels", "check that the label list")


def test_a_file_of_another_kind_is_refused(copy: Path) -> None:
    from detectors.export.facts import file_checksum

    (copy / FILES["onnx"]).write_bytes(b"not a network at all")
    spoil(copy, sha256=file_checksum(copy, "onnx"))
    refused(ModelError, copy, str(copy / FILES["onnx"]), "cannot be read as an ONNX model")


def test_int8_without_frames_says_what_to_run(model: ResolvedModel, cache: Path) -> None:
    for runtime, target in (("litert", "litert"), ("openvino", "openvino")):
        if find_spec(PACKAGES[runtime]) is None:
            continue
        with pytest.raises(RuntimeUnavailableError, match=f"export .*yolov8n.pt --to {target} --precision int8 --cal"):
            load_detector(model, config(runtime, precision="int8"))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "litert", "tensorrt"])
def test_a_runtime_that_is_not_installed_names_its_extra(
    model: ResolvedModel, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGES[runtime], None)
    extra = "pip install tensorrt cuda-python" if runtime == "tensorrt" else rf"'sightline\[{runtime}\]'"
    with pytest.raises(RuntimeUnavailableError, match=extra):
        load_detector(model, config(runtime, device="auto"))


@pytest.mark.parametrize(
    ("package", "target"), [("onnx", "onnx"), ("ai_edge_quantizer", "litert"), ("nncf", "openvino")]
)
def test_a_package_that_exports_need_is_named(
    model: ResolvedModel, package: str, target: Any, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    frames = [np.zeros((32, 32, 3), np.uint8)]
    want = Wanted(target, "fp32" if target == "onnx" else "int8", (32, 32), frames, "black")
    with pytest.raises(RuntimeUnavailableError, match=r"sightline\[.*export\]"):
        exported(model, want, lambda line: None)


@pytest.mark.parametrize(
    ("runtime", "device", "part"),
    [
        ("onnxruntime", "toaster", "available: auto, cpu"),
        ("onnxruntime", "cuda:99", "available: auto, cpu"),
        ("onnxruntime", "cpu:1", "available: auto, cpu"),
        ("openvino", "npu", "available: auto, cpu"),
        ("openvino", "toaster", "available: auto, cpu"),
        ("litert", "toaster", "available: auto, cpu"),
        ("litert", "/no/such/libedgetpu.so.1", "delegate /no/such/libedgetpu.so.1 does not load"),
    ],
)
def test_a_device_that_is_not_there(
    model: ResolvedModel, runtime: str, device: str, part: str, capfd: pytest.CaptureFixture[str]
) -> None:
    if find_spec(PACKAGES[runtime]) is None:
        pytest.skip(f"{runtime} is not installed")
    with pytest.raises(RuntimeUnavailableError) as caught:
        load_detector(model, config(runtime, device=device))
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_library_that_is_no_delegate(model: ResolvedModel, capfd: pytest.CaptureFixture[str]) -> None:
    import numpy._core._multiarray_umath as library

    with pytest.raises(RuntimeUnavailableError, match="does not load"):
        load_detector(model, config("litert", device=str(library.__file__)))
    assert "Exception ignored" not in capfd.readouterr().err


def test_it_runs_without_torch_and_tensorflow(copy: Path) -> None:
    code = (
        "import sys, numpy as np\n"
        "for name in ('torch', 'tensorflow', 'keras', 'ultralytics', 'onnx'): sys.modules[name] = None\n"
        "from config.site import Detector\n"
        "from detectors.load import load_detector\n"
        "from detectors.model_files import resolve\n"
        f"detector = load_detector(resolve({str(copy)!r}), Detector(runtime='onnxruntime', device='cpu'))\n"
        "print(len(detector.detect([np.zeros((360, 640, 3), np.uint8)])))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")


@pytest.mark.parametrize("target", ["litert", pytest.param("openvino", marks=pytest.mark.slow)])
def test_int8_keeps_the_boxes_of_its_source(
    target: Any, model: ResolvedModel, data_dir: Path, cache: Path, tmp_path: Path
) -> None:
    """At least 93 % of the clear boxes, on frames that it was not calibrated on."""
    needed = ("ai_edge_litert", "ai_edge_quantizer", "tensorflow") if target == "litert" else ("openvino", "nncf")
    if any(find_spec(name) is None for name in needed):
        pytest.skip(f"{target} cannot be exported in int8 here (extra 'export')")
    video = data_dir / "traffic.mp4"
    frames = spread_pictures(video, 15)
    said: list[str] = []
    want = Wanted(target, "int8", frames=frames[::2], frames_from=f"half of {video}")
    export = export_model(model, want, said.append)
    assert export.facts.calibration == want.frames_from
    assert "boxes matched" in said[1]
    assert not [line for line in said if line.startswith("warning")]
    assert not exported(model, replace(want, frames=None, frames_from=None), said.append).made
    runtime = export.facts.runtime
    whole, small = (
        load_detector(model, config("torch")),
        load_detector(model, config(runtime, precision="int8")),
    )
    assert (small.framework, small.precision) == (runtime, "int8")
    others = [*frames[1::2], *spread_pictures(data_dir / "highway.mp4", 3)]
    seen = agreement([whole.detect([one])[0] for one in others], [small.detect([one])[0] for one in others])
    assert seen.boxes > 30
    assert seen.share >= 0.93, seen.line()
    folder = carry(export, tmp_path)
    assert is_export(folder)
    assert read_facts(folder).precision == "int8"
    refused(ModelError, folder, "was exported in int8", "not fp32", runtime=runtime)
    whole.close()
    small.close()


def test_an_export_that_nothing_was_compared_on_is_not_called_good() -> None:
    told, warning = parity_words("yolov8n onnx fp32", "fp32", Agreement(20, 0, 0, 0.0, 0.0))
    assert told == (
        "yolov8n onnx fp32 beside its source: the source found no box above a score of 0.4 on 20 pictures: nothing was "
        "compared"
    )
    assert warning.startswith("warning: nothing is known of how near yolov8n onnx fp32 is") and "--calibrate" in warning
    assert len(parity_words("a", "int8", Agreement(20, 100, 93, 0.1, 0.1))) == 1
    assert "at least 93.0 % should match" in parity_words("a", "int8", Agreement(20, 100, 92, 0.1, 0.1))[1]


def test_a_full_cache_is_one_sentence(model: ResolvedModel, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE", str(small_disk))
    with pytest.raises(ModelError, match=r"cannot be written to .*\(No space left on device\); .* SIGHTLINE_CACHE$"):
        exported(model, Wanted("onnx", "fp32"), lambda line: None)
    assert all(path.suffix == ".lock" for path in (small_disk / "exports").iterdir())
