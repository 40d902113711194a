"""Bins of ``run``: rows are written when a bin is over and at the end, and wait where they cannot be."""

from __future__ import annotations

import csv
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from pipelines.live.files import CameraFiles
from pipelines.live.outputs import Outputs
from pipelines.live.plan import plan_site
from pipelines.values import Event, FrameResult, Timings
from streams.frame import Frame
from tests.support.live import Boxes, in_this_process, wait_until, write_site
from tests.support.memory_site import Cameras, site

UNIX = 1_795_680_000.0  # 2026-11-26 8:00 UTC
LINE: dict[str, Any] = {
    "lines": {"road": [[0.5, 1], [0.5, 0]]},
    "rules": [{"kind": "line_crossing", "line": "road", "labels": ["car"]}],
}


def bins(folder: Path) -> list[tuple[str, str, str, str]]:
    """Start, direction, count and observed seconds of all rows, in the order in which they were written."""
    in_order = sorted(folder.glob("bins-*.csv"), key=lambda path: path.stat().st_mtime_ns)
    rows = [row for path in in_order for row in csv.DictReader(path.open())]
    return [(row["start"], row["direction"], row["count"], row["observed_s"]) for row in rows]


def result(pts_s: float, crossings: int = 0, analysed: bool = True) -> FrameResult:
    frame = Frame("gate", round(pts_s), np.zeros((1, 1, 3), np.uint8), pts_s, UNIX + pts_s)
    data = {"line": "road", "direction": "out"}
    event = Event("line_crossing", "line_crossing_road", "gate", pts_s, frame.captured_at, 1, "car", data)
    nothing = Detections.empty(("car",)), np.zeros(0, np.int64)
    counters = {("counts", "road", word, "car"): 0 for word in ("in", "out")}
    events = (event,) * crossings
    return FrameResult(frame, *nothing, (), events, counters, Timings(0, 0, 0, 0, 0, 0, 0), analysed)


@contextmanager
def files(folder: Path, lost: list[None], minutes: float = 15) -> Iterator[CameraFiles]:
    """Of a camera in Berlin, closed for good at the end."""
    camera = {"source": "rtsp://memory/gate", **LINE}
    outputs = {"jsonl": {"path": "out"}, "bin_minutes": minutes}
    path = write_site(folder / "site.yaml", {"gate": camera}, outputs=outputs, timezone="Europe/Berlin")
    planned = plan_site(path, False, False, print).cameras["gate"]
    assert planned.outputs is not None
    thread = Outputs()
    thread.start()
    target = CameraFiles(planned, planned.outputs, thread, lambda: lost.append(None))
    yield target
    target.close(is_for_good=True)
    thread.close(10)


def test_rows_by_the_clock_of_the_place_also_of_frames_that_the_motion_gate_left_out(
    tmp_path: Path, models_dir: Path
) -> None:
    lost: list[None] = []
    with files(tmp_path, lost) as target:
        for second in range(0, 910):
            target.take(result(second, crossings=second in (5, 6, 905), analysed=second < 100))
        target.close(is_for_good=False)  # it is switched off for an hour, and on again
        target.take(result(4600, crossings=1))
    assert bins(tmp_path / "out" / "gate") == [
        *(("2026-11-26T09:00:00+01:00", word, count, "900.0") for word, count in (("in", "0"), ("out", "2"))),
        *(("2026-11-26T09:15:00+01:00", word, count, "9.0") for word, count in (("in", "0"), ("out", "1"))),
        *((f"2026-11-26T{time}:00+01:00", word, "", "0.0")
          for time in ("09:30", "09:45", "10:00") for word in ("in", "out")),
        *(("2026-11-26T10:15:00+01:00", word, count, "0.0") for word, count in (("in", ""), ("out", "1"))),
    ]  # fmt: skip
    assert lost == []


def test_rows_wait_for_a_disk_that_takes_none(tmp_path: Path, models_dir: Path) -> None:
    lost: list[None] = []
    with files(tmp_path, lost, minutes=1) as target:
        (tmp_path / "out").touch()  # where a folder should be made
        for second in range(0, 130, 1):
            target.take(result(second, crossings=second == 3))
        wait_until(lambda: len(lost) == 130, "each frame is lost")
        (tmp_path / "out").unlink()
    rows = [row for row in bins(tmp_path / "out" / "gate") if row[1] == "out"]
    assert [(start[11:16], count, seconds) for start, _, count, seconds in rows] == [
        ("09:00", "1", "60.0"), ("09:01", "0", "60.0"), ("09:02", "0", "9.0"),
    ]  # fmt: skip


class Passing(Boxes):
    """A car that goes to the right over the middle, in twenty pictures, again and again."""

    def __init__(self) -> None:
        super().__init__(label="car")
        self.seen = 0

    def detect(self, images: list[NDArray[np.uint8]]) -> list[Detections]:  # type: ignore[override]
        found = []
        for image in images:
            height, width = image.shape[:2]
            x = width * (0.05 + 0.04 * (self.seen % 22))
            self.seen += 1
            shown = self.seen % 22 < 20
            box = np.array([[x - 6, height * 0.3, x + 6, height * 0.8]] if shown else [], np.float32).reshape(-1, 4)
            classes = np.full(len(box), 1, np.int64)
            found.append(Detections(box, np.full(len(box), 0.9, np.float32), classes, self.labels))
        return found


def test_run_writes_the_bin_under_way_when_it_ends(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"gate": 25.0, "idle": 10.0}, idle=(silent := threading.Event()))
    silent.set()
    blocks = {"outputs": {"jsonl": {"path": "out"}, "bin_minutes": 1440}}
    ways = {"kind": "flow_matrix", "zones": ["above", "below"], "labels": ["car"]}
    zones = {"above": [[0, 0], [1, 0], [1, 0.1]], "below": [[0, 1], [1, 1], [1, 0.9]]}
    camera = {"detect_fps": 25, **LINE, "zones": zones, "rules": [*LINE["rules"], ways]}
    path = site(tmp_path, ["gate", "idle"], camera, **blocks)
    with in_this_process(path, lambda planned: Passing()) as service:
        wait_until(lambda: service.health()[0], "it does not start")
        events = tmp_path / "out" / "gate"
        crossed = lambda: sum(path.read_text().count('"kind":"line_crossing"') for path in events.glob("events-*"))  # noqa: E731
        wait_until(lambda: crossed() >= 2, "nothing crosses")
    total = sum(path.read_text().count('"kind":"line_crossing"') for path in events.glob("events-*"))
    rows = bins(tmp_path / "out" / "gate")
    assert [count for _, direction, count, _ in rows if not direction] == ["0", "0"]  # from zone to zone goes nobody
    assert {start[10:] for start, *_ in rows} == {"T00:00:00+00:00"}
    assert sum(int(count) for _, _, count, _ in rows) == total >= 2
    assert all(float(seconds) > 0.5 for *_, seconds in rows)
    assert not (tmp_path / "out" / "idle").exists()
