"""From the configuration of a camera to its rules, with every name checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError

from config.errors import ConfigError
from config.faults import YamlPath, explain, line_of
from config.loader import Document
from config.scenario import Scenario, load_scenario
from config.site import Calibration, Camera, Line, Polygon, RuleSpec, Site, Tiles, Tracker
from pipelines.geometry import Xy, scale
from pipelines.ground import Ground
from pipelines.rules import RULE_KINDS, Place, Rule, RuleConfig, Surroundings
from pipelines.values import CounterKey, Event, Track
from pipelines.wall_clock import WallClock
from streams.frame import Frame
from streams.recorded import recorded_at

EACH = "*"


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A checked rule and where it was written; ``off`` says why an optional one cannot work at this camera."""

    config: RuleConfig
    document: Document[Any]
    where: YamlPath
    off: str = ""

    @property
    def place(self) -> str:
        """Name of its line or zone."""
        return self.config.place

    @property
    def name(self) -> str:
        """Its own name, or ``<kind>_<line or zone>``."""
        return self.config.full_name


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """All that is configured for one camera, checked as far as is possible without a model.

    Geometry is relative (0..1). ``off`` has the names of optional rules that cannot work at the camera, and why.
    """

    labels: tuple[str, ...] | None = None
    min_size: float = 0.0
    masks: tuple[Polygon, ...] = ()
    drawn_on: tuple[int, int] | None = None
    lines: Mapping[str, Line] = dataclasses.field(default_factory=dict)
    zones: Mapping[str, Polygon] = dataclasses.field(default_factory=dict)
    tracker: Tracker = dataclasses.field(default_factory=Tracker)
    rules: tuple[PlannedRule, ...] = ()
    labels_from: tuple[Document[Any], YamlPath] | None = None
    place: tuple[Document[Any], YamlPath] | None = None
    tiles: Tiles | None = None
    calibration: Calibration | None = None
    timezone: str = "UTC"
    off: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def check_labels(self, model: str, known: Sequence[str]) -> None:
        """Refuse labels that the model does not have.

        Raises:
            ConfigError: One sentence per list of labels that has unknown ones, with the model's labels.
        """
        faults = []
        if self.labels and self.labels_from:
            document, where = self.labels_from
            faults += _unknown_labels(document, where, self.labels, model, known)
        for rule in self.rules:
            for key, labels in rule.config.labels_by_key(()).items() if not rule.config.optional else ():
                where = (*rule.where, key)
                told = () if where in rule.document.lines else self.labels or ()  # they are the camera's
                missing = [label for label in labels if label not in told]
                faults += _unknown_labels(rule.document, where, missing, model, known)
        if faults:
            raise ConfigError(*dict.fromkeys(faults))

    def check_size(self, source: str, width: int, height: int) -> None:
        """Refuse geometry that was drawn on a picture of another aspect ratio.

        Raises:
            ConfigError: The aspect ratios differ by more than 3 % (encoders round sizes: 640x352 is 16:9).
        """
        if self.drawn_on is None or self.place is None:
            return
        drawn_w, drawn_h = self.drawn_on
        if abs(drawn_w * height / (drawn_h * width) - 1) > 0.03:
            document, where = self.place
            raise ConfigError(
                document.fault(
                    (*where, "drawn_on"),
                    f"the lines and zones were drawn on {drawn_w}x{drawn_h}, but {source} is {width}x{height}: "
                    "another aspect ratio; draw them again",
                )
            )

    def pixel_lines(self, width: int, height: int) -> dict[str, tuple[Xy, Xy]]:
        """The lines in pixels of a picture of this size."""
        return {
            name: ((a[0] * width, a[1] * height), (b[0] * width, b[1] * height)) for name, (a, b) in self.lines.items()
        }

    def pixel_zones(self, width: int, height: int) -> dict[str, tuple[Xy, ...]]:
        """The zones in pixels of a picture of this size."""
        return {name: scale(zone, width, height) for name, zone in self.zones.items()}

    def start_of(self, video: Path, told: float | None) -> float | None:
        """When a recording began, where a schedule wants to know.

        Args:
            video: The file.
            told: Unix seconds of its first frame, if somebody said.

        Returns:
            Unix seconds: as told, else as the file's container has them; ``None`` where nothing needs them.

        Raises:
            ConfigError: A rule has a schedule, and nobody knows.
        """
        wanting = [rule for rule in self.rules if getattr(rule.config, "schedule", None) is not None]
        start = recorded_at(video) if told is None and wanting else told
        if start is None and wanting:
            text = f"when {video} was recorded is not known, so this schedule cannot be kept; say it with --start-time"
            faults = [rule.document.fault((*rule.where, "schedule"), text) for rule in wanting]
            raise ConfigError(*dict.fromkeys(faults))
        return start

    def rule_set(self, source_id: str, width: int, height: int, start: float | None = None) -> RuleSet:
        """The rules of this camera for pictures of this size.

        Args:
            source_id: The camera or file.
            width: Of the pictures, in pixels.
            height: Of the pictures, in pixels.
            start: Unix seconds of a recording's first frame; ``None``: frames tell the time.
        """
        wall = WallClock(ZoneInfo(self.timezone), start)
        surroundings = Surroundings(
            source_id,
            self.pixel_lines(width, height),
            self.pixel_zones(width, height),
            self.tracker.lost_s,
            (width, height),
            Ground.of(self.calibration, width, height) if self.calibration else None,
            wall,
        )
        return RuleSet([RULE_KINDS[rule.config.kind][1](rule.config, surroundings) for rule in self.rules], wall)


