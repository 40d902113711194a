"""The labels of a model file, read without loading the model: what is wrong with a rule is said before anything starts.

A checkpoint is a pickle, which is a program. Here it builds hollow objects: nothing of the file, of torch or of
Ultralytics is run.
"""

from __future__ import annotations

import logging
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

from detectors.errors import ModelError
from detectors.label_list import numbered_labels
from detectors.model_files import ResolvedModel
from detectors.tflite_file import read_tflite_detector

log = logging.getLogger(__name__)


def labels_ahead(model: ResolvedModel) -> tuple[str, ...] | None:
    """The labels in a model file that may be loaded.

    Returns:
        The labels in class order, or ``None``: they are known only once the model is loaded, or the file is damaged,
        which loading it will say better.
    """
    if model.labels is not None:
        return model.labels
    if model.path.suffix == ".pt":
        return _of_checkpoint(model.path)
    if model.path.suffix == ".tflite":
        return _of_tflite(model.path)
    return None


def check_count(model: ResolvedModel, classes: int, wanted: tuple[str, ...] | None) -> None:
    """Refuse names for another number of classes than a YOLO model has.

    Raises:
        ModelError: It has more, or fewer.
    """
    if model.family == "yolo" and wanted is not None and len(wanted) != classes:
        raise ModelError(
            f"model {model.name} has {classes} classes, and 'labels' names {len(wanted)}: name each, in "
            "their order, or leave 'labels' out"
        )


def _of_checkpoint(path: Path) -> tuple[str, ...] | None:
    """The class names in a checkpoint of Ultralytics, a zip archive with a pickle in it."""
    try:
        with zipfile.ZipFile(path) as archive:
            name = next(entry for entry in archive.namelist() if entry.endswith("/data.pkl"))
            with archive.open(name) as file:
                content = _Hollow(file).load()
        network = content.get("ema") or content["model"]
        names = network.state["names"]
        return tuple(str(names[key]) for key in sorted(names)) if isinstance(names, dict) else tuple(map(str, names))
    except Exception as error:  # a file of any content: whatever is wrong with it, loading it will tell
        log.debug("%s: no labels can be read ahead", path, exc_info=error)
        return None


def _of_tflite(path: Path) -> tuple[str, ...] | None:
    """The labels packed into a TFLite file, or in the list beside it."""
    try:
        network = read_tflite_detector(path)
        return numbered_labels(path, network.labels, network.classes)
    except ModelError as error:
        log.debug("%s: no labels can be read ahead", path, exc_info=error)
        return None


class _Thing:
    """Stands for an object of any class: keeps its state, and does nothing."""

    state: Any = None

    def __init__(self, *_: Any, **__: Any) -> None:
        """Take anything."""

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        """An item of a mapping."""

    def append(self, value: Any) -> None:
        """An item of a list."""

    extend = add = append


class _Hollow(pickle.Unpickler):
    """Reads a pickle's own dictionaries, lists and strings; every other object becomes a ``_Thing``."""

    def find_class(self, module: str, name: str) -> Any:
        return OrderedDict if (module, name) == ("collections", "OrderedDict") else _Thing

    def persistent_load(self, pid: Any) -> Any:
        return None  # a tensor's numbers
