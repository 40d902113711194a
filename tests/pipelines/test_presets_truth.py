"""The four presets on real videos, held against truth made by hand (``truth/*.csv``) with ``evaluate``.

How the truth was made: without a detector. Every 2nd to 5th frame of each video, and every frame around each event, was
looked at as an enlarged still with lines and zones drawn on. What counts is the foot: the lowest point of what is seen
of an object, in its middle. Times are those of frames, good to three of them.

- traffic.csv (``traffic.mp4``, vehicle_counting_tensorflow, MIT): eight vehicles come from the junction and pass the
  lane towards the camera; the first is past ``arm_junction`` when the video begins. Nothing stops in the lane, or goes
  up it.
- construction.csv (``worker-zone-detection.mp4``, sample-videos, CC BY 4.0): one worker, who stands below the picture's
  edge at first. His feet come into the picture inside the marked zone, and he leaves it over the tape in frames 35 to
  37. Nobody lies down.
- restaurant.csv (``classroom.mp4``, the same source): four people sit at four tables from the first frame to the last.
- pedestrian.csv (``person-bicycle-car-detection.mp4``, the same source): somebody with a bicycle comes into
  ``walk_square`` from above (frame 10), and over ``kerb`` to the right (frame 21 the person's middle, 24 the
  bicycle's); a car drives up through ``walk_lane``, in at frame 9 and out at 27, so it has been there for a second in
  frame 22. The person is 30 pixels high, half of them behind the bicycle, and found by YOLOv8n from frame 26 on only:
  too late for both.
- passage.csv (``one-by-one-person-detection.mp4``, the same source): six people one after the other, from below to a
  table, and away to the right.

An event with an empty time says that nothing of the kind happened there.
"""

from __future__ import annotations

import csv
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from config.loader import load
from config.site import Detector as DetectorConfig
from config.site import Site
from detectors.model_files import resolve
from pipelines.analyze import Job, Progress, analyze
from pipelines.evaluate.evaluate import EvaluateWishes, evaluate
from pipelines.loaded import LoadedModel
from pipelines.scenario import plan_camera

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "config" / "examples"
SITE = """
version: 1
cameras:
  traffic:
    source: traffic.mp4
    scenario: traffic
    labels: [car, truck, bus, motorcycle, bicycle, person]
    lines:
      road: [[0.29, 0.66], [0.78, 0.505]]
      way_in: [[0.42, 0.45], [0.62, 0.80]]
    zones:
      lane_in: [[0.31, 0.545], [0.60, 0.545], [0.72, 0.72], [0.36, 0.72]]
      arm_junction: [[0.30, 0.33], [0.50, 0.33], [0.50, 0.45], [0.30, 0.45]]
      arm_street: [[0.36, 0.72], [1.0, 0.72], [1.0, 1.0], [0.36, 1.0]]
  lot:
    source: person-bicycle-car-detection.mp4
    scenario: pedestrian
    tiles: {rows: 1, cols: 2}
    lines: {kerb: [[0.76, 0.5], [0.76, 0.0]]}
    zones:
      walk_lane: [[0.0, 0.48], [0.45, 0.48], [0.45, 0.90], [0.0, 0.90]]
      walk_square: [[0.55, 0.12], [0.99, 0.12], [0.99, 0.5], [0.55, 0.5]]
  passage:
    source: one-by-one-person-detection.mp4
    scenario: pedestrian
    lines: {exit: [[0.75, 0.995], [0.75, 0.5]]}
    zones:
      table: [[0.30, 0.60], [0.70, 0.60], [0.70, 0.965], [0.30, 0.965]]
      right: [[0.75, 0.50], [1.0, 0.50], [1.0, 1.0], [0.75, 1.0]]
"""


class Case(NamedTuple):
    """A camera of a site file (``None``: the one above), its truth, and how much of the video is analysed.

    ``missed`` are the kinds, places and labels that the detector is known to see too late, or never.
    """

    camera: str
    truth: str
    example: str | None = None
    frames: int | None = None
    missed: frozenset[tuple[str, str, str]] = frozenset()


CASES = {
    "traffic": Case("traffic", "traffic", frames=90),
    "construction": Case("hall", "construction", "building-site.yaml", 50),
    "restaurant": Case("dining-room", "restaurant", "dining-room.yaml", 25),
    "pedestrian": Case(
        "lot",
        "pedestrian",
        frames=34,
        missed=frozenset({("line_crossing", "kerb", "person"), ("zone_count", "walk_square", "person")}),
    ),
    "traffic, whole": Case("traffic", "traffic"),
    "construction, whole": Case("hall", "construction", "building-site.yaml"),
    "restaurant, whole": Case("dining-room", "restaurant", "dining-room.yaml"),
    "pedestrian, whole": Case("passage", "passage"),
}
Run = Callable[[Case], tuple[dict[str, Any], list[dict[str, Any]], Path]]


@pytest.fixture(scope="module")
def evaluated(models_dir: Path, data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The summary of a preset's run over its video, its scores against the truth, and its folder."""
    folder = tmp_path_factory.mktemp("presets")
    (folder / "site.yaml").write_text(SITE)
    model = LoadedModel(resolve("yolov8n"), DetectorConfig(), lambda line: None)

    def run(case: Case) -> tuple[dict[str, Any], list[dict[str, Any]], Path]:
        document = load(EXAMPLES / case.example if case.example else folder / "site.yaml", Site)
        plan, stop = plan_camera(document, case.camera), threading.Event()
        out = folder / f"{case.camera}-{case.frames}"

        def watch(progress: Progress) -> None:
            if progress.frames == case.frames:
                stop.set()

        job = Job(data_dir / document.value.cameras[case.camera].source, out, case.camera, plan)
        summary = analyze(job, model, stop, watch)
        truth = folder / f"{case.truth}.csv"
        truth.write_text(until(HERE / "truth" / truth.name, summary["media_s"]))
        return summary, evaluate(EvaluateWishes(out, [truth]), lambda line: None)["events"], out

    return run


def until(truth: Path, media_s: float) -> str:
    """The rows of a truth that happened before a run was stopped; what comes just then may be found or not."""
    head, *rows = truth.read_text().splitlines()
    return "\n".join([head, *(row for row in rows if float(row.rsplit(",", 1)[1] or 0) < media_s - 0.3)])


def case(name: str) -> Any:
    long = (pytest.mark.slow, pytest.mark.timeout(3600)) if name.endswith("whole") else ()
    return pytest.param(CASES[name], marks=long, id=name)


@pytest.mark.parametrize("case", [case(name) for name in CASES])
def test_the_preset_says_what_is_to_be_seen(case: Case, evaluated: Run) -> None:
    summary, rows, folder = evaluated(case)
    own = [row for row in rows if not row["is_sum"]]
    wrong = {
        (row["kind"], row["name"], row["label"]): row
        for row in own
        if not row["truth"] == row["found"] == row["matched"]
    }
    assert set(wrong) == set(case.missed), wrong
    assert all(row["found"] <= row["truth"] == 1 for row in wrong.values())
    assert all(row["time_s"]["abs_p95"] < 0.6 for row in rows if row["time_s"])
    assert sum(row["truth"] for row in own) >= 4
    with (folder / "bins.csv").open() as file:
        binned = [int(row["count"]) for row in csv.DictReader(file)]
    lines = sum(sum(line[way].values()) for line in summary["counts"].values() for way in ("in", "out"))
    ways = sum(sum(words.values()) for rule, words in summary["totals"].items() if rule in ("turns", "flows"))
    assert sum(binned) == lines + ways
