"""The same boxes as Ultralytics on torch, and the same boxes on TensorFlow as on torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from config.site import Detector as DetectorConfig
from detectors.detections import Detections
from detectors.detector import Detector
from detectors.load import load_detector
from detectors.model_files import resolve
from tests.support.matching import matched_share

Find = Callable[[NDArray[np.uint8]], Detections]
THRESHOLD = DetectorConfig().confidence
VIDEOS = (
    "classroom",
    "highway",
    "one-by-one-person-detection",
    "people-detection",
    "person-bicycle-car-detection",
    "store-aisle-detection",
    "traffic",
    "truncated-workers",
    "worker-zone-detection",
)


def sample_pictures() -> list[NDArray[np.uint8]]:
    spec = find_spec("ultralytics")
    assert spec is not None and spec.origin is not None
    paths = sorted((Path(spec.origin).parent / "assets").glob("*.jpg"))
    assert [path.name for path in paths] == ["bus.jpg", "zidane.jpg"]
    return [cv2.imread(str(path)) for path in paths]


def spread_frames(video: Path, frames: int) -> Iterator[NDArray[np.uint8]]:
    """Up to so many frames, spread over the video."""
    capture = cv2.VideoCapture(str(video))
    step = max(1.0, capture.get(cv2.CAP_PROP_FRAME_COUNT) / frames)
    index, given = 0, 0
    while given < frames and capture.grab():
        if index >= given * step:
            given += 1
            done, image = capture.retrieve()
            assert done
            yield image
        index += 1
    capture.release()


@pytest.fixture(scope="module")
def ultralytics(models_dir: Path) -> Find:
    from ultralytics import YOLO

    model = YOLO(models_dir / "yolov8n.pt")
    config = DetectorConfig()

    def find(image: NDArray[np.uint8]) -> Detections:
        boxes = model.predict(image, imgsz=640, conf=THRESHOLD, iou=config.iou, verbose=False, device="cpu")[0].boxes
        labels = tuple(model.names[key] for key in sorted(model.names))
        arrays = (boxes.xyxy.numpy(), boxes.conf.numpy(), boxes.cls.numpy().astype(np.int64))
        return Detections(*arrays, labels)

    return find


def finder(runtime: str) -> tuple[Find, Detector[Any]]:
    detector = load_detector(resolve("yolov8n"), DetectorConfig.model_validate({"runtime": runtime}))
    return (lambda image: detector.detect([image])[0]), detector


@pytest.fixture(scope="module")
def torch_path(models_dir: Path) -> Iterator[Find]:
    find, detector = finder("torch")
    yield find
    detector.close()


@pytest.fixture(scope="module")
def tensorflow_path(models_dir: Path) -> Iterator[Find]:
    find, detector = finder("tensorflow")
    yield find
    detector.close()


def check(images: list[NDArray[np.uint8]], ultralytics: Find, torch_path: Find, tensorflow_path: Find) -> None:
    theirs = [ultralytics(image) for image in images]
    ours = [torch_path(image) for image in images]
    keras = [tensorflow_path(image) for image in images]
    assert sum(map(len, theirs)) > 0
    matched, total = matched_share(theirs, ours, THRESHOLD)
    assert matched >= 0.99 * total, f"torch found {matched} of Ultralytics' {total} boxes"
    matched, total = matched_share(ours, keras, THRESHOLD)
    assert matched >= 0.99 * total, f"TensorFlow found {matched} of torch's {total} boxes"


def test_same_boxes_on_the_sample_pictures(ultralytics: Find, torch_path: Find, tensorflow_path: Find) -> None:
    check(sample_pictures(), ultralytics, torch_path, tensorflow_path)


@pytest.mark.parametrize("frames", [5, pytest.param(100, marks=pytest.mark.slow)])
@pytest.mark.parametrize("video", VIDEOS)
def test_same_boxes_on_videos(
    video: str, frames: int, data_dir: Path, ultralytics: Find, torch_path: Find, tensorflow_path: Find
) -> None:
    check(list(spread_frames(data_dir / f"{video}.mp4", frames)), ultralytics, torch_path, tensorflow_path)
