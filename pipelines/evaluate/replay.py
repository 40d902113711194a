"""Rules run over tracks that are there already: without pictures, in media time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from pipelines.evaluate.happening import Happening, place_name
from pipelines.rule_plan import PlannedRule
from pipelines.scenario import CameraPlan, RuleSet
from pipelines.values import Event, Track
from streams.frame import Frame


def happenings(rules: RuleSet, frames: Iterable[tuple[float, Sequence[Track]]], source_id: str) -> list[Happening]:
    """What rules see in frames.

    Args:
        rules: New ones.
        frames: Media time in seconds and tracks of each frame, in order.
        source_id: Name of the camera.
    """
    no_picture = np.zeros((1, 1, 3), np.uint8)
    return [
        of_event(event)
        for index, (pts_s, tracks) in enumerate(frames)
        for event in rules.update(tracks, Frame(source_id, index, no_picture, pts_s, pts_s))
    ]


def of_event(event: Event) -> Happening:
    """An event as the truth would tell it."""
    return Happening.of_event(event.kind, event.rule, event.label or "", event.data, event.pts_s)


def place_of(rule: PlannedRule) -> str:
    """Line or zone of a rule, as its events tell it; the rule's name where it has neither."""
    return place_name({key: getattr(rule.config, key, None) for key in ("line", "zone")}, rule.name)


def places_of(plan: CameraPlan) -> frozenset[tuple[str, str]]:
    """``(kind, line or zone)`` of each rule; the rule's name where it has neither."""
    return frozenset((rule.config.kind, place_of(rule)) for rule in plan.rules)


def rules_of(plan: CameraPlan) -> frozenset[tuple[str, str]]:
    """``(kind, name)`` of each rule."""
    return frozenset((rule.config.kind, rule.name) for rule in plan.rules)


def truth_names(plan: CameraPlan) -> dict[str, str]:
    """By what name a truth tells of each rule that has events: its place, or itself where another is there, too.

    So it is where another one has its place for a name. Rules that count by place are told apart by their labels.
    """
    at = Counter((rule.config.kind, place_of(rule)) for rule in plan.rules)
    taken = {(rule.config.kind, rule.name) for rule in plan.rules if rule.name != place_of(rule)}
    return {
        rule.name: rule.name if is_shared and not rule.config.counts_by_place else place
        for rule in plan.rules
        for place in [place_of(rule)]
        for is_shared in [at[rule.config.kind, place] > 1 or (rule.config.kind, place) in taken]
        if rule.config.told()
    }
