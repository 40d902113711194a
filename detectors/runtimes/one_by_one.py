"""Networks that take one picture at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.detector import Tensor

Outputs = tuple[Tensor, ...]


def one_by_one(run: Callable[[Tensor], Outputs], batch: Tensor) -> Outputs:
    """Give an (N, …) batch to a network in N batches of one, and join its outputs along the first axis.

    Args:
        run: From (1, …) to outputs (1, …).
        batch: (N, …), N at least 1.
    """
    if len(batch) == 1:
        return run(batch)
    rows = [run(batch[row : row + 1]) for row in range(len(batch))]
    return tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))
