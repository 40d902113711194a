"""How many live cameras one machine watches: N looping RTSP cameras of 640x360 at 10 fps on 127.0.0.1.

For each runtime: all frames a second when overloaded, beside Ultralytics' own multi-stream predict in the same run
(alternating, medians); the largest N that holds its rate with a p95 latency under 500 ms; and the same with the motion
gate on scenes in which nothing moves. The cameras' server runs on the same machine and costs all of them the same.

    python -m benchmarks.cameras [--runtimes torch,tensorflow,openvino:int8] [--cameras 8] [--seconds 15] [--rounds 3]
        [--skip-gate]

A runtime stands for its fp32, or is followed by another precision. Other runtimes use what ``app.py export`` has made,
or export it first; int8 must have been exported before, with the frames to calibrate it on.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.vs_ultralytics import settings_of
from config.site import Detector as DetectorConfig
from detectors.model_files import chosen
from tests.support.camera import Film, RtspCamera
from tests.support.live import Running

ROOT = Path(__file__).resolve().parent.parent
FPS = 10
HELD = 0.95
"""Of its rate that a camera must keep."""
LATENCY_MS = 500.0
SETTLE_S = 32.0
"""Percentiles cover the last 15 to 30 seconds; what the start cost is out of them after that."""
MOVING = Film()
STILL = Film(still=True)


@dataclass(frozen=True, slots=True)
class Measured:
    """One run of N cameras.

    Attributes:
        cameras: N.
        captured: Frames captured a second, of all cameras together.
        processed: Frames that went through tracker and rules.
        detected: Frames that went through the network.
        p95_ms: Of the worst camera, from capture to publishing.
        slowest: Captured frames a second of the slowest camera.
        cpu: CPU seconds a second, without the cameras' server.
        rss_mb: Resident memory.
    """

    cameras: int
    captured: float
    processed: float
    detected: float
    p95_ms: float
    slowest: float
    cpu: float
    rss_mb: float


@contextmanager
def running(urls: list[str], runtime: str, weights: Path, gate: bool) -> Iterator[Running]:
    """``run`` on these cameras."""
    camera = {
        "motion": {"enabled": gate},
        "detect_fps": FPS,
        "zones": {"all": [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]},
        "lines": {"middle": [[0.0, 0.6], [1.0, 0.6]]},
        "rules": [{"kind": "line_crossing", "line": "middle"}, {"kind": "zone_count", "zone": "all"}],
    }
    detector = settings_of(runtime).model_dump(include={"runtime", "precision", "device"})
    site = {
        "version": 1,
        "detectors": {"main": {"model": str(weights), **detector}},
        "cameras": {f"cam{number}": {"source": url, **camera} for number, url in enumerate(urls)},
        "server": {"port": 0},
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "site.yaml"
        path.write_text(yaml.safe_dump(site), encoding="utf-8")
        with Running(path) as app:
            yield app


def get(port: int, path: str) -> str:
    """A page of the service."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        return str(answer.read().decode())


def figures(port: int) -> dict[str, dict[str, float]]:
    """Counters of each camera from ``/metrics``: capture, process, detection (frames), and p95 (ms)."""
    from prometheus_client.parser import text_string_to_metric_families

    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(get(port, "/metrics")):
        for sample in family.samples:
            camera = sample.labels.get("camera")
            if camera is None:
                continue
            row = found.setdefault(camera, {})
            if sample.name == "sightline_camera_frames_total":
                row[sample.labels["kind"]] = sample.value
            if sample.name == "sightline_camera_latency_ms" and sample.labels["quantile"] == "0.95":
                row["p95"] = sample.value
    return found


def measure(server: RtspCamera, runtime: str, weights: Path, gate: bool, seconds: float) -> Measured:
    """Run on all cameras of a server and count."""
    import psutil

    urls = server.urls
    with running(urls, runtime, weights, gate) as app:
        app.wait_online(*(f"cam{number}" for number in range(len(urls))), timeout_s=120)
        time.sleep(SETTLE_S)
        watched = psutil.Process(app.pid)
        first, cpu, start = figures(app.port), sum(watched.cpu_times()[:2]), time.monotonic()
        time.sleep(seconds)
        last, cpu_end = figures(app.port), sum(watched.cpu_times()[:2])
        elapsed = time.monotonic() - start

        def rate(kind: str) -> list[float]:
            return [(last[name][kind] - first[name][kind]) / elapsed for name in last]

        return Measured(
            len(urls), sum(rate("capture")), sum(rate("process")), sum(rate("detection")),
            max(row["p95"] for row in last.values()), min(rate("capture")), (cpu_end - cpu) / elapsed,
            watched.memory_info().rss / 1e6,
        )  # fmt: skip


def holds(found: Measured, gate: bool) -> bool:
    """Whether every camera keeps its rate and the latency stays under the limit; gated frames need no processing."""
    enough = HELD * FPS * found.cameras
    kept = found.captured >= enough and found.slowest >= 0.9 * FPS and (gate or found.processed >= enough)
    return kept and found.p95_ms < LATENCY_MS


