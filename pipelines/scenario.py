"""From the configuration of a camera to its rules, with every name checked."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config.errors import ConfigError
from config.faults import YamlPath
from config.loader import Document
from config.scenario import Scenario, load_scenario
from config.site import Calibration, Camera, Line, Polygon, RuleSpec, Site, Tiles, Tracker
from pipelines.geometry import Xy, scale
from pipelines.ground import Ground
from pipelines.rule_plan import PlannedRule, plan_rules, shared_counters, unknown_labels, within_labels, working
from pipelines.rules import RULE_KINDS, Place, Rule, Surroundings
from pipelines.values import CounterKey, Event, Track
from pipelines.wall_clock import WallClock
from streams.frame import Frame
from streams.recorded import recorded_at


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """All that is configured for one camera, checked as far as is possible without a model.

    Geometry is relative (0..1). ``off`` has the names of rules that cannot work at the camera, and why.
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
            faults += unknown_labels(document, where, self.labels, model, known)
        for rule in self.rules:
            for key, labels in rule.config.labels_by_key(()).items() if not rule.config.optional else ():
                where = (*rule.where, key)
                told = () if where in rule.document.lines else self.labels or ()  # they are the camera's
                missing = [label for label in labels if label not in told]
                faults += unknown_labels(rule.document, where, missing, model, known)
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

    def ground(self, width: int, height: int) -> Ground | None:
        """From pixels of pictures of this size to metres; ``None`` where the camera is not calibrated."""
        return Ground.of(self.calibration, width, height) if self.calibration else None

    def start_of(
        self, video: Path | None, told: float | None, way_out: str = "say it with --start-time"
    ) -> float | None:
        """When a recording began, where a schedule wants to know.

        Args:
            video: The file, if it is there.
            told: Unix seconds of its first frame, if somebody said.
            way_out: What to do where nobody knows, for the error.

        Returns:
            Unix seconds: as told, else as the file's container has them; ``None`` where nothing needs them.

        Raises:
            ConfigError: A rule has a schedule, and nobody knows.
        """
        wanting = [rule for rule in self.rules if getattr(rule.config, "schedule", None) is not None]
        start = recorded_at(video) if told is None and wanting and video is not None else told
        if start is None and wanting:
            name = video or "the video"
            text = f"when {name} was recorded is not known, so this schedule cannot be kept; {way_out}"
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
            self.ground(width, height),
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
        events: list[Event] = []
        failure: Exception | None = None
        for rule in self.rules:
            try:
                events += rule.update(tracks, frame.pts_s)
            except Exception as error:  # told when the others have seen the frame, too: they share what they find out
                failure = failure or error
        if failure is not None:
            raise failure
        return tuple([dataclasses.replace(event, captured_at=frame.captured_at) for event in events])

    def counters(self) -> dict[CounterKey, int]:
        """Every counter's present value."""
        found: dict[CounterKey, int] = {}
        for rule in self.rules:
            found.update(rule.counters())
        return found

    def state(self) -> dict[str, dict[str, Any]]:
        """What each rule says of itself, by rule name."""
        return {rule.name: {"kind": rule.kind, **rule.state()} for rule in self.rules}


def plan_camera(document: Document[Site], camera_name: str, scenario: str | None = None) -> CameraPlan:
    """Check one camera of a site file.

    Args:
        document: The site file.
        camera_name: One of its cameras.
        scenario: A preset or file that takes the place of the camera's own scenario.

    Raises:
        ConfigError: Every fault found, one sentence each.
    """
    camera: Camera = document.value.cameras[camera_name]
    where: YamlPath = ("cameras", camera_name)
    preset = _preset_of(document, where, camera, scenario)
    own_geometry = bool(camera.lines or camera.zones)
    geometry = camera if own_geometry or preset is None else preset.value.geometry
    faults: list[str] = []
    planned: dict[str, PlannedRule] = {}
    ground = Ground.of(camera.calibration, 1, 1) if camera.calibration else None
    place = Place(geometry.lines, geometry.zones, ground, camera_name)
    written: list[tuple[Document[Any], YamlPath, tuple[RuleSpec, ...]]] = []
    if preset is not None:
        written.append((preset, ("rules",), preset.value.rules))
    written.append((document, (*where, "rules"), camera.rules))
    for source, prefix, specs in written:
        rules, found = plan_rules(source, prefix, specs, place)
        faults += found
        planned.update({rule.name: rule for rule in rules})  # a camera's rule takes the place of the scenario's
    labels = camera.labels
    labels_from: tuple[Document[Any], YamlPath] = (document, (*where, "labels"))
    if labels is None and preset is not None:
        labels, labels_from = preset.value.labels, (preset, ("labels",))
    planned, off = working(planned.values())
    planned, without_labels, found = within_labels(planned, labels, document)
    faults += found + shared_counters(list(planned.values()))
    if faults:
        raise ConfigError(*faults)
    return CameraPlan(
        labels, camera.min_size, camera.masks, camera.drawn_on, geometry.lines, geometry.zones, camera.tracker,
        tuple(planned.values()), labels_from, (document, where), camera.tiles, camera.calibration,
        document.value.timezone, off | without_labels,
    )  # fmt: skip


def plan_scenario(name: str) -> CameraPlan:
    """A scenario on its own default geometry, without a site file.

    Raises:
        ConfigError: Unknown or wrong scenario.
    """
    preset = load_scenario(name)
    geometry = preset.value.geometry
    rules, faults = plan_rules(preset, ("rules",), preset.value.rules, Place(geometry.lines, geometry.zones))
    good, off = working(rules)
    faults += shared_counters(list(good.values()))
    if faults:
        raise ConfigError(*faults)
    return CameraPlan(
        labels=preset.value.labels, lines=geometry.lines, zones=geometry.zones, rules=tuple(good.values()),
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
