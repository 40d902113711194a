"""Tell of each table whether it is free, occupied, or to be cleared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipelines.rules.base import PeopleRuleConfig, Surroundings, scene_event
from pipelines.rules.evidence import Clock, Hold
from pipelines.rules.figures import Durations
from pipelines.rules.presence import Presence
from pipelines.values import CounterKey, Event, Scalar, Track

State = Literal["free", "occupied", "to_clear"]


class TableStateConfig(PeopleRuleConfig):
    """Keys of ``table_state``."""

    kind: Literal["table_state"]
    words: ClassVar[tuple[str, ...]] = ("occupied", "to_clear", "free")
    scene_words: ClassVar[tuple[str, ...]] = words
    zone: str = Field(description='the table with its seats: name of a zone of the camera, or "*" for each')
    anchor: Literal["foot", "centre"] = Field("centre", description="the point of the box that counts")
    occupied_after_s: float = Field(
        20.0, ge=0, description="media seconds after which somebody at the table is a party; staff is there for less"
    )
    hidden_s: float = Field(5.0, ge=0, description="media seconds for which a party that sits down may be hidden")
    clear_after_s: float = Field(60.0, gt=0, description="media seconds without anybody after which a party has left")
    free_after_s: float = Field(
        300.0, ge=0, description="media seconds after the party, without anybody, after which the table is free"
    )


class TableState:
    """Free, occupied by a party, to be cleared, and free again.

    Nobody looks at the dishes: "to be cleared" is the time after a party has left. A party outlives absences shorter
    than ``clear_after_s``; who comes later is another.
    """

    kind: ClassVar[str] = "table_state"

    def __init__(self, config: TableStateConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._presence = Presence.of(config, surroundings, grace_s=surroundings.lost_s)
        self._clock = Clock()
        self._there = Hold(grace_s=config.hidden_s)
        self._nobody = Hold()
        self._table: State = "free"
        self._since_s: float | None = None
        self._seen_s = self._seated_s = self._left_s = 0.0
        self._largest = self._people = self._parties = 0
        self._stays, self._turnovers, self._gaps = Durations(), Durations(), Durations()

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        step_s = self._clock.step(pts_s)
        if self._since_s is None:
            self._since_s = pts_s
        self._presence.update(tracks, pts_s)
        stays = self._presence.stays
        self._people = len(stays)
        self._seen_s = max((stay.last_inside_s for stay in stays), default=self._seen_s)
        there_s = self._there.update(self._people > 0, step_s, pts_s)
        nobody_s = self._nobody.update(self._people == 0, step_s, pts_s)
        if self._table == "occupied":
            self._largest = max(self._largest, self._people)
            if self._people == 0 and nobody_s >= self._config.clear_after_s:
                return [self._change("to_clear", self._seen_s, pts_s)]
        elif self._there.since_s is not None and self._people and there_s >= self._config.occupied_after_s:
            return [self._change("occupied", self._there.since_s, pts_s)]
        elif self._table == "to_clear" and self._people == 0 and nobody_s >= self._config.free_after_s:
            return [self._change("free", pts_s, pts_s)]
        return []

    def _change(self, state: State, at_s: float, pts_s: float) -> Event:
        """Enter another state, which began at ``at_s``."""
        before, lasted_s = self._table, max(0.0, at_s - (self._since_s or 0.0))
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "state": state,
            "previous": before,
            "previous_s": round(lasted_s, 3),
            "at_pts_s": at_s,
        }
        if before == "to_clear":
            self._turnovers.add(at_s - self._seated_s)
            data["turnover_s"] = round(at_s - self._seated_s, 3)
        if state == "occupied":
            if self._parties:
                self._gaps.add(at_s - self._left_s)
            self._parties += 1
            self._seated_s, self._largest = at_s, self._people
        elif state == "to_clear":
            self._stays.add(lasted_s)
            self._left_s = at_s
            data["people"] = self._largest
        self._table, self._since_s = state, at_s
        return scene_event(self, self._source_id, pts_s, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Parties so far; people at the table and its state now."""
        return {
            ("totals", self.name, "parties"): self._parties,
            ("values", self.name, "people"): self._people,
            ("values", self.name, "occupied"): int(self._table == "occupied"),
            ("values", self.name, "to_clear"): int(self._table == "to_clear"),
        }

    def state(self) -> dict[str, Any]:
        """``{"zone", "state", "since_s", "people", "parties", "stay", "turnover", "empty"}``; three are durations.

        ``stay`` is how long parties sat, ``turnover`` the time from their sitting down until the table was free or
        taken again, ``empty`` that from their leaving to the next party.
        """
        return {
            "zone": self._config.zone,
            "state": self._table,
            "since_s": self._since_s or 0.0,
            "people": self._people,
            "parties": self._parties,
            "stay": self._stays.summary(),
            "turnover": self._turnovers.summary(),
            "empty": self._gaps.summary(),
        }
