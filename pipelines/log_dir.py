"""Numbers for later: tables of rates and latencies (CSV), and the same for TensorBoard."""

from __future__ import annotations

import logging
import os
import re
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from config.errors import SightlineError
from pipelines.log_table import LOG_DIR_FAULT, Table
from pipelines.messages import StatsPayload
from streams.files import LineFile

log = logging.getLogger(__name__)
FRAMEWORK_COLUMNS = (
    "time", "elapsed_s", "detector", "framework", "model", "device", "precision", "fps", "frames",
    "p50_ms", "p95_ms", "p99_ms", "camera_fps", "process_fps", "skipped_fps",
    "latency_p50_ms", "latency_p95_ms", "latency_p99_ms",
)  # fmt: skip
CAMERA_COLUMNS = (
    "time", "elapsed_s", "camera", "status", "camera_fps", "process_fps", "detection_fps", "skipped_fps",
    "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "reconnects", "observed_share", "gated_share",
)  # fmt: skip
PERCENTILES = ("p50", "p95", "p99")
RATES = ("fps", "camera_fps", "process_fps", "skipped_fps")
SERVICE_RUN = "service"
_OURS = ".sightline"
"""What the names of event files end with: others of the same folder are never deleted."""
_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a log folder may hold. They hold for each table, and for the event files of each run.

    Attributes:
        rotate_mb: Megabytes (10⁶ bytes) after which a new file begins.
        keep_days: Days since the last change after which a file is deleted.
        most_files: Files at most; the oldest are deleted beyond.
    """

    rotate_mb: float = 5.0
    keep_days: float = 90.0
    most_files: int = 100


class MissingExtraError(SightlineError, ImportError):
    """An optional package is not installed."""


class LogDir:
    """A folder with ``frameworks.csv``, ``cameras.csv``, and a TensorBoard run per framework and for the service.

    The tables are continued by the next process; TensorBoard joins the files of one run by itself. A table that is
    large is renamed after the time (``cameras-<UTC yyyymmddThhmmss>.csv``), a run gets one more event file, and old
    ones are deleted, once a day and soon after a file has begun. What has another name is never touched.
    """

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        """Open the tables; a run begins when there is something to write.

        Args:
            folder: Made when it is not there.
            limits: How much it may hold.

        Raises:
            OutputError: The folder cannot be written, or a table in it is none of ours.
            MissingExtraError: tensorboardX is not installed.
        """
        import_tensorboard()
        self._folder = folder
        self._limits = limits or Limits()
        self._rotate_bytes = self._limits.rotate_mb * 1e6
        self._runs: dict[str, Run] = {}
        self._expire_at = 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LOG_DIR_FAULT(folder, error) from error
        self._frameworks = Table(folder, "frameworks", FRAMEWORK_COLUMNS, self._rotate_bytes, self._expire_soon)
        try:
            self._cameras = Table(folder, "cameras", CAMERA_COLUMNS, self._rotate_bytes, self._expire_soon)
        except Exception:
            self._frameworks.close()
            raise

    def write(self, stats: StatsPayload, elapsed_s: float) -> None:
        """Add one report; every 10 s is a good pace.

        Args:
            stats: The numbers.
            elapsed_s: Seconds since the start; TensorBoard's step, in whole seconds.

        Raises:
            OutputError: The disk is full or a file cannot be written; the next call tries again.
        """
        if time.monotonic() >= self._expire_at:
            self._expire()
        now, elapsed = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", round(elapsed_s, 3)
        scalars: dict[str, dict[str, float]] = {}
        for name, detector in stats.detectors.items():
            times = [detector.inference_ms.get(key, 0.0) for key in PERCENTILES]
            latencies = [detector.latency_ms.get(key, 0.0) for key in PERCENTILES]
            self._frameworks.write((
                now, elapsed, name, detector.framework, detector.model, detector.device, detector.precision,
                detector.fps, detector.frames, *times, detector.camera_fps, detector.process_fps, detector.skipped_fps,
                *latencies,
            ))  # fmt: skip
            run = scalars.setdefault(detector.framework, {})
            run |= {f"{kind}/{name}": getattr(detector, kind) for kind in RATES}
            run |= {f"inference_ms/{name}/{key}": value for key, value in zip(PERCENTILES, times, strict=True)}
            run |= {f"latency_ms/{name}/{key}": value for key, value in zip(PERCENTILES, latencies, strict=True)}
        for name, camera in stats.cameras.items():
            self._cameras.write((
                now, elapsed, name, camera.status, camera.camera_fps, camera.process_fps, camera.detection_fps,
                camera.skipped_fps, *(camera.latency_ms.get(key, 0.0) for key in PERCENTILES), camera.reconnects,
                camera.observed_share, camera.gated_share,
            ))  # fmt: skip
        scalars[SERVICE_RUN] = _service_scalars(stats)
        for run_name, values in scalars.items():
            self._run(run_name).write(values, int(elapsed_s))

    def close(self) -> None:
        """Close the files; safe to call twice.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        files: list[Table | Run] = [self._frameworks, self._cameras, *self._runs.values()]
        for file in files:
            file.close()

    def _run(self, name: str) -> Run:
        if name not in self._runs:
            self._runs[name] = Run(self._folder / name, self._rotate_bytes, self._expire_soon)
        return self._runs[name]

    def _expire_soon(self) -> None:
        """With the next report: until then there is one file too many."""
        self._expire_at = 0.0

    def _expire(self) -> None:
        """Delete what is too old or too much; what cannot be deleted is a warning."""
        self._expire_at = time.monotonic() + _DAY_S
        current = {path for run in self._runs.values() if (path := run.path)}
        kinds = [(self._folder, rf"{stem}-\d{{8}}T\d{{6}}(-\d+)?\.csv", 1) for stem in ("frameworks", "cameras")]
        with suppress(OSError):  # told below
            runs = filter(Path.is_dir, self._folder.iterdir())
            kinds += [(run, r"events\.out\.tfevents\..*" + re.escape(_OURS), 0) for run in runs]
        for folder, name, others in kinds:
            try:
                _keep_newest(folder, name, self._limits, others, current)
            except OSError as error:
                log.warning("old files in %s are not deleted (%s)", folder, error.strerror or error)


