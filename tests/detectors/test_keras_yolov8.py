"""YOLOv8 rebuilt in Keras: the same numbers as torch, and a clear no to what it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import ultralytics
from ultralytics import YOLO
from ultralytics.nn.tasks import load_checkpoint

from detectors.errors import ModelError
from detectors.keras_yolov8 import build, class_count

State = dict[str, np.ndarray]
BUS = Path(ultralytics.__file__).parent / "assets" / "bus.jpg"


def arrays(module: torch.nn.Module) -> State:
    return {key: value.float().numpy() for key, value in module.state_dict().items()}


def trained_like(yaml: str) -> torch.nn.Module:
    """A network of this layout whose every weight, running mean and variance matters to its output."""
    torch.manual_seed(0)
    module = YOLO(yaml, verbose=False).model.float().eval()
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.uniform_(-0.2, 0.2)
            part.running_var.uniform_(0.5, 1.5)
            part.weight.data.uniform_(0.7, 1.3)
            part.bias.data.uniform_(-0.3, 0.3)
    for branch in module.model[-1].cv3:
        branch[-1].bias.data.zero_()
    return module


def bus(height: int, width: int) -> np.ndarray:
    picture = cv2.resize(cv2.imread(str(BUS)), (width, height))
    return np.ascontiguousarray(picture[None, ..., ::-1]).astype(np.float32) / 255


def by_torch(module: torch.nn.Module, batch: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(batch).permute(0, 3, 1, 2))[0].numpy()


def assert_same(ours: np.ndarray, theirs: np.ndarray) -> None:
    assert ours.shape == theirs.shape
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours[:, :4], theirs[:, :4], rtol=1e-3, atol=5e-3)
    np.testing.assert_allclose(ours[:, 4:], theirs[:, 4:], rtol=0, atol=5e-5)


@pytest.fixture(scope="module")
def yolov8n(models_dir: Path) -> Any:
    return load_checkpoint(str(models_dir / "yolov8n.pt"))[0].float().eval()


@pytest.fixture(scope="module")
def rebuilt(yolov8n: Any) -> Any:
    return build(arrays(yolov8n))


@pytest.mark.parametrize(("height", "width"), [(384, 640), (640, 640), (480, 640), (352, 640), (64, 32)])
def test_real_weights_give_the_same_numbers_as_torch(yolov8n: Any, rebuilt: Any, height: int, width: int) -> None:
    batch = bus(height, width)
    assert_same(rebuilt(batch).numpy(), by_torch(yolov8n, batch))


def test_batch_is_row_by_row(yolov8n: Any, rebuilt: Any) -> None:
    batch = np.concatenate([bus(160, 128), bus(160, 128)[:, ::-1]])
    assert_same(rebuilt(batch).numpy(), by_torch(yolov8n, np.ascontiguousarray(batch)))


def test_fused_state_dict_gives_the_same(models_dir: Path, rebuilt: Any) -> None:
    fused = load_checkpoint(str(models_dir / "yolov8n.pt"))[0].float().eval().fuse(verbose=False)
    state = arrays(fused)
    assert "model.0.conv.bias" in state and "model.0.bn.weight" not in state
    batch = bus(160, 128)
    assert_same(build(state)(batch).numpy(), rebuilt(batch).numpy())


@pytest.mark.parametrize(
    "size", ["s", pytest.param("m", marks=pytest.mark.slow), pytest.param("l", marks=pytest.mark.slow), "x"]
)
def test_every_size_is_read_off_the_shapes(size: str) -> None:
    module = trained_like(f"yolov8{size}.yaml")
    batch = bus(96, 64)
    expected = by_torch(module, batch)
    assert np.ptp(expected[:, 4:]) > 0.01
    assert_same(build(arrays(module))(batch).numpy(), expected)


def test_classes_are_read_off_the_head(yolov8n: Any) -> None:
    state = arrays(yolov8n)
    assert class_count(state) == 80
    for level in range(3):
        for part in ("weight", "bias"):
            key = f"model.22.cv3.{level}.2.{part}"
            state[key] = state[key][:7]
    assert class_count(state) == 7
    assert build(state)(bus(64, 64)).shape == (1, 11, 84)


@pytest.mark.parametrize("yaml", ["yolo11n.yaml", "yolov8n-seg.yaml", "yolov8n-pose.yaml", "yolov8n-obb.yaml",
                                  "yolov8n-p2.yaml", "yolov8n-cls.yaml", "yolov5n.yaml", "yolov10n.yaml",
                                  "yolov8n-worldv2.yaml", "yolov8n-ghost.yaml"])  # fmt: skip
def test_other_networks_are_refused_in_one_sentence(yaml: str) -> None:
    state = arrays(YOLO(yaml, verbose=False).model)
    with pytest.raises(ModelError, match="only plain YOLOv8 detection models") as caught:
        build(state)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["model.0.conv.weight", "model.4.m.1.cv2.conv.weight", "model.15.cv1.bn.bias",
                                 "model.22.cv2.1.2.bias", "model.22.dfl.conv.weight"])  # fmt: skip
def test_missing_array_is_named(yolov8n: Any, key: str) -> None:
    state = arrays(yolov8n)
    del state[key]
    with pytest.raises(ModelError, match=key):
        build(state)


def test_wrong_shape_and_empty_are_refused(yolov8n: Any) -> None:
    state = arrays(yolov8n)
    state["model.5.conv.weight"] = state["model.5.conv.weight"][:, :7]
    with pytest.raises(ModelError, match="do not fit together"):
        build(state)
    with pytest.raises(ModelError, match="only plain YOLOv8"):
        build({})
