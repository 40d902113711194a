"""The face of a site that ``run`` watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.live.camera import LiveCamera
from pipelines.live.counters import certain_counters
from pipelines.live.face import CameraFace, CannotBeAsked, CommandName, Health, OnResult, Reloaded, SiteFace
from pipelines.live.plan import PlannedCamera, SitePlan
from pipelines.live.spectators import Watcher
from pipelines.messages import StatsPayload
from pipelines.rules.heatmap import Heatmap
from pipelines.values import CounterKey

if TYPE_CHECKING:
    from pipelines.live.service import Service


class RunningFace:
    """What a page may ask of a ``Service``. Any thread may call it."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def site_file(self) -> Path | None:
        """The site file."""
        return self._service.path

    def plan(self) -> SitePlan | None:
        """The site file as it is in force."""
        return self._service.plan

    def stats(self) -> StatsPayload:
        """All figures now."""
        return self._service.stats()

    def health(self) -> Health:
        """Whether all is well."""
        return self._service.health()

    def reloaded(self) -> Reloaded:
        """What became of the reloads until now."""
        return self._service.reloaded()

    def cameras(self) -> dict[str, CameraFace]:
        """Every camera of the site file; those whose models are being loaded are offline."""
        live = self._service.live()
        planned = self._service.plan.cameras
        return {name: _face(camera, live.get(name)) for name, camera in planned.items()}

    def counters(self, camera: str) -> Mapping[CounterKey, int]:
        """Running totals; before the models are loaded those that were kept.

        Raises:
            KeyError: There is no such camera.
            CannotBeAsked: What was kept is not read yet: zeros would look as if all of it was counted a moment later.
        """
        plan = self._service.plan
        planned = plan.cameras[camera]
        live, topics = self._service.live().get(camera), self._service.topics(camera)
        if live is not None:
            return live.counters()
        if topics is not None:
            return topics.values()
        if plan.mqtt is not None:
            raise CannotBeAsked(f"the totals of camera {camera} are not read yet; try again soon")
        return dict.fromkeys(certain_counters(planned.plan), 0)

    def states(self, camera: str) -> dict[str, dict[str, Any]]:
        """What each rule says of itself.

        Raises:
            KeyError: There is no such camera.
        """
        live = self._live(camera)
        if live is None:
            return {}
        with live.rules() as rules:
            return rules.state() if rules is not None else {}

    def heat(self, camera: str) -> NDArray[np.float64] | None:
        """The grid of its first heatmap.

        Raises:
            KeyError: There is no such camera.
        """
        live = self._live(camera)
        if live is None:
            return None
        with live.rules() as rules:
            grids = [rule.grid for rule in rules.rules if isinstance(rule, Heatmap)] if rules is not None else []
            return grids[0].copy() if grids else None

    def watch(self, camera: str) -> Watcher:
        """Look at a camera, through reloads.

        Raises:
            KeyError: There is no such camera.
        """
        return self._service.spectators.watch(self._service.plan.cameras[camera].name)

    def listen(self, on_result: OnResult) -> Callable[[], None]:
        """Be told of frames with events."""
        return self._service.spectators.listen(on_result)

    def command(self, name: CommandName, camera: str, on: bool) -> None:
        """Switch a camera, or read the site file again.

        Raises:
            KeyError: There is no such camera.
            CannotBeAsked: It is not at work yet.
        """
        if name != "reload" and self._live(camera) is None and self._service.topics(camera) is None:
            raise CannotBeAsked(f"camera {camera} is not at work yet, for models are being loaded; try again soon")
        self._service.ask(name, camera, on)

    def _live(self, camera: str) -> LiveCamera | None:
        return self._service.live().get(self._service.plan.cameras[camera].name)


def _face(planned: PlannedCamera, live: LiveCamera | None) -> CameraFace:
    """A camera for the page; ``live`` is ``None`` before the models are loaded."""
    enabled = planned.config.enabled if live is None else live.enabled
    status: str = "offline" if enabled else "disabled"
    reason = "it is being started" if enabled else None
    if live is not None:
        status, reason = live.status
    size = (0, 0) if live is None else live.size if live.size != (0, 0) else live.taken_size
    return CameraFace(
        name=planned.name,
        config=planned.config,
        plan=planned.plan,
        labels=() if live is None else live.labels,
        size=size,
        status=status,
        reason=reason,
        enabled=enabled,
        detecting=live is None or live.detecting,
        detectors=tuple(detector.name for detector in planned.detectors),
    )


def _is_face(face: RunningFace) -> SiteFace:
    """Type checkers see here that it is one."""
    return face
