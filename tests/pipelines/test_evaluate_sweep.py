"""Settings tried over the boxes that were kept, without the detector."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from config.errors import ConfigError
from config.loader import load
from config.site import Site, Tracker
from pipelines.evaluate.evaluate import EvaluateWishes, evaluate, prepare
from pipelines.evaluate.names import Names
from pipelines.evaluate.results import read_run
from pipelines.evaluate.settings import parse_sweep
from pipelines.evaluate.sweep import SweepWishes, followed_again, sweep
from tests.support.cli import Done
from tests.support.runs import ROAD, Obj, walker, write_mot, write_run

SITE = """
version: 1
cameras:
  gate:
    source: gate.mp4
    lines: {road: [[0.5, 1.0], [0.5, 0.0]]}
    rules: [{kind: line_crossing, line: road}]
"""
WAY = walker(1, range(60), 20, 40, 6)
GHOST = [Obj(frame, 2, 340 - 4 * frame, 200, score=0.55) for frame in range(40)]  # crosses the line the other way
GAP = [one for one in WAY if not 20 <= one.frame < 32]  # for 1.3 s nobody saw it


def test_the_tracker_again_gives_the_numbers_it_gave(tmp_path: Path) -> None:
    """Over the boxes that a run has written, rounded, beside over the detector's own."""
    random = np.random.default_rng(1)
    shaky = [one._replace(x=one.x + random.normal(), score=0.3 + 0.4 * random.random()) for one in WAY + GHOST]
    own = read_run(write_run(tmp_path / "own", shaky, 60), Names())
    rounded = [one._replace(x=round(one.x, 2), score=round(one.score, 4)) for one in shaky]
    kept = read_run(write_run(tmp_path / "kept", rounded, 60), Names())
    ids = [[f.ids.tolist() for f, _ in followed_again(run.frames, Tracker(), run.fps)] for run in (own, kept)]
    assert ids[0] == ids[1]
    assert {number for frame in ids[0] for number in frame} == {-1, 1, 2}


def test_the_best_setting_is_found_and_can_be_pasted(tmp_path: Path) -> None:
    """Ghosts score 0.55, so that a higher start keeps them out; a gap of 1.3 s needs a longer memory than 1 s."""
    folder = write_run(tmp_path / "run", GAP + GHOST, 60)
    truth = write_mot(tmp_path / "gt", WAY, 60)
    wishes = SweepWishes("activation=0.4:0.6:0.1,track_buffer=0.5:2.5:0.5")
    result = evaluate(EvaluateWishes(folder, [truth], sweep=wishes), lambda line: None)
    tried = result["sweep"]
    assert len(tried["rows"]) == 15
    assert (tried["best"]["activation"], tried["best"]["lost_s"]) == (0.6, 1.5)
    assert tried["best"]["id_switches"] == 0
    assert {row["id_switches"] for row in tried["rows"] if row["lost_s"] < 1.3} == {1}
    assert len((folder / "sweep.csv").read_text().splitlines()) == 16
    pasted = yaml.safe_load(tried["yaml"])
    assert pasted == {"cameras": {"camera": {"tracker": {"activation": 0.6, "lost_s": 1.5}}}}
    site = tmp_path / "site.yaml"
    pasted["cameras"]["camera"]["source"] = "gate.mp4"
    site.write_text(yaml.safe_dump({"version": 1, **pasted}))
    assert load(site, Site).value.cameras["camera"].tracker.lost_s == 1.5


