"""What every rule has in common: its configuration, its surroundings, its memory of tracks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self, TypeVar

from pydantic import Field

from config.site import Name, Strict
from pipelines.geometry import Xy
from pipelines.ground import Ground
from pipelines.rules.sights import Anchor, GroundSight, MotionSight, ObjectSight, PointSight, ZoneSight
from pipelines.values import CounterKey, Event, Scalar, Track
from pipelines.wall_clock import WallClock

Sight = TypeVar("Sight")


@dataclass(frozen=True, slots=True)
class Place:
    """What a camera has for its rules, in relative coordinates.

    Attributes:
        lines: Its lines by name.
        zones: Its zones by name.
        ground: From relative points to metres; ``None`` where it is not calibrated.
        camera: Its name; empty without a site file.
    """

    lines: Mapping[str, tuple[Xy, Xy]] = field(default_factory=dict)
    zones: Mapping[str, tuple[Xy, ...]] = field(default_factory=dict)
    ground: Ground | None = None
    camera: str = ""


def metres_faults(config: RuleConfig, place: Place, way_out: str = "") -> list[tuple[str, str]]:
    """Why a rule cannot measure in metres at this camera: the key, and a sentence.

    Args:
        config: The rule.
        place: The camera.
        way_out: What may be done instead of calibrating, with a comma before it.
    """
    if place.ground is None:
        who = f"camera {place.camera} has" if place.camera else "without a site file there is"
        what = f"{config.kind} measures in metres, and {who} no 'calibration'"
        return [("kind", f"{what}; write four points of the ground there (docs/scenarios.md){way_out}")]
    if config.anchor != "foot":
        return [("anchor", "metres are measured on the ground, where the foot of a box is; leave 'anchor' out")]
    name = str(getattr(config, "zone", None))
    if any(place.ground.point(corner) is None for corner in place.zones.get(name, ())):
        return [
            ("zone", f"zone {name!r} reaches the horizon of the calibration, where a pixel is miles; draw it lower")
        ]
    return []


class RuleConfig(Strict):
    """Keys of every rule."""

    kind: str
    name: Name | None = Field(None, description="default: <kind>_<line or zone>")
    labels: tuple[str, ...] | None = Field(None, min_length=1, description="labels it looks at; default: all")
    anchor: Anchor = Field("foot", description="the point of the box that counts")
    counts_by_place: ClassVar[bool] = False
    """Whether its counters belong to its line or zone, so that two rules there for one label would share them."""

    optional: bool = Field(
        False, description="leaves out labels the model lacks, and is off, with a warning, where it cannot do without"
    )
    skip: str | None = Field(
        None,
        min_length=1,
        description='lines or zones that a "*" does not stand for: "way_*", say',
    )
    label_keys: ClassVar[tuple[str, ...]] = ("labels",)
    """Its keys that are lists of labels; a kind with others than ``labels`` names them here."""

    least_places: ClassVar[int] = 1
    """How many ``lines`` or ``zones`` it needs."""

    brings_labels: ClassVar[tuple[str, ...]] = ()
    """Those of ``label_keys`` whose labels are kept for it, though the camera does not name them."""

    words: ClassVar[tuple[str, ...]] = ("",)
    """What its events tell apart, as the column ``direction`` of a truth has it: ``in`` and ``out``, say."""

    scene_words: ClassVar[tuple[str, ...]] = ()
    """Those of its words that are about the place: events of theirs have no label."""

    def told(self) -> tuple[str, ...]:
        """The words of the events that it has as it is configured; none where it has no events."""
        return self.words

    @property
    def told_labels(self) -> tuple[str, ...]:
        """Labels that its events may have; empty: any."""
        return self.labels or ()

    @property
    def place(self) -> str:
        """Name of its line or zone; empty where it has none, or several."""
        return str(getattr(self, "line", None) or getattr(self, "zone", None) or "")

    @property
    def full_name(self) -> str:
        """Its own name, or ``<kind>_<line or zone>``, or its kind."""
        return self.name or "_".join(filter(None, (self.kind, self.place)))

    def anchor_of(self, track: Track) -> Xy:
        """The point of a track that counts, in pixels."""
        return track.foot if self.anchor == "foot" else track.centre

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """What is wrong with the rule at this camera: the key, and a sentence; lines and zones are known by now."""
        return []

    def labels_by_key(self, default: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """The labels behind each of ``label_keys``; those of ``labels`` are the default unless it is written."""
        found = {key: getattr(self, key) for key in self.label_keys}
        if "labels" in found and found["labels"] is None:
            found["labels"] = default
        return {key: labels for key, labels in found.items() if labels is not None}

    def within(self, known: Collection[str]) -> Self | None:
        """The rule without the labels that are not known; ``None`` where it cannot work without them."""
        written = {key: labels for key in self.label_keys if (labels := getattr(self, key))}
        left = {key: tuple(label for label in labels if label in known) for key, labels in written.items()}
        rule = self.model_copy(update=left)
        return rule if rule.can_work(frozenset(key for key, labels in left.items() if not labels)) else None

    def brought(self) -> tuple[str, ...]:
        """The labels that are kept for it, though the camera does not name them."""
        return tuple(label for key in self.brings_labels for label in getattr(self, key) or ())

    def can_work(self, emptied: Collection[str]) -> bool:
        """Whether it makes sense though none of the labels of these keys is known; a kind may do without some."""
        return not emptied

    def wants(self, label: str) -> bool:
        """Whether the rule looks at this label."""
        return self.labels is None or label in self.labels


class PeopleRuleConfig(RuleConfig):
    """Keys of rules about people: a chair at a table is no guest."""

    labels: tuple[str, ...] | None = Field(("person",), min_length=1, description="labels of people")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a rule works.

    Attributes:
        source_id: The camera or file.
        lines: Lines by name, in pixels.
        zones: Zones by name, in pixels.
        lost_s: Media seconds after which the tracker gives a vanished object up.
        size: Width and height of the pictures, in pixels.
        ground: From pixels to metres; ``None`` where the camera is not calibrated.
        wall: The time of day, for schedules alone; analytics are in media time.
    """

    source_id: str
    lines: Mapping[str, tuple[Xy, Xy]]
    zones: Mapping[str, tuple[Xy, ...]]
    lost_s: float
    size: tuple[int, int] = (1, 1)
    ground: Ground | None = None
    wall: WallClock = field(default_factory=WallClock)
    shared: dict[tuple[Any, ...], Any] = field(default_factory=dict, repr=False, compare=False)
    """What rules look at together: made for the first that asks."""

    def zone_sight(self, zone: str, anchor: Anchor, share: float | None = None) -> ZoneSight:
        """Who is in a zone, by the anchor point or by a share of the box."""
        points = self.point_sight(anchor)
        return self.once(("zone", zone, anchor, share), lambda: ZoneSight(self.zones[zone], points, share))

    def point_sight(self, anchor: Anchor) -> PointSight:
        """Where the points that count are, in pixels."""
        return self.once(("point", anchor), lambda: PointSight(anchor))

    def object_sight(self, labels: Collection[str] | None, keep_s: float, handover_s: float) -> ObjectSight:
        """Which objects the tracks of some labels, or all, are, over id switches."""
        key = None if labels is None else frozenset(labels)
        return self.once(("objects", key, keep_s, handover_s), lambda: ObjectSight(key, keep_s, handover_s))

    def ground_sight(self) -> GroundSight:
        """Where feet are in metres.

        Raises:
            ValueError: The camera is not calibrated; its configuration should have been refused.
        """
        if self.ground is None:
            raise ValueError(f"{self.source_id} is not calibrated; nothing can be measured in metres")
        ground = self.ground
        return self.once(("ground",), lambda: GroundSight(ground))

    def motion_sight(self, window_s: float) -> MotionSight:
        """How fast feet go, in metres a second where the camera is calibrated, else in pixels a second."""
        ground = None if self.ground is None else self.ground_sight()
        return self.once(("motion", window_s), lambda: MotionSight(window_s, 2 * self.lost_s, ground))

    def once(self, key: tuple[Any, ...], make: Callable[[], Sight]) -> Sight:
        """What was made under this key, or made now."""
        if key not in self.shared:
            self.shared[key] = make()
        found: Sight = self.shared[key]
        return found


class Rule(Protocol):
    """Turns tracks into events and counters. Reads media time only."""

    kind: ClassVar[str]
    name: str

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        ...

    def counters(self) -> Mapping[CounterKey, int]:
        """Present value of every counter, zeros of configured labels included.

        A rule's own are ``("totals", self.name, word)``, which only grow, and ``("values", self.name, word)``, which
        are what is there now; both whole numbers from 0. A word is a label or one of a few fixed words, not both in
        one rule.
        """
        ...

    def state(self) -> dict[str, Any]:
        """What the summary says of this rule."""
        ...


def event(rule: Rule, source_id: str, pts_s: float, track: Track, data: Mapping[str, Scalar]) -> Event:
    """An event about a track; the runner stamps the wall clock."""
    return Event(rule.kind, rule.name, source_id, pts_s, 0.0, track.id, track.label, data)


def scene_event(rule: Rule, source_id: str, pts_s: float, data: Mapping[str, Scalar]) -> Event:
    """An event about a place rather than one track; the runner stamps the wall clock."""
    return Event(rule.kind, rule.name, source_id, pts_s, 0.0, None, None, data)
