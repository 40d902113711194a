"""Rule kinds: each is one module with a pydantic configuration and a class."""

from __future__ import annotations

from typing import Any

from pipelines.rules.base import Place, Rule, RuleConfig, Surroundings
from pipelines.rules.dwell import Dwell, DwellConfig
from pipelines.rules.line_crossing import LineCrossing, LineCrossingConfig
from pipelines.rules.zone_count import ZoneCount, ZoneCountConfig

RULE_KINDS: dict[str, tuple[type[RuleConfig], Any]] = {
    "line_crossing": (LineCrossingConfig, LineCrossing),
    "zone_count": (ZoneCountConfig, ZoneCount),
    "dwell": (DwellConfig, Dwell),
}
"""Kind → (its configuration, its class, made from that configuration and the surroundings)."""

__all__ = ["RULE_KINDS", "Place", "Rule", "RuleConfig", "Surroundings"]
