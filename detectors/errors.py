"""Errors of the detectors room."""

from __future__ import annotations

from typing import ClassVar

from config.errors import SightlineError


class ModelError(SightlineError):
    """A model file is missing, damaged, not trusted, or not what it is said to be."""


class RuntimeUnavailableError(SightlineError):
    """A runtime, device or precision that this machine or installation does not have."""

    exit_code: ClassVar[int] = 2


def first_line(error: BaseException) -> str:
    """What a library's error says, in one line of at most 160 characters; its kind where it says nothing."""
    return str(error).strip().split("\n")[0][:160] or type(error).__name__
