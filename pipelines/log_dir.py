"""Numbers for later: tables of rates and latencies (CSV), and the same for TensorBoard."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from config.errors import SightlineError
from pipelines.messages import StatsPayload
from streams.files import CsvWriter, LineFile, cannot_write_to

FRAMEWORK_COLUMNS = (
    "time", "elapsed_s", "detector", "framework", "model", "device", "precision", "fps", "frames",
    "p50_ms", "p95_ms", "p99_ms",
)  # fmt: skip
CAMERA_COLUMNS = (
    "time", "elapsed_s", "camera", "status", "camera_fps", "process_fps", "detection_fps", "skipped_fps",
    "latency_p50_ms", "latency_p95_ms", "latency_p99_ms", "reconnects", "observed_share", "gated_share",
)  # fmt: skip
PERCENTILES = ("p50", "p95", "p99")
SERVICE_RUN = "service"
_FAULT = cannot_write_to("--log-dir")


class MissingExtraError(SightlineError, ImportError):
    """An optional package is not installed."""


class LogDir:
    """A folder with ``frameworks.csv``, ``cameras.csv``, and a TensorBoard run per framework and for the service.

    The tables are continued by the next process; TensorBoard joins the files of one run by itself.
    """

    def __init__(self, folder: Path) -> None:
        """Open the tables; a run begins when there is something to write.

        Args:
            folder: Made when it is not there.

        Raises:
            OutputError: The folder cannot be written, or a table in it has other columns.
            MissingExtraError: tensorboardX is not installed.
        """
        _import_tensorboard()
        self._folder = folder
        self._runs: dict[str, EventFile] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _FAULT(folder, error) from error
        self._frameworks = CsvWriter(folder / "frameworks.csv", FRAMEWORK_COLUMNS, "a", _FAULT)
        try:
            self._cameras = CsvWriter(folder / "cameras.csv", CAMERA_COLUMNS, "a", _FAULT)
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
        now, elapsed = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", round(elapsed_s, 3)
        scalars: dict[str, dict[str, float]] = {}
        for name, detector in stats.detectors.items():
            times = [detector.inference_ms.get(key, 0.0) for key in PERCENTILES]
            self._frameworks.write((
                now, elapsed, name, detector.framework, detector.model, detector.device, detector.precision,
                detector.fps, detector.frames, *times,
            ))  # fmt: skip
            run = scalars.setdefault(detector.framework, {})
            run[f"fps/{name}"] = detector.fps
            run |= {f"inference_ms/{name}/{key}": value for key, value in zip(PERCENTILES, times, strict=True)}
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
        files: list[LineFile | EventFile] = [self._frameworks, self._cameras, *self._runs.values()]
        for file in files:
            file.close()

    def _run(self, name: str) -> EventFile:
        if name not in self._runs:
            self._runs[name] = EventFile(self._folder / name)
        return self._runs[name]


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

        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}.{os.getpid()}.{time.monotonic_ns()}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _FAULT(folder, error) from error
        self._file = LineFile(folder / name, "x", _FAULT)
        self._head = _record(Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())

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


def _import_tensorboard() -> None:
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
