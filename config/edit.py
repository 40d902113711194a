"""Changes of one camera in a site file's text; the rest of the file stays as it was written.

Nothing is checked here but that the camera is there: what comes out is checked like any site file before it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from config.loader import filled_in
from config.round_trip import bare, block, edited, fill, node, own, put
from config.site import Detector

Points = Sequence[Sequence[float]]
_DIGITS = 4
"""Of relative coordinates: half a pixel of the widest pictures."""
_IDENTITY = ("kind", "name", "line", "zone", "lines", "zones")
_DEFAULT_DETECTOR = "main"


@dataclass(frozen=True, slots=True)
class Geometry:
    """What is drawn over a camera's picture, in relative coordinates.

    Attributes:
        lines: Two points by name.
        zones: Three points or more by name.
        calibration: ``{"image": four points, "ground_m": four points}``, or none.
        drawn_on: Width and height of the picture it was drawn on; ``None`` leaves what is written.
    """

    lines: Mapping[str, Points]
    zones: Mapping[str, Points]
    calibration: Mapping[str, Points] | None = None
    drawn_on: tuple[int, int] | None = None


def with_geometry(path: Path, text: str, camera: str, geometry: Geometry) -> str:
    """The text with other lines, zones and calibration of a camera; what is not named is taken away.

    Args:
        path: The site file, for messages.
        text: What it holds.
        camera: One of its cameras.
        geometry: What shall be there.

    Raises:
        ConfigError: There is no such camera, or the text is not valid YAML.
    """

    def change(tree: Any) -> None:
        found = _camera(path, tree, camera)
        drawn_on = list(geometry.drawn_on) if geometry.drawn_on is not None else None
        if drawn_on is not None and _numbers(bare(found.get("drawn_on"))) != drawn_on:
            put(found, "drawn_on", drawn_on)
        _places(tree, found, "lines", geometry.lines)
        _places(tree, found, "zones", geometry.zones)
        if geometry.calibration is None:
            put(found, "calibration", None)
        else:
            _places(tree, found, "calibration", geometry.calibration, {"ground_m"})

    return edited(path, text, change)


def with_scenario(path: Path, text: str, camera: str, scenario: str | None, rules: Sequence[Mapping[str, Any]]) -> str:
    """The text with another scenario and other rules of a camera's own.

    A rule that has the kind, name and place of one that is there is changed in place, and keeps its comments.

    Args:
        path: The site file, for messages.
        text: What it holds.
        camera: One of its cameras.
        scenario: A preset's name, a path, or none.
        rules: As they are written in the file.

    Raises:
        ConfigError: There is no such camera, or the text is not valid YAML.
    """

    def change(tree: Any) -> None:
        found = _camera(path, tree, camera)
        put(found, "scenario", scenario)
        if not rules or not found.get("rules"):
            put(found, "rules", [dict(rule) for rule in rules] or None)
            return
        written = own(tree, found, "rules")
        for index, rule in enumerate(rules):
            _bring(written, index, dict(rule))
        del written[len(rules) :]

    return edited(path, text, change)


@dataclass(frozen=True, slots=True)
class DetectorChoice:
    """What shall find the objects of a camera; ``None`` leaves what is written.

    Attributes:
        runtime: Of its detectors.
        precision: Of its detectors.
        detector: Name of the detector to be used in place of its present ones.
    """

    runtime: str | None = None
    precision: str | None = None
    detector: str | None = None


def with_detector(path: Path, text: str, camera: str, choice: DetectorChoice) -> str:
    """The text with another detector of a camera, or its detector on another runtime.

    A detector that other cameras use, too, is left to them: this camera gets one that is equal but for what was asked
    for, ``<name>-<runtime>`` say, which is found again the next time.

    Args:
        path: The site file, for messages.
        text: What it holds.
        camera: One of its cameras.
        choice: What is wanted.

    Raises:
        ConfigError: There is no such camera or detector, or the text is not valid YAML.
    """

    def change(tree: Any) -> None:
        found = _camera(path, tree, camera)
        if choice.detector is not None:
            put(found, "detector", choice.detector)
        asked = {"runtime": choice.runtime, "precision": choice.precision}
        wanted = {key: value for key, value in asked.items() if value is not None}
        if not wanted:
            return
        if not tree.get("detectors"):
            put(tree, "detectors", {_DEFAULT_DETECTOR: {}})
            tree["detectors"] = block({_DEFAULT_DETECTOR: {}})
        detectors = own(tree, tree, "detectors")
        before = _names(found, detectors)
        after = [_switched(path, tree, camera, name, wanted) for name in before]
        if after != before:
            put(found, "detector", after[0] if len(after) == 1 else after)

    return edited(path, text, change)


def _switched(path: Path, tree: Any, camera: str, name: str, wanted: Mapping[str, str]) -> str:
    """Name of a detector like ``name``, but for what is wanted: itself, one that is there, or a new one."""
    detectors = tree["detectors"]
    if name not in detectors:
        raise ConfigError(f"{path}:1: cameras.{camera}.detector: unknown detector {name!r}")
    present = bare(detectors[name]) or {}
    asked = {**present, **wanted}
    if _filled(asked) == _filled(present):
        return name
    if equal := [other for other, one in detectors.items() if _filled(bare(one) or {}) == _filled(asked)]:
        return str(equal[0])
    if not _used_elsewhere(tree, camera, name):
        mine = own(tree, detectors, name)
        for key, value in wanted.items():
            put(mine, key, value)
        return name
    start = new = "-".join((name, *wanted.values()))
    number = 1
    while new in detectors:
        number += 1
        new = f"{start}-{number}"
    detectors[new] = node(asked)
    return new


def _filled(detector: Mapping[str, Any]) -> dict[str, Any]:
    """A detector with its defaults; one that names no model stays apart from one that names the default."""
    fields = Detector.model_fields.items()
    return {**{key: field.default for key, field in fields if key != "model"}, **detector}


def _names(camera: Any, detectors: Mapping[str, Any]) -> list[str]:
    """The detectors a camera uses; the first where it names none."""
    named = bare(camera.get("detector"))
    if named is None:
        return [next(iter(detectors))]
    return [named] if isinstance(named, str) else list(named)


def _used_elsewhere(tree: Any, camera: str, detector: str) -> bool:
    others = (other for name, other in tree["cameras"].items() if name != camera and isinstance(other, Mapping))
    return any(detector in _names(other, tree["detectors"]) for other in others)


def _camera(path: Path, tree: Any, name: str) -> Any:
    cameras = tree.get("cameras")
    if not isinstance(cameras, Mapping) or not isinstance(cameras.get(name), Mapping):
        raise ConfigError(f"{path}:1: cameras.{name}: there is no such camera in the file")
    return own(tree, own(tree, tree, "cameras"), name)


def _places(tree: Any, camera: Any, key: str, wanted: Mapping[str, Points], exact: Collection[str] = ()) -> None:
    """Keys with lists of points, each on a line of its own; points that are there already stay as they are written.

    Args:
        tree: The whole file.
        camera: Where the key is.
        key: It.
        wanted: Points by name.
        exact: Names of points that are not rounded.
    """
    written = camera.get(key)
    present = bare(written) if isinstance(written, Mapping) else {}
    points: dict[str, Any] = {}
    for name, place in wanted.items():
        plain = [list(point) for point in place]
        if name in present and _numbers(present[name]) == plain:
            points[name] = present[name]
        else:
            points[name] = plain if name in exact else _rounded(plain)
    if not points:
        put(camera, key, None)
    elif not present:
        camera[key] = block(points)
    elif points != present:
        fill(own(tree, camera, key), points)


def _numbers(value: Any) -> Any:
    """Points with what the environment says in place of ``${VARIABLES}``."""
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    if isinstance(value, str):
        with suppress(ValueError):
            return float(filled_in(value))
    return value


def _rounded(points: Points) -> list[list[float]]:
    return [[_number(value) for value in point] for point in points]


def _number(value: float) -> float:
    short = round(value, _DIGITS)
    return int(short) if short == int(short) else short


def _bring(written: Any, index: int, rule: dict[str, Any]) -> None:
    """Make the rule at a place what it should be, with the one of the same name that is further down, if any."""
    same = [
        place for place in range(index, len(written))
        if isinstance(written[place], Mapping) and _identity(bare(written[place])) == _identity(rule)
    ]  # fmt: skip
    if not same:
        written.insert(index, node(rule))
        return
    if same[0] != index:
        behind = written.ca.items.get(same[0])  # a comment on its line, which ``pop`` would lose
        written.insert(index, written.pop(same[0]))
        if behind is not None:
            written.ca.items[index] = behind
    fill(written[index], rule)


def _identity(rule: Mapping[str, Any]) -> list[Any]:
    return [rule.get(key) for key in _IDENTITY]


Change = Callable[[Path, str], str]
"""One of the above for a camera: file and text in, text out."""
