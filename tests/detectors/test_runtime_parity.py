"""Every runtime gives torch's boxes in fp32: within 0.05 px at the network's scale, and scores within 1e-4."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from config.site import Detector as DetectorConfig
from detectors.detections import Detections
from detectors.detector import Detector
from detectors.export.make import sample_pictures
from detectors.load import load_detector
from detectors.load_export import PACKAGES
from detectors.model_files import resolve
from streams.spread import spread_pictures

RUNTIMES = ("tensorflow", "onnxruntime", "openvino", "litert")
VIDEOS = ("traffic", "people-detection", "worker-zone-detection", "store-aisle-detection")
THRESHOLD = DetectorConfig().confidence
BOX_PX, SCORE = 0.05, 1e-4

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def pictures(data_dir: Path) -> list[Image]:
    """The sample pictures, and frames of videos of three sizes."""
    frames = [picture for name in VIDEOS for picture in spread_pictures(data_dir / f"{name}.mp4", 6)]
    return [*sample_pictures(), *frames]


@pytest.fixture(scope="module")
def expected(pictures: list[Image], models_dir: Path) -> list[Detections]:
    pytest.importorskip("torch")
    torch = load_detector(resolve("yolov8n"), DetectorConfig(device="cpu"))
    found = [torch.detect([picture])[0] for picture in pictures]
    torch.close()
    return found


@pytest.fixture(scope="module", params=RUNTIMES)
def detector(request: pytest.FixtureRequest, expected: list[Detections]) -> Iterator[Detector[Any]]:
    if find_spec(PACKAGES[request.param]) is None:
        pytest.skip(f"{request.param} is not installed (extra {request.param!r})")
    config = DetectorConfig.model_validate({"runtime": request.param, "device": "cpu"})
    loaded = load_detector(resolve("yolov8n"), config)
    yield loaded
    loaded.close()


def test_boxes_and_scores_are_torchs(
    detector: Detector[Any], pictures: list[Image], expected: list[Detections]
) -> None:
    assert sum(map(len, expected)) > 40
    for picture, reference in zip(pictures, expected, strict=True):
        found = detector.detect([picture])[0]
        scale = 640 / max(picture.shape[:2])
        check(reference, found, BOX_PX / scale)
        check(found, reference, BOX_PX / scale)


def test_a_runtime_that_knows_tells_where_its_operations_run(detector: Detector[Any], pictures: list[Image]) -> None:
    detector.detect(pictures[:1])
    told = getattr(detector.runtime, "placement", dict)()
    expected = {"litert": {"XNNPACK": 1.0}, "openvino": {"convolutions in f32": 1.0}}
    assert told == expected.get(detector.framework, {})


def test_operations_that_a_delegate_left_are_counted() -> None:
    pytest.importorskip("ai_edge_litert", reason="litert is not installed (extra 'litert')")
    from detectors.runtimes.litert_runtime import _delegated

    def node(index: int, name: str, inputs: list[int], outputs: list[int]) -> dict[str, Any]:
        return {"index": index, "op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}

    chain = [
        node(0, "CONV_2D", [0], [1]),
        node(1, "ADD", [1], [2]),
        node(2, "CUSTOM", [2], [3]),
        node(3, "MUL", [3], [4]),
    ]
    assert _delegated(chain, [4]) == 0.0
    assert _delegated([*chain, node(4, "DELEGATE", [0], [2])], [4]) == 0.5
    assert _delegated([*chain, node(4, "DELEGATE", [0], [2]), node(5, "DELEGATE", [3], [4])], [4]) == 0.75


def check(one: Detections, other: Detections, box_px: float) -> None:
    """Each box of one that does not stand at the threshold has its like in the other."""
    for row in np.flatnonzero(one.score > THRESHOLD + SCORE):
        likes = (
            (np.abs(other.xyxy - one.xyxy[row]).max(axis=1) <= box_px)
            & (np.abs(other.score - one.score[row]) <= SCORE)
            & (other.class_id == one.class_id[row])
        )
        assert likes.any(), f"{one.label(row)} {one.score[row]:.4f} at {one.xyxy[row]} has no like"
