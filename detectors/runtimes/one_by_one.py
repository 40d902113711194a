"""Networks that take one picture at a time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.detector import Tensor

Outputs = tuple[Tensor, ...]


def one_by_one(run: Callable[[Tensor], Outputs], batch: Tensor) -> Outputs:
    """Give an (N, …) batch to a network in N batches of one, and join its outputs along the first axis.

    Args:
        run: From (1, …) to outputs (1, …), which it may overwrite when it is called again.
        batch: (N, …), N at least 1.
    """
    outputs = run(batch[:1])
    if len(batch) == 1:
        return outputs
    joined = tuple(np.empty((len(batch), *output.shape[1:]), output.dtype) for output in outputs)
    for row in range(len(batch)):
        if row:
            outputs = run(batch[row : row + 1])
        for whole, output in zip(joined, outputs, strict=True):
            whole[row : row + 1] = output
    return joined
