"""How many there have been, and how many there are now, per label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pipelines.values import CounterKey


class LabelCounts:
    """The counters of a rule whose words are labels: ``totals`` and ``values``."""

    def __init__(self, rule: str, labels: Iterable[str] | None) -> None:
        """Begin at 0.

        Args:
            rule: Its name.
            labels: Those that are counted; ``None``: all, and each is there once it was seen.
        """
        self._rule = rule
        self._all: Counter[CounterKey] = Counter()
        for label in labels or ():
            self._all["totals", rule, label] = self._all["values", rule, label] = 0

    @property
    def all(self) -> Mapping[CounterKey, int]:
        """Every counter."""
        return self._all

    def add(self, label: str) -> None:
        """Count one more."""
        self._all["totals", self._rule, label] += 1
        self._all["values", self._rule, label] += 0

    def there(self, labels: Iterable[str]) -> None:
        """Take the labels of those who are there now."""
        for key in self._all:
            if key[0] == "values":
                self._all[key] = 0
        for label, count in Counter(labels).items():
            self._all["values", self._rule, label] = count

    def totals(self) -> dict[str, int]:
        """How many there have been, by label."""
        return self._of("totals")

    def now(self) -> dict[str, int]:
        """How many there are, by label."""
        return self._of("values")

    def _of(self, head: str) -> dict[str, int]:
        return {key[2]: value for key, value in sorted(self._all.items()) if key[0] == head}
