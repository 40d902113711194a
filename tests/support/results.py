"""Reads what a run wrote, as a stranger would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av

RESULTS = ("bins.csv", "detections.jsonl", "events.jsonl", "fps.csv", "summary.json")


def lines(path: Path) -> list[dict[str, Any]]:
    """Every line of a JSON lines file; a torn one is an error."""
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """What a kill left: every line but the last must be whole."""
    found = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in found[:-1]]


def summary(folder: Path) -> dict[str, Any]:
    """``summary.json`` of a run."""
    value: dict[str, Any] = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    return value


def frames_of(video: Path) -> list[tuple[float, int, int]]:
    """(seconds, width, height) of each frame that can be decoded from an H.264 video."""
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        return [(float(frame.time or 0), frame.width, frame.height) for frame in container.decode(stream)]
