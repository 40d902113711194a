"""Trackers beside each other on the same boxes, at several frame rates: IDF1, MOTA, HOTA and id switches.

``python -m benchmarks.tracking`` follows walkers of made-up streets, whose ways are known (tests/support/street.py);
``python -m benchmarks.tracking RESULTS=GT ...`` also follows what ``analyze --confidence 0.1`` has found in videos,
beside a truth in MOTChallenge's form. Lower rates are made by leaving frames out.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.site import Tracker as TrackerConfig
from detectors.detections import Detections
from pipelines.byte_track import UNTRACKED
from pipelines.evaluate.box_truth import TrueBox
from pipelines.evaluate.mot import mot_file, read_mot
from pipelines.evaluate.names import Names
from pipelines.evaluate.results import RunFrame, read_run
from pipelines.evaluate.tracking import score_tracking
from pipelines.evaluate.truth_files import both_sides
from pipelines.tracker import Tracker
from tests.support.street import FPS, street

Update = Callable[[Detections, float], NDArray[np.int64]]
Make = Callable[[float], Update]
"""From a frame rate to a new tracker: boxes and media time to the number of each box, or -1."""
LEAST = 0.1
"""The least score that the libraries' trackers look at; they are given all boxes above it."""
ONE = "object"


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A sequence at its full rate."""

    name: str
    fps: float
    truth: Sequence[Sequence[TrueBox]]
    found: Sequence[RunFrame]
    labels: tuple[str, ...]


def ours(confidence: float, **changes: float) -> Make:
    """Sightline's, as ``analyze`` would with this confidence."""

    def make(fps: float) -> Update:
        target = Tracker(TrackerConfig.model_validate(changes), fps)

        def update(boxes: Detections, pts_s: float) -> NDArray[np.int64]:
            kept = boxes.score >= confidence
            ids = np.full(len(boxes), UNTRACKED, np.int64)
            ids[kept] = target.update(boxes[kept], pts_s)[0]
            return ids

        return update

    return make


def library(name: str, **settings: Any) -> Make:
    """A tracker of the ``trackers`` library, as it comes."""

    def make(fps: float) -> Update:
        import supervision as sv
        import trackers

        target = getattr(trackers, name)(frame_rate=fps, **settings)

        def update(boxes: Detections, pts_s: float) -> NDArray[np.int64]:
            rows = np.arange(len(boxes))
            given = sv.Detections(boxes.xyxy.copy(), confidence=boxes.score.copy(), class_id=rows)
            told = target.update(given)
            ids = np.full(len(boxes), UNTRACKED, np.int64)
            if len(told):
                ids[told.class_id] = np.where(told.tracker_id < 0, UNTRACKED, told.tracker_id + 1)
            return ids

        return update

    return make


def ultralytics(fps: float) -> Update:
    """What ``YOLO.track(tracker="bytetrack.yaml")`` does with boxes."""
    import yaml
    from ultralytics.cfg import __file__ as inside
    from ultralytics.engine.results import Boxes
    from ultralytics.trackers.byte_tracker import BYTETracker

    file = Path(inside).parent / "trackers" / "bytetrack.yaml"
    target = BYTETracker(SimpleNamespace(**yaml.safe_load(file.read_text(encoding="utf-8"))))

    def update(boxes: Detections, pts_s: float) -> NDArray[np.int64]:
        rows = np.column_stack([boxes.xyxy, boxes.score, np.zeros(len(boxes))])
        ids = np.full(len(boxes), UNTRACKED, np.int64)
        for told in target.update(Boxes(rows, (1080, 1920))):
            ids[int(told[-1])] = int(told[4])
        return ids

    return update


TRACKERS: dict[str, Make] = {
    "Sightline": ours(0.25),
    "Sightline, confidence 0.15": ours(0.15),
    "Ultralytics bytetrack.yaml": ultralytics,
    "trackers SORT": library("SORTTracker"),
    "trackers ByteTrack": library("ByteTrackTracker"),
    "trackers OC-SORT": library("OCSORTTracker"),
    "trackers BoT-SORT": library("BoTSORTTracker", enable_cmc=False),
    "trackers C-BIoU": library("CBIoUTracker"),
}


