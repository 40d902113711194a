"""TFLite files with the detection post-process: small ones of our own, and a real SSD converted to TFLite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from config.site import Detector as DetectorConfig
from detectors.detector import Detector
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.families.pixel_levels import Normalisation, pixel_levels
from detectors.labels import labels_ahead
from detectors.load import load_detector
from detectors.model_files import resolve
from detectors.parity import POOR, agreement, partners
from detectors.pull import PullError
from detectors.verify import verify
from pipelines.loaded import LoadedModel
from streams.spread import spread_pictures
from tests.support.cli import Done, run_app
from tests.support.ssd_to_tflite import ssd_to_tflite
from tests.support.tflite import ANCHORS, BOXES, CLASSES, COUNT, SCORES, TfliteModel, add_metadata, averages, colours
from tests.support.videos import encode

if find_spec("ai_edge_litert") is None:
    pytest.skip("LiteRT is not installed (extra 'litert')", allow_module_level=True)

NAMES = "red\ngreen\nblue\n"
ONE = 1 / 127.5
"""Scale of a quantised input whose numbers stand for -1 to 1."""


def load(path: Path, **settings: Any) -> Detector[Any]:
    return load_detector(resolve(str(path)), DetectorConfig.model_validate({"runtime": "litert", **settings}))


def plain(red: int, green: int, blue: int, size: tuple[int, int] = (100, 200)) -> np.ndarray:
    return np.full((*size, 3), (blue, green, red), np.uint8)


def found(path: Path, picture: np.ndarray, **settings: Any) -> list[tuple[str, float]]:
    """Label and score of what is at the first anchor."""
    detector = load(path, **settings)
    (answer,) = detector.detect([picture])
    detector.close()
    first = [row for row in range(len(answer)) if answer.xyxy[row, 0] > 0.25 * picture.shape[1]]
    return [(answer.label(row), round(float(answer.score[row]), 2)) for row in first]


def test_boxes_labels_and_scores_of_each_picture(tmp_path: Path) -> None:
    path = colours().write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    detector = load(path)
    assert (detector.model, detector.framework, detector.device, detector.precision) == (
        "colours", "litert", "cpu", "fp32",
    )  # fmt: skip
    assert (detector.labels, detector.family.imgsz) == (("red", "green", "blue"), (24, 32))
    red, both = detector.detect([plain(255, 0, 0), plain(0, 230, 255, (50, 1000))])
    np.testing.assert_allclose(red.xyxy, [[80, 20, 160, 40], [20, 60, 60, 100]], atol=1e-3)
    assert [red.label(row) for row in range(2)] == ["red", "red"]
    np.testing.assert_allclose(red.score, 1)
    assert [both.label(row) for row in range(4)] == ["blue", "blue", "green", "green"]  # two classes at each anchor
    np.testing.assert_allclose(both.score, [1, 1, 0.804, 0.804], atol=1e-3)
    np.testing.assert_allclose(sorted(both.xyxy[:, 0]), [100, 100, 400, 400], atol=1e-2)
    detector.close()


@pytest.mark.parametrize(
    "order", [(BOXES, CLASSES, SCORES, COUNT), (COUNT, SCORES, CLASSES, BOXES), (SCORES, BOXES, COUNT, CLASSES)]
)
def test_outputs_in_any_order(tmp_path: Path, order: Sequence[int]) -> None:
    path = colours(order=order).write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    assert found(path, plain(0, 255, 0)) == [("green", 1.0)]


QUANTISED: list[tuple[str, tuple[float, int] | None]] = [
    ("uint8", (ONE, 127)),
    ("uint8", (1 / 128, 128)),
    ("uint8", (0.0075, 125)),  # calibrated on pictures without full white or black
    ("int8", (ONE, -1)),
    ("int8", (1 / 128, 0)),
]


@pytest.mark.parametrize(("dtype", "quantisation"), QUANTISED)
def test_quantised_inputs(tmp_path: Path, dtype: str, quantisation: tuple[float, int]) -> None:
    model = colours(dtype, quantisation)
    model.const(np.ones(9000, np.int8))  # the weights of a network: they say its precision
    path = model.write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    (label, score), (other, low) = found(path, plain(240, 191, 10), precision="int8")
    assert (label, other) == ("red", "green")
    assert score == pytest.approx((240 - 127.5) / 127.5, abs=0.02)
    assert low == pytest.approx((191 - 127.5) / 127.5, abs=0.02)


PIXELS = np.arange(256)
HALF: Normalisation = ((127.5,), (127.5,))
LEVELS: list[tuple[str, float, int, Normalisation | None, np.ndarray | None]] = [
    ("uint8", 0.0, 0, None, None),
    ("uint8", 1 / 128, 128, None, None),
    ("uint8", 1 / 255, 0, None, None),
    ("uint8", 1.0, 0, None, None),
    ("uint8", 1 / 128, 127, ((127.0,), (128.0,)), None),
    ("uint8", 0.0187, 114, None, None),  # a range of no usual kind: the pixels themselves
    ("uint8", 2 * ONE, 64, HALF, np.rint((PIXELS - 127.5) / 2 + 64)),
    ("int8", 1 / 128, 0, None, PIXELS - 128),
    ("int8", 1 / 255, -128, None, PIXELS - 128),
    ("int8", 0.0, 0, None, PIXELS - 128),
    ("float32", 0.0, 0, None, (PIXELS - 127.5) / 127.5),
    ("float32", 0.0, 0, ((0.0,), (255.0,)), PIXELS / 255),
    (
        "float32", 0.0, 0, ((123.7, 116.3, 103.5), (58.4, 57.1, 57.4)),
        (PIXELS[:, None] - [123.7, 116.3, 103.5]) / [58.4, 57.1, 57.4],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("dtype", "scale", "zero_point", "normalisation", "expected"), LEVELS)
def test_levels_of_pixels(
    dtype: str, scale: float, zero_point: int, normalisation: Normalisation | None, expected: np.ndarray | None
) -> None:
    levels = pixel_levels(dtype, scale, zero_point, normalisation)
    if expected is None:
        assert levels is None
    else:
        assert levels is not None and levels.dtype == dtype
        np.testing.assert_allclose(levels, expected, rtol=1e-5, atol=1e-5)


def test_a_normalisation_in_the_metadata_is_kept_for_each_channel(tmp_path: Path) -> None:
    model = colours()
    add_metadata(model, [("labels.txt", 3)], ([0, 100, 200], [100, 200, 55]))
    path = model.write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    assert found(path, plain(50, 160, 255)) == [("blue", 1.0), ("red", 0.5), ("green", 0.3)]


def wanted(path: Path, **settings: Any) -> tuple[str, ...]:
    detector = load(path, **settings)
    detector.close()
    return detector.labels


BESIDE: dict[str, tuple[str, tuple[str, ...]]] = {
    "plain": ("red\ngreen\nblue\n", ("red", "green", "blue")),
    "background first": ("???\nred\ngreen\nblue\n\n", ("red", "green", "blue")),
    "an unknown one first": ("???\ngreen\nblue", ("???", "green", "blue")),
    "a gap": ("red\n\nblue\n", ("red", "???", "blue")),
    "numbered": ("0  red\n2  sky blue\n", ("red", "???", "sky blue")),
    "numbered by colons": ("2:blue\n0:red\n", ("red", "???", "blue")),
    "with a mark": ("\ufeffred\ngreen\nblue\n", ("red", "green", "blue")),
}


@pytest.mark.parametrize("name", BESIDE)
def test_labels_from_a_list_beside(tmp_path: Path, name: str) -> None:
    text, expected = BESIDE[name]
    path = colours().write(tmp_path / "own.tflite")
    with pytest.raises(ModelError, match=r"does not say its labels; write them to .*labels\.txt, .* class 0 first"):
        load(path)
    (tmp_path / "labels.txt").write_text(text, encoding="utf-8")
    assert wanted(path) == expected


def test_labels_packed_into_the_file(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("of\nanother\nmodel\n")
    several = {"readme.txt": "hello", "axis.txt": "a\nb\nc", "de.txt": "rot\ngrün\nblau", "en.txt": NAMES}
    model = colours()
    add_metadata(model, [("axis.txt", 2), ("de.txt", 3), ("en.txt", 3)])
    assert wanted(model.write(tmp_path / "typed.tflite", several)) == ("rot", "grün", "blau")
    model = colours()
    add_metadata(model, [("axis.txt", 2)])
    assert wanted(model.write(tmp_path / "axis.tflite", several)) == ("a", "b", "c")
    assert wanted(colours().write(tmp_path / "only.tflite", {"labelmap.txt": NAMES})) == ("red", "green", "blue")
    assert wanted(colours().write(tmp_path / "no.tflite", several)) == ("of", "another", "model")  # which, none says


def test_labels_are_known_before_it_is_loaded(tmp_path: Path) -> None:
    path = colours().write(tmp_path / "own.tflite")
    assert labels_ahead(resolve(str(path))) is None
    (tmp_path / "labels.txt").write_text(NAMES)
    assert labels_ahead(resolve(str(path))) == ("red", "green", "blue")
    packed = colours().write(tmp_path / "packed.tflite", {"labelmap.txt": "a\nb\nc\n"})
    assert labels_ahead(resolve(str(packed))) == ("a", "b", "c")
    assert labels_ahead(resolve(str(classifier().write(tmp_path / "other.tflite")))) is None


def test_labels_of_the_configuration_come_first_and_must_be_as_many(tmp_path: Path) -> None:
    path = colours().write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    assert found(path, plain(255, 0, 0), labels=("rouge", "vert", "bleu")) == [("rouge", 1.0)]
    with pytest.raises(ModelError, match=r"'labels' names 2 classes, and model .*colours\.tflite has 3"):
        load(path, labels=("rouge", "vert"))


@pytest.mark.parametrize("text", ["red\n", "red\ngreen\nblue\nblack\n", "0 red\n3 black\n"])
def test_a_list_of_another_model_is_refused(tmp_path: Path, text: str) -> None:
    path = colours().write(tmp_path / "own.tflite")
    (tmp_path / "labels.txt").write_text(text)
    with pytest.raises(ModelError, match=r"labels\.txt names .*own\.tflite has") as caught:
        load(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match=r"the label list inside names .*packed\.tflite has"):
        load(colours().write(tmp_path / "packed.tflite", {"labelmap.txt": text}))


def classifier() -> TfliteModel:
    model = TfliteModel()
    model.inputs = [model.tensor((1, 24, 32, 3))]
    model.outputs = [model.tensor((1, 3), name="probabilities")]
    axes = model.const(np.array([1, 2], np.int32))
    model.op("MEAN", [model.inputs[0], axes], model.outputs, model.schema.ReducerOptionsT())
    return model


def raw_yolo() -> TfliteModel:
    model = TfliteModel()
    model.inputs = [model.tensor((1, 24, 32, 3))]
    model.outputs = [averages(model, "float32", None, 7)]
    return model


def changed() -> TfliteModel:
    """The boxes go through one more operation."""
    model = colours()
    flat = model.tensor((24,))
    shape = model.const(np.array([24], np.int32))
    model.op("RESHAPE", [model.outputs[0], shape], [flat], model.schema.ReshapeOptionsT())
    model.outputs[0] = flat
    return model


def twice() -> TfliteModel:
    model = colours()
    model.postprocess(averages(model, "float32", None, 2), ANCHORS, 3)
    return model


def with_input(*shape: int, dtype: str = "float32", signature: Sequence[int] | None = None) -> TfliteModel:
    """One more input, or another one in its place."""
    model = colours()
    model.inputs = [model.tensor(shape, dtype, signature=signature)]
    return model


def two_inputs() -> TfliteModel:
    model = colours()
    model.inputs.append(model.tensor((1,)))
    return model


def unknown_operation() -> TfliteModel:
    model = colours()
    model.op("Magic", [model.inputs[0]], [model.tensor((1,))])
    model.operations.insert(0, model.operations.pop())
    model.outputs.append(model.operations[0].outputs[0])
    return model


OTHERS: dict[str, tuple[Callable[[], TfliteModel], str]] = {
    "a classifier": (classifier, r"it gives probabilities \(1, 3\); a TFLite file must end in TFLite_Detection_Post"),
    "raw YOLO": (raw_yolo, r"\(1, 7, 3\), as YOLO exports of Ultralytics do: name the \.pt file itself with --runtime"),
    "results changed": (changed, "cannot be told apart; convert it so that this operation is the last one"),
    "two of them": (twice, "has 2 operations TFLite_Detection_PostProcess"),
    "grey pictures": (lambda: with_input(1, 24, 32, 1), r"inputs of \(1, 24, 32, 1\); Sightline takes"),
    "two inputs": (two_inputs, r"inputs of \(1, 24, 32, 3\), \(1,\)"),
    "any size": (lambda: with_input(1, 1, 1, 3, signature=(1, -1, -1, 3)), "leaves the size of its input open"),
    "whole numbers": (lambda: with_input(1, 24, 32, 3, dtype="int32"), "neither float32 nor uint8 nor int8"),
    "an operation that LiteRT lacks": (unknown_operation, "Magic"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_are_refused_before_the_first_picture(tmp_path: Path, name: str) -> None:
    build, expected = OTHERS[name]
    path = build().write(tmp_path / "other.tflite", {"labels.txt": NAMES})
    with pytest.raises(ModelError, match=expected) as caught:
        load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0, 0.1, 0.3, 0.6, 0.9, 0.99])
def test_damaged_files_are_one_sentence(tmp_path: Path, share: float) -> None:
    path = colours().write(tmp_path / "colours.tflite")
    (tmp_path / "labels.txt").write_text(NAMES)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))] if share else b"PK\3\4 something else")
    with pytest.raises(ModelError, match=r"colours\.tflite (is not a|cannot be read as a) TFLite file") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("runtime", ["torch", "tensorflow", "onnxruntime", "openvino", "tensorrt"])
def test_other_runtimes_are_refused(tmp_path: Path, runtime: str) -> None:
    path = colours().write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    expected = f"runs on runtime 'litert' only, not on '{runtime}'; choose it with --runtime litert"
    with pytest.raises(RuntimeUnavailableError, match=expected):
        load(path, runtime=runtime)


@pytest.mark.parametrize(("weights", "precision"), [(np.float16, "fp16"), (np.int8, "int8"), (np.uint8, "int8")])
def test_the_precision_is_that_of_the_weights(tmp_path: Path, weights: Any, precision: str) -> None:
    model = colours()
    model.const(np.ones(9000, weights))
    path = model.write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    with pytest.raises(RuntimeUnavailableError, match=f"is in {precision}, not in fp32; .* --precision {precision}"):
        load(path)
    detector = load(path, precision=precision)
    assert detector.precision == precision
    detector.close()


def test_delegates_by_their_path(tmp_path: Path) -> None:
    path = colours().write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    with pytest.raises(RuntimeUnavailableError, match=r"delegate /no/such/libedgetpu\.so\.1 does not load"):
        load(path, device="/no/such/libedgetpu.so.1")
    model = colours()
    model.op("edgetpu-custom-op", [model.inputs[0]], [model.tensor((1,))])
    compiled = model.write(tmp_path / "colours_edgetpu.tflite", {"labels.txt": NAMES})
    with pytest.raises(RuntimeUnavailableError, match=r"compiled for an Edge TPU .* --device /usr/lib/libedgetpu\.so"):
        load(compiled, precision="int8")


def test_by_name_in_a_named_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = colours().write(tmp_path / "models" / "own.tflite", {"labels.txt": NAMES})
    monkeypatch.setenv("SIGHTLINE_MODELS", str(path.parent))
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SIGHTLINE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    assert [(one.path, one.status) for one in verify()] == [(path, "unknown")]
    model = resolve("own.tflite")
    assert (model.name, model.family, model.path) == ("own", "tf_detection_api", path)
    assert [one.status for one in verify()] == ["ok"]
    colours(size=(32, 32)).write(path, {"labels.txt": NAMES})
    with pytest.raises(ModelError, match=r"own\.tflite has changed since its first use.*models trust"):
        resolve("own.tflite")


def test_analyze_takes_it(call: Callable[..., Done], tmp_path: Path) -> None:
    model = colours()
    add_metadata(model, normalisation=([0], [255]))
    path = model.write(tmp_path / "colours.tflite", {"labels.txt": NAMES})
    video = encode(tmp_path / "short.mp4", frames=5)
    call("analyze", video, "--model", path).failed(2, "runtime 'litert' only, not on 'torch'", "--runtime litert")
    done = call("analyze", video, "--model", path, "--runtime", "litert", "--out", "out")
    assert (done.code, done.err) == (0, "")
    lines = (tmp_path / "out" / "short" / "detections.jsonl").read_text().splitlines()
    assert len(lines) == 5 and all('"blue"' in line for line in lines)


def test_run_takes_it_with_tiles_too(tmp_path: Path) -> None:
    add_metadata(model := colours(), normalisation=([0], [255]))
    model.write(tmp_path / "own.tflite", {"labels.txt": NAMES})
    encode(tmp_path / "a.mp4", frames=5)
    site = tmp_path / "site.yaml"
    site.write_text(
        "version: 1\ndetectors: {main: {model: own.tflite, runtime: litert}}\noutputs: {jsonl: {path: out}}\n"
        "cameras: {whole: {source: a.mp4}, parts: {source: a.mp4, tiles: {rows: 2, cols: 2}}}\n"
    )
    done = run_app("run", site)
    assert done.code == 0, done.err
    for camera in ("whole", "parts"):
        lines = next((tmp_path / "out" / camera).glob("detections*")).read_text().splitlines()
        assert len(lines) == 5 and all('"blue"' in line for line in lines)


VIDEOS = {"classroom.mp4": 8, "store-aisle-detection.mp4": 12, "worker-zone-detection.mp4": 12}


@pytest.fixture(scope="module")
def pictures(data_dir: Path) -> list[np.ndarray]:
    """Frames spread over three videos with people."""
    return [frame for name, number in VIDEOS.items() for frame in spread_pictures(data_dir / name, number)]


@pytest.mark.slow
def test_a_real_ssd_has_the_boxes_of_its_graph(
    pictures: list[np.ndarray], yolov8n: LoadedModel, tmp_path: Path
) -> None:
    """The catalogue's graph, converted as the API's exporter does it, in fp32 and in int8."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed (extra 'tensorflow')")
    try:
        graph = resolve("pedestrian-ssdlite", pull=True)
    except PullError as error:
        pytest.skip(f"pedestrian-ssdlite cannot be pulled: {error.reason}")
    (tmp_path / "labels.txt").write_text("person\n")
    small = [cv2.cvtColor(cv2.resize(picture, (300, 300)), cv2.COLOR_BGR2RGB) for picture in pictures]
    source = load_detector(graph, DetectorConfig.model_validate({"runtime": "tensorflow", "device": "cpu"}))
    exact = load(ssd_to_tflite(graph.path, tmp_path / "fp32.tflite"))
    coarse = load(ssd_to_tflite(graph.path, tmp_path / "int8.tflite", small), precision="int8")
    expected, seen, seen_int8 = (
        [detector.detect([picture])[0] for picture in pictures] for detector in (source, exact, coarse)
    )
    same = agreement(expected, seen)
    assert same.boxes > 40 and same.share == 1 and same.box_px < 0.05 and same.score < 1e-4
    assert agreement(expected, seen_int8).share >= POOR["int8"]
    people = [one[one.score > 0.5] for one in seen]
    others = [yolov8n.detector.detect([picture])[0] for picture in pictures]
    matched = sum(len(partners(one, other, 0.5)[0]) for one, other in zip(people, others, strict=True))
    assert matched >= 0.9 * sum(map(len, people))
    for detector in (source, exact, coarse):
        detector.close()
