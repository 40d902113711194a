"""Output folders and truths written by hand, from scripted objects."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

SIZE = (640, 360)
FPS = 10.0


class Obj(NamedTuple):
    """An object in one frame (from 0); ``id`` is ``None`` while it has no track."""

    frame: int
    id: int | None
    x: float
    y: float
    label: str = "person"
    score: float = 0.9
    w: float = 40
    h: float = 80


def walker(number: int, frames: Iterable[int], x: float, y: float, dx: float, label: str = "person") -> list[Obj]:
    """An object that goes sideways, ``dx`` pixels a frame."""
    return [Obj(frame, number, x + dx * frame, y, label) for frame in frames]


def write_run(
    folder: Path,
    objects: Iterable[Obj],
    count: int = 30,
    events: Sequence[Mapping[str, Any]] = (),
    rules: Mapping[str, Mapping[str, Any]] | None = None,
    labels: Sequence[str] = ("person", "car", "truck"),
    **changes: Any,
) -> Path:
    """An output folder as ``analyze`` writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    frames: dict[int, list[dict[str, Any]]] = {index: [] for index in range(count)}
    for one in objects:
        box = [one.x, one.y, one.x + one.w, one.y + one.h]
        frames[one.frame].append({"id": one.id, "label": one.label, "score": one.score, "box": box})
    lines = [{"frame": index, "pts_s": round(index / FPS, 6), "objects": frames[index]} for index in range(count)]
    (folder / "detections.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    summary = {
        "result": "done", "size": list(SIZE), "rules": rules or {}, "labels": list(labels), "frames": count,
        "confidence": 0.25, **changes,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def write_mot(folder: Path, objects: Iterable[Obj], count: int = 30, fps: float = FPS, **info: Any) -> Path:
    """A MOTChallenge sequence with its ``seqinfo.ini``."""
    (folder / "gt").mkdir(parents=True, exist_ok=True)
    numbers = {"person": 1, "car": 3}
    rows = [f"{one.frame + 1},{one.id},{one.x},{one.y},{one.w},{one.h},1,{numbers[one.label]},1\n" for one in objects]
    (folder / "gt" / "gt.txt").write_text("".join(rows))
    values = {"frameRate": fps, "seqLength": count, "imWidth": SIZE[0], "imHeight": SIZE[1], **info}
    (folder / "seqinfo.ini").write_text("[Sequence]\nname=s\n" + "".join(f"{k}={v}\n" for k, v in values.items()))
    return folder


def crossing(time_s: float, line: str = "road", direction: str = "in", label: str = "person", **data: Any) -> (
    dict[str, Any]
):  # fmt: skip
    """A line of ``events.jsonl``; the rule is sure two frames after it happened."""
    return {
        "frame": round((time_s + 0.2) * FPS), "pts_s": time_s + 0.2, "kind": "line_crossing",
        "rule": f"line_crossing_{line}", "track_id": 1, "label": label,
        "data": {"line": line, "direction": direction, "at_pts_s": time_s, **data},
    }  # fmt: skip


ROAD = {"line_crossing_road": {"kind": "line_crossing", "line": "road", "in": {}, "out": {}}}
