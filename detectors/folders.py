"""Where model files live: the folders the user named, and the user's own cache and state."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def named_folders() -> tuple[Path, ...]:
    """The folders in ``SIGHTLINE_MODELS`` (separated like ``PATH``), absolute, in order; they need not exist."""
    words = os.environ.get("SIGHTLINE_MODELS", "").split(os.pathsep)
    return tuple(Path(word).expanduser().absolute() for word in words if word)


def cache_dir() -> Path:
    """The user's cache: downloads and exports, all of it can be made again. ``SIGHTLINE_CACHE`` overrides it."""
    return Path(os.environ.get("SIGHTLINE_CACHE") or platformdirs.user_cache_dir("sightline", False)).absolute()


def models_cache() -> Path:
    """The folder of models downloaded by name."""
    return cache_dir() / "models"


def state_dir() -> Path:
    """The user's state: which files are trusted. ``SIGHTLINE_STATE`` overrides it."""
    return Path(os.environ.get("SIGHTLINE_STATE") or platformdirs.user_state_dir("sightline", False)).absolute()
