"""Measure speeds over the ground, in a zone or between two lines."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from pipelines.rules.base import Place, RuleConfig, Surroundings, event, metres_faults
from pipelines.rules.passages import BetweenLines, Passage, ThroughZone
from pipelines.values import CounterKey, Event, Scalar, Track

RECENT_S = 900.0
_MOST_RECENT = 1000
PERCENTILES = (50, 85, 95)


class SpeedConfig(RuleConfig):
    """Keys of ``speed``."""

    kind: Literal["speed"]
    zone: str | None = Field(None, description='measure in this zone of the camera, or with "*" in each; or:')
    lines: tuple[str, str] | None = Field(None, description="measure from one of these two lines to the other")
    metres: float | None = Field(
        None, gt=0, description="between the two lines along the road; default: by the calibration"
    )
    limit_kmh: float | None = Field(None, gt=0, description="what is faster is told; default: no limit")
    window_s: float = Field(1.0, ge=0.2, le=10, description="media seconds over which a speed in a zone is smoothed")
    passages: bool = Field(True, description="whether each passage is an event, not only those above the limit")
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which an object has left the zone")

    @model_validator(mode="after")
    def _is_measured_in_one_way(self) -> Self:
        if (self.zone is None) == (self.lines is None):
            raise ValueError("name either a 'zone' to measure in, or two 'lines' to measure between")
        if self.lines is not None and self.lines[0] == self.lines[1]:
            raise ValueError("both 'lines' are the same; name two that stand one behind the other")
        if self.lines is None and self.metres is not None:
            raise ValueError("'metres' is the way between two 'lines'; a 'zone' is measured by the calibration")
        return self

    @property
    def place(self) -> str:
        """Name of its zone, or of both lines."""
        return self.zone or "_".join(self.lines or ())

    def told(self) -> tuple[str, ...]:
        """Passages, in a zone what is too fast, between two lines each way as ``near>far``."""
        if not self.passages and self.limit_kmh is None:
            return ()
        if self.lines is not None:
            return (">".join(self.lines), ">".join(self.lines[::-1]))
        limit = () if self.limit_kmh is None else ("over_limit",)
        return (*limit, *(("passage",) if self.passages else ()))

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """Metres, unless they are written."""
        if self.metres is not None:
            return []
        return metres_faults(self, place, ", or name two 'lines' and the 'metres' between them")


class Speed:
    """A speed for each passage, and an event for what is faster than the limit.

    In a zone the speed is that of the foot point over the ground, smoothed over ``window_s``; it is above the limit
    when it was for three quarters of a window on end. The speed of a passage is the way divided by the time. Between
    two lines it is the distance divided by the time between the two crossings, each interpolated between two frames.
    """

    kind: ClassVar[str] = "speed"

    def __init__(self, config: SpeedConfig, surroundings: Surroundings) -> None:
        """Measure at ``config.zone`` or ``config.lines``, which must be among the surroundings' own."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        self._meter: ThroughZone | BetweenLines
        if config.lines is None:
            self._meter = ThroughZone(config, surroundings, config.window_s, config.grace_s, config.limit_kmh)
        else:
            self._meter = BetweenLines(config, config.lines, surroundings, config.metres)
        self._book = _Book()
        self._over: Counter[str] = Counter()
        self._totals = {"measured": 0, "over_limit": 0}

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        events = []
        for passage in self._meter.update(tracks, pts_s):
            is_over = passage.is_over or self._above(passage.kmh)
            if is_over and not passage.was_told:
                self._totals["over_limit"] += 1
                self._over[passage.track.label] += 1
            if passage.is_done:
                self._totals["measured"] += 1
                self._book.add(passage.track.label, passage.kmh, pts_s)
            if self._is_told(passage, is_over):
                events.append(self._event(passage, is_over, pts_s))
        self._book.forget(pts_s)
        return events

    def _above(self, kmh: float) -> bool:
        return self._config.limit_kmh is not None and kmh > self._config.limit_kmh

    def _is_told(self, passage: Passage, is_over: bool) -> bool:
        return not passage.is_done or self._config.passages or (is_over and not passage.was_told)

    def _event(self, passage: Passage, is_over: bool, pts_s: float) -> Event:
        config = self._config
        data: dict[str, Scalar] = {
            "action": "passage" if passage.is_done else "over_limit",
            "speed_kmh": round(passage.kmh, 1),
            "over_limit": is_over,
            "limit_kmh": config.limit_kmh,
            "metres": round(passage.metres, 2),
            "seconds": round(passage.seconds, 3),
        }
        if config.lines is None:
            most = passage.max_kmh
            data |= {"zone": config.zone, "max_kmh": None if most is None else round(most, 1)}
        else:
            start, end = config.lines if passage.is_forward else config.lines[::-1]
            data |= {"from": start, "to": end}
        if passage.ended_s is not None:
            data["at_pts_s"] = round(passage.ended_s, 6)
        return event(self, self._source_id, pts_s, passage.track, data)

    def counters(self) -> Mapping[CounterKey, int]:
        """Passages measured and above the limit so far; percentiles of the last quarter of an hour, in km/h."""
        found: dict[CounterKey, int] = {("totals", self.name, word): value for word, value in self._totals.items()}
        return found | {("values", self.name, word): value for word, value in self._book.now.items()}

    def state(self) -> dict[str, Any]:
        """What was measured, where and how often, and percentiles of all passages, all together and per label."""
        config = self._config
        return {
            "zone": config.zone,
            "lines": None if config.lines is None else list(config.lines),
            "limit_kmh": config.limit_kmh,
            **self._totals,
            "unmeasured": self._meter.unmeasured,
            "over_limit_labels": dict(sorted(self._over.items())),
            "speeds": self._book.summary(),
        }


