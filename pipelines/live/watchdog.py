"""Sees stages that hang: frames come in and nothing goes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

LIMIT_S = 30.0
"""Seconds without a result although frames are due."""
LOAD_AGAIN_S = 120.0
"""Seconds that loading the models again after a restart may take at least."""


def load_again_s(first_s: float) -> float:
    """Seconds after which models that are loaded again must be there, by the seconds that it took at the start."""
    return max(LOAD_AGAIN_S, 10 * first_s)


class Watched(Protocol):
    """What is watched of a camera."""

    name: str

    @property
    def expects_results(self) -> bool:
        """Whether frames that are due should lead to results now."""
        ...

    @property
    def due(self) -> int:
        """Frames that were due so far."""
        ...

    @property
    def processed(self) -> int:
        """Frames that went through so far."""
        ...


One = TypeVar("One", bound=Watched)


@dataclass(slots=True)
class _Seen:
    due: int
    processed: int
    since_s: float


class Watchdog:
    """Remembers when each camera last gave a result."""

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        """Set the patience in seconds of the monotonic clock."""
        self.limit_s = limit_s
        self._seen: dict[str, _Seen] = {}

    def hung(self, cameras: Iterable[One], now: float) -> list[One]:
        """The cameras whose frames lead to nothing for too long; their time begins again.

        Args:
            cameras: All cameras.
            now: Seconds of the monotonic clock.
        """
        found: list[One] = []
        names = set()
        for camera in cameras:
            names.add(camera.name)
            due, processed = camera.due, camera.processed
            seen = self._seen.get(camera.name)
            if seen is None or processed != seen.processed or due == seen.due or not camera.expects_results:
                self._seen[camera.name] = _Seen(due, processed, now)
            elif now - seen.since_s >= self.limit_s:
                found.append(camera)
                self._seen[camera.name] = _Seen(due, processed, now)
        for name in set(self._seen) - names:
            del self._seen[name]
        return found
