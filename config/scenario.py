"""Scenario presets: rules over labels, with a default geometry."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from config.errors import ConfigError
from config.loader import Document, load
from config.site import Labels, Line, Name, Polygon, RuleSpec, Strict

SCENARIO_DIR = Path(__file__).parent / "scenarios"


class Geometry(Strict):
    """Lines and zones used when a camera has none of its own."""

    lines: dict[Name, Line] = Field(default_factory=dict)
    zones: dict[Name, Polygon] = Field(default_factory=dict)


class Scenario(Strict):
    """A preset: what to look for, and the rules.

    ``line: "*"`` or ``zone: "*"`` in a rule stands for every line or zone of the camera.
    """

    version: int = Field(1, ge=1, le=1)
    description: str = ""
    labels: Labels | None = Field(None, description="labels to keep; default: all")
    geometry: Geometry = Geometry()
    rules: tuple[RuleSpec, ...] = Field(min_length=1)


def scenario_names() -> list[str]:
    """Names of the presets that come with Sightline."""
    return sorted(path.stem for path in SCENARIO_DIR.glob("*.yaml"))


def load_scenario(name: str, base: Path | None = None) -> Document[Scenario]:
    """Load a preset by name, or a scenario file by path.

    Args:
        name: A preset's name, or a path to a YAML file.
        base: Folder that a relative path is relative to; default: the working directory.

    Raises:
        ConfigError: No such preset or file, or a wrong one.
    """
    if name.endswith((".yaml", ".yml")):
        return load((base or Path()) / name, Scenario)
    if name not in scenario_names():
        raise ConfigError(
            f"unknown scenario {name!r}; allowed: {', '.join(scenario_names())}, or the path of a .yaml file"
        )
    return load(SCENARIO_DIR / f"{name}.yaml", Scenario)
