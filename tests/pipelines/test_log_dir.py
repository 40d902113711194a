"""The log folder: tables that go on, and TensorBoard files read back with tensorboardX's own messages."""

from __future__ import annotations

import csv
import logging
import os
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.log_dir import CAMERA_COLUMNS, FRAMEWORK_COLUMNS, Limits, LogDir
from pipelines.messages import CameraStats, DetectorStats, ServiceStats, StatsPayload
from streams.errors import OutputError

ROOT = Path(__file__).resolve().parents[2]


def stats(fps: float = 10.0) -> StatsPayload:
    camera = CameraStats(
        camera_fps=25, process_fps=9.5, detection_fps=10, skipped_fps=0.5,
        latency_ms={"p50": 40, "p95": 90, "p99": 120}, reconnects=2, observed_share=0.9, gated_share=0.25,
    )  # fmt: skip
    detectors = {
        name: DetectorStats(
            framework=framework, model="yolov8n", device="cpu", precision="fp32", imgsz=[640, 640], batch=4,
            fps=fps, inference_ms={"p50": 30, "p95": 50, "p99": 60}, frames=400,
            camera_fps=25, process_fps=9.5, skipped_fps=0.5, latency_ms={"p50": 41, "p95": 91, "p99": 121},
        )
        for name, framework in (("main", "torch"), ("night", "torch"), ("other", "tensorflow"))
    }  # fmt: skip
    service = ServiceStats(uptime=60, version="1", rss_mb=512.5, spooled=7, dropped=0, reason=None)
    return StatsPayload(cameras={"gate": camera}, detectors=detectors, service=service)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def events(folder: Path) -> list[Any]:
    """Every event of a run, checksums checked."""
    from tensorboardX.proto.event_pb2 import Event

    return [Event.FromString(data) for path in sorted(folder.iterdir()) for data in records(path.read_bytes())]


def records(data: bytes) -> Iterator[bytes]:
    from tensorboardX.record_writer import masked_crc32c

    while data:
        length, length_sum = struct.unpack("<QI", data[:12])
        body, body_sum = data[12 : 12 + length], data[12 + length : 16 + length]
        assert masked_crc32c(data[:8]) == length_sum
        assert struct.pack("<I", masked_crc32c(body)) == body_sum
        yield body
        data = data[16 + length :]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    return found


def test_tables_have_a_row_per_detector_and_camera(tmp_path: Path) -> None:
    log_dir = LogDir(tmp_path / "a" / "logs")
    log_dir.write(stats(), 10.0004)
    log_dir.close()
    log_dir.close()
    frameworks, cameras = rows(tmp_path / "a/logs/frameworks.csv"), rows(tmp_path / "a/logs/cameras.csv")
    assert [row["detector"] for row in frameworks] == ["main", "night", "other"]
    assert tuple(frameworks[0]) == FRAMEWORK_COLUMNS
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", frameworks[0].pop("time"))
    assert frameworks[0] == {
        "elapsed_s": "10.0", "detector": "main", "framework": "torch", "model": "yolov8n", "device": "cpu",
        "precision": "fp32", "fps": "10.0", "frames": "400", "p50_ms": "30.0", "p95_ms": "50.0", "p99_ms": "60.0",
        "camera_fps": "25.0", "process_fps": "9.5", "skipped_fps": "0.5",
        "latency_p50_ms": "41.0", "latency_p95_ms": "91.0", "latency_p99_ms": "121.0",
    }  # fmt: skip
    assert tuple(cameras[0]) == CAMERA_COLUMNS
    assert cameras[0].pop("time")
    assert cameras == [{
        "elapsed_s": "10.0", "camera": "gate", "status": "online", "camera_fps": "25.0", "process_fps": "9.5",
        "detection_fps": "10.0", "skipped_fps": "0.5", "latency_p50_ms": "40.0", "latency_p95_ms": "90.0",
        "latency_p99_ms": "120.0", "reconnects": "2", "observed_share": "0.9", "gated_share": "0.25",
    }]  # fmt: skip


