"""Models are code: which files in the user's folders may be loaded.

A file in a folder of ``SIGHTLINE_MODELS`` must match that folder's ``SHA256SUMS`` where it is listed there. Otherwise
its checksum is recorded on first use, and a later change is an error until ``trust``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from detectors.checksum import sha256_of
from detectors.errors import ModelError
from detectors.folders import state_dir

SUMS = "SHA256SUMS"


def listed_sha256(path: Path) -> str | None:
    """What the ``SHA256SUMS`` beside ``path`` says of it (lines as ``sha256sum`` writes them), or None.

    Raises:
        ModelError: The list cannot be read.
    """
    sums = path.with_name(SUMS)
    try:
        lines = sums.read_text(encoding="utf-8").splitlines() if sums.is_file() else []
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{sums} cannot be read: {error}") from error
    for line in lines:
        digest, _, name = line.strip().partition(" ")
        if name.strip().removeprefix("*").removeprefix("./") == path.name:
            return digest.lower()
    return None


def expected_sha256(path: Path) -> str | None:
    """What a file in a named folder must match: its line in ``SHA256SUMS``, or what was recorded, or None."""
    return listed_sha256(path) or _records().get(_key(path))


def check_named(path: Path, say: Callable[[str], None]) -> str:
    """Check a file in a folder the user named, and record it on first use.

    Args:
        path: A model file, or a SavedModel folder.
        say: Told in one line when a file is recorded.

    Returns:
        Its checksum.

    Raises:
        ModelError: It differs from ``SHA256SUMS`` or from what was recorded, or cannot be read.
    """
    found = sha256_of(path)
    if (listed := listed_sha256(path)) is not None:
        if listed != found:
            raise ModelError(
                f"{path} does not match the {SUMS} beside it (listed {listed[:12]}…, found {found[:12]}…): "
                f"restore the file, or correct that line if you replaced it yourself"
            )
        return found
    recorded = _records().get(_key(path))
    if recorded is None:
        _record(path, found)
        say(f"{path}: first use, checksum {found[:12]}… recorded")
    elif recorded != found:
        raise ModelError(
            f"{path} has changed since its first use (was {recorded[:12]}…, is {found[:12]}…): "
            f"if you replaced it yourself, run `python app.py models trust {path}`"
        )
    return found


def trust(path: Path) -> str:
    """Record a file as it is now, and return its checksum.

    Raises:
        ModelError: It cannot be read, or the ``SHA256SUMS`` beside it says otherwise.
    """
    found = sha256_of(path)
    listed = listed_sha256(path)
    if listed not in (None, found):
        raise ModelError(f"{path} is listed in the {SUMS} beside it with another checksum: correct that line instead")
    _record(path, found)
    return found


def _key(path: Path) -> str:
    return str(path.resolve())


def _store() -> Path:
    return state_dir() / "trusted.json"


def _records() -> dict[str, str]:
    store = _store()
    try:
        records = json.loads(store.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{store}, the record of trusted models, cannot be read ({error}): repair or delete it"
        ) from error
    if not isinstance(records, dict) or not all(isinstance(value, str) for value in records.values()):
        raise ModelError(f"{store}, the record of trusted models, is damaged: repair or delete it")
    return records


def _record(path: Path, sha256: str) -> None:
    store = _store()
    records = {**_records(), _key(path): sha256}
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=store.parent, prefix=".trust-") as folder:
            new = Path(folder) / store.name
            new.write_text(json.dumps(records, indent=1, sort_keys=True) + "\n", encoding="utf-8")
            new.replace(store)
    except OSError as error:
        raise ModelError(
            f"{store}, the record of trusted models, cannot be written ({error.strerror or error}): "
            f"set SIGHTLINE_STATE to a folder you may write to, or list the file in a {SUMS} beside it"
        ) from error
