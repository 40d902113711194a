"""What people choose from: the kinds of rules with their keys, and the scenarios with what they need of a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from config.errors import ConfigError
from config.scenario import load_scenario, scenario_names
from pipelines.rules import RULE_KINDS


@dataclass(frozen=True, slots=True)
class ScenarioFacts:
    """A preset as people choose it.

    Attributes:
        name: As in the configuration.
        title: What it is for, in a line.
        rules: As they are written.
        needs_labels: Labels that it keeps, and those that its rules bring.
        missing_labels: Those that a camera's model does not have, by the camera's name; of cameras whose model is not
            known yet there is nothing.
    """

    name: str
    title: str
    rules: tuple[dict[str, Any], ...]
    needs_labels: tuple[str, ...]
    missing_labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def rule_schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each kind of rule, by its name; ``description`` says what it does."""
    schemas = {}
    for kind, (model, rule) in RULE_KINDS.items():
        schema = model.model_json_schema()
        schema["title"] = kind
        schema["description"] = str(rule.__doc__ or "").strip().split("\n\n")[0]
        schemas[kind] = schema
    return schemas


def scenarios(labels: Mapping[str, Collection[str]]) -> list[ScenarioFacts]:
    """All presets.

    Args:
        labels: What the model of each camera can name; empty where that is not known yet.
    """
    return [_facts(name, labels) for name in scenario_names()]


def _facts(name: str, labels: Mapping[str, Collection[str]]) -> ScenarioFacts:
    preset = load_scenario(name).value
    needed = list(preset.labels or ())
    rules = []
    for spec in preset.rules:
        written = spec.model_dump()
        rules.append(written)
        try:
            config = RULE_KINDS[spec.kind][0].model_validate(written)
        except ValueError as error:
            raise ConfigError(f"the scenario {name} has a rule that is wrong ({error})") from error
        for found in config.labels_by_key(()).values():
            needed += found
    wanted = tuple(dict.fromkeys(needed))
    missing = {
        camera: tuple(label for label in wanted if label not in known) for camera, known in labels.items() if known
    }
    return ScenarioFacts(name, preset.description, tuple(rules), wanted, missing)
