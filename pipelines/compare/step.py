"""What a comparison is at."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.compare.combination import Combination


@dataclass(frozen=True, slots=True)
class Step:
    """One process that is about to start.

    Attributes:
        doing: What it does, with the round where there are several.
        number: Which of the combinations in this part of the comparison it is for, from 1.
        count: How many there are in this part.
        combination: What it is for.
    """

    doing: str
    number: int
    count: int
    combination: Combination

    def __str__(self) -> str:
        return f"{self.doing}, {self.number} of {self.count}: {self.combination}"
