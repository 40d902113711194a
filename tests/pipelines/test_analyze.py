"""One video through the whole of ``analyze``: what lies in the output folder."""

from __future__ import annotations

import csv
import itertools
import pickle
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import pytest
from ultralytics import YOLO

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from detectors.detections import Detections
from detectors.model_files import resolve
from pipelines.analyze import Job, Progress, analyze
from pipelines.jobs import Wishes, jobs_of, prepare
from pipelines.loaded import LoadedModel
from pipelines.scenario import CameraPlan, plan_camera
from pipelines.terminal import counts_text
from streams.errors import OutputError, SourceError
from streams.source import Backend
from tests.support.results import RESULTS, frames_of, lines, summary
from tests.support.videos import encode

SITE = """\
version: 1
cameras:
  gate:
    source: unused
    drawn_on: [480, 270]
    lines: {middle: [[0.5, 1.0], [0.5, 0.0]]}
    zones: {floor: [[0, 0], [1, 0], [1, 1], [0, 1]], corner: [[0, 0], [0.1, 0], [0.1, 0.1], [0, 0.1]]}
    rules:
      - {kind: line_crossing, line: middle, labels: [person]}
      - {kind: zone_count, zone: floor, labels: [person, traffic light]}
      - {kind: dwell, zone: floor, seconds: 1, labels: [person]}
      - {kind: heatmap, name: floor, cols: 16, rows: 9}
      - {kind: missing_gear, gear: helmet, worn: [helmet], optional: true}
      - {kind: zone_intrusion, zone: floor, labels: [person], schedule: daily 21:00-22:00}
      - {kind: flow_matrix, zones: [corner, floor], labels: [person]}
"""
EVENING = 1_795_727_700.0
"""A quarter past nine in the evening in UTC, as the site's clock shows it."""
STAGES = {"decode", "preprocess", "inference", "postprocess", "track", "rules", "latency"}


@dataclass(frozen=True)
class Ran:
    job: Job
    result: dict[str, Any]


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> CameraPlan:
    path = tmp_path_factory.mktemp("site") / "site.yaml"
    path.write_text(SITE)
    return plan_camera(load(path, Site), "gate")


@pytest.fixture(scope="module")
def worker(
    data_dir: Path, yolov8n: LoadedModel, plan: CameraPlan, made_once: Callable[..., Path]
) -> tuple[Ran, list[Progress]]:
    """A worker walks over the line into the zone and stays: 71 frames, annotated."""
    job = Job(data_dir / "worker-zone-detection.mp4", Path(), "gate", plan, annotate=True, start=EVENING)

    def fill(folder: Path) -> None:
        seen: list[Progress] = []
        result = analyze(replace(job, folder=folder / "deep" / "out"), yolov8n, threading.Event(), seen.append)
        (folder / "returned.pickle").write_bytes(pickle.dumps((result, seen)))

    folder = made_once("worker", fill)
    result, seen = pickle.loads((folder / "returned.pickle").read_bytes())  # noqa: S301 - written above
    return Ran(replace(job, folder=folder / "deep" / "out"), result), seen


def test_detections_one_line_per_frame(worker: tuple[Ran, list[Progress]]) -> None:
    found = lines(worker[0].job.folder / "detections.jsonl")
    assert [line["frame"] for line in found] == list(range(71))
    assert all(list(line) == ["frame", "pts_s", "objects"] for line in found)
    assert found[0]["pts_s"] == 0
    assert all(late["pts_s"] > early["pts_s"] for early, late in itertools.pairwise(found))
    assert found[-1]["pts_s"] == pytest.approx(70 / (100 / 7), abs=0.08)
    objects = [item for line in found for item in line["objects"]]
    assert len(objects) > 70
    for item in objects:
        assert list(item) == ["id", "label", "score", "box"]
        assert item["id"] is None or item["id"] >= 1
        assert 0.25 <= item["score"] <= 1
        x1, y1, x2, y2 = item["box"]
        assert 0 <= x1 < x2 <= 480
        assert 0 <= y1 < y2 <= 270
    assert {item["id"] for item in objects} >= {None, 1}  # untracked at first, then followed


