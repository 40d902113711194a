"""The CenterNet family, alone, with small TensorFlow.js graphs, and with the real network on real videos."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from config.site import Detector as DetectorConfig
from detectors.detector import Detector
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.families.centernet import CenterNetFamily
from detectors.load import load_detector
from detectors.model_files import ResolvedModel, resolve
from pipelines.geometry import iou
from pipelines.loaded import LoadedModel
from tests.support.tfjs import TfjsModel, detections

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed (extra 'tensorflow')", allow_module_level=True)

CPU = DetectorConfig.model_validate({"runtime": "tensorflow", "device": "cpu"})
CLIPS = {
    "store-aisle-detection.mp4": ("person",),
    "one-by-one-person-detection.mp4": ("person",),
    "traffic.mp4": ("car", "person"),
}


def family(iou: float = 0.7) -> CenterNetFamily:
    return CenterNetFamily(("person", "car"), (64, 96), confidence=0.3, iou=iou)


def output(*rows: list[float]) -> tuple[np.ndarray]:
    return (np.array([rows], np.float32).reshape(1, -1, 6),)


def decoded(rows: tuple[np.ndarray], size: tuple[int, int] = (128, 192), iou: float = 0.7) -> Any:
    net = family(iou)
    _, meta = net.preprocess([np.zeros((*size, 3), np.uint8)])
    return net.postprocess(rows, meta)[0]


def test_boxes_become_pixels_best_first_clipped_and_typed() -> None:
    found = decoded(output([10, 20, 30, 40, 0.6, 1], [-5, 0, 50, 70, 0.9, 0], [0, 0, 9, 9, 0.3, 0]))
    np.testing.assert_allclose(found.xyxy, [[0, 0, 100, 128], [20, 40, 60, 80]], rtol=1e-6)
    np.testing.assert_allclose(found.score, [0.9, 0.6])
    assert [found.label(row) for row in range(2)] == ["person", "car"]
    assert (found.xyxy.dtype, found.score.dtype, found.class_id.dtype) == (np.float32, np.float32, np.int64)


def test_boxes_leave_the_padding() -> None:
    """A picture of 32x96 lies in the middle of 64 rows."""
    found = decoded(output([0, 0, 96, 64, 0.9, 0], [10, 20, 20, 30, 0.8, 0]), size=(32, 96))
    np.testing.assert_allclose(found.xyxy, [[0, 0, 96, 32], [10, 4, 20, 14]])


def test_a_second_peak_of_one_object_is_dropped_and_other_classes_stay() -> None:
    rows = output([10, 10, 40, 40, 0.9, 0], [11, 11, 41, 41, 0.8, 0], [10, 10, 40, 40, 0.7, 1])
    assert decoded(rows).class_id.tolist() == [0, 1]
    assert len(decoded(rows, iou=0.95)) == 3


def test_rows_that_are_no_boxes_are_left_out() -> None:
    rows = output([10, 10, 5, 40, 0.9, 0], [10, 10, 40, 10, 0.9, 0], [np.nan, 10, 40, 40, 0.9, 0], [0, 0, 9, 9, 0.5, 9])
    assert len(decoded((rows[0][:, :3],))) == 0  # without the last, whose class has no label
    with pytest.raises(ModelError, match="class 9, and there are 2 labels"):
        decoded(rows)


@pytest.mark.parametrize("shape", [(1, 100, 5), (1, 600), (2, 100, 6), (1, 128, 128, 80)])
def test_outputs_of_another_network_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"a CenterNet has \(1, boxes, 6\)"):
        decoded((np.zeros(shape, np.float32),))


def test_batch_is_float_rgb_of_the_network_size_from_0_to_255() -> None:
    blue = np.zeros((31, 57, 3), np.uint8)
    blue[..., 0] = 200
    batch, meta = family().preprocess([blue, np.zeros((600, 1, 3), np.uint8)])
    assert (batch.shape, batch.dtype) == ((2, 64, 96, 3), np.float32)
    assert batch[0, 32, 48].tolist() == [0, 0, 200] and batch[1, 32, 5].tolist() == [114, 114, 114]
    assert [box.source for box in meta] == [(31, 57), (600, 1)]


def test_a_model_of_ones_own_by_its_path(tmp_path: Path) -> None:
    path = detections([[16, 16, 48, 32, 0.9, 1]]).write(tmp_path)
    found = resolve(str(path))
    assert (found.family, found.name, found.entry, found.labels) == ("centernet", "model", None, None)
    with pytest.raises(ModelError, match=r"does not say its labels; write them to .*labels\.txt, .* class 0 first"):
        load_detector(found, CPU)
    (tmp_path / "labels.txt").write_text("walker\nrobot\n")
    detector = load_detector(found, CPU)
    answers = detector.detect([np.zeros((128, 192, 3), np.uint8), np.zeros((64, 96, 3), np.uint8)])
    assert [answer.label(0) for answer in answers] == ["robot", "robot"]
    np.testing.assert_allclose([answer.xyxy[0] for answer in answers], [[32, 32, 96, 64], [16, 16, 48, 32]])
    detector.close()


@pytest.mark.parametrize("runtime", ["torch", "onnxruntime", "openvino", "litert", "tensorrt"])
def test_other_runtimes_are_refused(tmp_path: Path, runtime: str) -> None:
    model = resolve(str(detections([]).write(tmp_path)))
    with pytest.raises(RuntimeUnavailableError, match=f"runs on runtime 'tensorflow' only, not on '{runtime}'"):
        load_detector(model, DetectorConfig.model_validate({"runtime": runtime}))


def two_inputs() -> TfjsModel:
    model = detections([[0, 0, 9, 9, 0.9, 0]])
    model.placeholder("mask", (1,))
    return model


ROW = [0.0, 0.0, 9.0, 9.0, 0.9, 0.0]
OTHERS: dict[str, tuple[TfjsModel, str]] = {
    "another output": (detections([ROW], output="tower/scores"), "is not a CenterNet: .*outputs tower/scores"),
    "no picture": (detections([ROW], size=(1, 512)), r"is not a CenterNet: it has inputs of \(1, 512\)"),
    "grey pictures": (detections([ROW], size=(1, 64, 64, 1)), "is not a CenterNet"),
    "two inputs": (two_inputs(), r"is not a CenterNet: .*\(1,\)"),
    "any size": (detections([ROW], size=(1, -1, -1, 3)), "leaves the size of its input open"),
    "four columns": (detections([ROW[:4]]), r"does not do what a CenterNet does: .*\(1, 1, 4\)"),
    "a class too many": (detections([[*ROW[:5], 2.0]]), "class 2, and there are 2 labels"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_networks_are_refused_before_the_first_picture(tmp_path: Path, name: str) -> None:
    model, expected = OTHERS[name]
    path = model.write(tmp_path)
    (tmp_path / "labels.txt").write_text("walker\nrobot\n")
    with pytest.raises(ModelError, match=expected) as caught:
        load_detector(resolve(str(path)), CPU)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_json_of_something_else_is_refused_as_such(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text('{"colour": "red"}')
    with pytest.raises(ModelError, match=r"is not a TensorFlow\.js model"):
        load_detector(resolve(str(path)), CPU)


def test_three_lines_of_a_site_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    detections([ROW]).write(tmp_path / "net")
    config = DetectorConfig.model_validate(yaml.safe_load("model: net/model.json\nruntime: tensorflow\ndevice: cpu\n"))
    assert resolve(config.model).path == Path("net/model.json")


def test_weights_of_a_named_folder_are_recorded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SIGHTLINE_MODELS", str(tmp_path / "named"))
    detections([ROW]).write(tmp_path / "named")
    said: list[str] = []
    assert resolve("model.json", say=said.append).family == "centernet"
    assert [line.split(":")[0].rsplit("/", 1)[-1] for line in said] == ["model.bin", "model.json"]
    (tmp_path / "named" / "model.bin").write_bytes(b"other weights")
    with pytest.raises(ModelError, match=r"model\.bin has changed since its first use"):
        resolve("model.json")


@pytest.fixture(scope="module")
def real(human_centernet: ResolvedModel) -> Any:
    detector = load_detector(human_centernet, CPU)
    yield detector
    detector.close()


@pytest.mark.slow
@pytest.mark.parametrize("clip", CLIPS)
def test_real_network_finds_what_yolo_finds(
    real: Detector[Any], yolov8n: LoadedModel, data_dir: Path, clip: str
) -> None:
    """Of the boxes that YOLOv8n is sure of, most have a partner of their class."""
    pictures = spread(data_dir / clip, 8)
    pairs = [
        max(
            (iou(box.xyxy[row], other.xyxy[match]) for match in range(len(other)) if other.label(match) == word),
            default=0,
        )
        for box, other in zip(yolov8n.detector.detect(pictures), real.detect(pictures), strict=True)
        for row in range(len(box))
        if (word := box.label(row)) in CLIPS[clip] and box.score[row] > 0.6
    ]
    assert len(pairs) >= 5
    assert np.mean(np.array(pairs) >= 0.5) >= 0.9


def spread(path: Path, count: int) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(path))
    found = []
    for index in np.linspace(0, capture.get(cv2.CAP_PROP_FRAME_COUNT) - 2, count).astype(int):
        capture.set(cv2.CAP_PROP_POS_FRAMES, int(index))
        read, picture = capture.read()
        assert read
        found.append(np.asarray(picture, np.uint8))
    capture.release()
    return found
