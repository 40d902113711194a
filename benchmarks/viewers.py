"""What viewers cost the analysis: frames a second with and without many slow clients of the live pictures.

``run`` analyses a video without a pause, as fast as it can, in a process of its own. In every other window so many
clients look at its live pictures, each at so many bytes a second, as a telephone far away does; they are one process
that reads and does nothing else. Told are the ratios of frames a second, and of CPU time a frame, which other work on
the machine hardly changes.

    python -m benchmarks.viewers VIDEO [--clients 50] [--bytes 40000] [--rounds 7] [--seconds 15] [--model yolov8n]
"""

from __future__ import annotations

import argparse
import json
import selectors
import socket
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

import psutil

from tests.support.live import Running, write_site

_QUERY = "/api/cameras/cam/live?layers=boxes,tracks,lines,zones&width={width}&fps={fps}"
_STEP_S = 0.1
_SETTLE_S = 2.0


@dataclass(frozen=True, slots=True)
class Window:
    """What a window of time brought: frames a second, CPU seconds of the process a frame, pictures sent."""

    fps: float
    cpu_s: float
    pictures: int


def read_slowly(port: int, clients: int, rate: float, query: str) -> None:
    """Be so many clients until killed; stdout gets the number of pictures taken, once a second.

    Args:
        port: Of the server on 127.0.0.1.
        clients: Connections.
        rate: Bytes a second that each takes.
        query: Path and query.
    """
    chosen = selectors.DefaultSelector()
    connections: dict[int, socket.socket] = {}
    for _ in range(clients):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
        one.connect(("127.0.0.1", port))
        one.sendall(f"GET {query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        one.setblocking(False)
        chosen.register(one, selectors.EVENT_READ)
        connections[one.fileno()] = one
    pictures, told = 0, time.monotonic()
    while True:
        time.sleep(_STEP_S)
        for key, _ in chosen.select(0):
            pictures += connections[key.fd].recv(int(rate * _STEP_S)).count(b"--frame")
        if time.monotonic() >= told + 1:
            told = time.monotonic()
            print(pictures, flush=True)


@contextmanager
def viewers(arguments: argparse.Namespace, port: int) -> Iterator[list[int]]:
    """Within this the clients look; at the end the list has the number of pictures that they took."""
    query = _QUERY.format(width=arguments.width, fps=arguments.fps)
    command = [sys.executable, "-m", "benchmarks.viewers", "--be", str(port), str(arguments.clients)]
    process = subprocess.Popen([*command, str(arguments.bytes), query], stdout=subprocess.PIPE, text=True)
    taken: list[int] = []
    try:
        time.sleep(_SETTLE_S)
        yield taken
    finally:
        process.kill()
        text, _ = process.communicate()
        taken.append(int((text.split() or ["0"])[-1]))


def frames_of(port: int) -> int:
    """Frames that went through so far."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/stats", timeout=30) as answer:
        return int(json.loads(answer.read())["cameras"]["cam"]["processed"])


def measured(running: Running, seconds: float) -> tuple[float, float]:
    """Frames a second and CPU seconds a frame over the next seconds."""
    process = psutil.Process(running.pid)

    def cpu_s() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    frames, cpu, begin = frames_of(running.port), cpu_s(), time.monotonic()
    time.sleep(seconds)
    frames, cpu, took = frames_of(running.port) - frames, cpu_s() - cpu, time.monotonic() - begin
    return frames / took, cpu / max(1, frames)


def windows(arguments: argparse.Namespace, running: Running) -> Iterator[tuple[Window, Window]]:
    """Pairs: without viewers, and with them; every second pair the other way round."""
    for round_ in range(arguments.rounds):
        pair: dict[bool, Window] = {}
        for watched in (False, True) if round_ % 2 == 0 else (True, False):
            time.sleep(_SETTLE_S)
            if not watched:
                pair[False] = Window(*measured(running, arguments.seconds), 0)
                continue
            with viewers(arguments, running.port) as taken:
                fps, cpu_s = measured(running, arguments.seconds)
            pair[True] = Window(fps, cpu_s, taken[0])
        yield pair[False], pair[True]


def site_of(folder: Path, video: Path, model: str | None) -> Path:
    """A site file with a line, a zone and rules."""
    camera = {
        "source": str(video.absolute()),
        "lines": {"middle": [[0.0, 0.6], [1.0, 0.6]]},
        "zones": {"all": [[0.05, 0.05], [0.95, 0.05], [0.95, 0.95], [0.05, 0.95]]},
        "rules": [{"kind": "line_crossing", "line": "middle"}, {"kind": "zone_count", "zone": "all"}],
    }
    detectors = {"main": {"model": model} if model else {}}
    return write_site(folder / "site.yaml", {"cam": camera}, detectors=detectors)


def main() -> None:
    """Read the arguments and measure."""
    if sys.argv[1:2] == ["--be"]:
        port, clients, rate, query = sys.argv[2:6]
        read_slowly(int(port), int(clients), float(rate), query)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--bytes", type=float, default=40_000, help="a second and client")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--width", type=int, default=960)
    parser.add_argument("--fps", type=float, default=8)
    parser.add_argument("--model", help="default: as run has it")
    arguments = parser.parse_args()
    pairs: list[tuple[Window, Window]] = []
    with tempfile.TemporaryDirectory() as name:
        site = site_of(Path(name), arguments.video, arguments.model)
        with Running(site, "--loop") as running:
            running.wait_health(lambda health: health.get("status") == "ok", "it does not start", 600)
            time.sleep(5)
            for off, on in windows(arguments, running):
                pairs.append((off, on))
                print(
                    f"without: {off.fps:.2f} FPS, {off.cpu_s * 1e3:.2f} ms CPU a frame; {arguments.clients} clients: "
                    f"{on.fps:.2f} FPS, {on.cpu_s * 1e3:.2f} ms, {on.pictures} pictures taken",
                    flush=True,
                )
    fps = statistics.median(on.fps / off.fps for off, on in pairs)
    cpu = statistics.median(on.cpu_s / off.cpu_s for off, on in pairs)
    print(f"median of {len(pairs)} pairs: FPS {(1 - fps) * 100:+.1f} % lost, CPU a frame {(cpu - 1) * 100:+.1f} %")


if __name__ == "__main__":
    main()