def test_events_say_what_is_to_be_seen(worker: tuple[Ran, list[Progress]]) -> None:
    events = lines(worker[0].job.folder / "events.jsonl")
    assert all(list(event) == ["frame", "pts_s", "kind", "rule", "track_id", "label", "data"] for event in events)
    assert [event["kind"] for event in events] == ["zone_count", "zone_intrusion", "line_crossing", "dwell"]
    assert [event["data"].get("direction") for event in events] == [None, None, "in", None]
    assert all(event["track_id"] == 1 and event["label"] == "person" for event in events)


def test_fps_csv(worker: tuple[Ran, list[Progress]]) -> None:
    rows = list(csv.DictReader((worker[0].job.folder / "fps.csv").open()))
    assert rows, "71 frames take longer than a second"
    assert list(rows[0]) == ["elapsed_s", "frame", "pts_s", "fps", "inference_ms"]
    assert all(float(row["fps"]) > 0 and float(row["inference_ms"]) > 0 for row in rows)
    assert [int(row["frame"]) for row in rows] == sorted(int(row["frame"]) for row in rows)


def test_summary(worker: tuple[Ran, list[Progress]], yolov8n: LoadedModel) -> None:
    ran = worker[0]
    found = summary(ran.job.folder)
    assert found == ran.result
    assert (found["result"], found["error"], found["camera"], found["frames"]) == ("done", None, "gate", 71)
    assert found["video"] == str(ran.job.video)
    assert found["counts"] == {"middle": {"in": {"person": 1}, "out": {"person": 0}}}
    assert found["zones"]["floor"]["visits"] == {"person": 1, "traffic light": 0}
    stays = {"dwell_floor": {"person": 1}, "zone_intrusion_floor": {"person": 1}}
    assert (found["start_time"], found["values"]) == (EVENING, stays)
    assert found["totals"] == {
        "zone_count_floor": {"person": 1, "traffic light": 0}, **stays,
        "flow_matrix": {"corner_to_floor": 0, "floor_to_corner": 0},
    }  # fmt: skip
    assert counts_text(found).splitlines() == [
        "middle in: person 1", "middle out: 0", "zone_count_floor: person 1", "dwell_floor: person 1",
        "zone_intrusion_floor: person 1",
    ]  # fmt: skip
    assert found["zones"]["floor"]["max"] == 1
    assert found["rules"]["dwell_floor"]["reported"] == {"person": 1}
    assert found["rules"]["floor"]["max_s"] > 0
    assert "missing_gear_helmet" not in found["rules"]
    assert found["rules_off"] == {"missing_gear_helmet": "the model has no label 'helmet'"}
    assert (found["framework"], found["model"], found["device"], found["precision"]) == (
        "torch",
        "yolov8n",
        "cpu",
        "fp32",
    )
    assert found["model_sha256"] == yolov8n.resolved.sha256
    assert (found["imgsz"], found["size"], found["backend"]) == ([640, 640], [480, 270], "opencv")
    assert set(found["ms"]) == STAGES
    for times in found["ms"].values():
        assert 0 <= times["p50"] <= times["p95"] <= times["p99"]
    assert found["ms"]["latency"]["p50"] >= found["ms"]["inference"]["p50"] > 1
    assert {"python", "torch", "opencv-python", "numpy", "lap"} <= set(found["versions"])
    assert found["mqtt"] is None
    assert found["objects"] == sum(len(line["objects"]) for line in lines(ran.job.folder / "detections.jsonl"))
    # fps leaves out the first 30 frames; all frames by the wall time is a little less or more, not another number
    assert found["fps"] == pytest.approx(found["frames"] / found["wall_s"], rel=0.7)


def test_the_heatmap_is_a_picture_of_the_videos_size(worker: tuple[Ran, list[Progress]]) -> None:
    picture = cv2.imread(str(worker[0].job.folder / "heatmap-floor.png"))
    assert picture is not None and picture.shape == (270, 480, 3)


def test_progress_is_told_for_every_frame(worker: tuple[Ran, list[Progress]]) -> None:
    assert [progress.frames for progress in worker[1]] == list(range(1, 72))
    assert {progress.frame_count for progress in worker[1]} == {71}