def test_tensorboard_has_a_run_per_framework_and_one_of_the_service(tmp_path: Path) -> None:
    log_dir = LogDir(tmp_path)
    log_dir.write(stats(10), 10.7)
    log_dir.write(stats(12), 20.2)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["service", "tensorflow", "torch"]
    first, *others = events(tmp_path / "torch")  # with the operating system, though it is not closed
    assert first.file_version == "brain.Event:2"
    assert [event.step for event in others] == [10, 20]
    assert first.wall_time <= others[0].wall_time <= others[1].wall_time
    torch = scalars(tmp_path / "torch")
    assert torch["fps/main"] == [(10, 10), (20, 12)]
    assert torch["inference_ms/night/p95"] == [(10, 50), (20, 50)]
    assert set(torch) == {
        f"{kind}/{name}{end}"
        for name in ("main", "night")
        for kind, end in (
            *((kind, "") for kind in ("fps", "camera_fps", "process_fps", "skipped_fps")),
            *((kind, f"/{key}") for kind in ("inference_ms", "latency_ms") for key in ("p50", "p95", "p99")),
        )
    }
    assert torch["process_fps/main"] == [(10, 9.5), (20, 9.5)]
    assert torch["latency_ms/main/p99"] == [(10, 121), (20, 121)]
    assert "fps/other" in scalars(tmp_path / "tensorflow")
    assert scalars(tmp_path / "service") == {
        "outbox_depth": [(10, 7), (20, 7)],
        "rss_mb": [(10, 512.5), (20, 512.5)],
        "latency_p95_ms/gate": [(10, 90), (20, 90)],
        "fps/gate": [(10, 9.5), (20, 9.5)],
    }
    log_dir.close()


def test_the_next_process_continues(tmp_path: Path) -> None:
    for elapsed in (10, 20):
        log_dir = LogDir(tmp_path)
        log_dir.write(stats(), elapsed)
        log_dir.close()
        with (tmp_path / "cameras.csv").open("a") as file:
            file.write("torn")
    assert [row["elapsed_s"] for row in rows(tmp_path / "frameworks.csv")] == ["10"] * 3 + ["20"] * 3
    assert [row["time"][:4] for row in rows(tmp_path / "cameras.csv")][1::2] == ["torn", "torn"]
    assert [step for step, _ in scalars(tmp_path / "torch")["fps/main"]] == [10, 20]
    assert len(list((tmp_path / "torch").iterdir())) == 2


def test_a_foreign_table_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "cameras.csv").write_text("time,elapsed_s\n1,2\n")
    with pytest.raises(OutputError, match=r"cameras\.csv has other columns than time, elapsed_s, camera.*move it away"):
        LogDir(tmp_path)
    assert (tmp_path / "cameras.csv").read_text() == "time,elapsed_s\n1,2\n"


