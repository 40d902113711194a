"""The face of the files that ``analyze`` works on, one after the other; each is a camera of the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil
from numpy.typing import NDArray

from config.site import Camera
from pipelines.live.face import CameraFace, CannotBeAsked, CommandName, Health, OnResult, Reloaded, SiteFace
from pipelines.live.spectators import Spectators, Watcher
from pipelines.loaded import Together
from pipelines.messages import CameraStats, DetectorStats, ServiceStats, StatsPayload
from pipelines.metrics import RunMetrics
from pipelines.rules.heatmap import Heatmap
from pipelines.scenario import CameraPlan, RuleSet
from pipelines.values import CounterKey, FrameResult

if TYPE_CHECKING:
    from pipelines.live.plan import SitePlan

_ASK_S = 1.0
_WAITS = "it waits for its turn, or until the model is loaded"
_NO_TIME = {"p50": 0.0, "p95": 0.0, "p99": 0.0}


@dataclass(frozen=True, slots=True)
class AtWork:
    """A file that is being analysed.

    Attributes:
        camera: What it is called.
        size: Width and height in pixels.
        labels: All labels of the detector.
        rules: Touched by the results thread alone, while it runs.
        metrics: Frames and times so far.
        detectors: What finds the objects.
    """

    camera: str
    size: tuple[int, int]
    labels: tuple[str, ...]
    rules: RuleSet
    metrics: RunMetrics
    detectors: Together


@dataclass(frozen=True, slots=True)
class _Known:
    """What rules have said: of each rule its state, and the grid of the first heatmap."""

    states: Mapping[str, dict[str, Any]]
    heat: NDArray[np.float64] | None


_NOTHING = _Known({}, None)


class _Video:
    """One file, before, while and after it is analysed."""

    def __init__(self, face: CameraFace) -> None:
        self.face = face
        self.work: AtWork | None = None
        self.counters: Mapping[CounterKey, int] = {}
        self.last: FrameResult | None = None
        self.known: _Known = _NOTHING


class FileFace:
    """What a page may ask while files are analysed. ``begin``, ``show`` and ``end`` are the analysis's own."""

    def __init__(
        self,
        videos: Sequence[tuple[str, Path]],
        plan: CameraPlan,
        config: Camera,
        version: str,
        detectors: tuple[str, ...] = ("main",),
    ) -> None:
        """Name what is to come.

        Args:
            videos: Name and file of each, in order; of several with one name the page shows the one at work.
            plan: Labels, geometry and rules, which they have in common.
            config: The camera that they are recordings of.
            version: Sightline's.
            detectors: Names of what finds the objects.
        """
        self._plan, self._version = plan, version
        self._videos = {name: _Video(_waiting(name, file, plan, config, detectors)) for name, file in videos}
        self._spectators = Spectators(self._last)
        self._started_s = time.monotonic()
        self._asked, self._told = threading.Event(), threading.Condition()

    # -- what the analysis tells -----------------------------------------------------------------------------------

    def begin(self, work: AtWork) -> None:
        """A file is being analysed from now on."""
        video = self._videos[work.camera]
        video.work, video.last, video.known = work, None, _NOTHING
        video.counters = work.rules.counters()
        video.face = replace(video.face, status="online", reason=None, size=work.size, labels=work.labels)

    def show(self, result: FrameResult) -> None:
        """A frame of it is done; in the results thread."""
        video = self._videos[result.frame.source_id]
        video.last, video.counters = result, result.counters
        if self._asked.is_set():
            self._learn(video)
        if self._spectators.any:
            self._spectators.show(result.frame.source_id, result)

    def end(self, camera: str, reason: str) -> None:
        """No frame comes any more; ``reason`` says why. Its results stay on the page."""
        video = self._videos[camera]
        self._learn(video)
        video.face = replace(video.face, status="offline", reason=reason)

    def _learn(self, video: _Video) -> None:
        if video.work is not None:
            rules = video.work.rules
            grids = [rule.grid for rule in rules.rules if isinstance(rule, Heatmap)]
            video.known = _Known(rules.state(), grids[0].copy() if grids else None)
        with self._told:
            self._asked.clear()
            self._told.notify_all()

    # -- what the page asks ----------------------------------------------------------------------------------------

    @property
    def site_file(self) -> Path | None:
        """None: what a file is analysed with stands from its begin."""
        return None

    def plan(self) -> SitePlan | None:
        """None: no whole site is running."""
        return None

    def stats(self) -> StatsPayload:
        """All figures now."""
        works = {name: video.work for name, video in self._videos.items()}
        detectors: dict[str, DetectorStats] = {}
        for work in works.values():
            if work is not None:
                detectors |= work.detectors.stats(work.metrics)
        return StatsPayload(
            cameras={name: _camera_stats(video) for name, video in self._videos.items()},
            detectors=detectors,
            service=ServiceStats(
                uptime=round(time.monotonic() - self._started_s, 1),
                version=self._version,
                rss_mb=round(psutil.Process().memory_info().rss / 1e6, 1),
                spooled=0,
                dropped=0,
                reason=None,
            ),
        )

    def health(self) -> Health:
        """Well, as long as it answers."""
        cameras = {name: video.face.status for name, video in self._videos.items()}
        return True, {"status": "ok", "version": self._version, "cameras": cameras}

    def reloaded(self) -> Reloaded:
        """None: there is nothing to be read again."""
        return Reloaded()

    def cameras(self) -> dict[str, CameraFace]:
        """The files, in order."""
        return {name: video.face for name, video in self._videos.items()}

    def counters(self, camera: str) -> Mapping[CounterKey, int]:
        """What was counted in the file so far."""
        return self._videos[camera].counters

    def states(self, camera: str) -> Mapping[str, dict[str, Any]]:
        """What each rule says of itself."""
        return self._known(camera).states

    def heat(self, camera: str) -> NDArray[np.float64] | None:
        """The grid of the first heatmap."""
        return self._known(camera).heat

    def _known(self, camera: str) -> _Known:
        """What rules say: the thread that runs them is asked, for they do not stand still."""
        video = self._videos[camera]
        if video.face.status == "online":
            with self._told:
                self._asked.set()
                self._told.wait(_ASK_S)
        return video.known

    def watch(self, camera: str) -> Watcher:
        """Look at a file; one that is over shows its last picture."""
        return self._spectators.watch(self._videos[camera].face.name)

    def _last(self, camera: str) -> FrameResult | None:
        return self._videos[camera].last

    def listen(self, on_result: OnResult) -> Callable[[], None]:
        """Be told of frames with events."""
        return self._spectators.listen(on_result)

    def command(self, name: CommandName, camera: str, on: bool) -> None:
        """Refuse.

        Raises:
            CannotBeAsked: Always.
        """
        raise CannotBeAsked("a file is being analysed, which nothing can be switched in; 'run' watches cameras")


def _waiting(name: str, file: Path, plan: CameraPlan, config: Camera, detectors: tuple[str, ...]) -> CameraFace:
    return CameraFace(
        name=name,
        config=config.model_copy(update={"source": str(file)}),
        plan=plan,
        labels=(),
        size=(0, 0),
        status="offline",
        reason=_WAITS,
        enabled=True,
        detecting=True,
        detectors=detectors,
    )


def _camera_stats(video: _Video) -> CameraStats:
    metrics = video.work.metrics if video.work is not None else None
    frames = metrics.frames if metrics is not None else 0
    fps = round(metrics.rate.value(), 2) if metrics is not None else 0.0
    return CameraStats(
        status=video.face.status,
        reason=video.face.reason,
        camera_fps=fps,
        process_fps=fps,
        detection_fps=fps,
        skipped_fps=0.0,
        latency_ms=metrics.stages["latency"].summary() if metrics is not None else _NO_TIME,
        reconnects=0,
        observed_share=1.0 if frames else 0.0,
        captured=frames,
        processed=frames,
        detected=frames,
    )


def _is_face(face: FileFace) -> SiteFace:
    """Type checkers see here that it is one."""
    return face
