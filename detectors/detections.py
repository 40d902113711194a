"""What a detector found in one picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detections:
    """Boxes of one picture as a struct of arrays, best score first.

    Attributes:
        xyxy: (N, 4) float32, pixels of the source picture, origin top-left.
        score: (N,) float32 in [0, 1].
        class_id: (N,) int64, index into ``labels``.
        labels: All names the model knows.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_id: NDArray[np.int64]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        for name, array, shape, dtype in (
            ("xyxy", self.xyxy, (n, 4), np.float32),
            ("score", self.score, (n,), np.float32),
            ("class_id", self.class_id, (n,), np.int64),
        ):
            if array.shape != shape or array.dtype != dtype:
                raise ValueError(f"{name} must be {shape} {np.dtype(dtype).name}, got {array.shape} {array.dtype}")

    @classmethod
    def empty(cls, labels: tuple[str, ...]) -> Detections:
        """No boxes at all."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int64), labels)

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, index: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Detections:
        """Pick rows by a boolean mask, an index array or a slice."""
        return Detections(self.xyxy[index], self.score[index], self.class_id[index], self.labels)

    def label(self, row: int) -> str:
        """The name of row ``row``."""
        return self.labels[int(self.class_id[row])]