def test_the_annotated_video_plays_with_the_frames_and_times_of_the_source(
    worker: tuple[Ran, list[Progress]], data_dir: Path
) -> None:
    drawn = frames_of(worker[0].job.folder / "annotated.mp4")
    assert [size for _, *size in drawn] == [[480, 270]] * 71
    times = [line["pts_s"] for line in lines(worker[0].job.folder / "detections.jsonl")]
    assert [seconds for seconds, *_ in drawn] == pytest.approx(times, abs=0.002)


@pytest.fixture(scope="module")
def parking(
    data_dir: Path, yolov8n: LoadedModel, plan: CameraPlan, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Backend], Path]:
    """Runs over a parking lot with a car, a bicycle and a person: 41 frames."""

    def run(backend: Backend) -> Path:
        folder = tmp_path_factory.mktemp(backend)
        job = Job(data_dir / "person-bicycle-car-detection.mp4", folder, "gate", plan, backend=backend, start=EVENING)
        analyze(job, yolov8n, threading.Event())
        return folder

    return run


@pytest.fixture(scope="module")
def parking_once(parking: Callable[[Backend], Path], made_once: Callable[..., Path]) -> Path:
    return made_once("parking", lambda folder: shutil.copytree(parking("opencv"), folder, dirs_exist_ok=True))


def test_two_runs_write_the_same_bytes(parking: Callable[[Backend], Path], parking_once: Path) -> None:
    again = parking("opencv")
    for name in ("detections.jsonl", "events.jsonl"):
        assert (again / name).read_bytes() == (parking_once / name).read_bytes()
    assert lines(again / "events.jsonl")


def test_gstreamer_sees_the_same(parking: Callable[[Backend], Path], parking_once: Path) -> None:
    from streams.gst import load_gst

    try:
        load_gst()
    except SourceError as error:
        pytest.skip(str(error))
    folder = parking("gstreamer")
    theirs, ours = lines(folder / "detections.jsonl"), lines(parking_once / "detections.jsonl")
    assert summary(folder)["backend"] == "gstreamer"
    assert [line["pts_s"] for line in theirs] == pytest.approx([line["pts_s"] for line in ours], abs=1e-6)
    seen = [(item, line["objects"]) for line, other in zip(ours, theirs, strict=True) for item in other["objects"]]
    assert abs(len(seen) - sum(len(line["objects"]) for line in ours)) <= 0.1 * len(seen)
    alike = sum(
        any(item["label"] == rival["label"] and _close(item["box"], rival["box"]) for rival in rivals)
        for item, rivals in seen
    )
    assert alike >= 0.9 * len(seen)


def _close(one: list[float], other: list[float]) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) < 8


