"""A site made of numbers: what a page may ask, answered without a camera or a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.site import Camera
from detectors.detections import Detections
from pipelines.live.face import CameraFace, CannotBeAsked, CommandName, Health, OnResult, Reloaded
from pipelines.live.plan import SitePlan
from pipelines.live.spectators import Spectators, Watcher
from pipelines.messages import CameraStats, DetectorStats, ServiceStats, StatsPayload
from pipelines.scenario import CameraPlan
from pipelines.values import CounterKey, Event, FrameResult, Timings, Track
from streams.frame import Frame

LABELS = ("person", "car")
STATS = StatsPayload(
    cameras={
        "gate": CameraStats(
            camera_fps=25,
            process_fps=9.9,
            detection_fps=10,
            skipped_fps=0.1,
            latency_ms={"p50": 40, "p95": 90, "p99": 120.5},
            reconnects=2,
            observed_share=0.99,
        )
    },
    detectors={
        "main": DetectorStats(
            framework="torch",
            model="yolov8n",
            device="cpu",
            precision="fp32",
            imgsz=[640, 640],
            batch=4,
            fps=10,
            inference_ms={"p50": 30, "p95": 50, "p99": 60},
        )
    },
    service=ServiceStats(
        uptime=61.5, version="1.2", rss_mb=512.5, spooled=7, dropped=1, reason=None, broker="connected"
    ),
)


def camera_face(name: str = "gate", **changes: Any) -> CameraFace:
    """A camera with a line and a zone, online."""
    plan = CameraPlan(
        labels=LABELS,
        lines={"road": ((0.1, 0.5), (0.9, 0.5))},
        zones={"yard": ((0.1, 0.1), (0.4, 0.1), (0.4, 0.4))},
    )
    config = Camera(source="rtsp://camera/stream", scenario="traffic")
    face = CameraFace(name, config, plan, LABELS, (320, 180), "online", None, True, True, ("main",))
    return replace(face, **changes)


def result_of(
    camera: str = "gate",
    index: int = 0,
    boxes: Mapping[int, tuple[float, float, float, float]] | None = None,
    events: tuple[Event, ...] = (),
    size: tuple[int, int] = (320, 180),
    grey: int = 90,
    pts_s: float | None = None,
) -> FrameResult:
    """What is known of a grey picture: a person for each box, by track id (below 1: without a track)."""
    boxes = boxes or {}
    pts_s = index / 10 if pts_s is None else pts_s
    image = np.full((size[1], size[0], 3), grey, np.uint8)
    n = len(boxes)
    found = Detections(
        np.array(list(boxes.values()), np.float32).reshape(n, 4),
        np.full(n, 0.9, np.float32),
        np.zeros(n, np.int64),
        LABELS,
    )
    tracks = tuple(Track(id_, "person", box, 0.9, 0.0, pts_s) for id_, box in boxes.items() if id_ > 0)
    ids = np.array(list(boxes), np.int64)
    frame = Frame(camera, index, image, pts_s, 1_700_000_000 + pts_s)
    times = Timings(1.0, 1.0, 20.0, 1.0, 0.5, 0.5, 25.0)
    return FrameResult(frame, found, ids, tracks, events, {}, times)


def event_of(camera: str = "gate", **changes: Any) -> Event:
    """A car that crossed the line."""
    event = Event("line_crossing", "road", camera, 1.5, 1_700_000_001.5, 7, "car", {"line": "road", "direction": "in"})
    return replace(event, **changes)


class ScriptedFace:
    """A ``SiteFace`` whose answers are its attributes; ``show`` plays the camera."""

    def __init__(self, *cameras: CameraFace) -> None:
        self.known = {camera.name: camera for camera in cameras or (camera_face(),)}
        self.stats_now = STATS
        self.read_revision: str | None = None
        self.health_now: Callable[[], Health] = lambda: (True, {"status": "ok"})
        self.counted: dict[CounterKey, int] = {
            ("counts", "road", "in", "car"): 3,
            ("occupancy", "yard", "person"): 1,
            ("totals", "queue_yard", "served"): 2,
            ("values", "queue_yard", "waiting"): 4,
        }
        self.rule_states: dict[str, dict[str, Any]] = {"road": {"kind": "line_crossing", "line": "road"}}
        self.grid: NDArray[np.float64] | None = None
        self.asked: list[tuple[str, str, bool]] = []
        self.refuses: str | None = None
        self.spectators = Spectators()
        self.file: Path | None = Path("site.yaml")
        self.in_force: SitePlan | None = None

    @property
    def site_file(self) -> Path | None:
        return self.file

    def plan(self) -> SitePlan | None:
        return self.in_force

    def stats(self) -> StatsPayload:
        return self.stats_now

    def health(self) -> Health:
        return self.health_now()

    def reloaded(self) -> Reloaded:
        service = self.stats_now.service
        return Reloaded(service.reloads, service.reload_error, self.read_revision)

    def cameras(self) -> Mapping[str, CameraFace]:
        return self.known

    def counters(self, camera: str) -> Mapping[CounterKey, int]:
        assert camera in self.known, camera
        return dict(self.counted)

    def states(self, camera: str) -> Mapping[str, dict[str, Any]]:
        assert camera in self.known, camera
        return self.rule_states

    def heat(self, camera: str) -> NDArray[np.float64] | None:
        return self.grid

    def watch(self, camera: str) -> Watcher:
        return self.spectators.watch(self.known[camera].name)

    def listen(self, on_result: OnResult) -> Callable[[], None]:
        return self.spectators.listen(on_result)

    def command(self, name: CommandName, camera: str, on: bool) -> None:
        if self.refuses is not None:
            raise CannotBeAsked(self.refuses)
        self.asked.append((name, camera, on))

    def show(self, result: FrameResult) -> None:
        """What the results thread does after each frame."""
        if self.spectators.any:
            self.spectators.show(result.frame.source_id, result)
