"""State per track that ends with the track, and outlasts an id switch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipelines.geometry import iou
from pipelines.values import Track

State = TypeVar("State")
HANDOVER_S = 1.0
"""Media seconds within which a new id may take over a vanished one's state, wherever it was going."""
HANDOVER_IOU = 0.3


@dataclass(slots=True)
class _Seen(Generic[State]):
    """A track's state, the track as last seen, and as seen before that."""

    state: State
    last: Track
    before: Track


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
        self._due_s = -math.inf
        """Media time until which nothing that is known can be unseen for too long."""

    def __len__(self) -> int:
        return len(self._seen)

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[tuple[Track, State]]:
        """The state of each track of this frame, which has its ``last_seen_s``; call once a frame."""
        result = []
        known = self._seen
        lost: dict[int, _Seen[State]] | None = None
        for track in tracks:
            seen = known.get(track.id)
            if seen is None:
                if lost is None:
                    lost = self._lost(tracks, pts_s)
                seen = known[track.id] = self._first(track, lost, pts_s)
            else:
                seen.before = seen.last
                seen.last = track
            result.append((track, seen.state))
        return result

    def _lost(self, tracks: Sequence[Track], pts_s: float) -> dict[int, _Seen[State]]:
        """Those whose state a new track may take over."""
        here = {track.id for track in tracks}
        return {
            key: seen
            for key, seen in self._seen.items()
            if key not in here and pts_s - seen.last.last_seen_s <= self._handover_s
        }

    def _first(self, track: Track, lost: dict[int, _Seen[State]], pts_s: float) -> _Seen[State]:
        """A new track, with the state of the lost one that it goes on from, if there is one."""
        best_id, best_iou = None, HANDOVER_IOU
        for other_id, other in lost.items():
            overlap = iou(other.last.xyxy, track.xyxy)
            if pts_s - other.last.last_seen_s <= HANDOVER_S:
                overlap = max(overlap, iou(_moved(other, pts_s), track.xyxy))
            if overlap >= best_iou:
                best_id, best_iou = other_id, overlap
        if best_id is None:
            return _Seen(self._make(track), track, track)
        del lost[best_id]
        return _Seen(self._seen.pop(best_id).state, track, track)

    def evict(self, pts_s: float) -> list[State]:
        """Forget the tracks unseen for longer than ``keep_s`` and return their states."""
        if pts_s <= self._due_s:
            return []
        gone = [key for key, seen in self._seen.items() if pts_s - seen.last.last_seen_s > self._keep_s]
        states = [self._seen.pop(key).state for key in gone]
        self._due_s = min((seen.last.last_seen_s for seen in self._seen.values()), default=pts_s) + self._keep_s
        return states


def _moved(seen: _Seen[State], pts_s: float) -> tuple[float, float, float, float]:
    """Where a vanished track would be now, had its centre gone on as between its last two boxes."""
    elapsed = seen.last.last_seen_s - seen.before.last_seen_s
    if elapsed <= 0:
        return seen.last.xyxy
    x1, y1, x2, y2 = seen.last.xyxy
    bx1, by1, bx2, by2 = seen.before.xyxy
    share = (pts_s - seen.last.last_seen_s) / elapsed
    dx, dy = share * (x1 + x2 - bx1 - bx2) / 2, share * (y1 + y2 - by1 - by2) / 2
    return (x1 + dx, y1 + dy, x2 + dx, y2 + dy)
