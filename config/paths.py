"""Paths that a YAML file names: where they lead, and whether a file can be there."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

Mode = Callable[[int], bool]
_KINDS: tuple[tuple[Mode, str], ...] = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
)


def resolved(file: Path, path: Path) -> Path:
    """A path as it stands in a file, relative to that file's folder; ``~`` of nobody known is a name like others."""
    try:
        return file.parent / path.expanduser()
    except RuntimeError:
        return file.parent / path


def without_nul(path: Path) -> Path:
    """The path, if an operating system can have such a one.

    Raises:
        ValueError: There is a NUL character in it.
    """
    if "\0" in str(path):
        raise ValueError("a path cannot have a NUL character; write it anew")
    return path


def kind_of(path: Path) -> str | None:
    """What is there in place of a regular file: ``a folder``, ``a device``, ``a pipe`` or ``a socket``.

    Returns:
        ``None`` for a regular file, for nothing at all, and where nobody may look. Nothing is opened.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):  # who opens it says what is wrong
        return None
    return next((words for is_kind, words in _KINDS if is_kind(mode)), None)


def read_fault(path: Path) -> str | None:
    """Why a file that is there cannot be read, in a sentence; of one that is not there, who needs it speaks."""
    if (kind := kind_of(path)) is not None:
        return f"{path} is {kind}; name a file"
    try:
        with path.open("rb"):
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        return f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); name a file that can be"


def write_fault(path: Path, may_be_device: bool = False) -> str | None:
    """Why no file can be written there, in a sentence, as far as that can be seen without making one.

    Args:
        path: The file, which need not exist; nor need its folder.
        may_be_device: Whether a device or pipe will do.
    """
    kind = kind_of(path)
    if kind == "a folder":
        return f"{path} is a folder; name a file in it"
    if kind is not None and not may_be_device:
        return f"{path} is {kind}; name a file"
    return folder_fault(path.parent)


def folder_fault(folder: Path) -> str | None:
    """Why there can be no such folder, in a sentence: something else has its name, or that of a folder above it."""
    for path in (folder, *folder.parents):
        try:
            is_folder = stat.S_ISDIR(path.stat().st_mode)
        except (OSError, ValueError):  # it is not there, or nobody may look
            continue
        return None if is_folder else f"{path} is {kind_of(path) or 'a file'}, not a folder; choose another folder"
    return None


def is_same(path: Path, other: Path) -> bool:
    """Whether two paths are one file, or will be when it is made."""
    return os.path.realpath(path) == os.path.realpath(other)
