"""The scenario presets, and scenario files of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.catalogue import catalogue
from config.errors import ConfigError
from config.scenario import load_scenario, scenario_names

COCO = catalogue().get("yolov8n").labels
FALLS = catalogue().get("human-fall-yolov8s").labels
"""Of the model that the preset *construction* takes, too."""


def test_the_four_presets_are_there() -> None:
    assert scenario_names() == ["construction", "pedestrian", "restaurant", "traffic"]


@pytest.mark.parametrize("name", scenario_names())
def test_preset(name: str) -> None:
    scenario = load_scenario(name).value
    assert scenario.description
    assert scenario.rules
    assert scenario.geometry.lines and scenario.geometry.zones
    assert set(scenario.labels or ()) <= set(COCO)
    for rule in scenario.rules:
        known = set(scenario.labels or ()) | set(FALLS if name == "construction" else ())
        assert set(rule.model_dump().get("labels", ())) <= known


def test_unknown_name() -> None:
    with pytest.raises(ConfigError) as error:
        load_scenario("trafic")
    assert str(error.value) == (
        "unknown scenario 'trafic'; allowed: construction, pedestrian, restaurant, traffic, or the path of a .yaml file"
    )


def test_a_file_of_ones_own_is_relative_to_the_site_file(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("rules:\n  - {kind: dwell, zone: '*', seconds: 1}\n")
    assert load_scenario("own.yaml", tmp_path).value.rules[0].kind == "dwell"
    with pytest.raises(ConfigError, match=r"other\.yaml: no such file"):
        load_scenario("other.yaml", tmp_path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("labels: [car]\n", "own.yaml:1: rules: this key is required"),
        ("rules: []\n", "own.yaml:1: rules: must not be empty"),
        ("version: 2\nrules: [{kind: a}]\n", "own.yaml:1: version: must be at most 1, not 2"),
        ("rules: [{kind: a}]\nlabel: [car]\n", "own.yaml:2: label: unknown key (did you mean 'labels'?)"),
        (
            "rules: [{kind: a}]\ngeometry:\n  lines: {l: [[0, 0], [0, 0]]}\n",
            "own.yaml:3: geometry.lines.l: this line starts and ends at the same point",
        ),
        (
            "rules: [{kind: a}]\ngeometry:\n  zone: {}\n",
            "own.yaml:3: geometry.zone: unknown key (did you mean 'zones'?); allowed: lines, zones",
        ),
    ],
)
def test_wrong_file(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load_scenario("own.yaml", tmp_path)
    assert words in str(error.value)