def test_a_table_of_an_earlier_version_is_kept_under_another_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An upgrade must not end with an error: what was written stays, and a new table begins."""
    caplog.set_level(logging.INFO)
    old = "time,elapsed_s,detector,framework,model,device,precision,fps,frames,p50_ms,p95_ms,p99_ms\nx,1,main\n"
    (tmp_path / "frameworks.csv").write_text(old)
    log_dir = LogDir(tmp_path)
    log_dir.write(stats(), 10)
    log_dir.close()
    [kept] = [path for path in tmp_path.glob("frameworks-*.csv") if re.fullmatch(RENAMED, path.name)]
    assert kept.read_text() == old
    assert tuple(rows(tmp_path / "frameworks.csv")[0]) == FRAMEWORK_COLUMNS
    assert f"{tmp_path}/frameworks.csv has the columns of another version; it is {kept.name} now" in caplog.messages
    LogDir(tmp_path).close()
    assert len(list(tmp_path.glob("frameworks-*.csv"))) == 1


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        OutputError, match=r"cannot write .*/file/logs: Not a directory; choose another folder with --log"
    ):
        LogDir(tmp_path / "file" / "logs")


def test_a_full_disk_is_a_sentence_and_all_goes_on_when_there_is_space(small_disk: Path) -> None:
    log_dir = LogDir(small_disk)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OutputError, match="No space left on device; free some space"):
        for number in range(10_000):
            log_dir.write(stats(), number)
    ballast.unlink()
    log_dir.write(stats(), 20_000)
    log_dir.write(stats(), 20_001)
    log_dir.close()
    for run in ("torch", "tensorflow", "service"):
        assert [event.step for event in events(small_disk / run)][-2:] == [20_000, 20_001]
        assert len(list((small_disk / run).iterdir())) == 1
    assert {len(row) for row in rows(small_disk / "cameras.csv")} == {len(CAMERA_COLUMNS)}


RENAMED = r"(cameras|frameworks)-\d{8}T\d{6}(-\d+)?\.csv"


def tables(folder: Path, stem: str) -> list[Path]:
    """The files of a table, oldest first."""
    return sorted(folder.glob(f"{stem}*.csv"), key=lambda path: path.stat().st_mtime_ns)


def test_months_of_reports_rotate_and_nothing_is_lost_on_the_way(tmp_path: Path) -> None:
    log_dir = LogDir(tmp_path, Limits(rotate_mb=0.002))
    for number in range(60):
        log_dir.write(stats(), 10 * number)
    log_dir.close()
    for stem, rows_each in (("cameras", 1), ("frameworks", 3)):
        files = tables(tmp_path, stem)
        assert len(files) >= 3
        assert files[-1].name == f"{stem}.csv"
        assert all(re.fullmatch(RENAMED, path.name) for path in files[:-1])
        assert all(path.stat().st_size < 2500 for path in files)
        found = [row["elapsed_s"] for path in files for row in rows(path)]
        assert found == [str(10 * number) for number in range(60) for _ in range(rows_each)]
    for run in ("torch", "tensorflow", "service"):
        assert len(list((tmp_path / run).iterdir())) >= 3
        assert [event.step for event in events(tmp_path / run) if event.step] == list(range(10, 600, 10))
        assert all(path.stat().st_size < 3000 for path in (tmp_path / run).iterdir())


def test_a_log_folder_is_bounded_and_the_newest_stay(tmp_path: Path) -> None:
    log_dir = LogDir(tmp_path, Limits(rotate_mb=0.0005, most_files=4))
    for number in range(60):
        log_dir.write(stats(), 10 * number)
        assert len(list(tmp_path.glob("cameras*.csv"))) <= 5  # one more until the next report
        assert len(list((tmp_path / "torch").iterdir())) <= 5
    log_dir.write(stats(), 600)
    log_dir.close()
    assert len(tables(tmp_path, "cameras")) in (4, 5)
    assert len(tables(tmp_path, "frameworks")) in (4, 5)
    found = [int(row["elapsed_s"]) for path in tables(tmp_path, "cameras") for row in rows(path)]
    assert found == list(range(found[0], 610, 10))
    assert [event.step for event in events(tmp_path / "service")][-1] == 600


def test_what_is_too_old_goes_and_what_others_put_there_stays(tmp_path: Path) -> None:
    for run in ("torch", "old", "training"):
        (tmp_path / run).mkdir()
    gone = [
        tmp_path / "cameras-20200101T000000.csv", tmp_path / "frameworks-20200101T000000-2.csv",
        tmp_path / "torch" / "events.out.tfevents.1577836800.host.1.1.sightline",
        tmp_path / "old" / "events.out.tfevents.1577836800.host.1.1.sightline",
    ]  # fmt: skip
    kept = [
        tmp_path / "cameras-old.csv", tmp_path / "notes.txt",
        tmp_path / "torch" / "events.out.tfevents.1577836800.host.1.1",
        tmp_path / "training" / "events.out.tfevents.1577836800.host.1.1",
    ]  # fmt: skip
    young = tmp_path / "cameras-20200102T000000.csv"
    for path in (*gone, *kept, young):
        path.write_text("x")
    for path in (*gone, *kept):
        os.utime(path, (time.time() - 3 * 86400,) * 2)
    log_dir = LogDir(tmp_path, Limits(keep_days=2))
    log_dir.write(stats(), 10)
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in (*kept, young))
    log_dir.close()


def test_a_table_that_cannot_be_renamed_grows_on_and_one_that_was_taken_away_begins_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    caplog.set_level(logging.WARNING)
    log_dir = LogDir(tmp_path, Limits(rotate_mb=0.002))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuse)
        for number in range(30):
            log_dir.write(stats(), number)
    assert len(rows(tmp_path / "cameras.csv")) == 30
    said = [record.message for record in caplog.records if "cameras.csv" in record.message]
    assert said and all(text.endswith("cannot be renamed (Permission denied); it grows on") for text in said)
    assert len(said) < 5
    (tmp_path / "cameras.csv").unlink()
    for number in range(60):
        log_dir.write(stats(), number)
    assert rows(tmp_path / "cameras.csv")
    log_dir.close()


SCRIPT = """
import sys
{before}
from pathlib import Path
from pipelines.log_dir import LogDir
try:
    LogDir(Path(sys.argv[1])).close()
    print(sorted({{"torch", "tensorboardX", "matplotlib"}} & set(sys.modules)))
    import importlib.util
    print(importlib.util.find_spec("torch") is not None)
except Exception as error:
    print(type(error).__name__, error)
"""


def run(before: str, folder: Path) -> str:
    command = [sys.executable, "-c", SCRIPT.format(before=before), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_torch_is_not_loaded_for_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    assert run("", tmp_path) == "['tensorboardX']\nTrue\n"


def test_without_the_extra_the_sentence_names_it(tmp_path: Path) -> None:
    assert run("sys.modules['tensorboardX'] = None", tmp_path / "logs") == (
        "MissingExtraError --log-dir needs tensorboardX, which is not installed; "
        "run pip install 'sightline[tensorboard]', or leave --log-dir out\n"
    )
    assert not (tmp_path / "logs").exists()
