"""Checksums of model files and SavedModel folders."""

from __future__ import annotations

import hashlib
from pathlib import Path

from detectors.errors import ModelError


def is_saved_model(path: Path) -> bool:
    """Whether ``path`` is a TensorFlow SavedModel folder."""
    return (path / "saved_model.pb").is_file()


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, or of a SavedModel folder (over the names and checksums of all its files), as 64 hex digits.

    Raises:
        ModelError: The file is missing, empty, a folder that is no SavedModel, or cannot be read.
    """
    try:
        if is_saved_model(path):
            lines = [
                f"{_file_sha256(file)}  {file.relative_to(path).as_posix()}\n"
                for file in sorted(path.rglob("*"))
                if file.is_file()
            ]
            return hashlib.sha256("".join(lines).encode()).hexdigest()
        if path.is_dir():
            raise ModelError(f"{path} is a folder without saved_model.pb, not a model; name a model file")
        if path.stat().st_size == 0:
            raise ModelError(f"{path} is empty (0 bytes): copy or download it again")
        return _file_sha256(path)
    except FileNotFoundError as error:
        raise ModelError(f"{path} does not exist: check the path, or name a model of `models list`") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
