"""What a page may ask of a running site. There is nothing of the web in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from config.errors import SightlineError
from config.site import Camera
from pipelines.messages import StatsPayload
from pipelines.scenario import CameraPlan
from pipelines.values import CounterKey, FrameResult

if TYPE_CHECKING:
    from pipelines.live.plan import SitePlan

Health = tuple[bool, dict[str, Any]]
"""Whether the process does its work, and what to say of it: small, JSON, without secrets."""
CommandName = Literal["detect", "enabled", "reload"]
OnResult = Callable[[str, FrameResult], None]


class CannotBeAsked(SightlineError):
    """What is asked for cannot be done here, or not now; the sentence says why."""


@dataclass(frozen=True, slots=True)
class CameraFace:
    """One camera as it is now.

    Attributes:
        name: Its name.
        config: As written in the site file.
        plan: Labels, geometry and rules, checked.
        labels: All labels of its detectors; empty until they are loaded.
        size: Width and height of its pictures in pixels; (0, 0) before the first.
        status: ``online``, ``offline``, ``disabled`` or ``degraded``.
        reason: Why it is not online, without a login.
        enabled: Whether it is switched on.
        detecting: Whether detection is switched on.
        detectors: Names of its detectors, in order.
    """

    name: str
    config: Camera
    plan: CameraPlan
    labels: tuple[str, ...]
    size: tuple[int, int]
    status: str
    reason: str | None
    enabled: bool
    detecting: bool
    detectors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of the reloads of a site file.

    Attributes:
        count: Those that are over since the start, taken over or not.
        error: Why the last of them was not taken over, if it was not.
        revision: SHA-256 of the file as the last of them read it, or the start, taken over or not; ``None`` if nobody
            knows, as it changed while it was read. It is for those who may see the file.
    """

    count: int = 0
    error: str | None = None
    revision: str | None = None


class Watch(Protocol):
    """One who looks at a camera, in a ``with`` statement; it may be used by any thread."""

    def __enter__(self) -> Self:
        """Begin to look: from now on results are kept for it."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Look away: nothing is kept any more."""
        ...

    def next(self, timeout_s: float) -> FrameResult | None:
        """The newest result since the last call, waited for so long; those between are left out, never kept."""
        ...


class SiteFace(Protocol):
    """A site at work. Any thread may call it; a camera's name that is not known is a ``KeyError``."""

    @property
    def site_file(self) -> Path | None:
        """The site file that a change would go to; ``None`` where there is none to be changed."""
        ...

    def plan(self) -> SitePlan | None:
        """The site file as it is in force; ``None`` where no whole site is running."""
        ...

    def stats(self) -> StatsPayload:
        """All figures now."""
        ...

    def health(self) -> Health:
        """Whether all is well."""
        ...

    def reloaded(self) -> Reloaded:
        """What became of the reloads until now."""
        ...

    def cameras(self) -> Mapping[str, CameraFace]:
        """Every camera by name, in the order of the site file."""
        ...

    def counters(self, camera: str) -> Mapping[CounterKey, int]:
        """A camera's running totals, as they are published.

        Raises:
            CannotBeAsked: Those that were kept are not read yet.
        """
        ...

    def states(self, camera: str) -> Mapping[str, dict[str, Any]]:
        """What each rule of a camera says of itself, by its name; empty while there are no rules at work."""
        ...

    def heat(self, camera: str) -> NDArray[np.float64] | None:
        """(rows, cols) float64 media seconds of the camera's first ``heatmap`` rule, a copy; ``None`` without one."""
        ...

    def watch(self, camera: str) -> Watch:
        """Look at a camera: only while somebody does, pictures are kept at all."""
        ...

    def listen(self, on_result: OnResult) -> Callable[[], None]:
        """Be told of every frame in which a rule saw something, with its camera's name; returns what ends it.

        Args:
            on_result: Called in the thread that runs the rules, so it must be quick; what it raises is logged.
        """
        ...

    def command(self, name: CommandName, camera: str, on: bool) -> None:
        """Switch a camera, or have the site file read again (then ``camera`` and ``on`` mean nothing).

        It is done soon, not yet when this returns.

        Raises:
            CannotBeAsked: It cannot be done here.
        """
        ...
