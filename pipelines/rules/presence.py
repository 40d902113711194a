"""Who is in a zone: entering, staying and leaving, without flicker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.rules.base import RuleConfig, Surroundings
from pipelines.rules.memory import HANDOVER_S
from pipelines.rules.sights import Known, ZoneSight
from pipelines.values import Track

SETTLE_S = 0.09
"""Media seconds inside before an object has entered: two looks at 10 fps, four at 25 fps."""


@dataclass(slots=True, eq=False)
class Stay:
    """One object's relation to a zone.

    Attributes:
        known: The object.
        entered_s: Media time at which it came in; ``None`` while it is outside.
        first_inside_s: Media time since which it has been seen inside; ``None`` while it is outside.
        last_inside_s: Media time at which it was last seen inside.
        notes: What each rule keeps of it, by a key of its own. They outlast the stay, as the object does.
    """

    known: Known
    entered_s: float | None = None
    first_inside_s: float | None = None
    last_inside_s: float = 0.0
    notes: dict[Any, Any] = field(default_factory=dict)

    @property
    def track(self) -> Track:
        """The object as last seen."""
        return self.known.track

    @property
    def first(self) -> Track:
        """The object as it was first seen, inside or not; kept over an id switch."""
        return self.known.first

    def is_seen(self, pts_s: float) -> bool:
        """Whether it is seen inside in the frame of this media time."""
        return self.last_inside_s == pts_s and self.first_inside_s is not None


@dataclass(frozen=True, slots=True)
class Change:
    """An object came in or has left; ``pts_s`` is when it did so, ``stayed_s`` how long it was inside."""

    track: Track
    entered: bool
    pts_s: float
    stayed_s: float
    stay: Stay


class Presence:
    """Follows who is in a polygon, for all rules that ask the same of it.

    An object has entered once it was seen inside, and only inside, for a tenth of a second: a box that touches the
    zone in a single frame is no visit. It is inside until it has been seen outside for ``grace_s``, or not been seen
    at all for ``lost_s``; it then left when it was last seen inside.
    """

    def __init__(
        self,
        sight: ZoneSight,
        surroundings: Surroundings,
        labels: Collection[str] | None,
        grace_s: float,
        lost_s: float,
        handover_s: float = HANDOVER_S,
    ) -> None:
        """Start with an empty zone.

        Args:
            sight: Who is in the zone in a frame.
            surroundings: Has what rules look at together.
            labels: Those that are followed; ``None``: all.
            grace_s: Media seconds outside after which an object has left.
            lost_s: Media seconds unseen after which an object has left.
            handover_s: As of ``TrackMemory``.
        """
        self._sight = sight
        self._grace_s = grace_s
        self._lost_s = max(lost_s, grace_s)
        self._objects = surroundings.object_sight(labels, 2 * self._lost_s, handover_s)
        self._touching: dict[int, Stay] = {}  # seen inside, and since then neither outside nor lost
        self._inside: dict[int, Stay] = {}
        self._tracks: Sequence[Track] = ()
        self._pts_s = -1.0
        self._changes: Sequence[Change] = ()
        self.stays: Sequence[Stay] = ()
        """Those inside in the frame at hand."""

    @classmethod
    def of(cls, config: RuleConfig, surroundings: Surroundings, grace_s: float, share: float | None = None) -> Presence:
        """In the zone of a rule, together with what other rules find out there."""
        labels = None if config.labels is None else frozenset(config.labels)
        sight = surroundings.zone_sight(config.place, config.anchor, share)
        return surroundings.once(
            (cls, config.place, config.anchor, share, labels, grace_s),
            lambda: cls(sight, surroundings, labels, grace_s, surroundings.lost_s),
        )

    def update(self, tracks: Sequence[Track], pts_s: float) -> Sequence[Change]:
        """Take the confirmed tracks of the next frame; asked again for the same one, it knows.

        Args:
            tracks: All of them, as the rule was given them: then what other rules have found out holds, too.
            pts_s: Media time.
        """
        if tracks is not self._tracks or pts_s != self._pts_s:
            self._tracks, self._pts_s = tracks, pts_s
            self._changes = self._look(tracks, pts_s)
            self.stays = list(self._inside.values())
        return self._changes

    def _look(self, tracks: Sequence[Track], pts_s: float) -> list[Change]:
        changes = []
        ids = self._sight.ids(tracks, pts_s)
        objects = self._objects.by_id(tracks, pts_s)
        for key in ids:
            if (known := objects.get(key)) is None:
                continue
            stay: Stay | None = known.notes.get(self)
            if stay is None:
                stay = known.notes[self] = Stay(known)
            stay.last_inside_s = pts_s
            if stay.first_inside_s is None:
                stay.first_inside_s = pts_s
                self._touching[id(stay)] = stay
            if stay.entered_s is None and pts_s - stay.first_inside_s >= SETTLE_S:
                stay.entered_s = stay.first_inside_s
                self._inside[id(stay)] = stay
                changes.append(Change(known.track, True, stay.entered_s, 0.0, stay))
        self._step_outside(pts_s)
        return changes + self._leave(pts_s)

    def _step_outside(self, pts_s: float) -> None:
        """Those that are seen elsewhere, or not at all for long, are not inside: who comes back does so anew."""
        for key, stay in list(self._touching.items()):
            if stay.last_inside_s == pts_s:
                continue
            last_seen_s = stay.known.track.last_seen_s
            if last_seen_s == pts_s or pts_s - last_seen_s > self._lost_s:
                stay.first_inside_s = None
                del self._touching[key]

    def _leave(self, pts_s: float) -> list[Change]:
        """Those who were seen outside, or not at all, for long enough."""
        changes = []
        for key, stay in list(self._inside.items()):
            if stay.last_inside_s == pts_s:
                continue
            seen_outside = stay.track.last_seen_s > stay.last_inside_s
            patience = self._grace_s if seen_outside else self._lost_s
            if stay.entered_s is not None and pts_s - stay.last_inside_s > patience:
                stayed = stay.last_inside_s - stay.entered_s
                changes.append(Change(stay.track, False, stay.last_inside_s, stayed, stay))
                stay.entered_s = None
                del self._inside[key]
        return changes
