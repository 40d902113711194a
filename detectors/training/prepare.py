"""From a checkpoint to the arrays that both frameworks begin with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from detectors.checkpoint import Checkpoint, read_checkpoint
from detectors.errors import ModelError
from detectors.training.rehead import rehead


@dataclass(frozen=True, slots=True)
class Start:
    """Where training begins.

    Attributes:
        classes: Those of the checkpoint.
        kept: How many of the wanted classes the checkpoint knows by name.
        same: Whether the wanted classes are the checkpoint's; else its class branch was given new rows.
    """

    classes: int
    kept: int
    same: bool


def prepare(path: Path, labels: Sequence[str], file: Path) -> Start:
    """Fold batch normalisation into the convolutions, give the head its classes, and write all arrays.

    Args:
        path: A checkpoint that may be loaded.
        labels: The classes wanted, in order.
        file: The ``.npz`` to write.

    Raises:
        ModelError: It is not a checkpoint that can be trained here.
        RuntimeUnavailableError: torch or ultralytics is not installed.
    """
    checkpoint = read_trainable(path)
    module = checkpoint.module.fuse()  # type: ignore[operator]
    state = {key: value.float().numpy() for key, value in module.state_dict().items()}
    head = module.model[-1]
    strides = [int(stride) for stride in head.stride]
    changed, kept = rehead(state, head_name(module), strides, checkpoint.labels, labels)
    np.savez(file, allow_pickle=False, **changed)
    return Start(len(checkpoint.labels), kept, tuple(labels) == checkpoint.labels)


def read_trainable(path: Path) -> Checkpoint:
    """A checkpoint with one head whose loss is YOLOv8's.

    Raises:
        ModelError: It has another head.
        RuntimeUnavailableError: torch or ultralytics is not installed.
    """
    checkpoint = read_checkpoint(path)
    head = checkpoint.module.model[-1]  # type: ignore[index]
    if checkpoint.end2end or int(getattr(head, "reg_max", 1)) < 2:
        raise ModelError(
            f"model {path} is not trained with the loss of YOLOv8 (its head is for boxes without NMS, or has no "
            "distributions of distances); choose a YOLOv8 checkpoint such as yolov8n.pt"
        )
    return checkpoint


def head_name(module: object) -> str:
    """``model.22`` of YOLOv8."""
    return f"model.{len(module.model) - 1}"  # type: ignore[attr-defined]
