"""Say how dense the traffic on a lane is, and how fast it moves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pipelines.geometry import Area, Xy
from pipelines.ground import KMH
from pipelines.rules.base import Place, RuleConfig, Surroundings, metres_faults
from pipelines.rules.evidence import GAP_S
from pipelines.rules.presence import Presence, Stay
from pipelines.values import CounterKey, Event, Scalar, Track

LEVELS = ("free", "dense", "jammed")
_BACK = 0.8
"""A level is left when the density falls below this share of what makes it, or the speed rises by as much."""
_FLICKER_S = 0.5
_GRID = 20
_METRIC = (2.5, 5.0, 10.0)
_RELATIVE = (0.3, 0.5, 0.2)
"""What is dense, jammed and slow: in vehicles on 100 m and km/h, or in covered share and box heights a second."""


class CongestionConfig(RuleConfig):
    """Keys of ``congestion``."""

    kind: Literal["congestion"]
    words: ClassVar[tuple[str, ...]] = LEVELS
    scene_words: ClassVar[tuple[str, ...]] = words
    zone: str = Field(description='name of a zone of the camera, one lane; or "*" for each')
    dense: float | None = Field(
        None, gt=0, description="vehicles on 100 m, or covered share without a calibration; default: 2.5, or 0.3"
    )
    jammed: float | None = Field(None, gt=0, description="likewise, if it is slow, too; default: 5, or 0.5")
    slow: float | None = Field(
        None, gt=0, description="km/h, or box heights a second without a calibration; default: 10, or 0.2"
    )
    average_s: float = Field(10, gt=0, description="media seconds over which density and speed are averaged")
    hold_s: float = Field(10, ge=0, description="media seconds that a new level must last before it is told")
    grace_s: float = Field(0.5, ge=0, description="media seconds outside after which a vehicle has left")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.dense is not None and self.jammed is not None and self.jammed <= self.dense:
            raise ValueError("'jammed' must be more than 'dense'")
        return self

    def faults_at(self, place: Place) -> list[tuple[str, str]]:
        """A calibration is not needed; where there is one, the zone must lie on the ground."""
        return [] if place.ground is None else metres_faults(self, place)

    def thresholds(self, is_metric: bool) -> tuple[float, float, float]:
        """What is dense, what is jammed, and what is slow."""
        dense, jammed, slow = _METRIC if is_metric else _RELATIVE
        dense = dense if self.dense is None else self.dense
        jammed = max(jammed, 2 * dense) if self.jammed is None else self.jammed
        return min(dense, jammed), jammed, slow if self.slow is None else self.slow


@dataclass(slots=True)
class _Mean:
    """An average over media time that forgets: after ``over_s`` a value weighs 37 % of what it did."""

    over_s: float
    value: float | None = None

    def add(self, value: float, elapsed_s: float) -> None:
        if self.value is None:
            self.value = value
        else:
            self.value += (value - self.value) * -math.expm1(-elapsed_s / self.over_s)


class Congestion:
    """Density and mean speed of one lane, as free, dense or jammed, and an event for each change of that."""

    kind: ClassVar[str] = "congestion"

    def __init__(self, config: CongestionConfig, surroundings: Surroundings) -> None:
        """Watch ``config.zone``, which must be one of the surroundings' zones."""
        self.name = config.full_name
        self._config = config
        self._source_id = surroundings.source_id
        polygon = surroundings.zones[config.zone]
        self._ground = surroundings.ground
        self._length_m = 0.0
        if self._ground is not None:
            _, sides, _ = cv2.minAreaRect(_about_their_middle(self._ground.points(polygon)))
            self._length_m = max(sides)
        self._cells = _cells(polygon)
        self._presence = Presence.of(config, surroundings, config.grace_s)
        self._motion = surroundings.motion_sight(1.0)
        self._dense, self._jammed, self._slow = config.thresholds(self._ground is not None)
        self._density, self._speed = _Mean(config.average_s), _Mean(config.average_s)
        self._level, self._level_since_s = 0, 0.0
        self._other: int | None = None
        self._other_since_s = 0.0
        self._last_s: float | None = None
        self._seconds = [0.0, 0.0, 0.0]
        self._values = {"vehicles": 0, "level": 0, **({"speed_kmh": 0} if self._ground is not None else {})}
        self._jams = 0

    def update(self, tracks: Sequence[Track], pts_s: float) -> list[Event]:
        """Take the confirmed tracks of the next frame."""
        self._presence.update(tracks, pts_s)
        elapsed = self._elapsed(pts_s)
        stays = [stay for stay in self._presence.stays if _is_there(stay, pts_s)]
        self._density.add(self._density_of(stays), elapsed)
        self._motion.update(tracks, pts_s)
        seen = [stay.track for stay in stays if stay.is_seen(pts_s)]
        speeds = [
            self._speed_of(track, velocity)
            for track in seen
            if (velocity := self._motion.velocity(track.id)) is not None
        ]
        if speeds:
            self._speed.add(sum(speeds) / len(speeds), elapsed)
        elif not stays:
            self._speed.value = None
        self._seconds[self._level] += elapsed
        events = self._judge(len(stays), pts_s)
        self._values["vehicles"], self._values["level"] = len(stays), self._level
        if self._ground is not None:
            self._values["speed_kmh"] = round(self._speed.value or 0.0)
        return events

    def _elapsed(self, pts_s: float) -> float:
        """Watched seconds since the last frame; a new level must last anew after a gap that nobody has seen."""
        gap_s = 0.0 if self._last_s is None else pts_s - self._last_s
        if self._last_s is None:
            self._level_since_s = pts_s
        if gap_s > GAP_S:
            self._other = None
        self._last_s = pts_s
        return min(gap_s, GAP_S)

    def _density_of(self, stays: Sequence[Stay]) -> float:
        """Vehicles on 100 m, or the share of the zone that boxes cover."""
        if self._ground is not None:
            return len(stays) * 100 / self._length_m
        if not stays:
            return 0.0
        x1, y1, x2, y2 = np.array([stay.track.xyxy for stay in stays]).T[:, :, None]
        x, y = self._cells
        covered = ((x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)).any(axis=0)
        return float(covered.mean())

    def _speed_of(self, track: Track, velocity: Xy) -> float:
        """A vehicle's speed in km/h, or in heights of its box a second."""
        return math.hypot(*velocity) * (KMH if self._ground is not None else 1 / max(track.height, 1.0))

    def _judge(self, vehicles: int, pts_s: float) -> list[Event]:
        """The level, once another one has lasted ``hold_s``."""
        level = self._level_of(self._density.value or 0.0, self._speed.value)
        if level == self._level:
            self._other = None
            return []
        if self._other is None or (level > self._level) != (self._other > self._level):
            self._other_since_s = pts_s
        self._other = level
        if pts_s - self._other_since_s < self._config.hold_s:
            return []
        before, self._level, self._other = self._level, level, None
        lasted, self._level_since_s = pts_s - self._level_since_s, pts_s
        self._jams += level == 2
        data: dict[str, Scalar] = {
            "zone": self._config.zone,
            "level": LEVELS[level],
            "before": LEVELS[before],
            "lasted_s": round(lasted, 3),
            "vehicles": vehicles,
            **self._figures(),
        }
        return [Event(self.kind, self.name, self._source_id, pts_s, 0.0, None, None, data)]

    def _level_of(self, density: float, speed: float | None) -> int:
        """What density and speed make, with a margin for the level that there is."""
        jam_margin, dense_margin = (_BACK if self._level >= level else 1.0 for level in (2, 1))
        is_slow = speed is not None and speed <= self._slow / jam_margin
        if density >= self._jammed * jam_margin and is_slow:
            return 2
        return int(density >= self._dense * dense_margin)

    def _figures(self) -> dict[str, Scalar]:
        density, speed = self._density.value or 0.0, self._speed.value
        known = None if speed is None else round(speed, 2)
        if self._ground is not None:
            return {"vehicles_per_100m": round(density, 2), "speed_kmh": known}
        return {"covered_share": round(density, 3), "speed_heights": known}

    def counters(self) -> Mapping[CounterKey, int]:
        """Jams so far; vehicles now, the level (0 free, 1 dense, 2 jammed), and where calibrated km/h."""
        found: dict[CounterKey, int] = {("totals", self.name, "jams"): self._jams}
        return found | {("values", self.name, word): value for word, value in self._values.items()}

    def state(self) -> dict[str, Any]:
        """``{"zone", "level", "vehicles", density and speed, "jams", "seconds": {level: s}, "length_m"}``."""
        return {
            "zone": self._config.zone,
            "level": LEVELS[self._level],
            "vehicles": self._values["vehicles"],
            **self._figures(),
            "jams": self._jams,
            "seconds": {level: round(seconds, 1) for level, seconds in zip(LEVELS, self._seconds, strict=True)},
            "length_m": round(self._length_m, 1) if self._ground is not None else None,
        }


def _is_there(stay: Stay, pts_s: float) -> bool:
    """Whether a vehicle is in the lane now: seen inside last, and no longer ago than boxes flicker."""
    return stay.first_inside_s is not None and pts_s - stay.last_inside_s <= _FLICKER_S


def _about_their_middle(points: NDArray[np.float64]) -> NDArray[np.float32]:
    """Points as OpenCV takes them; survey coordinates would lose their metres in float32."""
    near: NDArray[np.float32] = (points - points.mean(axis=0)).astype(np.float32)
    return near


def _cells(polygon: Sequence[tuple[float, float]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points, x and y apart, spread evenly over a polygon, some hundreds at most."""
    area = Area(polygon)
    x1, y1, x2, y2 = area.box
    steps = (np.arange(_GRID) + 0.5) / _GRID
    grid = [(x1 + a * (x2 - x1), y1 + b * (y2 - y1)) for a in steps.tolist() for b in steps.tolist()]
    inner = np.array([point for point in grid if area.contains(point)] or [((x1 + x2) / 2, (y1 + y2) / 2)])
    return inner[:, 0], inner[:, 1]
