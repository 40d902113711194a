"""Result files of one run: ``detections.jsonl``, ``events.jsonl`` and ``fps.csv``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pipelines.metrics import Rate
from pipelines.values import Event, FrameResult
from streams.files import CsvWriter, JsonLinesWriter


class FileSink:
    """Writes a line when its frame is done, so that a kill leaves at most one torn line."""

    def __init__(self, folder: Path) -> None:
        """Create the files, empty.

        Raises:
            OutputError: The folder cannot be written.
        """
        self.detections_path = folder / "detections.jsonl"
        self.events_path = folder / "events.jsonl"
        self.fps_path = folder / "fps.csv"
        self._detections = JsonLinesWriter(self.detections_path)
        self._events = JsonLinesWriter(self.events_path)
        self._fps = CsvWriter(self.fps_path, ("elapsed_s", "frame", "pts_s", "fps", "inference_ms"))
        self._rate = Rate(window_s=2.0)
        self._start: float | None = None

    def write(self, result: FrameResult) -> None:
        """Write a frame's boxes and events; about once a second a row of FPS."""
        self._detections.write(detections_line(result))
        for event in result.events:
            self._events.write(event_line(event, result.frame.index))
        now = time.monotonic()
        self._rate.tick(now)
        if self._start is None:
            self._start = self._last_row = now
        if now >= self._last_row + 1:
            self._last_row = now
            elapsed, fps = round(now - self._start, 3), round(self._rate.value(now), 2)
            row = (elapsed, result.frame.index, result.frame.pts_s, fps, round(result.timings.inference, 3))
            self._fps.write(row)

    def close(self, reason: str) -> None:
        """Close the files."""
        for writer in (self._detections, self._events, self._fps):
            writer.close()


def detections_line(result: FrameResult) -> dict[str, Any]:
    """A frame as one line of ``detections.jsonl``."""
    found = result.detections
    return {
        "frame": result.frame.index,
        "pts_s": result.frame.pts_s,
        "objects": [
            {
                "id": track_id if track_id > 0 else None,
                "label": found.label(row),
                "score": round(score, 4),
                "box": [round(value, 2) for value in box],
            }
            for row, (box, score, track_id) in enumerate(
                zip(found.xyxy.tolist(), found.score.tolist(), result.track_ids.tolist(), strict=True)
            )
        ],
    }


def event_line(event: Event, frame: int) -> dict[str, Any]:
    """An event as one line of ``events.jsonl``; media time only, so that two runs write the same bytes."""
    return {
        "frame": frame,
        "pts_s": event.pts_s,
        "kind": event.kind,
        "rule": event.rule,
        "track_id": event.track_id,
        "label": event.label,
        "data": dict(event.data),
    }
