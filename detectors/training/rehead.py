"""Other classes for a detect head: its last convolutions get rows for the new classes, the same on every framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from detectors.training.recipe import SEED

State = Mapping[str, NDArray[np.float32]]
_SPREAD = 0.01
_OBJECTS = 5
"""Objects of a class expected in a picture of 640 x 640; Ultralytics begins with the same."""


def rehead(
    state: State, head: str, strides: Sequence[int], known: Sequence[str], wanted: Sequence[str]
) -> tuple[dict[str, NDArray[np.float32]], int]:
    """Let the class branch name other classes.

    A class that the checkpoint knows by name keeps its row. A new one begins with small random weights (always the same
    ones) and with the bias of a class that is rare: log(5 / C / cells of a picture of 640 x 640).

    Args:
        state: All arrays; ``HEAD.cv3.LEVEL.2`` are the last convolutions, weight (C, in, 1, 1) and bias (C,).
        head: Its name, such as ``model.22``.
        strides: Pixels per cell of each level.
        known: The checkpoint's classes, in order.
        wanted: The new ones, in order.

    Returns:
        The arrays with the new head, and how many of the wanted classes kept their rows. Nothing is changed where the
        classes are the same.
    """
    places = {name: row for row, name in enumerate(known)}
    kept = sum(name in places for name in wanted)
    changed = dict(state)
    if tuple(known) == tuple(wanted):
        return changed, kept
    random = np.random.default_rng(SEED)
    for level, stride in enumerate(strides):
        weight, bias = (state[f"{head}.cv3.{level}.2.{part}"] for part in ("weight", "bias"))
        rows = random.normal(0, _SPREAD, (len(wanted), *weight.shape[1:])).astype(np.float32)
        starts = np.full(len(wanted), np.log(_OBJECTS / len(wanted) / (640 / stride) ** 2), np.float32)
        for row, name in enumerate(wanted):
            if name in places:
                rows[row], starts[row] = weight[places[name]], bias[places[name]]
        changed |= {f"{head}.cv3.{level}.2.weight": rows, f"{head}.cv3.{level}.2.bias": starts}
    return changed, kept