class RuleSet:
    """The rules of one camera."""

    def __init__(self, rules: Sequence[Rule], wall: WallClock) -> None:
        """Take rules with different names, and the clock that their schedules read."""
        self.rules = rules
        self._wall = wall

    def update(self, tracks: Sequence[Track], frame: Frame) -> tuple[Event, ...]:
        """Run every rule on the confirmed tracks of a frame; events carry the frame's wall clock as a label."""
        self._wall.note(frame.pts_s, frame.captured_at)
        events = [event for rule in self.rules for event in rule.update(tracks, frame.pts_s)]
        return tuple([dataclasses.replace(event, captured_at=frame.captured_at) for event in events])

    def counters(self) -> dict[CounterKey, int]:
        """Every counter's present value."""
        return {key: value for rule in self.rules for key, value in rule.counters().items()}

    def state(self) -> dict[str, dict[str, Any]]:
        """What each rule says of itself, by rule name."""
        return {rule.name: {"kind": rule.kind, **rule.state()} for rule in self.rules}


def plan_camera(
    document: Document[Site], camera_name: str, scenario: str | None = None, live: bool = False
) -> CameraPlan:
    """Check one camera of a site file.

    Args:
        document: The site file.
        camera_name: One of its cameras.
        scenario: A preset or file that takes the place of the camera's own scenario.
        live: Whether it is for `run`, which can merge several detectors.

    Raises:
        ConfigError: Every fault found, one sentence each.
    """
    camera: Camera = document.value.cameras[camera_name]
    where: YamlPath = ("cameras", camera_name)
    preset = _preset_of(document, where, camera, scenario)
    own_geometry = bool(camera.lines or camera.zones)
    geometry = camera if own_geometry or preset is None else preset.value.geometry
    faults = _not_yet(document, where, camera, live)
    planned: dict[str, PlannedRule] = {}
    ground = Ground.of(camera.calibration, 1, 1) if camera.calibration else None
    place = Place(geometry.lines, geometry.zones, ground, camera_name)
    written: list[tuple[Document[Any], YamlPath, tuple[RuleSpec, ...]]] = []
    if preset is not None:
        written.append((preset, ("rules",), preset.value.rules))
    written.append((document, (*where, "rules"), camera.rules))
    for source, prefix, specs in written:
        rules, found = _plan_rules(source, prefix, specs, place)
        faults += found
        planned.update({rule.name: rule for rule in rules})  # a camera's rule takes the place of the scenario's
    labels = camera.labels
    labels_from: tuple[Document[Any], YamlPath] = (document, (*where, "labels"))
    if labels is None and preset is not None:
        labels, labels_from = preset.value.labels, (preset, ("labels",))
    planned, off = _working(planned.values())
    planned, found = _within_labels(planned, labels, document)
    faults += found + _shared_counters(list(planned.values()))
    if faults:
        raise ConfigError(*faults)
    return CameraPlan(
        labels, camera.min_size, camera.masks, camera.drawn_on, geometry.lines, geometry.zones, camera.tracker,
        tuple(planned.values()), labels_from, (document, where), camera.tiles, camera.calibration,
        document.value.timezone, off,
    )  # fmt: skip


