"""What every rule has in common: its configuration, its surroundings, its memory of tracks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Literal, Protocol, Self, TypeVar

from pydantic import Field

from config.site import Name, Strict
from pipelines.geometry import Xy, iou
from pipelines.ground import Ground
from pipelines.values import CounterKey, Event, Scalar, Track
from pipelines.wall_clock import WallClock

State = TypeVar("State")
HANDOVER_S = 1.0
"""Media seconds within which a new id may take over a vanished one's state, wherever it was going."""
HANDOVER_IOU = 0.3


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
    anchor: Literal["foot", "centre"] = Field("foot", description="the point of the box that counts")
    counts_by_place: ClassVar[bool] = False
    """Whether its counters belong to its line or zone, so that two rules there for one label would share them."""

    optional: bool = Field(
        False, description="leaves out labels the model lacks, and is off, with a warning, where it cannot do without"
    )
    label_keys: ClassVar[tuple[str, ...]] = ("labels",)
    """Its keys that are lists of labels; a kind with others than ``labels`` names them here."""

    brings_labels: ClassVar[tuple[str, ...]] = ()
    """Those of ``label_keys`` whose labels are kept for it, though the camera does not name them."""

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


@dataclass(slots=True)
class _Seen(Generic[State]):
    state: State
    xyxy: tuple[float, float, float, float]
    pts_s: float
    before: tuple[float, float, float, float]
    before_s: float


class TrackMemory(Generic[State]):
    """State per track that ends with the track.

    A new id that begins where another one has just vanished takes over its state: a tracker that gives an object a
    new id in the middle of the line must not make it two objects. What is unseen for ``keep_s`` is forgotten.
    """

    def __init__(self, make: Callable[[Track], State], keep_s: float, handover_s: float = HANDOVER_S) -> None:
        """Start empty.

        Args:
            make: Makes the state of a track that is new.
            keep_s: Media seconds without the track after which its state is dropped.
            handover_s: Media seconds within which a new id takes over the state of one that vanished at its place;
                more than the default is for what stands still.
        """
        self._make = make
        self._keep_s = keep_s
        self._handover_s = min(handover_s, keep_s)
        self._seen: dict[int, _Seen[State]] = {}

    def __len__(self) -> int:
        return len(self._seen)

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[tuple[Track, State]]:
        """The state of each track of this frame; call once a frame."""
        present = {track.id for track in tracks}
        result = []
        for track in tracks:
            seen = self._seen.get(track.id)
            if seen is None:
                state = self._hand_over(track, present, pts_s)
                self._seen[track.id] = _Seen(state, track.xyxy, pts_s, track.xyxy, pts_s)
            else:
                state = seen.state
                if pts_s > seen.pts_s:
                    seen.before, seen.before_s = seen.xyxy, seen.pts_s
                seen.xyxy, seen.pts_s = track.xyxy, pts_s
            result.append((track, state))
        return result

    def _hand_over(self, track: Track, present: set[int], pts_s: float) -> State:
        best_id, best_iou = None, HANDOVER_IOU
        for other_id, other in self._seen.items():
            unseen_s = pts_s - other.pts_s
            if other_id in present or unseen_s > self._handover_s:
                continue
            overlap = iou(other.xyxy, track.xyxy)
            if unseen_s <= HANDOVER_S:
                overlap = max(overlap, iou(_moved(other, pts_s), track.xyxy))
            if overlap >= best_iou:
                best_id, best_iou = other_id, overlap
        return self._make(track) if best_id is None else self._seen.pop(best_id).state

    def evict(self, pts_s: float) -> list[State]:
        """Forget the tracks unseen for longer than ``keep_s`` and return their states."""
        gone = [key for key, seen in self._seen.items() if pts_s - seen.pts_s > self._keep_s]
        return [self._seen.pop(key).state for key in gone]


def _moved(seen: _Seen[State], pts_s: float) -> tuple[float, float, float, float]:
    """Where a vanished track would be now, had its centre gone on as between its last two boxes."""
    x1, y1, x2, y2 = seen.xyxy
    elapsed = seen.pts_s - seen.before_s
    if elapsed <= 0:
        return seen.xyxy
    bx1, by1, bx2, by2 = seen.before
    share = (pts_s - seen.pts_s) / elapsed
    dx, dy = share * (x1 + x2 - bx1 - bx2) / 2, share * (y1 + y2 - by1 - by2) / 2
    return (x1 + dx, y1 + dy, x2 + dx, y2 + dy)


def event(rule: Rule, source_id: str, pts_s: float, track: Track, data: Mapping[str, Scalar]) -> Event:
    """An event about a track; the runner stamps the wall clock."""
    return Event(rule.kind, rule.name, source_id, pts_s, 0.0, track.id, track.label, data)


def scene_event(rule: Rule, source_id: str, pts_s: float, data: Mapping[str, Scalar]) -> Event:
    """An event about a place rather than one track; the runner stamps the wall clock."""
    return Event(rule.kind, rule.name, source_id, pts_s, 0.0, None, None, data)
