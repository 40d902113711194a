"""The source protocol and the choice of a backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from streams.frame import Frame

Backend = Literal["auto", "opencv", "gstreamer"]


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source says of itself when it is opened.

    Attributes:
        width: Pixels.
        height: Pixels.
        fps: Nominal frames per second, 0 when unknown.
        frame_count: Frames that the container promises, ``None`` when unknown.
        backend: The backend that reads it, ``opencv`` or ``gstreamer``.
    """

    width: int
    height: int
    fps: float
    frame_count: int | None
    backend: str


class Source(Protocol):
    """A stream of frames: a context manager that iterates ``Frame`` once.

    A source raises ``SourceError`` from ``__enter__`` when it cannot be opened, and from the iteration when it breaks
    off; the frames before that are good.
    """

    live: bool

    @property
    def info(self) -> SourceInfo:
        """Size, rate and length; valid once the source is entered."""
        ...

    def __enter__(self) -> Self:
        """Open the source."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the source; safe to call twice."""
        ...

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames in presentation order."""
        ...