def plan_scenario(name: str) -> CameraPlan:
    """A scenario on its own default geometry, without a site file.

    Raises:
        ConfigError: Unknown or wrong scenario.
    """
    preset = load_scenario(name)
    geometry = preset.value.geometry
    rules, faults = _plan_rules(preset, ("rules",), preset.value.rules, Place(geometry.lines, geometry.zones))
    working, off = _working(rules)
    faults += _shared_counters(list(working.values()))
    if faults:
        raise ConfigError(*faults)
    return CameraPlan(
        labels=preset.value.labels, lines=geometry.lines, zones=geometry.zones, rules=tuple(working.values()),
        labels_from=(preset, ("labels",)), off=off,
    )  # fmt: skip


def _preset_of(
    document: Document[Site], where: YamlPath, camera: Camera, override: str | None
) -> Document[Scenario] | None:
    if override is not None:
        return load_scenario(override)
    if camera.scenario is None:
        return None
    try:
        return load_scenario(camera.scenario, document.path.parent)
    except ConfigError as error:
        raise ConfigError(*(document.fault((*where, "scenario"), fault) for fault in error.faults)) from error


def _plan_rules(
    document: Document[Any],
    prefix: YamlPath,
    specs: Iterable[RuleSpec],
    place: Place,
) -> tuple[list[PlannedRule], list[str]]:
    """Check rules as written; a wildcard becomes one rule for each line or zone."""
    planned: dict[str, PlannedRule] = {}
    faults: list[str] = []
    for index, spec in enumerate(specs):
        where: YamlPath = (*prefix, index)
        if spec.kind not in RULE_KINDS:
            faults.append(
                document.fault((*where, "kind"), f"unknown rule kind {spec.kind!r}; allowed: {', '.join(RULE_KINDS)}")
            )
            continue
        model = RULE_KINDS[spec.kind][0]
        try:
            config = model.model_validate(spec.model_dump())
        except ValidationError as error:
            faults += explain(document.path, document.lines, where, error, model, document.filled)
            continue
        found, wrong = _place(document, where, config, place)
        faults += wrong
        for rule in found:
            if rule.name in planned:
                faults.append(
                    document.fault(where, f"two rules are called {rule.name!r}; give one a 'name' of its own")
                )
            planned[rule.name] = rule
    return list(planned.values()), faults


def _place(
    document: Document[Any], where: YamlPath, config: RuleConfig, place: Place
) -> tuple[list[PlannedRule], list[str]]:
    """Find the lines and zones that a rule names, and ask it whether it can work there.

    ``line`` and ``zone`` are one name, or one with a ``*``: a rule for each that fits; what the ``*`` stood for takes
    its place in the rule's other names, too. ``lines`` and ``zones`` are lists of names, or one with a ``*``: one rule
    with all that fit, or none where too few do.
    """
    configs = [config]
    for one, several, known in (("line", "lines", place.lines), ("zone", "zones", place.zones)):
        for key in (one, several):
            if unknown := [name for name in _names(config, key) if name not in known]:
                allowed = ", ".join(known) or f"none: the camera has no {several}"
                return [], [document.fault((*where, key), f"unknown {one} {unknown[0]!r}; allowed: {allowed}")]
        if EACH in (pattern := _pattern(config, one)):
            configs = [_at(each, one, pattern, name, place) for each in configs for name in _fitting(known, pattern)]
        if EACH in (pattern := _pattern(config, several)):
            fitting = tuple(_fitting(known, pattern))
            configs = [
                each.model_copy(update={several: fitting}) for each in configs if len(fitting) >= config.least_places
            ]
    rules, faults = [], []
    for each in configs:
        wrong = each.faults_at(place)
        off = "; ".join(text for _, text in wrong) if each.optional else ""
        faults += [] if off else wrong
        rules.append(PlannedRule(each, document, where, off))
    return rules, [document.fault((*where, key) if key else where, text) for key, text in dict.fromkeys(faults)]


