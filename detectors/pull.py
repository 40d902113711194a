"""Downloading models by name, checked against the catalogue before they get their final name."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from config.catalogue import ModelEntry, catalogue
from detectors.checksum import sha256_of
from detectors.download import DownloadError, fetch, origin
from detectors.errors import ModelError
from detectors.folders import models_cache


class PullError(ModelError):
    """A model cannot be downloaded.

    Attributes:
        reason: The cause alone, for a sentence of one's own.
    """

    def __init__(self, entry: ModelEntry, reason: str) -> None:
        super().__init__(
            f"{entry.name} cannot be downloaded from {origin(entry.source)}: {reason}; try again, or get {entry.file} "
            f"by other means and put it into a folder named in SIGHTLINE_MODELS"
        )
        self.reason = reason


def pull(name: str, say: Callable[[str], None]) -> Path:
    """Download a model into the user's cache, unless it is there already.

    Args:
        name: A name of the catalogue.
        say: Told in one line each what is downloaded, and where it is.

    Returns:
        The file to open.

    Raises:
        ConfigError: No such name.
        PullError: Unreachable, refused, or not what the catalogue says.
        ModelError: The cache cannot be written.
    """
    entry = catalogue().get(name)
    cache = models_cache()
    if all(_matches(cache / file, sha256) for file, sha256 in entry.files.items()):
        say(f"{entry.name} is there already: {cache / entry.file}")
        return cache / entry.file
    say(f"downloading {entry.name} from {origin(entry.source)} ({entry.download_mb:.1f} MB)")
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".pull-") as folder:
            _fetch_checked(entry, Path(folder))
            for file in reversed(entry.files):
                (Path(folder) / file).replace(cache / file)
    except DownloadError as error:
        raise PullError(entry, str(error)) from error
    except OSError as error:
        raise ModelError(
            f"{cache} cannot be written ({error.strerror or error}): "
            f"make room, or set SIGHTLINE_CACHE to another folder"
        ) from error
    say(f"{entry.name} is at {cache / entry.file}")
    return cache / entry.file


def _fetch_checked(entry: ModelEntry, folder: Path) -> None:
    fetch(entry.source, folder, list(entry.files))
    for file, sha256 in entry.files.items():
        if not _matches(folder / file, sha256):
            raise DownloadError("what arrived does not match its checksum")


def _matches(path: Path, sha256: str) -> bool:
    return path.is_file() and path.stat().st_size > 0 and sha256_of(path) == sha256