def ultralytics_child(streams: str, weights: str, seconds: float) -> dict[str, float]:
    """``YOLO.predict`` over a ``.streams`` file: all frames a second."""
    os.environ["YOLO_AUTOINSTALL"] = "False"
    from ultralytics import YOLO

    config = DetectorConfig()
    settings = {"imgsz": config.imgsz, "conf": config.confidence, "iou": config.iou, "device": "cpu"}
    frames, start = 0, 0.0
    began = time.perf_counter()
    for _ in YOLO(weights).predict(streams, stream=True, verbose=False, **settings):
        now = time.perf_counter()
        if not start:
            if now - began > 8:
                start, frames = now, 0
            continue
        frames += 1
        if now - start >= seconds:
            return {"fps": frames / (now - start)}
    raise RuntimeError("the streams ended")


def ultralytics(server: RtspCamera, weights: Path, seconds: float) -> float:
    """Ultralytics in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        streams = Path(folder) / "cameras.streams"
        streams.write_text("\n".join(server.urls) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "benchmarks.cameras", "--child", str(streams), str(weights), str(seconds)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=180)
    return float(json.loads(done.stdout.strip().splitlines()[-1])["fps"])


def say(text: str) -> None:
    """A line while it goes on."""
    print(text, file=sys.stderr, flush=True)


def overload(runtimes: list[str], weights: Path, cameras: int, seconds: float, rounds: int) -> dict[str, list[float]]:
    """All analysed frames a second with more cameras than can be served, each contestant in turn."""
    found: dict[str, list[float]] = {"ultralytics": [], **{name: [] for name in runtimes}}
    with RtspCamera(MOVING, cameras=cameras) as server:
        for turn in range(rounds):
            for name in found if turn % 2 == 0 else reversed(found):
                if name == "ultralytics":
                    fps, more = ultralytics(server, weights, seconds), ""
                else:
                    result = measure(server, name, weights, False, seconds)
                    fps, more = result.detected, f", p95 {result.p95_ms:.0f} ms, {result.cpu:.2f} CPU"
                found[name].append(fps)
                say(f"  round {turn + 1}, {cameras} cameras, {name}: {fps:.1f} frames a second{more}")
    return found


def largest(runtime: str, weights: Path, gate: bool, first: int, step: int, seconds: float) -> Measured | None:
    """The largest number of cameras that holds, looked for upwards and downwards from a first guess."""
    best: Measured | None = None
    number = max(1, first)
    while number >= 1:
        with RtspCamera(STILL if gate else MOVING, cameras=number) as server:
            found = measure(server, runtime, weights, gate, seconds)
        good = holds(found, gate)
        say(
            f"  {runtime}{' gated' if gate else ''}, {number} cameras: captured {found.captured:.1f} (slowest "
            f"{found.slowest:.1f}), processed {found.processed:.1f}, detected {found.detected:.1f} a second, "
            f"p95 {found.p95_ms:.0f} ms, {found.cpu:.2f} CPU, {found.rss_mb:.0f} MB: {'holds' if good else 'does not'}"
        )
        if good:
            best = found
            number += step
        elif best is not None or number == 1:
            break
        else:
            number = max(1, number - step)
            if number < first - 4 * step:
                break
    return best


def main() -> None:
    """Read the arguments and measure."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(ultralytics_child(sys.argv[2], sys.argv[3], float(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtimes", default="torch,tensorflow", help="separated by commas; openvino:int8 for int8")
    parser.add_argument("--model", help="default: yolov8n, or what can be had")
    parser.add_argument("--cameras", type=int, default=8, help="cameras of the overloaded run")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--skip-gate", action="store_true")
    arguments = parser.parse_args()
    runtimes = arguments.runtimes.split(",")
    weights = chosen(arguments.model).path.resolve()
    say(f"{weights.name}, 640x360 at {FPS} fps, {os.cpu_count()} cores")
    total = overload(runtimes, weights, arguments.cameras, arguments.seconds, arguments.rounds)
    middle: dict[str, float] = {name: statistics.median(rates) for name, rates in total.items()}
    rows: list[list[Any]] = []
    for runtime in runtimes:
        plain = largest(runtime, weights, False, int(middle[runtime] / FPS), 1, arguments.seconds)
        gated = None
        if not arguments.skip_gate:
            number = plain.cameras if plain is not None else 1
            gated = largest(runtime, weights, True, 10 * number, max(2, number), arguments.seconds)
        rows.append([runtime, plain, gated])
    print("\n| | frames a second, all cameras | of Ultralytics |\n|---|---|---|")
    for name, fps in middle.items():
        print(f"| {name} | {fps:.1f} | {fps / middle['ultralytics']:.2f} x |")
    print("\n| runtime | cameras held | p95 ms | gated, still scenes | p95 ms | ratio |")
    print("|---|---|---|---|---|---|")
    for runtime, plain, gated in rows:
        held, at = (plain.cameras, f"{plain.p95_ms:.0f}") if plain is not None else (0, "-")
        more, late = (gated.cameras, f"{gated.p95_ms:.0f}") if gated is not None else (0, "-")
        print(f"| {runtime} | {held} | {at} | {more} | {late} | {more / held if held else 0:.1f} x |")


if __name__ == "__main__":
    main()
