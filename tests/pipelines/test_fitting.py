"""What of a plan works with a model: optional rules, and the labels that rules bring."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from detectors.detections import Detections
from detectors.detector import StageTimes
from pipelines.analysis import Analysis
from pipelines.fitting import fitted, remarks, rules_off
from pipelines.live.counters import certain_counters, open_places
from pipelines.live.models import load_models
from pipelines.live.plan import plan_site
from pipelines.scenario import CameraPlan, plan_camera
from streams.frame import Frame

SITE = """\
version: 1
cameras:
  cam:
    source: x.mp4
    labels: [person, truck]
    zones: {yard: [[0, 0], [1, 0], [1, 1], [0, 1]]}
    rules:
      - {kind: zone_count, zone: yard}
"""
HELMET = "      - {kind: missing_gear, gear: helmet, worn: [helmet, Hardhat], missing: [NO-Hardhat], where: head, "
FALL = "      - {kind: person_down, fall_labels: [Fall], "
COCO, PPE = ("person", "car", "truck"), ("person", "Hardhat", "NO-Hardhat", "truck")


def plan(tmp_path: Path, rules: str, site: str = SITE) -> CameraPlan:
    path = tmp_path / "site.yaml"
    path.write_text(site + rules)
    return plan_camera(load(path, Site), "cam")


def names(found: CameraPlan) -> list[str]:
    return [rule.name for rule in found.rules]


def test_an_optional_rule_is_off_where_the_model_cannot_serve_it(tmp_path: Path) -> None:
    found = plan(tmp_path, HELMET + "optional: true}\n")
    found.check_labels("yolov8n", COCO)
    assert names(fitted(found, COCO)) == ["zone_count_yard"]
    assert fitted(found, COCO).labels == ("person", "truck")
    assert rules_off(found, COCO) == {
        "missing_gear_helmet": "the model has no label 'helmet', 'Hardhat', and none of 'NO-Hardhat'"
    }


def test_it_brings_its_labels_where_the_model_has_them(tmp_path: Path) -> None:
    found = plan(tmp_path, HELMET + "optional: true}\n")
    found.check_labels("ppe", PPE)
    served = fitted(found, PPE)
    assert rules_off(found, PPE) == {}
    assert names(served) == ["zone_count_yard", "missing_gear_helmet"]
    assert served.labels == ("person", "truck", "Hardhat", "NO-Hardhat")
    assert served.rules[0].config.labels == ("person", "truck")
    assert served.rules[1].config.model_dump()["worn"] == ("Hardhat",)


def test_without_optional_every_label_must_be_there(tmp_path: Path) -> None:
    found = plan(tmp_path, HELMET + "}\n")
    with pytest.raises(ConfigError) as error:
        found.check_labels("yolov8n", COCO)
    start = f"{tmp_path}/site.yaml:9: cameras.cam.rules[1]"
    allowed = "allowed: person, car, truck"
    assert error.value.faults == (
        f"{start}.worn: model 'yolov8n' has no label 'helmet', 'Hardhat'; {allowed}",
        f"{start}.missing: model 'yolov8n' has no label 'NO-Hardhat'; {allowed}",
    )
    assert rules_off(found, COCO) == {}


def test_people_are_called_otherwise_in_this_model(tmp_path: Path) -> None:
    """A default that nobody wrote is told, too."""
    site = SITE.replace("    labels: [person, truck]\n", "")
    found = plan(tmp_path, "      - {kind: queue, zone: yard}\n", site)
    with pytest.raises(ConfigError) as error:
        found.check_labels("fall", ("Normal", "Fall"))
    where = f"{tmp_path}/site.yaml:8: cameras.cam.rules[1].labels"
    assert error.value.faults == (f"{where}: model 'fall' has no label 'person'; allowed: Normal, Fall",)


def test_optional_lists_shrink_and_plain_rules_may_be_optional(tmp_path: Path) -> None:
    site = SITE.replace("    labels: [person, truck]\n", "")
    rule = "      - {kind: dwell, zone: yard, seconds: 5, labels: [truck, excavator], optional: true}\n"
    found = plan(tmp_path, rule, site)
    found.check_labels("yolov8n", COCO)
    assert fitted(found, COCO).rules[1].config.labels == ("truck",)
    assert rules_off(found, ("person",)) == {"dwell_yard": "the model has no label 'truck', 'excavator'"}
    assert fitted(found, COCO).labels is None


def test_a_heuristic_stays_where_the_label_is_not_there(tmp_path: Path) -> None:
    found = plan(tmp_path, FALL + "optional: true}\n")
    assert fitted(found, COCO).rules[1].config.model_dump()["fall_labels"] == ()
    assert rules_off(found, COCO) == {}
    assert remarks(found, COCO) == ["rule person_down goes without 'fall_labels': the model has no label 'Fall'"]
    assert remarks(found, (*COCO, "Fall")) == []
    only = plan(tmp_path, FALL + "shape: false, optional: true}\n")
    assert rules_off(only, COCO) == {"person_down": "the model has no label 'Fall'"}
    assert remarks(only, COCO) == ["rule person_down is off: the model has no label 'Fall'"]


def test_counters_of_optional_rules_are_no_zeros_before_they_work(tmp_path: Path) -> None:
    found = plan(tmp_path, HELMET + "optional: true}\n" + FALL + "}\n")
    keys = certain_counters(found)
    assert {key[1] for key in keys} == {"yard", "zone_count_yard", "person_down"}
    assert {("totals", "missing_gear_helmet"), ("values", "missing_gear_helmet")} <= set(open_places(found.rules))
    assert ("totals", "person_down") not in open_places(found.rules)


def test_run_says_at_start_which_rules_are_off_and_why(
    tmp_path: Path, data_dir: Path, models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(SITE.replace("x.mp4", str(data_dir / "people-detection.mp4")) + HELMET + "optional: true}\n")
    loaded: Any = SimpleNamespace(labels=COCO, model="yolov8n", framework="torch")
    with caplog.at_level(logging.WARNING):
        load_models(plan_site(path, False, False, print), loader=lambda planned: loaded)
    assert [record.getMessage() for record in caplog.records] == [
        "cameras.cam: rule missing_gear_helmet is off: the model has no label 'helmet', 'Hardhat', and none of "
        "'NO-Hardhat'"
    ]


def test_boxes_of_brought_labels_reach_the_rules(tmp_path: Path) -> None:
    found = plan(tmp_path, HELMET + "seconds: 0.3}\n")
    analysis = Analysis.of(found, PPE, "cam", 640, 480, 10)
    boxes = np.array([[100, 100, 200, 400], [135, 95, 165, 135]], np.float32)
    frames = (Frame("cam", index, np.zeros((480, 640, 3), np.uint8), index / 10, 0.0) for index in range(9))
    events = []
    for frame in frames:
        detections = Detections(boxes, np.array([0.9, 0.8], np.float32), np.array([0, 2], np.int64), PPE)
        events += analysis.step(frame, detections, StageTimes(0, 0, 0), 0.0).events
    assert [(event.rule, event.data.get("action")) for event in events] == [
        ("zone_count_yard", "enter"), ("missing_gear_helmet", "missing"),
    ]  # fmt: skip
    off = Analysis.of(plan(tmp_path, HELMET + "optional: true}\n"), COCO, "cam", 640, 480, 10)
    assert list(off.rules.state()) == ["zone_count_yard"]
