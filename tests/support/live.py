"""``run`` as a process of its own, and cameras and detectors made of numbers for what needs no picture."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import yaml
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.detector import StageTimes
from streams.shot import Shot
from tests.support.cli import Done, start_app

WHOLE = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]


def write_site(path: Path, cameras: Mapping[str, Mapping[str, Any]], **blocks: Any) -> Path:
    """Write a site file: cameras and other blocks as they would stand in the YAML."""
    path.write_text(yaml.safe_dump({"version": 1, **blocks, "cameras": dict(cameras)}), encoding="utf-8")
    return path


class Running:
    """``app.py run`` on a site file; use it in a ``with`` statement, which ends it by SIGTERM if nobody did."""

    def __init__(self, site: Path, *arguments: str, env: dict[str, str] | None = None) -> None:
        """The site file gets a server on a free port when it has none."""
        self.site = site
        self._arguments, self._env = arguments, env
        content = yaml.safe_load(site.read_text(encoding="utf-8"))
        self._port: int = content.setdefault("server", {}).setdefault("port", 0)
        site.write_text(yaml.safe_dump(content), encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None
        self._begin = 0
        self._log = site.with_name(f"{site.stem}-run.log")

    def __enter__(self) -> Self:
        return self.start()

    def start(self) -> Self:
        """Start it; the log goes on in one file over several starts."""
        self._begin = len(self.log)
        self.process = start_app("run", self.site, *self._arguments, env=self._env)
        stderr = self.process.stderr
        assert stderr is not None

        def copy() -> None:
            with self._log.open("ab") as log:
                for line in stderr:
                    log.write(line)
                    log.flush()

        self._copier = threading.Thread(target=copy, daemon=True)
        self._copier.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    @property
    def port(self) -> int:
        """Of its server; 0 while it is not known."""
        if self._port:
            return self._port
        ports = re.findall(r"http://127\.0\.0\.1:(\d+) answers", self.log[self._begin :])
        return int(ports[-1]) if ports else 0

    @property
    def pid(self) -> int:
        """The process."""
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        """All that it has said."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self) -> tuple[int, float]:
        """SIGTERM; returns the exit code and the seconds it took."""
        assert self.process is not None
        begin = time.monotonic()
        self.process.terminate()
        code = self.process.wait(30)
        self._copier.join(5)
        return code, time.monotonic() - begin

    def finish(self, timeout_s: float = 120) -> Done:
        """Wait for its own end."""
        assert self.process is not None
        code = self.process.wait(timeout_s)
        self._copier.join(5)
        return Done(code, "", self.log)

    def health(self) -> dict[str, Any]:
        """``/healthz``; empty while nobody answers."""
        if not (port := self.port):
            return {}
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
                value: dict[str, Any] = json.loads(answer.read())
                return value
        except urllib.error.HTTPError as error:
            value = json.loads(error.read())
            return value
        except OSError:
            return {}

    def wait_health(self, condition: Callable[[dict[str, Any]], object], what: str, timeout_s: float = 60) -> None:
        """Wait until ``/healthz`` fulfils a condition."""
        end = time.monotonic() + timeout_s
        while not condition(health := self.health()):
            assert self.process is not None
            assert self.process.poll() is None, f"it has ended: {self.log[-3000:]}"
            assert time.monotonic() < end, f"{what}; health: {health}; log: {self.log[-3000:]}"
            time.sleep(0.05)

    def wait_online(self, *cameras: str, timeout_s: float = 60) -> None:
        """Wait until these cameras are online."""
        self.wait_health(
            lambda health: all(health.get("cameras", {}).get(name) == "online" for name in cameras),
            f"{cameras} do not come online", timeout_s,
        )  # fmt: skip


class Boxes:
    """A detector that finds one box per picture at once, or after a while, or never."""

    labels = ("person", "car")
    framework, device, precision, model = "boxes", "cpu", "fp32", "boxes"

    class family:
        """What reports read."""

        imgsz = (384, 640)

    def __init__(self, seconds: float = 0.0, label: str = "person") -> None:
        self.seconds = seconds
        self.calls: list[tuple[float, int]] = []
        self.hang = threading.Event()
        self.go_on = threading.Event()
        self.closed = 0
        self.last_times = StageTimes(0.0, 0.0, 0.0)
        self._class = self.labels.index(label)

    def detect(self, images: Sequence[NDArray[np.uint8]]) -> list[Detections]:
        """A box in the middle of each picture."""
        if self.hang.is_set():
            self.go_on.wait()
        time.sleep(self.seconds * len(images))
        self.calls.append((time.monotonic(), len(images)))
        self.last_times = StageTimes(0.0, self.seconds * 1e3 * len(images), 0.0)
        return [self._box(*image.shape[:2]) for image in images]

    def _box(self, height: int, width: int) -> Detections:
        box = np.array([[width * 0.4, height * 0.3, width * 0.6, height * 0.8]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.array([self._class], np.int64), self.labels)

    def close(self) -> None:
        """Nothing to release; counted."""
        self.closed += 1


class MemoryCamera:
    """Pictures that lie decoded in memory, round and round, as a camera gives them; it can fall silent.

    Attributes:
        silent: Set while nothing comes.
    """

    backend = "memory"

    def __init__(
        self, pictures: Sequence[NDArray[np.uint8]], fps: float, silent: threading.Event | None = None
    ) -> None:
        """Take (H, W, 3) uint8 BGR pictures of one size, and how many come a second."""
        self._pictures = itertools.cycle(pictures)
        self._height, self._width = pictures[0].shape[:2]
        self._period_s = 1 / fps
        self._stamp_s, self._next = 0.0, time.monotonic()
        self.silent = silent or threading.Event()

    def open(self) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to do."""

    def life(self) -> int:
        """Always the same: pictures come from the start."""
        return 0

    def read(self, wait_s: float) -> Shot | None:
        """The next picture when its time has come; one that is long over is left out."""
        delay = self._next - time.monotonic()
        if self.silent.is_set() or delay > wait_s:
            time.sleep(wait_s)
            return None
        time.sleep(max(0.0, delay))
        late = max(0, int(-delay / self._period_s))
        self._next += self._period_s * (1 + late)
        self._stamp_s += self._period_s * (1 + late)
        now = time.monotonic()
        return Shot(next(self._pictures), "bgr", self._width, self._height, self._stamp_s, now, time.time())


@contextmanager
def in_this_process(path: Path, loader: Callable[[Any], Any], **options: Any) -> Iterator[Any]:
    """A service in a thread of this process, with detectors of the test's own; ended and checked at the end."""
    from pipelines.live.plan import plan_site
    from pipelines.live.service import Service

    realtime, loop = options.pop("realtime", True), options.pop("loop", True)
    service = Service(path, plan_site(path, realtime, loop, print), realtime, loop, loader=loader, **options)
    stop = threading.Event()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            service.run(stop)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="service")
    thread.start()
    try:
        yield service
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive(), "the service does not end"
    assert errors == []


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 30) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


__all__ = ["WHOLE", "Boxes", "MemoryCamera", "Running", "in_this_process", "wait_until", "write_site"]
