"""A site file's cameras as they are written at one revision: what an editor may begin with, and write back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from config.errors import ConfigError
from config.loader import load
from config.round_trip import KeysAsText
from config.scenario import load_scenario
from config.site import Camera, Site
from dashboard.masked import Masked

Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class WrittenCamera:
    """A camera of the file, whatever is in force.

    Attributes:
        lines: Relative points by name, with what the environment says; its scenario's where it has none of its own.
        zones: The same.
        own_geometry: Whether lines and zones are the camera's own.
        calibration: ``{"image": four points, "ground_m": four points}``, or none.
        drawn_on: Width and height of the picture the points belong to, where that is written.
        scenario: As written: ``${VARIABLES}`` stay, secrets are placeholders.
        rules: The same, one mapping each.
    """

    lines: dict[str, Points]
    zones: dict[str, Points]
    own_geometry: bool
    calibration: dict[str, Points] | None
    drawn_on: tuple[int, int] | None
    scenario: str | None
    rules: list[dict[str, Any]]


def written_cameras(path: Path, text: str, shown: str) -> dict[str, WrittenCamera]:
    """The cameras of a site file, by name.

    Args:
        path: The file.
        text: What it holds.
        shown: The same with placeholders for secrets.

    Raises:
        SightlineError: The file is not right, so that nobody knows what its cameras are.
    """
    site = load(path, Site, text).value
    plain = _tree(path, shown).get("cameras")
    whole = plain if isinstance(plain, Mapping) else {}
    return {name: _written(path, name, camera, whole.get(name)) for name, camera in site.cameras.items()}


def _written(path: Path, name: str, camera: Camera, plain: Any) -> WrittenCamera:
    rules = (plain.get("rules") or ()) if isinstance(plain, Mapping) else None
    if not isinstance(rules, list | tuple) or not all(isinstance(rule, Mapping) for rule in rules):
        raise ConfigError(f"{path}: cameras.{name}: a placeholder stands where keys should; change the text by hand")
    is_own = bool(camera.lines or camera.zones)
    geometry: Any = camera
    if not is_own and camera.scenario is not None:
        geometry = load_scenario(camera.scenario, path.parent).value.geometry
    calibration = camera.calibration
    return WrittenCamera(
        lines={name: list(points) for name, points in geometry.lines.items()},
        zones={name: list(points) for name, points in geometry.zones.items()},
        own_geometry=is_own,
        calibration={"image": list(calibration.image), "ground_m": list(calibration.ground_m)} if calibration else None,
        drawn_on=camera.drawn_on,
        scenario=plain.get("scenario"),
        rules=[_json(rule) for rule in plain.get("rules") or ()],
    )


def restored(value: Any, path: Path, text: str, shown: Masked) -> Any:
    """A value that comes back from an editor, with what its placeholders stand for.

    Args:
        value: Plain data made of what ``written_cameras`` gave.
        path: The file, for messages.
        text: What it holds.
        shown: The same as it was shown.

    Raises:
        ConfigError: It has a placeholder where none was shown, or is nested too deeply.
    """
    try:
        return _restored(value, path, text, shown)
    except RecursionError as error:
        raise ConfigError(f"{path}: this is nested too deeply; write it flatter") from error


def _restored(value: Any, path: Path, text: str, shown: Masked) -> Any:
    pattern = re.compile(rf"<{re.escape(shown.word)}-\d{{1,9}}>")
    if not any(isinstance(leaf, str) and pattern.search(leaf) for leaf in _leaves(value)):
        return value
    pairs = zip(_leaves(_tree(path, shown.text)), _leaves(_tree(path, text)), strict=True)
    stands_for = {masked: real for masked, real in pairs if isinstance(masked, str) and masked != real}

    def real(one: Any) -> Any:
        if isinstance(one, Mapping):
            return {key: real(item) for key, item in one.items()}
        if isinstance(one, list):
            return [real(item) for item in one]
        if isinstance(one, str) and pattern.search(one):
            if one not in stands_for:
                raise ConfigError(f"{path}: {pattern.findall(one)[0]} stands for nothing here; write the value itself")
            return stands_for[one]
        return one

    return real(value)


def _leaves(value: Any) -> Iterator[Any]:
    """What is no mapping and no list, in order."""
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _tree(path: Path, text: str) -> dict[str, Any]:
    """What a YAML text says; empty where it has no keys.

    Raises:
        ConfigError: It is not valid.
    """
    reader = KeysAsText(text)
    try:
        found = reader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML with placeholders in it; change the text by hand") from error
    finally:
        reader.dispose()
    return found if isinstance(found, dict) else {}


def _json(value: Any) -> Any:
    """A value as JSON can hold it; what JSON does not know, such as a date, becomes text."""
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_json(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
