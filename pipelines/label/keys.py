"""Which key means what."""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from config.errors import ConfigError
from pipelines.evaluate.event_truth import DIRECTIONS
from pipelines.rules import RULE_KINDS
from pipelines.scenario import CameraPlan

_PAIRS = ("io", "kl", "nm", "we", "sd", "xc", "rt", "fg", "vb", "12", "34", "56", "78", "90")
_SINGLES = "quyahjzp"
ALLOWED = frozenset(string.ascii_lowercase + string.digits)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What pressing a key says.

    Attributes:
        kind: Kind of the rule.
        name: Its line or zone.
        label: What did it; empty: the one that is chosen on the page.
        direction: ``in``, ``out``, ``enter``, ``leave`` or nothing.
    """

    kind: str
    name: str
    label: str = ""
    direction: str = ""

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
        meant = Meaning(*words)
        if (ways := DIRECTIONS.get(meant.kind)) and meant.direction not in ("", *ways):
            raise ConfigError(f"--keys: {text!r}: unknown direction {meant.direction!r}; allowed: {', '.join(ways)}")
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
    """Keys for each rule of a camera: two beside each other for those that go both ways, one for the others.

    Args:
        plan: The camera.
        where: Its name in the site file, for errors.

    Raises:
        ConfigError: It has no rules, or more than there are keys.
    """
    pairs, singles = iter(_PAIRS), iter(_SINGLES)
    keys: dict[str, Meaning] = {}
    for rule in plan.rules:
        kind, place = rule.config.kind, rule.place or rule.name
        labels: Sequence[str] = rule.config.labels or ()
        label = labels[0] if len(labels) == 1 else ""
        directions = DIRECTIONS.get(kind)
        free = next(pairs, None) if directions else next(singles, None)
        if free is None:
            raise ConfigError(f"{where} has more rules than there are keys; choose some with --keys")
        meanings = [Meaning(kind, place, label, one) for one in directions or ("",)]
        keys |= dict(zip(free, meanings, strict=True))
    if not keys:
        raise ConfigError(f"{where} has no rules to make keys of; give it some, or name keys with --keys")
    return keys
