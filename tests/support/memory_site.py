"""A service in this process on cameras that lie in memory: what starts it, and how fast its cameras are served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.live import camera as live_camera
from pipelines.live.camera import LiveCamera
from tests.support.live import MemoryCamera, wait_until, write_site

Cameras = Callable[..., None]


def memory_cameras(monkeypatch: pytest.MonkeyPatch) -> Cameras:
    """What puts cameras made of memory in the place of ``live_source``: name of the host → frames a second.

    Their pictures flicker, except those of the ``still`` ones.
    """

    def use(
        fps: dict[str, float],
        sizes: dict[str, tuple[int, int]] | None = None,
        still: Collection[str] = (),
        **silent: threading.Event,
    ) -> None:
        def source(address: str, **_: Any) -> MemoryCamera:
            name = str(address).rpartition("/")[2]
            width, height = (sizes or {}).get(name, (64, 48))
            pictures = [
                np.full((height, width, 3), value, np.uint8) for value in ((20,) if name in still else (20, 200))
            ]
            return MemoryCamera(pictures, fps[name], silent.get(name))

        monkeypatch.setattr(live_camera, "live_source", source)

    return use


def site(folder: Path, names: list[str], each: dict[str, Any] | None = None, **blocks: Any) -> Path:
    """Write a site file on such cameras."""
    every = {name: {"source": f"rtsp://memory/{name}", **(each or {})} for name in names}
    return write_site(folder / "site.yaml", every, **blocks)


def started(service: Any, count: int) -> dict[str, LiveCamera]:
    """Wait until a frame of each camera went through."""
    wait_until(lambda: service.health()[0], "it does not start")
    found: dict[str, LiveCamera] = service._cameras
    wait_until(lambda: all(camera.processed > 0 for camera in found.values()), "no frame goes through")
    assert len(found) == count
    return found


def shares(found: dict[str, LiveCamera], seconds: float) -> dict[str, float]:
    """Frames a second of each camera over the next seconds."""
    before = {name: camera.processed for name, camera in found.items()}
    time.sleep(seconds)
    return {name: (camera.processed - before[name]) / seconds for name, camera in found.items()}
