"""Errors of the streams room."""

from __future__ import annotations

from config.errors import SightlineError


class SourceError(SightlineError, OSError):
    """A source cannot be opened or breaks off."""


class OutputError(SightlineError, OSError):
    """A result cannot be written (full disk, no permission)."""


class BrokerError(SightlineError, ConnectionError):
    """The MQTT broker is down, refuses the login or went away with messages undelivered."""
