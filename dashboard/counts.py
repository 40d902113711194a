"""Counters as the API tells them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from pipelines.live.face import CannotBeAsked, SiteFace
from pipelines.values import CounterKey


class Count(BaseModel):
    """One counter."""

    camera: str
    head: Literal["counts", "occupancy", "totals", "values"] = Field(
        description="counts and totals only grow; occupancy and values are what is there now"
    )
    place: str = Field(description="the line, the zone, or the rule")
    direction: Literal["in", "out"] | None
    label: str = Field(description="the label; of totals and values the word")
    value: int


def count_of(camera: str, key: CounterKey, value: int) -> Count:
    """A counter by its key."""
    head, place, *rest = key
    direction = rest[0] if head == "counts" else None
    label = rest[-1]
    return Count.model_validate(
        {"camera": camera, "head": head, "place": place, "direction": direction, "label": label, "value": value}
    )


def counts_of(face: SiteFace, camera: str) -> list[Count]:
    """Every counter of a camera, in a stable order; none while it is just going, or its totals are not read yet."""
    try:
        counters = face.counters(camera)
    except (KeyError, CannotBeAsked):
        return []
    return [count_of(camera, key, value) for key, value in sorted(counters.items())]
