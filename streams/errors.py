"""Errors of the streams room."""

from __future__ import annotations

import errno
from pathlib import Path

from config.errors import SightlineError


class SourceError(SightlineError, OSError):
    """A source cannot be opened or breaks off."""


class LoginRefusedError(SourceError):
    """A camera refuses the user name or password."""


class UntrustedError(SourceError):
    """A camera over TLS shows a certificate that is not trusted."""


class SourceEnded(SourceError):
    """A file that stands in for a camera has come to its end."""


class BrokenFileError(SourceEnded):
    """A file that stands in for a camera cannot be read to its end, and another try would not change that."""


class OutputError(SightlineError, OSError):
    """A result cannot be written (full disk, no permission)."""


class BrokerError(SightlineError, ConnectionError):
    """The MQTT broker is down, refuses the login or went away with messages undelivered."""


def cannot_write(path: Path, error: OSError, chosen_by: str = "--out") -> OutputError:
    """The sentence for a file that cannot be written.

    Args:
        path: The file.
        error: What the operating system said.
        chosen_by: The option or variable that names its folder.

    Returns:
        An error to raise, with the way out.
    """
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    way_out = "free some space or choose another folder" if is_full else "choose another folder"
    return OutputError(f"cannot write {path}: {error.strerror or error}; {way_out} with {chosen_by}")
