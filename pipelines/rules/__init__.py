"""Rule kinds: each is one module with a pydantic configuration and a class."""

from __future__ import annotations

from typing import Any

from pipelines.rules.base import Place, Rule, RuleConfig, Surroundings
from pipelines.rules.congestion import Congestion, CongestionConfig
from pipelines.rules.distance import Distance, DistanceConfig
from pipelines.rules.dwell import Dwell, DwellConfig
from pipelines.rules.line_crossing import LineCrossing, LineCrossingConfig
from pipelines.rules.proximity import Proximity, ProximityConfig
from pipelines.rules.speed import Speed, SpeedConfig
from pipelines.rules.stopped import Stopped, StoppedConfig
from pipelines.rules.wrong_way import WrongWay, WrongWayConfig
from pipelines.rules.zone_count import ZoneCount, ZoneCountConfig
from pipelines.rules.zone_intrusion import ZoneIntrusion, ZoneIntrusionConfig

RULE_KINDS: dict[str, tuple[type[RuleConfig], Any]] = {
    "line_crossing": (LineCrossingConfig, LineCrossing),
    "zone_count": (ZoneCountConfig, ZoneCount),
    "dwell": (DwellConfig, Dwell),
    "zone_intrusion": (ZoneIntrusionConfig, ZoneIntrusion),
    "speed": (SpeedConfig, Speed),
    "distance": (DistanceConfig, Distance),
    "stopped": (StoppedConfig, Stopped),
    "wrong_way": (WrongWayConfig, WrongWay),
    "congestion": (CongestionConfig, Congestion),
    "proximity": (ProximityConfig, Proximity),
}
"""Kind → (its configuration, its class, made from that configuration and the surroundings)."""

__all__ = ["RULE_KINDS", "Place", "Rule", "RuleConfig", "Surroundings"]
