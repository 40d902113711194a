"""From rules as they are written to checked ones: names, wildcards, labels, and what a camera cannot serve."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from config.faults import YamlPath, explain
from config.loader import Document
from config.site import RuleSpec, Site
from pipelines.rules import RULE_KINDS, Place, RuleConfig

EACH = "*"


@dataclass(frozen=True, slots=True)
class PlannedRule:
    """A checked rule and where it was written; ``off`` says why it cannot work here, which is no fault."""

    config: RuleConfig
    document: Document[Any]
    where: YamlPath
    off: str = ""

    @property
    def place(self) -> str:
        """Name of its line or zone."""
        return self.config.place

    @property
    def name(self) -> str:
        """Its own name, or ``<kind>_<line or zone>``."""
        return self.config.full_name


def plan_rules(
    document: Document[Any],
    prefix: YamlPath,
    specs: Iterable[RuleSpec],
    place: Place,
) -> tuple[list[PlannedRule], list[str]]:
    """Check rules as written; a wildcard becomes one rule for each line or zone."""
    planned: dict[str, PlannedRule] = {}
    faults: list[str] = []
    for index, spec in enumerate(specs):
        where: YamlPath = (*prefix, index)
        if spec.kind not in RULE_KINDS:
            faults.append(
                document.fault((*where, "kind"), f"unknown rule kind {spec.kind!r}; allowed: {', '.join(RULE_KINDS)}")
            )
            continue
        model = RULE_KINDS[spec.kind][0]
        try:
            config = model.model_validate(spec.model_dump())
        except ValidationError as error:
            faults += explain(document.path, document.lines, where, error, model, document.filled)
            continue
        found, wrong = _place(document, where, config, place)
        faults += wrong
        for rule in found:
            if rule.name in planned:
                faults.append(
                    document.fault(where, f"two rules are called {rule.name!r}; give one a 'name' of its own")
                )
            planned[rule.name] = rule
    return list(planned.values()), faults


def _place(
    document: Document[Any], where: YamlPath, config: RuleConfig, place: Place
) -> tuple[list[PlannedRule], list[str]]:
    """Find the lines and zones that a rule names, and ask it whether it can work there.

    ``line`` and ``zone`` are one name, or one with a ``*``: a rule for each that fits; what the ``*`` stood for takes
    its place in the rule's other names, too. ``lines`` and ``zones`` are lists of names, or one with a ``*``: one rule
    with all that fit, off where too few do, and none where none does. A ``*`` stands for nothing that ``skip`` names.
    """
    configs = [config]
    lacking = ""
    for one, several, known in (("line", "lines", place.lines), ("zone", "zones", place.zones)):
        for key in (one, several):
            if unknown := [name for name in _names(config, key) if name not in known]:
                allowed = ", ".join(known) or f"none: the camera has no {several}"
                return [], [document.fault((*where, key), f"unknown {one} {unknown[0]!r}; allowed: {allowed}")]
        if EACH in (pattern := _pattern(config, one)):
            names = _fitting(known, pattern, config.skip)
            configs = [_at(each, one, pattern, name, place) for each in configs for name in names]
        if EACH in (pattern := _pattern(config, several)):
            fitting = _fitting(known, pattern, config.skip)
            configs = [each.model_copy(update={several: tuple(fitting)}) for each in configs if fitting]
            if 0 < len(fitting) < config.least_places:
                what = f"{pattern!r} without {config.skip!r}" if config.skip else repr(pattern)
                lacking = f"{config.kind} needs {config.least_places} {several}, and only {fitting[0]!r} fits {what}"
    rules, faults = [], []
    for each in configs:
        wrong = [] if lacking else each.faults_at(place)
        off = lacking or ("; ".join(text for _, text in wrong) if each.optional else "")
        faults += [] if off else wrong
        rules.append(PlannedRule(each, document, where, off))
    return rules, [document.fault((*where, key) if key else where, text) for key, text in dict.fromkeys(faults)]


def working(rules: Iterable[PlannedRule]) -> tuple[dict[str, PlannedRule], dict[str, str]]:
    """The rules that can work at the camera, and why the others cannot, by name."""
    every = list(rules)
    return {rule.name: rule for rule in every if not rule.off}, {rule.name: rule.off for rule in every if rule.off}


def _pattern(config: RuleConfig, key: str) -> str:
    """The name behind a key, which may hold a ``*``; empty where it is a list, or not there."""
    found = getattr(config, key, None)
    return found if isinstance(found, str) else ""


def _names(config: RuleConfig, key: str) -> Sequence[str]:
    """The names behind a key, which may be one, a list, one with a ``*`` or not there."""
    found = getattr(config, key, None)
    if isinstance(found, str):
        return () if EACH in found else (found,)
    return () if found is None else tuple(found)


def _fitting(known: Iterable[str], pattern: str, skip: str | None = None) -> list[str]:
    """The names that fit a pattern with one ``*``, or the one that is it, without those that fit ``skip``."""
    if skip is not None:
        skipped = _fitting(known, skip)
        known = [name for name in known if name not in skipped]
    if EACH not in pattern:
        return [name for name in known if name == pattern]
    head, _, tail = pattern.partition(EACH)
    least = len(head) + len(tail)
    return [name for name in known if len(name) >= least and name.startswith(head) and name.endswith(tail)]


def _at(config: RuleConfig, key: str, pattern: str, name: str, place: Place) -> RuleConfig:
    """One of the rules that a ``*`` stands for; other places with a ``*`` that are not there are left out."""
    head, _, tail = pattern.partition(EACH)
    stood_for = name[len(head) : len(name) - len(tail)]
    update: dict[str, Any] = {key: name, "name": f"{config.name}_{name}" if config.name else None}
    for other, value in config:
        if other not in ("line", "zone", "lines", "zones", "name", "skip") and isinstance(value, str) and EACH in value:
            found = value.replace(EACH, stood_for)
            update[other] = found if found in place.lines or found in place.zones else None
    return config.model_copy(update=update)


def within_labels(
    planned: dict[str, PlannedRule], kept: tuple[str, ...] | None, document: Document[Site]
) -> tuple[dict[str, PlannedRule], dict[str, str], list[str]]:
    """Fit the rules to the labels the camera keeps: a rule without labels looks at those, a scenario's at what is left.

    A rule of the camera's own for a label that is not kept would never see it, which is a fault.

    Returns:
        The rules; why those of a scenario are off that cannot work with what is left, by name; the faults.
    """
    if kept is None:
        return planned, {}, []
    result: dict[str, PlannedRule] = {}
    off: dict[str, str] = {}
    faults: list[str] = []
    for name, rule in planned.items():
        left: dict[str, tuple[str, ...]] = {}
        emptied: dict[str, tuple[str, ...]] = {}
        for key, wanted in rule.config.labels_by_key(kept).items():
            if key in rule.config.brings_labels:
                continue
            left[key] = tuple(label for label in wanted if label in kept)
            if not left[key]:
                emptied[key] = wanted
            if rule.document is document and len(left[key]) < len(wanted):
                lost = [label for label in wanted if label not in kept]
                faults.append(document.fault((*rule.where, key), _not_kept(lost, kept)))
        config = rule.config.model_copy(update=left)
        if config.can_work(emptied):
            result[name] = dataclasses.replace(rule, config=config)
        else:
            off[name] = _not_kept([label for labels in emptied.values() for label in labels], kept)
    return result, off, faults


def _not_kept(lost: Sequence[str], kept: Sequence[str]) -> str:
    return f"the camera does not keep {', '.join(lost)}; it keeps {', '.join(kept)}"


def shared_counters(rules: Sequence[PlannedRule]) -> list[str]:
    """Two rules that would write the same counter."""
    faults = []
    for index, rule in enumerate(rules):
        for other in rules[:index]:
            same = (rule.config.kind, rule.place) == (other.config.kind, other.place)
            if not (rule.config.counts_by_place and same):
                continue
            mine, theirs = rule.config.labels, other.config.labels
            if mine is None or theirs is None or set(mine) & set(theirs):
                faults.append(
                    rule.document.fault(
                        rule.where,
                        f"rules {other.name!r} and {rule.name!r} both count {rule.place!r} for one label; keep one",
                    )
                )
    return faults


def unknown_labels(
    document: Document[Any], where: YamlPath, wanted: Iterable[str], model: str, known: Sequence[str]
) -> list[str]:
    """A sentence where a list has labels that the model does not have."""
    unknown = [repr(label) for label in wanted if label not in known]
    if not unknown:
        return []
    return [document.fault(where, f"model {model!r} has no label {', '.join(unknown)}; allowed: {', '.join(known)}")]