def test_the_tiles_of_a_site_file_reach_the_model(
    data_dir: Path, yolov8n: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("version: 1\ncameras:\n  road: {source: unused, tiles: {rows: 1, cols: 2}, labels: [car, truck]}\n")
    batches: list[list[tuple[int, ...]]] = []
    detect = yolov8n.detector.detect

    def watch(images: Any) -> list[Detections]:
        batches.append([image.shape for image in images])
        return detect(images)

    monkeypatch.setattr(yolov8n.detector, "detect", watch)
    stop = threading.Event()
    job = Job(data_dir / "highway.mp4", tmp_path / "out", "road", plan_camera(load(site, Site), "road"))
    found = analyze(job, yolov8n, stop, lambda progress: stop.set() if progress.frames >= 3 else None)
    assert found["frames"] >= 3
    assert {tuple(shapes) for shapes in batches} == {((720, 1280, 3), (720, 712, 3), (720, 712, 3))}
    objects = [item for line in lines(job.folder / "detections.jsonl") for item in line["objects"]]
    assert any(item["box"][0] > 712 for item in objects) and any(item["box"][2] < 568 for item in objects)


def test_the_bins_of_a_time_lapse_are_watched_and_have_zeros(
    yolov8n: LoadedModel, plan: CameraPlan, tmp_path: Path
) -> None:
    """A frame each 3 s, and nobody in it: 0 over the line and between the zones, not nothing."""
    video = encode(tmp_path / "v.mp4", 480, 270, frames=4, fps=Fraction(1, 3))
    analyze(Job(video, tmp_path / "out", "gate", plan, start=EVENING), yolov8n, threading.Event())
    rows = list(csv.DictReader((tmp_path / "out" / "bins.csv").open()))
    assert [(row["movement"], row["direction"], row["count"], row["observed_s"]) for row in rows] == [
        ("corner>floor", "", "0", "9.0"), ("floor>corner", "", "0", "9.0"),
        ("middle", "in", "0", "9.0"), ("middle", "out", "0", "9.0"),
    ]  # fmt: skip


def test_two_detectors_are_merged_as_in_run(data_dir: Path, yolov8n: LoadedModel, tmp_path: Path) -> None:
    """The second one knows people as helmets: the same weights with other names."""
    network = YOLO(str(yolov8n.resolved.path))
    network.model.names = {key: "helmet" if name == "person" else name for key, name in network.model.names.items()}
    network.save(tmp_path / "gear.pt")
    site = tmp_path / "site.yaml"
    site.write_text(
        "version: 1\n"
        "detectors:\n  main: {model: yolov8n}\n  gear: {model: gear.pt, imgsz: 320}\n"
        "cameras:\n  gate:\n    source: unused\n    detector: [main, gear]\n    labels: [person, helmet]\n"
        "    zones: {all: [[0, 0], [1, 0], [1, 1], [0, 1]]}\n    rules:\n"
        "      - {kind: zone_count, zone: all}\n"
        "      - {kind: missing_gear, gear: helmet, worn: [helmet]}\n"
    )
    prepared = prepare(Wishes([data_dir / "worker-zone-detection.mp4"], site, confidence=0.4))
    assert (list(prepared.beside), prepared.beside["gear"].confidence) == (["gear"], 0.4)
    gear = LoadedModel(resolve(prepared.beside["gear"].model), prepared.beside["gear"], print)
    (job,) = jobs_of(Wishes([data_dir / "worker-zone-detection.mp4"], out=tmp_path / "out"), prepared)
    stop = threading.Event()
    found = analyze(
        job, yolov8n, stop, lambda progress: stop.set() if progress.frames >= 15 else None, beside={"gear": gear}
    )
    names = [(row["name"], row["imgsz"], row["labels"][0]) for row in found["detectors"]]
    assert names == [("main", [640, 640], "person"), ("gear", [320, 320], "helmet")]
    assert (found["framework"], found["model"], found["rules_off"]) == ("torch", "yolov8n+gear", {})
    frames = lines(job.folder / "detections.jsonl")
    seen = [Counter(item["label"] for item in line["objects"]) for line in frames]
    assert sum(row["person"] for row in seen) >= 10
    assert sum(row["helmet"] for row in seen) >= 10


def test_without_rules_the_files_are_there_and_empty(data_dir: Path, yolov8n: LoadedModel, tmp_path: Path) -> None:
    job = Job(data_dir / "people-detection.mp4", tmp_path / "out", "people-detection", CameraPlan())
    found = analyze(job, yolov8n, threading.Event())
    assert sorted(path.name for path in job.folder.iterdir()) == sorted(RESULTS)
    assert (job.folder / "events.jsonl").read_bytes() == b""
    assert (job.folder / "fps.csv").read_text().startswith("elapsed_s,frame,pts_s,fps,inference_ms\n")
    assert (found["counts"], found["zones"], found["rules"]) == ({}, {}, {})
    assert found["fps"] == pytest.approx(23 / found["wall_s"], rel=0.02)  # fewer than 30 frames: over all of them


def test_a_stop_keeps_what_was_analysed(data_dir: Path, yolov8n: LoadedModel, plan: CameraPlan, tmp_path: Path) -> None:
    stop = threading.Event()

    def after_ten(progress: Progress) -> None:
        if progress.frames == 10:
            stop.set()

    job = Job(
        data_dir / "one-by-one-person-detection.mp4", tmp_path, "gate", replace(plan, drawn_on=None), annotate=True
    )
    found = analyze(job, yolov8n, stop, after_ten)
    frames = found["frames"]
    assert (found["result"], found["error"]) == ("stopped", None)
    assert 10 <= frames <= 16  # what was detected by then is still tracked and written
    assert len(lines(tmp_path / "detections.jsonl")) == frames
    assert len(frames_of(tmp_path / "annotated.mp4")) == frames
    assert summary(tmp_path) == found


def test_a_video_that_breaks_off_leaves_its_frames_and_says_why(
    data_dir: Path, yolov8n: LoadedModel, tmp_path: Path
) -> None:
    job = Job(data_dir / "truncated-workers.mp4", tmp_path, "cut", CameraPlan(), annotate=True)
    with pytest.raises(SourceError, match="breaks off after 21 of 206 frames") as caught:
        analyze(job, yolov8n, threading.Event())
    found = summary(tmp_path)
    assert (found["result"], found["error"], found["frames"]) == ("failed", str(caught.value), 21)
    assert len(lines(tmp_path / "detections.jsonl")) == 21
    assert len(frames_of(tmp_path / "annotated.mp4")) == 21


class _Breaks:
    """A detector that fails for a reason nobody thought of, as a device that runs out of memory does."""

    def __init__(self, model: LoadedModel, after: int) -> None:
        self._detector, self._left = model.detector, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._detector, name)

    def detect(self, images: list[Any]) -> list[Detections]:
        self._left -= 1
        if self._left < 0:
            raise RuntimeError("out of memory")
        return self._detector.detect(images)


