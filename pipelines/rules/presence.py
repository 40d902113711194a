"""Who is in a zone: entering, staying and leaving, without flicker."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipelines.rules.base import RuleConfig, Surroundings
from pipelines.rules.memory import HANDOVER_S, TrackMemory
from pipelines.rules.sights import ZoneSight
from pipelines.values import Track

SETTLE_S = 0.09
"""Media seconds inside before an object has entered: two looks at 10 fps, four at 25 fps."""


@dataclass(slots=True)
class Stay:
    """One object's relation to a zone.

    Attributes:
        track: The object as last seen.
        entered_s: Media time at which it came in; ``None`` while it is outside.
        first_inside_s: Media time since which it has been seen inside; ``None`` while it is outside.
        last_inside_s: Media time at which it was last seen inside.
        reported: Free for the rule: whether this stay was reported.
        first: The object as it was first seen, inside or not; kept over an id switch.
        own: Free for the rule; ``None`` in a stay that is new to it. It outlasts the stay, as the object does.
    """

    track: Track
    entered_s: float | None = None
    first_inside_s: float | None = None
    last_inside_s: float = 0.0
    reported: bool = False
    first: Track = field(init=False)
    own: Any = None

    def __post_init__(self) -> None:
        """Remember the beginning."""
        self.first = self.track

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
    """Follows who is in a polygon.

    An object has entered once it was seen inside, and only inside, for a tenth of a second: a box that touches the
    zone in a single frame is no visit. It is inside until it has been seen outside for ``grace_s``, or not been seen
    at all for ``lost_s``; it then left when it was last seen inside.
    """

    def __init__(self, sight: ZoneSight, grace_s: float, lost_s: float, handover_s: float = HANDOVER_S) -> None:
        """Start with an empty zone.

        Args:
            sight: Who is in the zone in a frame.
            grace_s: Media seconds outside after which an object has left.
            lost_s: Media seconds unseen after which an object has left.
            handover_s: As of ``TrackMemory``.
        """
        self._sight = sight
        self._grace_s = grace_s
        self._lost_s = max(lost_s, grace_s)
        self._memory: TrackMemory[Stay] = TrackMemory(Stay, 2 * self._lost_s, handover_s)
        self._inside: dict[int, Stay] = {}

    @classmethod
    def of(cls, config: RuleConfig, surroundings: Surroundings, grace_s: float, share: float | None = None) -> Presence:
        """In the zone of a rule, together with what other rules find out there."""
        return cls(surroundings.zone_sight(config.place, config.anchor, share), grace_s, surroundings.lost_s)

    @property
    def stays(self) -> Sequence[Stay]:
        """Those inside now."""
        return list(self._inside.values())

    def update(self, tracks: Sequence[Track], pts_s: float, labels: Collection[str] | None = None) -> list[Change]:
        """Take the confirmed tracks of the next frame.

        Args:
            tracks: All of them, as the rule was given them: then what other rules have found out holds, too.
            pts_s: Media time.
            labels: Those that are followed; ``None``: all.
        """
        changes = []
        ids = self._sight.ids(tracks, pts_s)
        wanted = tracks if labels is None else [track for track in tracks if track.label in labels]
        for track, stay in self._memory.update(wanted, pts_s):
            stay.track = track
            if track.id not in ids:
                stay.first_inside_s = None
                continue
            stay.last_inside_s = pts_s
            if stay.first_inside_s is None:
                stay.first_inside_s = pts_s
            if stay.entered_s is None and pts_s - stay.first_inside_s >= SETTLE_S:
                stay.entered_s, stay.reported = stay.first_inside_s, False
                self._inside[id(stay)] = stay
                changes.append(Change(track, True, stay.entered_s, 0.0, stay))
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
        self._memory.evict(pts_s)
        return changes
