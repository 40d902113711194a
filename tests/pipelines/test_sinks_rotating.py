"""Result files of a live camera: the lines of the file sink, with the time of capture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.detections import Detections
from pipelines.sinks.base import Sink
from pipelines.sinks.files import detections_line, event_line
from pipelines.sinks.rotating import RotatingSink
from pipelines.values import Event, FrameResult, Timings
from streams.errors import OutputError
from streams.frame import Frame


def result(number: int, boxes: int = 2) -> FrameResult:
    frame = Frame("gate", number, np.zeros((48, 64, 3), np.uint8), number / 10, 1_795_615_200.25 + number)
    found = Detections(
        np.tile(np.array([[1, 2, 30, 40]], np.float32), (boxes, 1)),
        np.full(boxes, 0.875, np.float32),
        np.zeros(boxes, np.int64),
        ("person",),
    )
    event = Event("dwell", "stays", "gate", number / 10, frame.captured_at, 1, "person", {"dwell_time_sec": 1.5})
    ids = np.arange(boxes, dtype=np.int64)
    return FrameResult(frame, found, ids, (), (event,) if number % 2 else (), {}, Timings(1, 1, 1, 1, 1, 1, 1))


def lines(folder: Path, stem: str) -> list[dict[str, Any]]:
    found = sorted(folder.glob(f"{stem}-*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
    return [json.loads(line) for path in found for line in path.read_text().splitlines()]


def test_lines_are_those_of_the_file_sink_and_captured_at(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "gate"
    sink: Sink = RotatingSink(folder, 100, 14)
    results = [result(number) for number in range(4)]
    for one in results:
        sink.write(one)
    sink.close("stopped")
    sink.close("stopped")
    assert lines(folder, "detections") == [
        {**detections_line(one), "captured_at": one.frame.captured_at} for one in results
    ]
    assert lines(folder, "events") == [
        {**event_line(event, one.frame.index), "captured_at": event.captured_at}
        for one in results
        for event in one.events
    ]
    assert list(lines(folder, "events")[0]) == [
        "frame", "pts_s", "kind", "rule", "track_id", "label", "data", "captured_at",
    ]  # fmt: skip


def test_a_full_disk_is_an_error_to_count_and_events_go_on_as_long_as_they_can(small_disk: Path) -> None:
    sink = RotatingSink(small_disk / "gate", 100, 14)
    lost = 0
    for number in range(1, 401, 2):
        try:
            sink.write(result(number, boxes=60))
        except OutputError as error:
            assert "choose another folder with outputs.jsonl.path" in str(error)
            lost += 1
    sink.close("stopped")
    assert 0 < lost < 200
    events = [line["frame"] for line in lines(small_disk / "gate", "events")]
    boxes = [line["frame"] for line in lines(small_disk / "gate", "detections")]
    assert len(boxes) == 200 - lost
    assert len(events) >= len(boxes)
    assert events == list(range(1, 401, 2))[: len(events)]


def test_nothing_is_made_without_a_result(tmp_path: Path) -> None:
    RotatingSink(tmp_path / "gate", 100, 14).close("done")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        RotatingSink(tmp_path / "file", 100, 14).write(result(1))