def _keep_newest(folder: Path, name: str, limits: Limits, others: int, current: Collection[Path]) -> None:
    """Delete the files of a kind that are too old, and the oldest that are too many.

    Args:
        folder: Where they lie.
        name: Pattern of their names.
        limits: What may stay.
        others: Files of the kind that have another name and count, too.
        current: Files in use.

    Raises:
        OSError: One cannot be deleted.
    """
    found: list[tuple[float, Path]] = []
    for path in folder.iterdir():
        if re.fullmatch(name, path.name) and stat.S_ISREG((about := path.lstat()).st_mode):
            found.append((float("inf") if path in current else about.st_mtime, path))
    oldest = time.time() - limits.keep_days * _DAY_S
    for place, (changed, path) in enumerate(sorted(found, reverse=True), 1 + others):
        if (place > limits.most_files or changed < oldest) and path not in current:
            path.unlink(missing_ok=True)


class Run:
    """A TensorBoard run: a folder of event files; when one is large, the next begins."""

    def __init__(self, folder: Path, rotate_bytes: float, on_begin: Callable[[], None]) -> None:
        """Remember where; the first file begins with the first event.

        Args:
            folder: Made when it is not there.
            rotate_bytes: Size from which on the next event begins a new file.
            on_begin: Called when a file has begun.
        """
        self._folder = folder
        self._rotate_bytes = rotate_bytes
        self._on_begin = on_begin
        self._file: EventFile | None = None

    @property
    def path(self) -> Path | None:
        """The file in use."""
        return self._file.path if self._file is not None else None

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """Add one event with all scalars.

        Raises:
            OutputError: The disk is full or the file cannot be written; the next call tries again.
        """
        if self._file is None or self._file.size >= self._rotate_bytes:
            self.close()
            self._file = EventFile(self._folder)
            self._on_begin()
        self._file.write(scalars, step)

    def close(self) -> None:
        """Close the file; safe to call twice. A later write begins a new one.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        file, self._file = self._file, None
        if file is not None:
            file.close()


class EventFile:
    """A TensorBoard event file with scalars, each report with the operating system when ``write`` returns.

    tensorboardX gives the format. Its own writer is not used: it writes in a thread that ends at the first full disk,
    and from then on blocks who adds to it.
    """

    def __init__(self, folder: Path) -> None:
        """Begin a file in the folder of a run.

        Raises:
            OutputError: It cannot be made.
        """
        from tensorboardX.proto.event_pb2 import Event

        number = f"{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        self.path = folder / f"events.out.tfevents.{number}{_OURS}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LOG_DIR_FAULT(folder, error) from error
        self._file = LineFile(self.path, "x", LOG_DIR_FAULT)
        self._head = _record(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._file.size

    def write(self, scalars: Mapping[str, float], step: int) -> None:
        """Add one event with all scalars.

        Raises:
            OutputError: The disk is full or the file cannot be written; nothing of the event is in the file.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()])
        event = Event(wall_time=time.time(), step=step, summary=summary)
        self._file.append(self._head + _record(event.SerializeToString()))
        self._head = b""

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()


def _service_scalars(stats: StatsPayload) -> dict[str, float]:
    scalars = {"outbox_depth": float(stats.service.spooled), "rss_mb": stats.service.rss_mb}
    for name, camera in stats.cameras.items():
        scalars[f"latency_p95_ms/{name}"] = camera.latency_ms.get("p95", 0.0)
        scalars[f"fps/{name}"] = camera.process_fps
    return scalars


def _record(data: bytes) -> bytes:
    """A TFRecord: length, its checksum, data, its checksum."""
    from tensorboardX.record_writer import masked_crc32c

    length = struct.pack("<Q", len(data))
    return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))


def import_tensorboard() -> None:
    """Import tensorboardX, but not torch: it would load torch where that is installed, and needs nothing of it.

    Raises:
        MissingExtraError: It is not installed.
    """
    hidden = _NoTorch()
    sys.meta_path.insert(0, hidden)
    try:
        import tensorboardX  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"--log-dir needs {error.name or error}, which is not installed; "
            "run pip install 'sightline[tensorboard]', or leave --log-dir out"
        ) from error
    finally:
        sys.meta_path.remove(hidden)


class _NoTorch(MetaPathFinder):
    """In the thread that made it, torch is not installed."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Refuse torch; of all else, say that it is not here."""
        if fullname == "torch" and threading.get_ident() == self._thread:
            raise ModuleNotFoundError("torch is not loaded for tensorboardX", name=fullname)
        return None
