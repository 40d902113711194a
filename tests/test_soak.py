"""Months in minutes: cameras and broker that come and go, and a process that must stay as it was."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.support.camera import Film, RtspCamera
from tests.support.live import WHOLE, Running, write_site
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.subscriber import Subscriber

SECONDS = float(os.environ.get("SIGHTLINE_SOAK_S", "1200"))
WARM_SHARE = 0.35
"""Of the time, until allocators have what they need."""


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 300)
def test_flapping_cameras_and_broker(broker: Mosquitto, models_dir: Path, tmp_path: Path) -> None:
    """Every 5 to 15 s something is killed, frozen, slowed or made to lie, and set right again."""
    rules: list[dict[str, Any]] = [
        {"kind": "line_crossing", "line": "road", "labels": ["car", "truck"]},
        {"kind": "zone_count", "zone": "all", "labels": ["car", "truck", "person"]},
        {"kind": "dwell", "zone": "all", "seconds": 1},
    ]
    each = {"detect_fps": 3, "lines": {"road": [[0.0, 0.55], [1.0, 0.55]]}, "zones": {"all": WHOLE}, "rules": rules}
    films = [Film(), Film(codec="h265"), Film(width=320, height=180)]
    cameras = [RtspCamera(film) for film in films]
    for camera in cameras:
        camera.start()
    site = write_site(
        tmp_path / "site.yaml",
        {f"cam{number}": {"source": camera.url, **each} for number, camera in enumerate(cameras)},
        mqtt={"port": broker.port, "snapshots": {"enabled": True}, "home_assistant": {"enabled": True}},
        outputs={"jsonl": {"path": "results", "rotate_mb": 1}},
        server={"port": free_port()},
        log={"path": "log.txt", "rotate_mb": 1, "stats_s": 10},
    )
    random_ = random.Random(1)  # noqa: S311 - the same troubles each time
    samples: list[tuple[float, float, int, int]] = []
    troubles: dict[str, int] = {}
    try:
        with Running(site, "--log-dir", str(tmp_path / "tensorboard")) as app:
            app.wait_online("cam0", "cam1", "cam2", timeout_s=120)
            process, begin = psutil.Process(app.pid), time.monotonic()

            def sample(seconds: float) -> None:
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    time.sleep(1)
                    memory = process.memory_info().rss / 1e6
                    samples.append((time.monotonic() - begin, memory, process.num_threads(), process.num_fds()))

            sample(10)
            whole = samples[-1]  # all cameras are online
            while time.monotonic() - begin < SECONDS:
                camera = random_.choice(cameras)
                trouble = random_.choice(["kill", "freeze", "slow", "garbage", "broker", "frozen broker"])
                troubles[trouble] = troubles.get(trouble, 0) + 1
                if trouble == "kill":
                    camera.stop()
                    sample(random_.uniform(4, 8))
                    camera.start()
                elif trouble == "freeze":
                    camera.freeze()
                    sample(random_.uniform(4, 8))
                    camera.thaw()
                elif trouble == "slow":
                    camera.slow(0.8)
                    sample(random_.uniform(3, 6))
                    camera.slow(0)
                elif trouble == "garbage":
                    camera.garbage()
                    sample(random_.uniform(3, 6))
                    camera.good()
                elif trouble == "broker":
                    broker.stop()
                    sample(random_.uniform(3, 8))
                    broker.start()
                else:
                    broker.freeze()
                    sample(random_.uniform(2, 5))
                    broker.thaw()
                sample(random_.uniform(2, 7))
            app.wait_online("cam0", "cam1", "cam2", timeout_s=60)
            sample(20)
            with Subscriber(broker.address) as seen:
                seen.wait(lambda messages: [m for m in messages if m.topic == "sightline/stats"], "no stats")
                stats = seen.of("sightline/stats")[-1].json
            log_files = sorted(tmp_path.glob("log*"))
            code, seconds = app.stop()
    finally:
        for camera in cameras:
            camera.stop()
    assert (code, seconds < 5) == (0, True)
    assert not any("Traceback" in path.read_text(errors="replace") for path in log_files)
    if trace := os.environ.get("SIGHTLINE_SOAK_TRACE"):
        np.savetxt(trace, np.array(samples), delimiter=",", header="seconds,rss_mb,threads,files", fmt="%.1f")
    warm = [row for row in samples if row[0] >= WARM_SHARE * SECONDS]
    times, memory = np.array([row[0] for row in warm]), np.array([row[1] for row in warm])
    slope = float(np.polyfit(times, memory, 1)[0] * 600)
    threads, files = [row[2] for row in warm], [row[3] for row in warm]
    tenth = max(1, len(warm) // 10)
    reconnects = sum(camera["reconnects"] for camera in stats["cameras"].values())
    print(
        f"\nsoak: {SECONDS:.0f} s, {sum(troubles.values())} troubles {troubles}; RSS {memory[:tenth].mean():.0f} -> "
        f"{memory[-tenth:].mean():.0f} MB, slope {slope:+.1f} MB in 10 min (noise: sd {memory.std():.1f} MB)\n"
        f"threads {min(threads)} to {max(threads)}, at first {whole[2]}, at the end {threads[-1]}; "
        f"files {min(files)} to {max(files)}, at first {whole[3]}, at the end {files[-1]}\n"
        f"reconnects {reconnects}; dropped {stats['service']['dropped']}"
    )
    assert memory[-tenth:].mean() < memory[:tenth].mean() * 1.05
    assert threads[-1] <= whole[2] + 4
    assert files[-1] <= whole[3] + 4
