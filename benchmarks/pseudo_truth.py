"""A truth in MOTChallenge's form that nobody has drawn: ``python -m benchmarks.pseudo_truth RESULTS OUT``.

RESULTS are of ``analyze --confidence 0.1``, of every frame and, better, at a larger ``--imgsz`` than what is to be
judged. Boxes are joined at the full rate with a long memory; what was followed for less than 0.8 s, or never found with
certainty, is left out, weak ends are cut off, and gaps are filled in a straight line, with the knowledge of what comes
later that no tracker has. It is as wrong as the detector is: look at it before you believe it. It judges whether a
tracker keeps objects apart at lower rates; it cannot tell what the detector has never seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from config.site import Tracker as TrackerConfig
from pipelines.evaluate.names import Names
from pipelines.evaluate.results import Run, read_run
from pipelines.tracker import Tracker

FOLLOW = TrackerConfig(activation=0.5, sure=0.3, min_iou=0.2, lost_s=2.5)
LEAST_S, SURE, END = 0.8, 0.6, 0.2
Row = tuple[int, tuple[float, ...], float]
"""Frame, box, score."""


def ways(run: Run) -> dict[int, list[Row]]:
    """The way of each object that is believed in, gaps filled."""
    tracker = Tracker(FOLLOW, run.fps)
    found: dict[int, list[Row]] = {}
    for frame in run.frames:
        for track in tracker.update(frame.boxes, frame.pts_s)[1]:
            found.setdefault(track.id, []).append((frame.index, track.xyxy, track.score))
    kept = {number: believed(rows, run.fps) for number, rows in found.items()}
    return {number: filled(rows) for number, rows in kept.items() if rows}


def believed(rows: Sequence[Row], fps: float) -> list[Row]:
    """The rows without weak ends; none where the object is not believed in."""
    best = sorted((score for _, _, score in rows), reverse=True)[:3]
    if (rows[-1][0] - rows[0][0]) / fps < LEAST_S or np.mean(best) < SURE:
        return []
    strong = [place for place, row in enumerate(rows) if row[2] > END]
    return list(rows[strong[0] : strong[-1] + 1])


def filled(rows: Sequence[Row]) -> list[Row]:
    """With the frames between in which it was not found, on a straight line."""
    result: list[Row] = []
    for (frame, box, score), (next_frame, next_box, _) in pairwise(rows):
        for step in range(next_frame - frame):
            share = step / (next_frame - frame)
            between = tuple((1 - share) * one + share * other for one, other in zip(box, next_box, strict=True))
            result.append((frame + step, between, score))
    return [*result, rows[-1]]


def main() -> None:
    """Write ``OUT/gt/gt.txt`` and ``OUT/seqinfo.ini``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--labels", default="", help="those to follow, with commas; default: all")
    arguments = parser.parse_args()
    run = read_run(arguments.results, Names())
    wanted = arguments.labels.split(",") if arguments.labels else run.labels
    run = read_run(arguments.results, Names({label: "" for label in run.labels if label not in wanted}))
    (arguments.out / "gt").mkdir(parents=True, exist_ok=True)
    lines = sorted(
        (frame + 1, number, x1, y1, x2 - x1, y2 - y1)
        for number, rows in ways(run).items()
        for frame, (x1, y1, x2, y2), _ in rows
    )
    text = "".join(f"{f},{n},{x:.2f},{y:.2f},{w:.2f},{h:.2f},1,1,1\n" for f, n, x, y, w, h in lines)
    (arguments.out / "gt" / "gt.txt").write_text(text, encoding="utf-8")
    (arguments.out / "gt" / "labels.txt").write_text(f"{wanted[0]}\n", encoding="utf-8")
    width, height = run.size
    info = {"frameRate": f"{run.fps:.4f}", "seqLength": len(run.frames), "imWidth": width, "imHeight": height}
    ini = "".join(f"{key}={value}\n" for key, value in info.items())
    (arguments.out / "seqinfo.ini").write_text(f"[Sequence]\nname={run.folder.name}\n{ini}", encoding="utf-8")
    objects = len({line[1] for line in lines})
    print(f"{arguments.out}: {objects} objects, {len(lines)} boxes in {len(run.frames)} frames")


if __name__ == "__main__":
    main()