def test_rules_run_again_for_a_truth_of_events(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", WAY + GHOST, 60, rules=ROAD)
    (tmp_path / "site.yaml").write_text(SITE)
    truth = tmp_path / "truth.csv"
    truth.write_text("kind,name,label,direction,time_s\nline_crossing,road,person,out,4.7\n")
    wishes = SweepWishes("confidence=0.3:0.6:0.1", config=tmp_path / "site.yaml")
    result = evaluate(EvaluateWishes(folder, [truth], sweep=wishes), lambda line: None)["sweep"]
    assert [(row["confidence"], row["error"]) for row in result["rows"]] == [(0.3, 1), (0.4, 1), (0.5, 1), (0.6, 0)]
    assert (result["metric"], result["best"]["confidence"], result["best"]["f1"]) == ("f1", 0.6, 1.0)
    assert yaml.safe_load(result["yaml"]) == {"detectors": {"main": {"confidence": 0.6}}}


def test_the_rules_must_be_those_of_the_truth(tmp_path: Path) -> None:
    """Analysed with a scenario that the site file does not name: all settings would find nothing."""
    folder = write_run(tmp_path / "run", WAY, 60, rules=ROAD)
    site = tmp_path / "site.yaml"
    site.write_text(SITE.split("    rules:")[0])
    (tmp_path / "mine.yaml").write_text("version: 1\nrules: [{kind: line_crossing, line: '*'}]\n")
    truth = tmp_path / "truth.csv"
    truth.write_text("kind,name,label,direction,time_s\nline_crossing,road,person,out,4.7\n")

    def swept(scenario: str | None) -> dict[str, Any]:
        wishes = SweepWishes("min_iou=0.15", config=site, scenario=scenario)
        result: dict[str, Any] = evaluate(EvaluateWishes(folder, [truth], sweep=wishes), lambda line: None)["sweep"]
        return result

    with pytest.raises(ConfigError, match=r"camera gate has no rule line_crossing at 'road' \(it has: none\)"):
        swept(None)
    assert swept(str(tmp_path / "mine.yaml"))["best"]["f1"] == 1.0


def test_where_nothing_is_better_nothing_is_the_best(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", WAY, 60)
    wishes = SweepWishes("min_iou=0.1:0.2:0.05")
    truth = write_mot(tmp_path / "gt", WAY, 60)
    result = evaluate(EvaluateWishes(folder, [truth], sweep=wishes), lambda line: None)["sweep"]
    assert (result["best"], result["yaml"]) == (None, "")
    assert result["remark"].startswith("no setting is better than another: hota is 0.98")
    assert result["remark"].endswith(" with all 3")
    assert result["remark"] in (folder / "evaluation.md").read_text()


def test_schedules_run_at_the_time_of_the_recording(tmp_path: Path) -> None:
    """That the analysis knew; and the lines to paste are for the camera's own detectors."""
    site = tmp_path / "site.yaml"
    site.write_text(
        SITE.replace("cameras:", "detectors: {wide: {}, ppe: {}}\ncameras:")
        .replace("source: gate.mp4", "source: gate.mp4\n    detector: [ppe, wide]")
        .replace("rules: [", "zones: {hall: [[0, 0.3], [1, 0.3], [1, 1], [0, 1]]}\n    rules: [")
        .replace("kind: line_crossing, line: road", "kind: zone_intrusion, zone: hall, schedule: '22:00-23:00'")
    )
    truth = tmp_path / "truth.csv"
    truth.write_text("kind,name,label,direction,time_s\nzone_intrusion,hall,person,,0.3\n")
    rules = {"zone_intrusion_hall": {"kind": "zone_intrusion", "zone": "hall"}}

    def swept(start: float | None) -> list[float | None]:
        folder = write_run(tmp_path / "run", WAY, 60, rules=rules, start_time=start)
        wishes = SweepWishes("confidence=0.5:0.95:0.45", config=site)
        result = evaluate(EvaluateWishes(folder, [truth], sweep=wishes), lambda line: None)["sweep"]
        if result["yaml"]:
            assert yaml.safe_load(result["yaml"]) == {
                "detectors": {"ppe": {"confidence": 0.5}, "wide": {"confidence": 0.5}}
            }
        return [row["f1"] for row in result["rows"]]

    assert swept(1795645800.0) == [1.0, 0.0]  # at 22:30
    assert swept(1795604400.0) == [0.0, 0.0]  # in the morning
    with pytest.raises(ConfigError, match=r"recorded is not known.*analyse it again with --start-time"):
        swept(None)


def test_no_less_is_tried_than_the_choosiest_detector_kept(tmp_path: Path) -> None:
    truth = write_mot(tmp_path / "gt", WAY, 60)
    detectors = [{"name": "main", "confidence": 0.5}, {"name": "gear", "confidence": 0.1}]
    folder = write_run(tmp_path / "run", WAY, 60, confidence=0.1, detectors=detectors)
    with pytest.raises(ConfigError, match=r"the results hold boxes above 0\.5 only; .* --confidence 0\.2"):
        prepare(EvaluateWishes(folder, [truth], sweep=SweepWishes("confidence=0.2:0.5:0.1")))
    result = evaluate(EvaluateWishes(folder, [truth], sweep=SweepWishes("confidence=0.5:0.99:0.49")), lambda line: None)
    assert yaml.safe_load(result["sweep"]["yaml"]) == {
        "detectors": {"main": {"confidence": 0.5}, "gear": {"confidence": 0.5}}
    }


def test_labels_are_renamed_after_the_rules(tmp_path: Path) -> None:
    """Rules know the model's labels, the truth has others."""
    folder = write_run(tmp_path / "run", [one._replace(label="truck") for one in WAY], 60, rules=ROAD)
    (tmp_path / "site.yaml").write_text(SITE.replace("line: road}", "line: road, labels: [truck]}"))
    truth = tmp_path / "truth.csv"
    truth.write_text("kind,name,label,direction,time_s\nline_crossing,road,lorry,out,4.7\n")
    wishes = EvaluateWishes(
        folder, [truth], names="truck=lorry", sweep=SweepWishes("min_iou=0.15", config=tmp_path / "site.yaml")
    )
    task = prepare(wishes).sweep
    assert task is not None
    assert sweep(task)["best"]["f1"] == 1.0


def test_ranges_are_read() -> None:
    assert parse_sweep("confidence=0.2:0.5:0.1", 0.1) == [{"confidence": value} for value in (0.2, 0.3, 0.4, 0.5)]
    assert parse_sweep("iou=0.3,track_buffer=1:2:1", None) == [
        {"min_iou": 0.3, "lost_s": 1.0}, {"min_iou": 0.3, "lost_s": 2.0},
    ]  # fmt: skip
    usual = parse_sweep("confidence, iou, track_buffer", 0.25)
    assert {row["confidence"] for row in usual} == {0.25, 0.3, 0.4, 0.5}
    assert len(usual) == 100


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("colour", ["'colour'", "confidence", "iou (= min_iou)"]),
        ("", ["no setting"]),
        ("iou=low", ["'iou=low'", "NAME=FROM:TO:STEP"]),
        ("iou=0.5:0.2:0.1", ["NAME=FROM:TO:STEP"]),
        ("iou=0:0.2:0.1", ["above 0"]),
        ("activation=0.5:1:0.5", ["below 1"]),
        ("min_frames=1", ["at least 2"]),
        ("confidence=0.1:0.3:0.1", ["above 0.25 only", "--confidence 0.1"]),
        ("iou=0.001:0.9:0.001,lost_s", ["4500 settings"]),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(text: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_sweep(text, 0.25)
    for part in ("--sweep", *parts):
        assert part in str(caught.value)


def test_a_metric_needs_its_truth(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", WAY, 60, rules=ROAD)
    tracks = write_mot(tmp_path / "gt", WAY, 60)
    events = tmp_path / "truth.csv"
    events.write_text("kind,name,label,direction,time_s\nline_crossing,road,person,out,4.7\n")
    for truth, wishes, words in (
        (tracks, SweepWishes("iou", "f1"), "--metric f1"),
        (events, SweepWishes("iou", "hota"), "--metric hota"),
        (events, SweepWishes("iou"), "--config"),
    ):
        with pytest.raises(ConfigError, match=words):
            prepare(EvaluateWishes(folder, [truth], sweep=wishes))


def test_the_command_line_tells_the_best(call: Callable[..., Done], tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", GAP + GHOST, 60)
    truth = write_mot(tmp_path / "gt", WAY, 60)
    done = call("evaluate", folder, "--truth", truth, "--sweep", "activation=0.4:0.6:0.1", "--metric", "mota")
    assert done.code == 0, done.err
    assert "Sweep: 3 settings" in done.out
    assert "tracker:\n      activation: 0.6" in done.out
    assert json.loads((folder / "evaluation.json").read_text())["sweep"]["metric"] == "mota"
    call("evaluate", folder, "--truth", truth, "--metric", "mota").failed(2, "--sweep")
    call("evaluate", folder, "--truth", truth, "--sweep", "iou", "--scenario", "traffic").failed(2, "--config")
