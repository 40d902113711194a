"""Counters that outlive the process: what rules have counted in this run, added to what was counted before."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pipelines.values import CounterKey, grows

log = logging.getLogger(__name__)
Notes = dict[str, str | None]
REFRESH_S = 60.0
"""Seconds after which a counter that has not changed is told again: until when it counted has."""


@dataclass(slots=True)
class Total:
    """One counter.

    Attributes:
        value: What is published.
        since: Unix seconds since when it counts.
        watched_before: What ``Totals.watched_s`` was then.
        told: Unix seconds when it was handed out last to be published.
    """

    value: int
    since: float
    watched_before: float
    told: float = 0.0


class Totals:
    """The counters of one camera. Pure: what must be kept is handed out as notes (key → text).

    Some grow for ever, others are what is there now: ``pipelines.values.grows`` says which.
    """

    def __init__(
        self,
        camera: str,
        configured: Collection[CounterKey],
        places: Collection[CounterKey],
        notes: Mapping[str, str],
        now: float,
    ) -> None:
        """Begin with what was counted before.

        Args:
            camera: Name of the camera.
            configured: Counters that exist from the start, zeros included.
            places: ``("counts", line)``, ``("occupancy", zone)``, ``("totals", rule)`` and ``("values", rule)`` of
                rules for all labels: what was kept of any label there goes on.
            notes: What was kept, of all cameras.
            now: Unix seconds.
        """
        self._prefix = f"total/{camera}/"
        self._watched_key = f"watched/{camera}"
        self.watched_s = _number(notes.get(self._watched_key))
        self._totals: dict[CounterKey, Total] = {}
        self._seen: dict[CounterKey, int] = {}
        for key, text in notes.items():
            if key.startswith(self._prefix) and (kept := _read(key, key[len(self._prefix) :], text)):
                name, total = kept
                if name in configured or name[:2] in places:
                    self._totals[name] = total
        self.begun: Notes = {}
        """Counters that begin with this process, to be kept: a zero says since when, too."""
        for name in configured:
            if name not in self._totals:
                total = self._totals[name] = Total(0, now, self.watched_s)
                self.begun[self._prefix + json.dumps(name)] = self._text(name, total)

    def __len__(self) -> int:
        return len(self._totals)

    def items(self) -> list[tuple[CounterKey, Total]]:
        """Every counter, in a stable order."""
        return sorted(self._totals.items())

    def update(self, counters: Mapping[CounterKey, int], now: float) -> tuple[list[tuple[CounterKey, Total]], Notes]:
        """Take the rules' counters, which began at 0 with this run.

        Returns:
            The counters that changed or are new, and what must be kept.
        """
        changed: list[tuple[CounterKey, Total]] = []
        notes: Notes = {}
        for key, value in counters.items():
            before = self._seen.get(key, 0)
            total = self._totals.get(key)
            if total is not None and value == before and (grows(key) or total.value == value):
                continue
            is_new = total is None
            if total is None:
                total = self._totals[key] = Total(0, now, self.watched_s)
            self._seen[key] = value
            if grows(key):
                total.value += max(0, value - before)
            else:
                total.value = value
            total.told = now
            changed.append((key, total))
            if is_new or grows(key):
                notes[self._prefix + json.dumps(key)] = self._text(key, total)
        if notes:
            notes[self._watched_key] = f"{self.watched_s:.3f}"
        return changed, notes

    def stale(self, now: float, every_s: float) -> list[tuple[CounterKey, Total]]:
        """Counters that were not told for a minute, the oldest first: their value stands, their times have moved on.

        Of hundreds not all come at once, but so many that a minute of calls tells each of them.

        Args:
            now: Unix seconds; a clock that was set back makes all of them stale.
            every_s: Seconds between two calls.
        """
        due = [(key, total) for key, total in self.items() if not 0 <= now - total.told < REFRESH_S]
        due.sort(key=lambda item: item[1].told)
        chosen = due[: math.ceil(len(self) * every_s / REFRESH_S)]
        for _, total in chosen:
            total.told = now
        return chosen

    def watched(self) -> Notes:
        """The seconds watched so far, to be kept now and then."""
        return {self._watched_key: f"{self.watched_s:.3f}"}

    def restart(self) -> None:
        """The rules begin at 0 again (another picture size): what they counted stays."""
        self._seen.clear()

    def go_on_from(self, counters: Mapping[CounterKey, int]) -> None:
        """The rules have counted so much already, and it is in the totals: only what comes is added."""
        self._seen = {key: value for key, value in counters.items() if grows(key)}

    def empty(self) -> list[tuple[CounterKey, Total]]:
        """Nobody can be said to be there: everything that is there now becomes 0; returns what was not 0."""
        emptied = []
        for key, total in self.items():
            if total.value and not grows(key):
                total.value = 0
                emptied.append((key, total))
        return emptied

    def observed_s(self, total: Total) -> float:
        """Seconds in which the camera was really watched since this counter began."""
        return max(0.0, self.watched_s - total.watched_before)

    @staticmethod
    def _text(key: CounterKey, total: Total) -> str:
        value = total.value if grows(key) else 0
        return json.dumps({"value": value, "since": total.since, "watched_before": round(total.watched_before, 3)})


def _number(text: str | None) -> float:
    try:
        return float(text or 0.0)
    except ValueError:
        return 0.0


def _read(note: str, key: str, text: str) -> tuple[CounterKey, Total] | None:
    """A kept counter; one that cannot be read is told and begins anew."""
    try:
        name = tuple(str(part) for part in json.loads(key))
        values = json.loads(text)
        return name, Total(int(values["value"]), float(values["since"]), float(values["watched_before"]))
    except (ValueError, TypeError, KeyError):
        log.warning("a kept total (%s) cannot be read; it begins at 0", note)
        return None
