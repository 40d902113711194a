"""One contract for every detector, whatever its family and runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import ultralytics
from numpy.typing import NDArray

from config.site import Detector as DetectorConfig
from detectors.detections import Detections
from detectors.detector import Detector
from detectors.load import load_detector
from detectors.load_export import PACKAGES
from detectors.model_files import resolve
from detectors.pull import PullError
from pipelines.geometry import iou

Image = NDArray[np.uint8]
ASSETS = Path(ultralytics.__file__).parent / "assets"
VIDEOS = {"traffic.mp4": 200, "one-by-one-person-detection.mp4": 400, "worker-zone-detection.mp4": 35}
DETECTORS = [
    ("yolov8n", "torch"),
    ("yolov8n", "tensorflow"),
    ("yolov8n", "onnxruntime"),
    ("yolov8n", "openvino"),
    ("yolov8n", "litert"),
    ("pedestrian-ssdlite", "tensorflow"),
    ("human-centernet", "tensorflow"),
]
LARGE = "human-centernet"
"""145 MB to download: in the long form alone."""
IMGSZ = 416


@pytest.fixture(scope="module")
def pictures(data_dir: Path) -> list[Image]:
    """Real pictures, of five sizes; the last four are frames of one video."""
    found = [cv2.imread(str(ASSETS / name)) for name in ("bus.jpg", "zidane.jpg")]
    for name, index in VIDEOS.items():
        found += frames(data_dir / name, [index])
    found += frames(data_dir / "one-by-one-person-detection.mp4", [150, 250, 350, 450])
    return [np.asarray(picture, np.uint8) for picture in found]


def frames(path: Path, wanted: list[int]) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    found = []
    for index in wanted:
        capture.set(cv2.CAP_PROP_POS_FRAMES, index)
        read, picture = capture.read()
        assert read, f"{path} has no frame {index}"
        found.append(np.asarray(picture, np.uint8))
    capture.release()
    return found


@pytest.fixture(
    scope="module",
    params=[pytest.param(one, marks=pytest.mark.slow if one[0] == LARGE else ()) for one in DETECTORS],
    ids=lambda param: f"{param[0]}-{param[1]}",
)
def detector(request: pytest.FixtureRequest, models_dir: Path) -> Iterator[Detector[Any]]:
    model, runtime = request.param
    if find_spec(PACKAGES.get(runtime, runtime)) is None:  # importing TensorFlow here would load it before Triton
        pytest.skip(f"{runtime} is not installed (extra {runtime!r})")
    try:
        resolved = request.getfixturevalue("human_centernet") if model == LARGE else resolve(model, pull=True)
    except PullError as error:
        pytest.skip(f"{model} cannot be pulled: {error.reason}")
    config = DetectorConfig.model_validate({"model": model, "runtime": runtime, "device": "cpu", "imgsz": IMGSZ})
    loaded = load_detector(resolved, config)
    yield loaded
    loaded.close()


def check(found: Detections, image: Image, labels: tuple[str, ...]) -> None:
    """What holds of every answer."""
    height, width = image.shape[:2]
    count = len(found)
    assert (found.xyxy.shape, found.xyxy.dtype) == ((count, 4), np.float32)
    assert (found.score.shape, found.score.dtype) == ((count,), np.float32)
    assert (found.class_id.shape, found.class_id.dtype) == ((count,), np.int64)
    assert found.labels == labels
    assert np.isfinite(found.xyxy).all()
    assert (found.xyxy >= 0).all() and (found.xyxy[:, 0::2] <= width).all() and (found.xyxy[:, 1::2] <= height).all()
    assert (found.xyxy[:, :2] <= found.xyxy[:, 2:]).all()
    assert (found.score > 0.25).all() and (found.score <= 1).all()
    assert (np.diff(found.score) <= 0).all(), "best score first"
    assert ((found.class_id >= 0) & (found.class_id < len(labels))).all()


def assert_alike(one: Detections, other: Detections, overlap: float, score: float, above: float = 0.25) -> None:
    """Each box of one that scores clearly above ``above`` has its like in the other, and the other way round."""
    for a, b in ((one, other), (other, one)):
        for row in np.flatnonzero(a.score > above + score):
            likes = [
                abs(float(a.score[row] - b.score[match])) <= score
                for match in range(len(b))
                if a.class_id[row] == b.class_id[match] and iou(a.xyxy[row], b.xyxy[match]) >= overlap
            ]
            assert any(likes), f"{a.label(row)} {a.score[row]:.3f} at {a.xyxy[row]} has no like"


def test_it_says_what_it_is(detector: Detector[Any]) -> None:
    assert detector.model in {name for name, _ in DETECTORS}
    assert detector.framework in {runtime for _, runtime in DETECTORS}
    assert (detector.device, detector.precision) == ("cpu", "fp32")
    assert "person" in detector.labels


def test_answers_have_the_order_and_length_of_the_question(detector: Detector[Any], pictures: list[Image]) -> None:
    asked = [pictures[1], pictures[0], pictures[2], pictures[0]]
    answers = detector.detect(asked)
    assert len(answers) == 4
    for image, found in zip(asked, answers, strict=True):
        check(found, image, detector.labels)
    np.testing.assert_array_equal(answers[1].xyxy.shape, answers[3].xyxy.shape)
    assert_alike(answers[1], answers[3], overlap=0.98, score=0.01)


def test_real_pictures_have_real_people(detector: Detector[Any], pictures: list[Image]) -> None:
    """By eye: three people before the bus (a fourth cut off), two men in the other picture."""
    for image, least in ((pictures[0], 2), (pictures[1], 1)):
        (found,) = detector.detect([image])
        people = [row for row in range(len(found)) if found.label(row) == "person" and found.score[row] > 0.4]
        assert len(people) >= least
        height = image.shape[0]
        assert all(found.xyxy[row, 3] - found.xyxy[row, 1] > 0.3 * height for row in people[:least])


def test_nothing_asked_nothing_answered(detector: Detector[Any]) -> None:
    assert detector.detect([]) == []
    assert detector.detect(()) == []


WRONG: dict[str, Callable[[], np.ndarray[Any, Any]]] = {
    "no rows": lambda: np.empty((0, 10, 3), np.uint8),
    "no columns": lambda: np.empty((10, 0, 3), np.uint8),
    "no pixels": lambda: np.empty((0, 0, 3), np.uint8),
    "grey": lambda: np.zeros((10, 10), np.uint8),
    "with alpha": lambda: np.zeros((10, 10, 4), np.uint8),
    "float": lambda: np.zeros((10, 10, 3), np.float32),
    "a batch": lambda: np.zeros((1, 10, 10, 3), np.uint8),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_is_refused(detector: Detector[Any], name: str) -> None:
    good = np.zeros((32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match=r"image 1 must be \(H, W, 3\) uint8 BGR"):
        detector.detect([good, WRONG[name]()])
    assert len(detector.detect([good])) == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (500, 3), (641, 359), (359, 641), (33, 31)])
def test_odd_sizes(detector: Detector[Any], pictures: list[Image], size: tuple[int, int]) -> None:
    image = cv2.resize(pictures[0], size[::-1], interpolation=cv2.INTER_AREA)
    (found,) = detector.detect([np.asarray(image, np.uint8)])
    check(found, np.asarray(image, np.uint8), detector.labels)


def test_pictures_that_are_views_or_read_only(detector: Detector[Any], pictures: list[Image]) -> None:
    """A frame's picture is read-only; a crop is not contiguous."""
    whole = pictures[0].copy()
    crop = whole[100:900, 30:700]
    whole.flags.writeable = False
    expected = detector.detect([np.ascontiguousarray(crop)])[0]
    found = detector.detect([crop])[0]
    np.testing.assert_array_equal(found.xyxy, expected.xyxy)
    flipped = detector.detect([crop[:, ::-1]])[0]
    check(flipped, crop, detector.labels)


