"""Counts on real videos against what is to be seen in them.

How the truth was made: without a detector. The videos were looked at as enlarged stills, every 2nd to 6th frame of the
whole of each and every frame around each crossing, with the line and the zone drawn on. A crossing is the frame (from
0) in which the foot of the object passes the line, good to 3 frames; what lies in the zone is judged by the foot too.

- traffic.mp4: eight vehicles come towards the camera and cross the line ``road`` from its left to its right hand, none
  the other way. Seven are cars, one is a white pick-up (frame 172), which a model may call truck or car, so only the
  sum is held against it. Each passes through the zone ``lane``, one at a time, for 12 to 15 frames. Cars that queue by
  the traffic island never reach either.
- one-by-one-person-detection.mp4: six persons come in from below, stand at a table inside the zone ``table`` for 9 to
  24 seconds and leave to the right over the line ``exit``. Nobody comes back.
- worker-zone-detection.mp4: one worker steps over the taped line into the marked zone and stays there.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from config.loader import load
from config.site import Detector as DetectorConfig
from config.site import Site
from detectors.model_files import resolve
from pipelines.analyze import Job, Progress, analyze
from pipelines.loaded import LoadedModel
from pipelines.scenario import plan_camera

SITE = """
version: 1
cameras:
  traffic:
    source: traffic.mp4
    labels: [car, truck, bus, motorcycle, bicycle, person]
    lines: {road: [[0.29, 0.66], [0.78, 0.505]]}
    zones: {lane: [[0.31, 0.545], [0.60, 0.545], [0.72, 0.72], [0.36, 0.72]]}
    rules: [{kind: line_crossing, line: road}, {kind: zone_count, zone: lane}]
  one-by-one-person-detection:
    source: one-by-one-person-detection.mp4
    labels: [person]
    lines: {exit: [[0.75, 0.995], [0.75, 0.5]]}
    zones: {table: [[0.30, 0.60], [0.70, 0.60], [0.70, 0.965], [0.30, 0.965]]}
    rules:
      - {kind: line_crossing, line: exit}
      - {kind: zone_count, zone: table}
      - {kind: dwell, zone: table, seconds: 15}
  worker-zone-detection:
    source: worker-zone-detection.mp4
    labels: [person]
    lines: {tape: [[0.205, 1.0], [0.545, 0.47]]}
    zones: {danger: [[0.205, 1.0], [0.545, 0.47], [0.08, 0.35], [0.0, 0.80]]}
    rules: [{kind: line_crossing, line: tape}, {kind: zone_count, zone: danger}]
"""


@dataclass(frozen=True)
class Truth:
    """What is to be seen: line crossings by frame, visits to the zone as (enter, leave) frames.

    ``long`` are the seconds at which the visits of more than 15 s begin: of the six persons at the table the second,
    the third and the fifth stay so long (19.6, 16.8, 24.4 s).
    """

    crossings: tuple[int, ...]
    direction: str
    visits: tuple[tuple[int, int | None], ...]
    long: tuple[float, ...] = ()

    def until(self, frames: int) -> Truth:
        """What is to be seen of it in the first frames."""
        return replace(
            self,
            crossings=tuple(frame for frame in self.crossings if frame < frames),
            visits=tuple(visit for visit in self.visits if visit[0] < frames),
        )


TRUTH = {
    "traffic": Truth(
        (13, 71, 122, 172, 232, 413, 470, 706),
        "out",
        ((8, 20), (66, 78), (117, 129), (166, 180), (225, 240), (407, 421), (464, 478), (700, 714)),
    ),
    "one-by-one-person-detection": Truth(
        (188, 439, 690, 858, 1186, 1348),
        "out",
        ((73, 186), (242, 438), (520, 688), (762, 855), (940, 1184), (1254, 1347)),
        long=(24.2, 52.0, 94.0),
    ),
    "worker-zone-detection": Truth((37,), "in", ((37, None),)),
}


Run = tuple[dict[str, Any], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def analysed(
    request: pytest.FixtureRequest, models_dir: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Run]:
    """Summary and events of a video, or of its first frames, on one framework."""
    runtime, imgsz, frames = request.param
    folder = tmp_path_factory.mktemp(runtime)
    (folder / "site.yaml").write_text(SITE)
    config = DetectorConfig.model_validate({"runtime": runtime, "imgsz": imgsz})
    model = LoadedModel(resolve("yolov8n"), config, lambda line: None)

    def run(name: str) -> Run:
        stop = threading.Event()

        def watch(progress: Progress) -> None:
            if progress.frames == frames:
                stop.set()

        plan = plan_camera(load(folder / "site.yaml", Site), name)
        job = Job(data_dir / f"{name}.mp4", folder / name, name, plan)
        summary = analyze(job, model, stop, watch)
        lines = (folder / name / "events.jsonl").read_text().splitlines()
        return summary, [json.loads(line) for line in lines]

    return run


def at_frame(event: dict[str, Any], summary: dict[str, Any]) -> int:
    """The frame at which it happened, from its media time."""
    return round(event["data"]["at_pts_s"] * (summary["frames"] - 1) / summary["media_s"])


CASES = [((runtime, 640, None), name) for runtime in ("torch", "tensorflow") for name in TRUTH]
SHORT = [(("torch", 416, 320), "traffic"), (("torch", 640, None), "worker-zone-detection")]
"""Both frameworks give the same boxes (test_parity), and the street is in reach of a smaller input. Of the street the
first five vehicles; nothing crosses or is in the zone when it ends."""
LONG = [pytest.param(*case, marks=pytest.mark.slow) for case in CASES if case not in SHORT]


@pytest.mark.parametrize(("analysed", "name"), [*SHORT, *LONG], indirect=["analysed"])
def test_counts_are_true(name: str, analysed: Callable[[str], Run]) -> None:
    summary, events = analysed(name)
    truth = TRUTH[name].until(summary["frames"])
    crossings = [event for event in events if event["kind"] == "line_crossing"]
    assert {event["data"]["direction"] for event in crossings} == {truth.direction}
    seen = [at_frame(event, summary) for event in crossings]
    assert seen == pytest.approx(truth.crossings, abs=4)
    (line,) = summary["counts"].values()
    assert sum(line[truth.direction].values()) == len(truth.crossings)
    (zone,) = summary["zones"].values()
    assert (sum(zone["visits"].values()), zone["max"]) == (len(truth.visits), 1)
    changes = [event for event in events if event["kind"] == "zone_count"]
    enters = [at_frame(event, summary) for event in changes if event["data"]["action"] == "enter"]
    leaves = [at_frame(event, summary) for event in changes if event["data"]["action"] == "leave"]
    assert enters == pytest.approx([enter for enter, _ in truth.visits], abs=10)  # people come in over the lower edge
    assert leaves == pytest.approx([leave for _, leave in truth.visits if leave is not None], abs=6)
    dwells = [event["data"] for event in events if event["kind"] == "dwell"]
    assert [dwell["entered_pts_s"] for dwell in dwells] == pytest.approx(truth.long, abs=1.0)
    assert all(dwell["dwell_time_sec"] == pytest.approx(15, abs=0.2) for dwell in dwells)
