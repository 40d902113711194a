"""Rule kinds: each is one module with a pydantic configuration and a class."""

from __future__ import annotations

from typing import Any

from pipelines.rules.base import Place, Rule, RuleConfig, Surroundings
from pipelines.rules.congestion import Congestion, CongestionConfig
from pipelines.rules.crowding import Crowding, CrowdingConfig
from pipelines.rules.distance import Distance, DistanceConfig
from pipelines.rules.dwell import Dwell, DwellConfig
from pipelines.rules.flow_matrix import FlowMatrix, FlowMatrixConfig
from pipelines.rules.heatmap import Heatmap, HeatmapConfig
from pipelines.rules.line_crossing import LineCrossing, LineCrossingConfig
from pipelines.rules.missing_gear import MissingGear, MissingGearConfig
from pipelines.rules.person_down import PersonDown, PersonDownConfig
from pipelines.rules.proximity import Proximity, ProximityConfig
from pipelines.rules.queue import Queue, QueueConfig
from pipelines.rules.speed import Speed, SpeedConfig
from pipelines.rules.stopped import Stopped, StoppedConfig
from pipelines.rules.table_state import TableState, TableStateConfig
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
    "queue": (QueueConfig, Queue),
    "flow_matrix": (FlowMatrixConfig, FlowMatrix),
    "crowding": (CrowdingConfig, Crowding),
    "table_state": (TableStateConfig, TableState),
    "missing_gear": (MissingGearConfig, MissingGear),
    "person_down": (PersonDownConfig, PersonDown),
    "heatmap": (HeatmapConfig, Heatmap),
}
"""Kind → (its configuration, its class, made from that configuration and the surroundings)."""

__all__ = ["RULE_KINDS", "Place", "Rule", "RuleConfig", "Surroundings"]
