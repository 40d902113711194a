"""The example site files load, and their rules fit a COCO model."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.catalogue import catalogue
from config.loader import load
from config.site import Site
from pipelines.scenario import plan_camera

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "config" / "examples").glob("*.yaml"))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 4


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_loads_and_plans(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MQTT_HOST", "MQTT_USER", "MQTT_PASSWORD", "CAM_USER", "CAM_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    document = load(path, Site)
    labels = catalogue().get("yolov8n").labels
    assert labels is not None
    for name in document.value.cameras:
        plan = plan_camera(document, name)
        plan.check_labels("yolov8n", labels)
        rules = plan.rule_set(name, 1920, 1080)
        assert len(rules.rules) == len(plan.rules) > 0
        assert [event for rule in rules.rules for event in rule.update((), 0.0)] == []


def test_a_rule_of_the_camera_replaces_the_scenarios() -> None:
    document = load(EXAMPLES[0].with_name("junction.yaml"), Site)
    rules = {rule.name: rule.config for rule in plan_camera(document, "junction").rules}
    assert set(rules) == {"line_crossing_road", "zone_count_box", "dwell_box", "stopped_box"}
    assert rules["dwell_box"].model_dump()["seconds"] == 10
