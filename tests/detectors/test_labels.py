from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from detectors.checkpoint import read_checkpoint
from detectors.labels import labels_ahead
from detectors.model_files import ResolvedModel, resolve


def own(path: Path) -> ResolvedModel:
    return ResolvedModel(path.stem, path, "yolo", None, ("person",), "")


def checkpoint(path: Path, content: Any) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, 2))
    return path


def test_they_are_those_of_the_loaded_checkpoint(models_dir: Path) -> None:
    path = models_dir / "yolov8n.pt"
    assert labels_ahead(own(path)) == read_checkpoint(path).labels
    assert labels_ahead(resolve("yolov8n")) == read_checkpoint(path).labels


class Harmful:
    """Runs a command when it is read as pickles are."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_nothing_of_the_file_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    path = checkpoint(tmp_path / "bad.pt", {"model": Harmful(f"touch {mark}")})
    assert labels_ahead(own(path)) is None
    assert not mark.exists()


@pytest.mark.parametrize("content", [{}, {"model": None}, [], "text", {"model": {"names": ["a"]}}])
def test_what_is_no_checkpoint_has_none(content: Any, tmp_path: Path) -> None:
    assert labels_ahead(own(checkpoint(tmp_path / "odd.pt", content))) is None


@pytest.mark.parametrize("content", [b"", b"half", b"PK\x03\x04"])
def test_what_is_damaged_has_none(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd.pt"
    path.write_bytes(content)
    assert labels_ahead(own(path)) is None
    assert labels_ahead(own(tmp_path / "missing.pt")) is None
