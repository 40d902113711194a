"""The sink protocol."""

from __future__ import annotations

from typing import Protocol

from pipelines.values import FrameResult


class Sink(Protocol):
    """Takes frame results in order, from one thread."""

    def write(self, result: FrameResult) -> None:
        """Take one result.

        Raises:
            OutputError: A result file cannot be written; the run ends.
        """
        ...

    def close(self, reason: str) -> None:
        """End; ``reason`` says why: ``done``, ``stopped`` or ``failed``. Safe to call twice."""
        ...