def made_up(seed: int, seconds: float) -> Sequenced:
    """A street whose walkers are known."""
    truth, found = [], []
    for index, frame in enumerate(street(seed, seconds)):
        ids, corners = frame.true_ids.tolist(), frame.true_boxes.tolist()
        truth.append([TrueBox(ONE, tuple(box), number) for number, box in zip(ids, corners, strict=True)])
        boxes = Detections(frame.xyxy, frame.score, np.zeros(len(frame.score), np.int64), (ONE,))
        found.append(RunFrame(index, frame.pts_s, boxes, np.full(len(boxes), UNTRACKED, np.int64)))
    return Sequenced(f"street {seed}", FPS, truth, found, (ONE,))


def recorded(text: str) -> Sequenced:
    """``RESULTS=GT``: an output folder, and its truth."""
    results, _, gt = text.partition("=")
    run = read_run(Path(results), Names())
    file = mot_file(Path(gt))
    if file is None:
        raise SystemExit(f"{gt} is no truth in MOTChallenge's form")
    truth = read_mot(file, Names(), run.size)
    true, found = both_sides(truth, run)
    return Sequenced(Path(results).name, run.fps, true, found, truth.labels)


def followed(sequence: Sequenced, make: Make, fps: float) -> dict[str, Any]:
    """Scores of a tracker on a sequence at a lower rate; labels are not looked at."""
    step = max(1, round(sequence.fps / fps))
    update = make(sequence.fps / step)
    frames = []
    for frame in sequence.found[::step]:
        rows = [n for n in range(len(frame.boxes)) if frame.boxes.label(n) in sequence.labels]
        boxes = frame.boxes[np.array(rows, np.intp)]
        boxes = boxes[boxes.score > LEAST]
        frames.append(RunFrame(frame.index, frame.pts_s, boxes, update(boxes, frame.pts_s)))
    everything = {int(number): sequence.labels[0] for frame in frames for number in frame.ids if number != UNTRACKED}
    truth = [[TrueBox(sequence.labels[0], box.xyxy, box.track, box.role) for box in one] for one in sequence.truth]
    row: dict[str, Any] = score_tracking(truth[::step], frames, everything, sequence.labels[:1], each=False)["all"]
    return row


def main() -> None:
    """Print a Markdown table for each rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recorded", nargs="*", metavar="RESULTS=GT", help="results of videos with their truth")
    parser.add_argument("--streets", type=int, default=4, help="how many made-up streets")
    parser.add_argument("--first", type=int, default=1, help="the first street's number")
    parser.add_argument("--seconds", type=float, default=40, help="how long each street is")
    parser.add_argument("--rates", default="5,10,25", help="frames a second")
    parser.add_argument("--only", default="", help="part of the trackers' names")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    streets = [made_up(arguments.first + number, arguments.seconds) for number in range(arguments.streets)]
    groups = {f"{len(streets)} streets": streets} if streets else {}
    groups |= {one.name: [one] for one in map(recorded, arguments.recorded)}
    for rate in map(float, arguments.rates.split(",")):
        print(f"\n{rate:g} frames a second: IDF1 / MOTA / HOTA (switches)\n\n| tracker | {' | '.join(groups)} |")
        print(f"|{' --- |' * (len(groups) + 1)}", flush=True)
        for name, make in TRACKERS.items():
            if arguments.only not in name:
                continue
            cells = []
            for sequences in groups.values():
                rows = [followed(one, make, rate) for one in sequences]
                mean = " / ".join(f"{np.mean([row[key] for row in rows]):.3f}" for key in ("idf1", "mota", "hota"))
                cells.append(f"{mean} ({sum(row['id_switches'] for row in rows)})")
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
