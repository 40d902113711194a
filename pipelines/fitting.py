"""What of a camera's plan works with the labels a model has: optional rules may be off."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from pipelines.rules import RuleConfig
from pipelines.scenario import CameraPlan


def fitted(plan: CameraPlan, known: Collection[str]) -> CameraPlan:
    """The plan without the rules that are off, and with the labels that the others bring.

    Args:
        plan: As configured.
        known: All labels of the model, or of several together.
    """
    rules = []
    for rule in plan.rules:
        config = rule.config.within(known) if rule.config.optional else rule.config
        if config is not None:
            rules.append(dataclasses.replace(rule, config=config))
    labels = plan.labels
    if labels is not None:
        labels = tuple(dict.fromkeys((*labels, *(label for rule in rules for label in rule.config.brought()))))
    return dataclasses.replace(plan, rules=tuple(rules), labels=labels)


def rules_off(plan: CameraPlan, known: Collection[str]) -> dict[str, str]:
    """Names of the rules that cannot work at the camera, or, where they are optional, with a model, and why.

    Args:
        plan: As configured.
        known: All labels of the model, or of several together.
    """
    lacking = {
        rule.name: _why(rule.config, known)
        for rule in plan.rules
        if rule.config.optional and rule.config.within(known) is None
    }
    return {**plan.off, **lacking}


def remarks(plan: CameraPlan, known: Collection[str]) -> list[str]:
    """What people should know before the first frame: which rules are off, which go without some key, and why.

    Args:
        plan: As configured.
        known: All labels of the model, or of several together.
    """
    off = rules_off(plan, known)
    found = [f"rule {name} is off: {why}" for name, why in off.items()]
    for rule in plan.rules:
        if rule.config.optional and rule.name not in off:
            for key, labels in _lacking(rule.config, known).items():
                found.append(f"rule {rule.name} goes without '{key}': {_none_of([labels])}")
    return found


def _why(config: RuleConfig, known: Collection[str]) -> str:
    return _none_of(list(_lacking(config, known).values()))


def _lacking(config: RuleConfig, known: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The lists of labels of which none is known, by key."""
    lists = config.labels_by_key(()).items()
    return {key: labels for key, labels in lists if labels and not set(labels) & set(known)}


def _none_of(lists: Sequence[Sequence[str]]) -> str:
    return "the model has no label " + ", and none of ".join(", ".join(map(repr, labels)) for labels in lists)
