"""Errors of the detectors room."""

from __future__ import annotations

from typing import ClassVar

from config.errors import SightlineError


class ModelError(SightlineError):
    """A model file is missing, damaged, not trusted, or not what it is said to be."""


class RuntimeUnavailableError(SightlineError):
    """A runtime, device or precision that this machine or installation does not have."""

    exit_code: ClassVar[int] = 2
