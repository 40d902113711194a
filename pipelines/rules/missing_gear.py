"""Report people without a helmet, a vest, or whatever gear a model knows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from config.site import Name
from pipelines.rules.base import PeopleRuleConfig, Surroundings, event
from pipelines.rules.evidence import Clock, Debounced
from pipelines.rules.memory import TrackMemory
from pipelines.rules.sights import those_in
from pipelines.rules.wearing import wearers
from pipelines.values import CounterKey, Event, Scalar, Track


class MissingGearConfig(PeopleRuleConfig):
    """Keys of ``missing_gear``."""

    kind: Literal["missing_gear"]
    words: ClassVar[tuple[str, ...]] = ("missing", "found")
    label_keys: ClassVar[tuple[str, ...]] = ("labels", "worn", "missing")
    brings_labels: ClassVar[tuple[str, ...]] = ("worn", "missing")
    name: Name | None = Field(None, description="default: missing_gear_<gear>, and the zone")
    gear: Name = Field(description="what it is called in results: helmet, vest")
    worn: tuple[str, ...] = Field((), description="labels of boxes that are this gear")
    missing: tuple[str, ...] = Field((), description="labels of boxes that say it is missing (`no-helmet`)")
    where: Literal["head", "torso", "any"] = Field("any", description="where on a person such a box lies")
    zone: str | None = Field(None, description='zone in which it must be worn, or "*" for each; default: everywhere')
    seconds: float = Field(3.0, gt=0, description="media seconds without it, or with it again, until that is told")
    share: float = Field(0.8, gt=0.5, le=1, description="share of them in which it must be missing, or worn")
    min_size: float = Field(
        0.1, ge=0, lt=1, description="least height of a person, relative to the picture's; smaller ones are left out"
    )

    @property
    def full_name(self) -> str:
        """Its own name, or ``missing_gear_<gear>`` and the zone."""
        return self.name or "_".join(filter(None, (self.kind, self.gear, self.zone)))

    @model_validator(mode="after")
    def _has_evidence(self) -> Self:
        if not self.worn and not self.missing:
            raise ValueError("without labels it sees nothing; name some under 'worn', under 'missing' or under both")
        return self

    def can_work(self, emptied: Collection[str]) -> bool:
        """It can with labels of people, and labels of gear worn or missing."""
        return "labels" not in emptied and bool(self.worn or self.missing)


@dataclass(slots=True)
class _Wearer:
    """What is known of a person.

    Attributes:
        without: Whether the gear is missing, as told.
        since_s: Media time at which it was told.
        seen_s: Media time at which the person was looked at last.
    """

    without: Debounced
    since_s: float = 0.0
    seen_s: float = 0.0


class MissingGear:
    """One event for each person and time without the gear, and one when it is worn again.

    With labels of both kinds, a person with neither box says nothing. With ``worn`` alone, no box means that it is
    missing; with ``missing`` alone, that it is worn.
    """

    kind: ClassVar[str] = "missing_gear"

    def __init__(self, config: MissingGearConfig, surroundings: Surroundings) -> None:
        """Watch the picture or ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._zone = None if config.zone is None else surroundings.zone_sight(config.zone, config.anchor)
        self._known = frozenset((*config.worn, *config.missing))
        self._min_height = config.min_size * surroundings.size[1]
        self._lost_s = surroundings.lost_s
        self._clock = Clock()
        self._memory: TrackMemory[_Wearer] = TrackMemory(
            lambda track: _Wearer(Debounced(config.seconds, config.share)), keep_s=2 * surroundings.lost_s
        )
        self._without: dict[int, _Wearer] = {}
        self._people = self._episodes = 0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        step_s = self._clock.step(pts_s)
        persons = [
            track
            for track in those_in(self._zone, tracks, pts_s)
            if self._config.wants(track.label) and track.height >= self._min_height
        ]
        people = self._memory.update(persons, pts_s)
        self._people = len(people)
        events = []
        for (track, wearer), is_missing in zip(people, self._verdicts(people, tracks), strict=True):
            wearer.seen_s = pts_s
            happens = None if is_missing is None else wearer.without.update(is_missing, step_s)
            if happens is not None:
                events.append(self._tell(track, wearer, happens == "begin", pts_s))
            if wearer.without.holds:
                self._without[id(wearer)] = wearer
        for key, wearer in list(self._without.items()):
            if pts_s - wearer.seen_s > self._lost_s or not wearer.without.holds:
                del self._without[key]
        self._memory.evict(pts_s)
        return events

    def _verdicts(self, people: Sequence[tuple[Track, _Wearer]], tracks: Sequence[Track]) -> list[bool | None]:
        """Whether each person is without; ``None`` where this frame does not say."""
        found = [(track, label) for track in tracks if (label := self._gear_label(track)) is not None]
        pairs = wearers([track.xyxy for track, _ in people], [track.xyxy for track, _ in found], self._config.where)
        both = bool(self._config.worn and self._config.missing)
        silent = None if both else bool(self._config.worn)
        verdicts: list[bool | None] = []
        for row, (track, _) in enumerate(people):
            if row in pairs:
                verdicts.append(found[pairs[row]][1] in self._config.missing)
            else:
                verdicts.append(None if self._is_cut(track) else silent)
        return verdicts

    def _gear_label(self, track: Track) -> str | None:
        """What a box of this frame says of the gear; the better score counts where it says both."""
        for label in track.labels_now:
            if label in self._known:
                return label
        return None

    def _is_cut(self, track: Track) -> bool:
        """Whether the place of the gear may lie above the picture."""
        return self._config.where == "head" and track.xyxy[1] <= 1.0

    def _tell(self, track: Track, wearer: _Wearer, is_missing: bool, pts_s: float) -> Event:
        data: dict[str, Scalar] = {"gear": self._config.gear, "action": "missing" if is_missing else "found"}
        if self._config.zone is not None:
            data["zone"] = self._config.zone
        if is_missing:
            self._episodes += 1
            wearer.since_s = pts_s
        else:
            data["lasted_s"] = round(pts_s - wearer.since_s, 3)
        return event(self, self._source_id, pts_s, track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """How often it was missing so far; how many people are without, and people, now."""
        return {
            ("totals", self.name, "missing"): self._episodes,
            ("values", self.name, "missing"): len(self._without),
            ("values", self.name, "people"): self._people,
        }

    def state(self) -> dict[str, Any]:
        """``{"gear", "zone", "episodes", "missing_now", "people_now"}``."""
        return {
            "gear": self._config.gear,
            "zone": self._config.zone,
            "episodes": self._episodes,
            "missing_now": len(self._without),
            "people_now": self._people,
        }
