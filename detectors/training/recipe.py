"""What both frameworks do alike when they fine-tune: gains, optimiser, what stands still; and what they are given."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

BOX, CLS, DFL = 7.5, 0.5, 1.5
"""Gains of the three parts of the loss; Ultralytics' defaults."""
TOP_K, ALPHA, BETA = 10, 0.5, 6.0
"""Anchors for an object at most, and the exponents of score and overlap in the task-aligned metric; likewise."""
RATE, MOMENTUM = 0.002, 0.9
"""SGD with Nesterov's momentum; the rate is the same in every step."""
CLIP = 10.0
"""Gradients whose norm over all weights is larger are scaled down to it, as Ultralytics does."""
BATCH = 8
FROZEN = 10
"""Layers 0 to 9, the backbone, stand still."""
SEED = 0
PARTS = ("box", "cls", "dfl")


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures and what is to be seen in them.

    Attributes:
        pictures: (N, H, W, 3) float32 RGB in [0, 1], H and W multiples of 32.
        objects: (N, M, 5) float32, M ≥ 1: class, then centre x, centre y, width and height relative to the picture,
            padding included.
        real: (N, M) bool: which rows are objects; the others fill up.
    """

    pictures: Float
    objects: Float
    real: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Slope:
    """The loss on a batch, and how steep it is.

    Attributes:
        parts: (3,) float32: box, class and distance loss, times their gains; their sum is what is made smaller.
        norm: Euclidean norm of the gradient over all weights that are trained.
    """

    parts: Float
    norm: float


class Trainer(Protocol):
    """A network that can be trained, on one framework; batch normalisation is folded into its convolutions."""

    device: str
    trained: int
    """How many numbers are trained."""

    def slope(self, batch: Batch) -> Slope:
        """Loss and gradient; nothing is changed."""
        ...

    def step(self, batch: Batch) -> Float:
        """One step of the optimiser; the (3,) parts of the loss before it."""
        ...

    def predict(self, pictures: Float) -> Float:
        """(N, H, W, 3) float32 RGB in [0, 1] → (N, 4 + C, A) float32, as YOLOv8 gives it."""
        ...


def read_weights(file: Path) -> dict[str, Float]:
    """The arrays that ``detectors.training.prepare`` has written."""
    with np.load(file, allow_pickle=False) as saved:
        return {key: saved[key] for key in saved.files}
