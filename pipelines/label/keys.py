"""Which key means what."""

from __future__ import annotations

import string
from collections.abc import Iterable
from dataclasses import dataclass, replace

from config.errors import ConfigError
from pipelines.evaluate.event_truth import DIRECTIONS, has_label
from pipelines.evaluate.replay import truth_names
from pipelines.rules import RULE_KINDS
from pipelines.scenario import CameraPlan

_PAIRS = ("io", "kl", "nm", "we", "sd", "xc", "rt", "fg", "vb", "12", "34", "56", "78", "90")
_SINGLES = "quyahjzp"
_LEVELS: tuple[tuple[tuple[str, ...], str], ...] = (
    (_PAIRS, _SINGLES),
    (tuple(pair.upper() for pair in _PAIRS if pair.isalpha()), _SINGLES.upper()),
)
"""Keys two by two and alone: those without Shift, then letters with it."""
ALLOWED = frozenset(string.ascii_lowercase + string.digits)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What pressing a key says.

    Attributes:
        kind: Kind of the rule.
        name: Its line or zone.
        label: What did it; empty: the one that is chosen on the page.
        direction: ``in``, ``stop``, ``north>east``: a word of the kind, or nothing.
    """

    kind: str
    name: str
    label: str = ""
    direction: str = ""

    @property
    def has_label(self) -> bool:
        """Whether something does it that has a label; of a place, a table say, nothing does."""
        return has_label(self.kind, self.direction)

    def __str__(self) -> str:
        return " ".join(filter(None, (self.kind, self.name, self.direction, self.label)))


def parse_keys(texts: Iterable[str]) -> dict[str, Meaning]:
    """Read ``i=line_crossing,road,car,in``; label and direction may be left out.

    Raises:
        ConfigError: One is not of this form, a key stands twice, or a kind is unknown.
    """
    keys: dict[str, Meaning] = {}
    for text in texts:
        key, sign, meaning = (word.strip() for word in text.partition("="))
        words = [word.strip() for word in meaning.split(",")]
        if not sign or key not in ALLOWED or not 2 <= len(words) <= 4 or not all(words[:2]):
            raise ConfigError(
                f"--keys: {text!r} is not KEY=KIND,NAME,LABEL,DIRECTION with a small letter or digit; write "
                "i=line_crossing,road,car,in"
            )
        if words[0] not in RULE_KINDS:
            raise ConfigError(f"--keys: {text!r}: unknown kind {words[0]!r}; allowed: {', '.join(RULE_KINDS)}")
        if not RULE_KINDS[words[0]][0].words:
            raise ConfigError(f"--keys: {text!r}: {words[0]} has no events")
        meant = Meaning(*words)
        if (ways := DIRECTIONS.get(meant.kind)) and meant.direction not in ("", *ways):
            raise ConfigError(f"--keys: {text!r}: unknown direction {meant.direction!r}; allowed: {', '.join(ways)}")
        if meant.label and not meant.has_label:
            raise ConfigError(f"--keys: {text!r}: this event of {meant.kind} has no label; leave {meant.label!r} out")
        if key in keys:
            raise ConfigError(f"--keys: {key!r} has two meanings; choose another key for one")
        keys[key] = meant
    return keys


def usual_keys() -> dict[str, Meaning]:
    """Keys without a site file: one line, one zone."""
    return {
        "i": Meaning("line_crossing", "line", direction="in"),
        "o": Meaning("line_crossing", "line", direction="out"),
        "k": Meaning("zone_count", "zone", direction="enter"),
        "l": Meaning("zone_count", "zone", direction="leave"),
    }


def keys_of(plan: CameraPlan, where: str) -> dict[str, Meaning]:
    """Keys for each event that the rules of a camera tell of: two beside each other for each two of a rule.

    Args:
        plan: The camera.
        where: Its name in the site file, for errors.

    Raises:
        ConfigError: It has no rules with events, or more events than there are keys.
    """
    free, names = _FreeKeys(), truth_names(plan)
    keys: dict[str, Meaning] = {}
    for rule in plan.rules:
        labels = rule.config.told_labels
        label = labels[0] if len(labels) == 1 else ""
        words = list(rule.config.told())
        while words:
            taken = free.take(min(2, len(words)))
            if taken is None:
                raise ConfigError(f"{where} has more events than there are keys; choose some with --keys")
            for key in taken:
                meant = Meaning(rule.config.kind, names[rule.name], label, words.pop(0))
                keys[key] = meant if meant.has_label else replace(meant, label="")
    if not keys:
        raise ConfigError(f"{where} has no rules to make keys of; give it some, or name keys with --keys")
    return keys


class _FreeKeys:
    """Keys that have no meaning yet."""

    def __init__(self) -> None:
        self._levels = [(list(pairs), list(singles)) for pairs, singles in _LEVELS]

    def take(self, count: int) -> list[str] | None:
        """One key, or two beside each other as long as there are such; ``None`` where there are too few."""
        for pairs, _ in self._levels if count == 2 else ():
            if pairs:
                return list(pairs.pop(0))
        found: list[str] = []
        for pairs, singles in self._levels:
            while len(found) < count and (singles or pairs):
                if not singles:
                    singles.extend(pairs.pop())
                found.append(singles.pop(0))
        return found if len(found) == count else None
