"""The loss of YOLOv8 in TensorFlow: the value and the gradient of Ultralytics' own, on the same inputs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from detectors.errors import RuntimeUnavailableError
from detectors.runtimes.tensorflow_import import import_tensorflow

pytest.importorskip("torch", reason="PyTorch is not installed (extra 'torch')")
try:
    tf = import_tensorflow()
except RuntimeUnavailableError:
    pytest.skip("TensorFlow is not installed (extra 'tensorflow')", allow_module_level=True)
import torch
from ultralytics.utils.loss import v8DetectionLoss

from detectors.training.keras_assigner import ciou
from detectors.training.keras_loss import detection_loss
from detectors.training.recipe import BOX, CLS, DFL

STRIDES = (8, 16, 32)
BINS = 16
Arrays = list[np.ndarray]


def heads(random: np.random.Generator, batch: int, height: int, width: int, classes: int) -> Arrays:
    """Raw heads of a network that has learnt something: it is unsure, but not the same everywhere."""
    shapes = [(batch, height // stride, width // stride) for stride in STRIDES]
    sides = [random.normal(0, 2, (*shape, 4 * BINS)).astype(np.float32) for shape in shapes]
    return sides + [random.normal(-2, 2, (*shape, classes)).astype(np.float32) for shape in shapes]


def things(random: np.random.Generator, counts: tuple[int, ...], classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects of all sizes, also smaller than a cell and over the edge."""
    objects = np.zeros((len(counts), max(1, *counts), 5), np.float32)
    real = np.zeros(objects.shape[:2], bool)
    for row, count in enumerate(counts):
        real[row, :count] = True
        objects[row, :count, 0] = random.integers(0, classes, count)
        objects[row, :count, 1:3] = random.uniform(0.02, 0.98, (count, 2))
        objects[row, :count, 3:] = np.exp(random.uniform(np.log(0.02), np.log(0.9), (count, 2)))
    return objects, real


def by_tensorflow(levels: Arrays, objects: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, Arrays]:
    tensors = [tf.constant(level) for level in levels]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        parts = detection_loss(tensors, STRIDES, tf.constant(objects), tf.constant(real))
        total = tf.reduce_sum(parts)
    return parts.numpy(), [tf.convert_to_tensor(one).numpy() for one in tape.gradient(total, tensors)]


def by_ultralytics(levels: Arrays, objects: np.ndarray, real: np.ndarray) -> tuple[np.ndarray, Arrays]:
    tensors = [torch.from_numpy(level).permute(0, 3, 1, 2).contiguous().requires_grad_() for level in levels]
    classes = levels[-1].shape[-1]
    detect = SimpleNamespace(stride=torch.tensor(STRIDES, dtype=torch.float32), nc=classes, reg_max=BINS)
    gains = SimpleNamespace(box=BOX, cls=CLS, dfl=DFL)
    model: Any = SimpleNamespace(parameters=lambda: iter(tensors), args=gains, model=[detect])
    flat = [tensor.flatten(2) for tensor in tensors]
    heads = {"boxes": torch.cat(flat[:3], 2), "scores": torch.cat(flat[3:], 2), "feats": tensors[3:]}
    rows = [torch.from_numpy(array) for array in (np.nonzero(real)[0], objects[real][:, 0], objects[real][:, 1:])]
    loss, _ = v8DetectionLoss(model)(heads, dict(zip(("batch_idx", "cls", "bboxes"), rows, strict=True)))
    parts = loss / levels[0].shape[0]
    parts.sum().backward()
    return parts.detach().numpy(), [tensor.grad.permute(0, 2, 3, 1).numpy() for tensor in tensors]


@pytest.mark.parametrize(
    ("counts", "classes", "size"),
    [((3, 0, 7), 5, (96, 160)), ((6,), 1, (64, 64)), ((40, 12), 80, (160, 160)), ((0, 0), 3, (64, 96))],
    ids=["some", "one class", "crowded", "nothing to see"],
)
@pytest.mark.parametrize("seed", range(3))
def test_loss_and_gradient_are_those_of_ultralytics(
    counts: tuple[int, ...], classes: int, size: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    levels = heads(random, len(counts), *size, classes)
    objects, real = things(random, counts, classes)
    ours, slopes = by_tensorflow(levels, objects, real)
    theirs, expected = by_ultralytics(levels, objects, real)
    np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-6)
    assert (theirs[0] > 0) == (sum(counts) > 0)
    for ours_one, theirs_one in zip(slopes, expected, strict=True):
        largest = float(np.abs(theirs_one).max())
        np.testing.assert_allclose(ours_one, theirs_one, rtol=1e-3, atol=max(2e-5 * largest, 1e-9))


def test_rows_that_fill_up_change_nothing() -> None:
    random = np.random.default_rng(7)
    levels = heads(random, 2, 64, 64, 4)
    objects, real = things(random, (2, 3), 4)
    filled = np.concatenate([objects, random.uniform(0, 1, (2, 5, 5)).astype(np.float32)], 1)
    alone, _ = by_tensorflow(levels, objects, real)
    beside, _ = by_tensorflow(levels, filled, np.concatenate([real, np.zeros((2, 5), bool)], 1))
    np.testing.assert_array_equal(alone, beside)


def test_complete_iou_is_one_for_the_same_box_and_falls_with_distance_and_shape() -> None:
    box = [0.0, 0.0, 4.0, 4.0]
    others = [box, [4.0, 0.0, 8.0, 4.0], [8.0, 0.0, 12.0, 4.0], [0.0, 0.0, 4.0, 2.0]]
    values = ciou(tf.constant([box] * 4), tf.constant(others)).numpy()
    assert values[0] == pytest.approx(1, abs=1e-6)
    assert values[1] == pytest.approx(-16 / 80, abs=1e-5)  # no overlap; centres 4 apart, corners of the hull 8 x 4
    assert values[2] < values[1]
    assert values[3] < 0.5
