"""From the configuration of a camera to its rules, with every name checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from config.errors import ConfigError
from config.faults import YamlPath, explain, line_of
from config.loader import Document
from config.scenario import Scenario, load_scenario
from config.site import Camera, Line, Polygon, RuleSpec, Site, Tiles, Tracker
from pipelines.geometry import Xy, scale
from pipelines.rules import RULE_KINDS, Rule, RuleConfig, Surroundings
from pipelines.values import CounterKey, Event, Track
from streams.frame import Frame

EACH = "*"


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A checked rule and where it was written."""

    config: RuleConfig
    document: Document[Any]
    where: YamlPath

    @property
    def place(self) -> str:
        """Name of its line or zone."""
        return str(getattr(self.config, "line", None) or getattr(self.config, "zone", ""))

    @property
    def name(self) -> str:
        """Its own name, or ``<kind>_<line or zone>``."""
        return self.config.name or f"{self.config.kind}_{self.place}"


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """All that is configured for one camera, checked as far as is possible without a model.

    Geometry is relative (0..1).
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
            where = (*rule.where, "labels")
            if where in rule.document.lines:  # else they are the camera's, told above
                faults += _unknown_labels(rule.document, where, rule.config.labels or (), model, known)
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

    def rule_set(self, source_id: str, width: int, height: int) -> RuleSet:
        """The rules of this camera for pictures of this size."""
        lines, zones = self.pixel_lines(width, height), self.pixel_zones(width, height)
        surroundings = Surroundings(source_id, lines, zones, self.tracker.lost_s)
        return RuleSet([RULE_KINDS[rule.config.kind][1](rule.config, surroundings) for rule in self.rules])


class RuleSet:
    """The rules of one camera."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Take rules with different names."""
        self.rules = rules

    def update(self, tracks: Sequence[Track], frame: Frame) -> tuple[Event, ...]:
        """Run every rule on the confirmed tracks of a frame; events carry the frame's wall clock as a label."""
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
    written: list[tuple[Document[Any], YamlPath, tuple[RuleSpec, ...]]] = []
    if preset is not None:
        written.append((preset, ("rules",), preset.value.rules))
    written.append((document, (*where, "rules"), camera.rules))
    for source, prefix, specs in written:
        rules, found = _plan_rules(source, prefix, specs, geometry.lines, geometry.zones)
        faults += found
        planned.update({rule.name: rule for rule in rules})  # a camera's rule takes the place of the scenario's
    labels = camera.labels
    labels_from: tuple[Document[Any], YamlPath] = (document, (*where, "labels"))
    if labels is None and preset is not None:
        labels, labels_from = preset.value.labels, (preset, ("labels",))
    planned, found = _within_labels(planned, labels, document)
    faults += found + _shared_counters(list(planned.values()))
    if faults:
        raise ConfigError(*faults)
    return CameraPlan(
        labels, camera.min_size, camera.masks, camera.drawn_on, geometry.lines, geometry.zones, camera.tracker,
        tuple(planned.values()), labels_from, (document, where), camera.tiles,
    )  # fmt: skip


def plan_scenario(name: str) -> CameraPlan:
    """A scenario on its own default geometry, without a site file.

    Raises:
        ConfigError: Unknown or wrong scenario.
    """
    preset = load_scenario(name)
    geometry = preset.value.geometry
    rules, faults = _plan_rules(preset, ("rules",), preset.value.rules, geometry.lines, geometry.zones)
    faults += _shared_counters(rules)
    if faults:
        raise ConfigError(*faults)
    return CameraPlan(
        labels=preset.value.labels, lines=geometry.lines, zones=geometry.zones, rules=tuple(rules),
        labels_from=(preset, ("labels",)),
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
    lines: Mapping[str, Line],
    zones: Mapping[str, Polygon],
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
        found, wrong = _place(document, where, config, lines, zones)
        faults += wrong
        for rule in found:
            if rule.name in planned:
                faults.append(
                    document.fault(where, f"two rules are called {rule.name!r}; give one a 'name' of its own")
                )
            planned[rule.name] = rule
    return list(planned.values()), faults


def _place(
    document: Document[Any],
    where: YamlPath,
    config: RuleConfig,
    lines: Mapping[str, Line],
    zones: Mapping[str, Polygon],
) -> tuple[list[PlannedRule], list[str]]:
    """Find the line or zone that a rule names."""
    for key, known in (("line", lines), ("zone", zones)):
        name = getattr(config, key, None)
        if name is None or name in known:
            continue
        if name == EACH:
            own = f"{config.name}_" if config.name else None
            each = [config.model_copy(update={key: place, "name": f"{own}{place}" if own else None}) for place in known]
            return [PlannedRule(rule, document, where) for rule in each], []
        allowed = ", ".join(known) or f"none: the camera has no {key}s"
        return [], [document.fault((*where, key), f"unknown {key} {name!r}; allowed: {allowed}")]
    return [PlannedRule(config, document, where)], []


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
        wanted = rule.config.labels if rule.config.labels is not None else kept
        left = tuple(label for label in wanted if label in kept)
        if left:
            result[name] = dataclasses.replace(rule, config=rule.config.model_copy(update={"labels": left}))
        if rule.document is document and len(left) < len(wanted):
            lost = ", ".join(label for label in wanted if label not in kept)
            where = (*rule.where, "labels")
            faults.append(document.fault(where, f"the camera does not keep {lost}; it keeps {', '.join(kept)}"))
    return result, faults


def _shared_counters(rules: Sequence[PlannedRule]) -> list[str]:
    """Two rules that would write the same counter."""
    faults = []
    for index, rule in enumerate(rules):
        for other in rules[:index]:
            if (rule.config.kind, rule.place) != (other.config.kind, other.place) or rule.config.kind == "dwell":
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