def test_an_unexpected_error_leaves_a_summary_and_no_thread(
    data_dir: Path, yolov8n: LoadedModel, tmp_path: Path
) -> None:
    broken = object.__new__(LoadedModel)
    broken.config, broken.resolved = yolov8n.config, yolov8n.resolved
    broken.detector = _Breaks(yolov8n, after=5)  # type: ignore[assignment]
    job = Job(data_dir / "people-detection.mp4", tmp_path, "cut", CameraPlan(), annotate=True)
    before = set(threading.enumerate())
    with pytest.raises(RuntimeError, match="out of memory"):
        analyze(job, broken, threading.Event())
    found = summary(tmp_path)
    assert (found["result"], found["frames"]) == ("failed", 5)
    assert found["error"].startswith("unexpected RuntimeError: out of memory; ")
    assert len(frames_of(tmp_path / "annotated.mp4")) == 5
    assert set(threading.enumerate()) <= before


def test_the_summary_of_an_earlier_run_does_not_stay_beside_a_failed_one(
    data_dir: Path, yolov8n: LoadedModel, tmp_path: Path
) -> None:
    (tmp_path / "summary.json").write_text('{"result": "done"}')
    (tmp_path / "events.jsonl").mkdir()  # cannot be written
    job = Job(data_dir / "people-detection.mp4", tmp_path, "cut", CameraPlan(), annotate=True)
    with pytest.raises(OutputError, match=r"cannot write .*events\.jsonl"):
        analyze(job, yolov8n, threading.Event())
    assert summary(tmp_path)["result"] == "failed"


def test_a_video_is_never_overwritten_by_its_own_results(data_dir: Path, yolov8n: LoadedModel, tmp_path: Path) -> None:
    video = tmp_path / "annotated" / "annotated.mp4"
    video.parent.mkdir()
    video.write_bytes((data_dir / "people-detection.mp4").read_bytes())
    link = tmp_path / "link.mp4"
    link.symlink_to(video)
    for path in (video, link):
        with pytest.raises(OutputError, match="would be overwritten by its own results"):
            analyze(Job(path, video.parent, "a", CameraPlan(), annotate=True), yolov8n, threading.Event())
    assert video.read_bytes() == (data_dir / "people-detection.mp4").read_bytes()


def test_geometry_of_another_picture_is_refused_before_anything_is_written(
    data_dir: Path, yolov8n: LoadedModel, plan: CameraPlan, tmp_path: Path
) -> None:
    job = Job(
        data_dir / "one-by-one-person-detection.mp4", tmp_path / "out", "gate", replace(plan, drawn_on=(100, 100))
    )
    with pytest.raises(ConfigError, match="drawn on 100x100"):
        analyze(job, yolov8n, threading.Event())
    assert not job.folder.exists()
