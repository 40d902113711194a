"""Which counters a camera has before anything was counted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pipelines.rule_plan import PlannedRule
from pipelines.scenario import CameraPlan
from pipelines.values import CounterKey


def certain_counters(plan: CameraPlan) -> tuple[CounterKey, ...]:
    """Counters that are there before a model is: those of optional rules come with their first frame, if they come."""
    certain = tuple(rule for rule in plan.rules if not rule.config.optional)
    return tuple(replace(plan, rules=certain).rule_set("", 1, 1).counters())


def open_places(rules: Iterable[PlannedRule]) -> list[CounterKey]:
    """Where counters may come that nobody named, of rules for all labels and optional ones: their first two words."""
    open_ended = [rule for rule in rules if rule.config.labels is None or rule.config.optional]
    by_place = [rule.config for rule in open_ended if rule.config.counts_by_place]
    places: list[CounterKey] = [(head, rule.name) for rule in open_ended for head in ("totals", "values")]
    places += [("counts", str(line)) for config in by_place if (line := getattr(config, "line", None))]
    places += [("occupancy", str(zone)) for config in by_place if (zone := getattr(config, "zone", None))]
    return places