def test_pictures_are_left_as_they_are(detector: Detector[Any], pictures: list[Image]) -> None:
    before = [picture.copy() for picture in pictures[:2]]
    detector.detect(pictures[:2])
    for picture, copy in zip(pictures[:2], before, strict=True):
        np.testing.assert_array_equal(picture, copy)


def test_asked_twice_it_answers_the_same(detector: Detector[Any], pictures: list[Image]) -> None:
    """Also with pictures of other sizes between."""
    first = detector.detect([pictures[0]])[0]
    detector.detect([pictures[1]])
    detector.detect([pictures[2], pictures[3]])
    second = detector.detect([pictures[0]])[0]
    np.testing.assert_array_equal(first.xyxy, second.xyxy)
    np.testing.assert_array_equal(first.score, second.score)
    np.testing.assert_array_equal(first.class_id, second.class_id)


def test_answers_stay_when_more_is_asked(detector: Detector[Any], pictures: list[Image]) -> None:
    found = detector.detect([pictures[0]])[0]
    copy = found.xyxy.copy()
    detector.detect([pictures[0][:, ::-1]])
    np.testing.assert_array_equal(found.xyxy, copy)


def test_a_batch_of_four_answers_as_four_batches_of_one(detector: Detector[Any], pictures: list[Image]) -> None:
    same_size = pictures[-4:]
    for found, image in zip(detector.detect(same_size), same_size, strict=True):
        assert_alike(found, detector.detect([image])[0], overlap=0.98, score=0.005)


def test_mixed_sizes_answer_as_one_by_one(detector: Detector[Any], pictures: list[Image]) -> None:
    """Pictures of several sizes share one padded size; more grey around one of them shifts its scores a little."""
    mixed = pictures[:5]
    assert len({picture.shape for picture in mixed}) == 5
    for found, image in zip(detector.detect(mixed), mixed, strict=True):
        check(found, image, detector.labels)
        assert_alike(found, detector.detect([image])[0], overlap=0.97, score=0.05, above=0.7)


def test_warming_up_and_closing_twice(models_dir: Path) -> None:
    pytest.importorskip("torch")
    config = DetectorConfig.model_validate({"device": "cpu", "imgsz": 64})
    detector = load_detector(resolve("yolov8n"), config)
    detector.warmup(64, 48, batch=2, rounds=1)
    assert detector.last_times.inference_ms > 0
    detector.close()
    detector.close()