class _Recent(NamedTuple):
    pts_s: float
    kmh: float


class _Book:
    """All speeds in tenths of a km/h, and those of the last quarter of an hour."""

    def __init__(self) -> None:
        self._tenths: dict[str, Counter[int]] = {}
        self._recent: deque[_Recent] = deque(maxlen=_MOST_RECENT)
        self.now = {f"p{share}_kmh": 0 for share in PERCENTILES}

    def add(self, label: str, kmh: float, pts_s: float) -> None:
        self._tenths.setdefault(label, Counter())[round(kmh * 10)] += 1
        self._recent.append(_Recent(pts_s, kmh))
        self._renew()

    def forget(self, pts_s: float) -> None:
        """Leave out what is older than a quarter of an hour."""
        if self._recent and self._recent[0].pts_s < pts_s - RECENT_S:
            while self._recent and self._recent[0].pts_s < pts_s - RECENT_S:
                self._recent.popleft()
            self._renew()

    def _renew(self) -> None:
        tenths = Counter(round(kmh * 10) for _, kmh in self._recent)
        self.now = {f"p{share}_kmh": round(_percentile(tenths, share) or 0) for share in PERCENTILES}

    def summary(self) -> dict[str, dict[str, Any]]:
        """``{"all" or label: {"count", "p50_kmh", "p85_kmh", "p95_kmh", "max_kmh"}}``."""
        every: Counter[int] = sum(self._tenths.values(), Counter())
        return {name: _spread(tenths) for name, tenths in _named(every, self._tenths)}


def _named(every: Counter[int], labels: Mapping[str, Counter[int]]) -> Iterator[tuple[str, Counter[int]]]:
    yield "all", every
    yield from sorted(labels.items())


def _spread(tenths: Counter[int]) -> dict[str, Any]:
    percentiles = {f"p{share}_kmh": _percentile(tenths, share) for share in PERCENTILES}
    return {"count": tenths.total(), **percentiles, "max_kmh": max(tenths) / 10 if tenths else None}


def _percentile(tenths: Counter[int], share: int) -> float | None:
    """The least speed that ``share`` percent do not exceed (nearest rank), in km/h; ``None`` of none."""
    rank = math.ceil(tenths.total() * share / 100)
    for value in sorted(tenths):
        rank -= tenths[value]
        if rank <= 0:
            return value / 10
    return None
