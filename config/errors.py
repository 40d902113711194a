"""The errors Sightline raises on purpose.

Every one of them is one clear sentence with the place (file, YAML path, camera, topic) and the way out. The command
line prints the sentence alone and ends with ``exit_code``: 1 failed at run time, 2 wrong usage or configuration.
"""

from __future__ import annotations

from typing import ClassVar


class SightlineError(Exception):
    """Base of all errors raised on purpose; its text is meant for people."""

    exit_code: ClassVar[int] = 1


def sentences(error: Exception) -> tuple[str, ...]:
    """What to tell people: one sentence per fault; of what nobody thought of, what it is and how to see more."""
    if isinstance(error, ConfigError):
        return error.faults
    if isinstance(error, SightlineError):
        return tuple(str(error).splitlines())
    return (f"unexpected {in_a_log(error)}; run again as 'app.py --debug ...' to see where",)


def in_a_log(error: Exception) -> str:
    """One line about an error for the log of what runs on: nobody starts a service again to see more."""
    if isinstance(error, SightlineError):
        return " ".join(sentences(error))
    return f"{type(error).__name__}: {error}".replace("\n", " ")


class ConfigError(SightlineError, ValueError):
    """A wrong configuration or wrong usage.

    Args:
        faults: One sentence per fault; all of them are shown, in file order.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults: tuple[str, ...] = faults