def _working(rules: Iterable[PlannedRule]) -> tuple[dict[str, PlannedRule], dict[str, str]]:
    """The rules that can work at the camera, and why the others cannot, by name."""
    every = list(rules)
    return {rule.name: rule for rule in every if not rule.off}, {rule.name: rule.off for rule in every if rule.off}


def _pattern(config: RuleConfig, key: str) -> str:
    """The name behind a key, which may hold a ``*``; empty where it is a list, or not there."""
    found = getattr(config, key, None)
    return found if isinstance(found, str) else ""


def _names(config: RuleConfig, key: str) -> Sequence[str]:
    """The names behind a key, which may be one, a list, one with a ``*`` or not there."""
    found = getattr(config, key, None)
    return () if found is None else ((found,) if EACH not in found else ()) if isinstance(found, str) else tuple(found)


def _fitting(known: Iterable[str], pattern: str) -> list[str]:
    """The names that fit a pattern with one ``*``."""
    head, _, tail = pattern.partition(EACH)
    least = len(head) + len(tail)
    return [name for name in known if len(name) >= least and name.startswith(head) and name.endswith(tail)]


def _at(config: RuleConfig, key: str, pattern: str, name: str, place: Place) -> RuleConfig:
    """One of the rules that a ``*`` stands for; other places with a ``*`` that are not there are left out."""
    head, _, tail = pattern.partition(EACH)
    stood_for = name[len(head) : len(name) - len(tail)]
    update: dict[str, Any] = {key: name, "name": f"{config.name}_{name}" if config.name else None}
    for other, value in config:
        if other not in ("line", "zone", "lines", "zones", "name") and isinstance(value, str) and EACH in value:
            found = value.replace(EACH, stood_for)
            update[other] = found if found in place.lines or found in place.zones else None
    return config.model_copy(update=update)


def _within_labels(
    planned: dict[str, PlannedRule], kept: tuple[str, ...] | None, document: Document[Site]
) -> tuple[dict[str, PlannedRule], list[str]]:
    """Fit the rules to the labels the camera keeps: a rule without labels looks at those, a scenario's at what is left.

    A rule of the camera's own for a label that is not kept would never see it, which is a fault.
    """
    if kept is None:
        return planned, []
    result, faults = {}, []
    for name, rule in planned.items():
        left: dict[str, tuple[str, ...]] = {}
        for key, wanted in rule.config.labels_by_key(kept).items():
            if key in rule.config.brings_labels:
                continue
            left[key] = tuple(label for label in wanted if label in kept)
            if rule.document is document and len(left[key]) < len(wanted):
                lost = ", ".join(label for label in wanted if label not in kept)
                where = (*rule.where, key)
                faults.append(document.fault(where, f"the camera does not keep {lost}; it keeps {', '.join(kept)}"))
        if all(left.values()):
            result[name] = dataclasses.replace(rule, config=rule.config.model_copy(update=left))
    return result, faults


def _shared_counters(rules: Sequence[PlannedRule]) -> list[str]:
    """Two rules that would write the same counter."""
    faults = []
    for index, rule in enumerate(rules):
        for other in rules[:index]:
            same = (rule.config.kind, rule.place) == (other.config.kind, other.place)
            if not (rule.config.counts_by_place and same):
                continue
            mine, theirs = rule.config.labels, other.config.labels
            if mine is None or theirs is None or set(mine) & set(theirs):
                faults.append(
                    rule.document.fault(
                        rule.where,
                        f"rules {other.name!r} and {rule.name!r} both count {rule.place!r} for one label; keep one",
                    )
                )
    return faults


def _unknown_labels(
    document: Document[Any], where: YamlPath, wanted: Iterable[str], model: str, known: Sequence[str]
) -> list[str]:
    unknown = [repr(label) for label in wanted if label not in known]
    if not unknown:
        return []
    return [document.fault(where, f"model {model!r} has no label {', '.join(unknown)}; allowed: {', '.join(known)}")]


def _not_yet(document: Document[Site], where: YamlPath, camera: Camera, live: bool) -> list[str]:
    """Keys of the site file that this version accepts but cannot serve."""
    faults = []
    if not live and isinstance(camera.detector, tuple) and len(camera.detector) > 1:
        faults.append(((*where, "detector"), "'analyze' uses one detector; 'run' merges several"))
    faults.sort(key=lambda fault: line_of(document.lines, fault[0]))
    return [document.fault(place, text) for place, text in faults]
