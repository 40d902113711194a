"""Raw heads decoded outside of the network give the boxes that the network's own decode gives."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.detections import Detections
from detectors.detector import Tensor
from detectors.errors import ModelError
from detectors.families.yolo import YoloFamily
from detectors.parity import agreement

LABELS = ("car", "person", "dog")
HEIGHT, WIDTH, REACH = 96, 160, 16


def raw_heads(seed: int, count: int = 1) -> tuple[Tensor, ...]:
    """Nine outputs: random logits, few of which score, and the largest of each cell."""
    random = np.random.default_rng(seed)
    cells = [(HEIGHT // stride, WIDTH // stride) for stride in (8, 16, 32)]
    sides = [random.normal(0, 3, (count, *cell, 4 * REACH)).astype(np.float32) for cell in cells]
    classes = [random.normal(-4, 2, (count, *cell, len(LABELS))).astype(np.float32) for cell in cells]
    return (*sides, *classes, *(logits.max(axis=-1) for logits in classes))


def decoded(heads: tuple[Tensor, ...]) -> Tensor:
    """What YOLOv8's own last layer makes of them: (N, 4 + C, A), written the long way."""
    columns = []
    for sides, classes, stride in zip(heads[:3], heads[3:6], (8, 16, 32), strict=True):
        n, h, w, _ = sides.shape
        spread = np.exp(sides.astype(np.float64).reshape(n, h, w, 4, REACH))
        left, top, right, bottom = np.moveaxis(spread @ np.arange(REACH) / spread.sum(-1), -1, 0)
        x, y = np.arange(w)[None, None, :] + 0.5, np.arange(h)[None, :, None] + 0.5
        box = np.stack((x + (right - left) / 2, y + (bottom - top) / 2, left + right, top + bottom), 1) * stride
        both = np.concatenate((box, 1 / (1 + np.exp(-np.moveaxis(classes.astype(np.float64), 3, 1)))), 1)
        columns.append(both.reshape(n, 4 + len(LABELS), h * w))
    return np.concatenate(columns, 2).astype(np.float32)


@pytest.mark.parametrize("seed", range(5))
def test_same_boxes_as_the_networks_own_decode(seed: int) -> None:
    family = YoloFamily(LABELS, (HEIGHT, WIDTH), confidence=0.3)
    _, meta = family.preprocess([np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((90, 150, 3), np.uint8)])
    heads = raw_heads(seed, count=2)
    for ours, theirs in zip(family.postprocess(heads, meta), family.postprocess((decoded(heads),), meta), strict=True):
        assert len(ours) == len(theirs) > 10
        np.testing.assert_allclose(ours.xyxy, theirs.xyxy, atol=2e-3)
        np.testing.assert_allclose(ours.score, theirs.score, atol=1e-6)
        np.testing.assert_array_equal(ours.class_id, theirs.class_id)


def test_nothing_scores() -> None:
    family = YoloFamily(LABELS, (HEIGHT, WIDTH))
    _, meta = family.preprocess([np.zeros((HEIGHT, WIDTH, 3), np.uint8)])
    heads = tuple(np.full_like(head, -9) for head in raw_heads(0))
    (found,) = family.postprocess(heads, meta)
    assert len(found) == 0


@pytest.mark.parametrize("spoil", ["labels", "sides", "odd", "cells", "best"])
def test_heads_of_another_network_are_refused(spoil: str) -> None:
    family = YoloFamily((*LABELS, "one more") if spoil == "labels" else LABELS, (HEIGHT, WIDTH))
    _, meta = family.preprocess([np.zeros((HEIGHT, WIDTH, 3), np.uint8)])
    heads = list(raw_heads(0))
    if spoil == "sides":
        heads[0] = heads[0][..., :-1]
    if spoil == "odd":
        heads.pop()
    if spoil == "cells":
        heads[3] = heads[3][:, 1:]
    if spoil == "best":
        heads[6] = heads[6][:, 1:]
    with pytest.raises(ModelError, match="check that the label list belongs to this model"):
        family.postprocess(tuple(heads), meta)


def boxes(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4].copy(), table[:, 4].copy(), table[:, 5].astype(np.int64), LABELS)


@pytest.mark.parametrize(
    ("reference", "found", "expected"),
    [
        ([], [], (0, 0, 0.0, 0.0, 1.0)),
        ([(0, 0, 10, 10, 0.9, 0)], [], (1, 0, 0.0, 0.0, 0.0)),
        ([(0, 0, 10, 10, 0.9, 0)], [(0, 0, 11, 10, 0.7, 0)], (1, 1, 1.0, 0.2, 1.0)),
        ([(0, 0, 10, 10, 0.9, 0)], [(0, 0, 10, 10, 0.9, 1)], (1, 0, 0.0, 0.0, 0.0)),
        ([(0, 0, 10, 10, 0.9, 0)], [(5, 0, 15, 10, 0.9, 0)], (1, 0, 0.0, 0.0, 0.0)),
        ([(0, 0, 10, 10, 0.3, 0)], [], (0, 0, 0.0, 0.0, 1.0)),
        ([(0, 0, 10, 10, 0.9, 0), (0, 0, 10, 10, 0.8, 0)], [(0, 0, 10, 10, 0.9, 0)], (2, 1, 0.0, 0.0, 0.5)),
    ],
    ids=["nothing", "missed", "moved", "another class", "too far", "not clear", "one to one"],
)
def test_agreement(reference: list, found: list, expected: tuple) -> None:
    seen = agreement([boxes(*reference)], [boxes(*found)])
    assert (seen.boxes, seen.matched) == expected[:2]
    assert seen.box_px == pytest.approx(expected[2])
    if len(reference) < 2:
        assert seen.score == pytest.approx(expected[3], abs=1e-6)
    assert seen.share == expected[4]
