"""Look at every model file that names can lead to, and say which may be loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from config.catalogue import catalogue
from detectors.checksum import is_saved_model, sha256_of
from detectors.errors import ModelError
from detectors.folders import models_cache, named_folders
from detectors.model_files import SUFFIXES
from detectors.trust import expected_sha256

Status = Literal["ok", "changed", "unknown"]


@dataclass(frozen=True, slots=True)
class Verified:
    """One local model file.

    Attributes:
        path: The file, or the SavedModel folder.
        status: ``ok``: as listed, recorded or in the catalogue; ``changed``: not so, or unreadable; ``unknown``:
            nothing is known of it yet (a file in a named folder is recorded on first use).
        note: Why, for people.
    """

    path: Path
    status: Status
    note: str


def verify() -> list[Verified]:
    """Check all model files in the folders of ``SIGHTLINE_MODELS`` and in the user's cache, in order of place and name.

    Nothing is recorded, downloaded or loaded.

    Raises:
        ModelError: A ``SHA256SUMS`` or the record of trusted files cannot be read.
    """
    found = [
        _compare(path, expected_sha256(path), "as listed or recorded", "not used yet")
        for folder in named_folders()
        for path in _models_in(folder)
    ]
    sums = {file: sha256 for entry in catalogue().models for file, sha256 in entry.files.items()}
    cached = [path for path in _files_in(models_cache()) if path.is_file()]
    return found + [
        _compare(path, sums.get(path.name), "as in the catalogue", "not in the catalogue") for path in cached
    ]


def _compare(path: Path, expected: str | None, as_expected: str, not_known: str) -> Verified:
    try:
        found = sha256_of(path)
    except ModelError as error:
        return Verified(path, "changed", str(error))
    if expected is None:
        return Verified(path, "unknown", f"{not_known} (checksum {found[:12]}…)")
    if found == expected:
        return Verified(path, "ok", as_expected)
    return Verified(path, "changed", f"expected {expected[:12]}…, found {found[:12]}…")


def _models_in(folder: Path) -> list[Path]:
    names = {file for entry in catalogue().models for file in entry.files}
    return [
        path
        for path in _files_in(folder)
        if is_saved_model(path) or (path.is_file() and (path.suffix in SUFFIXES or path.name in names))
    ]


def _files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []
