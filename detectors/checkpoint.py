"""Read an Ultralytics checkpoint.

A ``.pt`` file is a pickle: it runs when it is loaded. Whoever calls this has made sure that the file is trusted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.errors import ModelError, RuntimeUnavailableError, first_line
from detectors.runtimes.threads import calm_openmp

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A detection network of Ultralytics.

    Attributes:
        module: The network in fp32 and evaluation mode, on the CPU, not fused.
        labels: Its class names, in class order.
        stride: Its largest stride in pixels.
        end2end: It gives (N, K, 6) boxes that need no NMS (YOLOv10, YOLO26), else (N, 4 + C, A).
    """

    module: nn.Module
    labels: tuple[str, ...]
    stride: int
    end2end: bool = False


def read_checkpoint(path: Path) -> Checkpoint:
    """Load a detection checkpoint.

    Raises:
        ModelError: The file is empty, damaged, no Ultralytics checkpoint, not a detection model, or one with another
            head than YOLO's.
        RuntimeUnavailableError: torch or ultralytics is not installed.
    """
    load_checkpoint = _import_loader(path)
    if path.stat().st_size == 0:
        raise ModelError(f"model {path} is empty (0 bytes); download or copy it again")
    try:
        module, _ = load_checkpoint(path)
    except Exception as error:
        raise ModelError(
            f"model {path} cannot be read as an Ultralytics checkpoint ({_root_of(error)}); download or copy it again"
        ) from error
    if getattr(module, "task", None) != "detect":
        raise ModelError(
            f"model {path} is a checkpoint for {getattr(module, 'task', 'something else')}, not for detection; "
            "choose a detection checkpoint such as yolov8n.pt"
        )
    end2end = _choose_head(path, module)
    try:
        names = module.names
        labels = tuple(str(names[key]) for key in sorted(names)) if isinstance(names, dict) else tuple(names)
        stride = int(module.stride.max())
    except (AttributeError, TypeError) as error:
        raise ModelError(
            f"model {path} is not a YOLO detection model ({error}); choose one such as yolov8n.pt"
        ) from error
    if not labels:
        raise ModelError(f"model {path} has no class names; choose a checkpoint that was trained with names")
    return Checkpoint(module, labels, stride, end2end)


def _root_of(error: BaseException) -> str:
    """What PyTorch said, without what Ultralytics has wrapped around it: its own advice, with the path once more."""
    while error.__cause__ is not None:
        error = error.__cause__
    return first_line(error).partition("  (Could this error message")[0]


def _choose_head(path: Path, module: Any) -> bool:
    """Let a network that has a head for boxes without NMS use it; return whether it has.

    The parts that are there decide and not the flag ``end2end`` in the file: releases of Ultralytics differ in what an
    absent flag means, and some write what the last validation used, whatever the network was made for.
    """
    try:
        head = module.model[-1]
    except (AttributeError, TypeError, IndexError):
        head = None
    if all(kind.__name__ != "Detect" for kind in type(head).__mro__):
        raise ModelError(
            f"model {path} ends in {type(head).__name__}, which is not the head of a YOLO detection model; "
            "choose a YOLO checkpoint such as yolov8n.pt"
        )
    end2end = getattr(head, "one2one_cv2", None) is not None
    if end2end:
        head.end2end = True
    return end2end


def _import_loader(path: Path) -> Any:
    """Import Ultralytics without its chatter, its self-installer and its thread setting."""
    calm_openmp()
    os.environ.setdefault("YOLO_VERBOSE", "False")
    os.environ.setdefault("YOLO_AUTOINSTALL", "False")
    threads = os.environ.get("OMP_NUM_THREADS")
    try:
        from ultralytics.nn.tasks import load_checkpoint
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"reading {path.name} needs PyTorch and Ultralytics ({error}); install them with "
            "pip install 'sightline[torch]', or use a model exported elsewhere"
        ) from error
    if threads is None:
        os.environ.pop("OMP_NUM_THREADS", None)
    return load_checkpoint
