"""How well counts and events agree with the truth: by line or zone, direction and label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median
from typing import Any

import numpy as np

from pipelines.evaluate.event_truth import EventTruth
from pipelines.evaluate.happening import Happening
from pipelines.evaluate.matching import in_time

Key = tuple[str, str, str, str]
"""Kind, line or zone, direction, label."""


@dataclass(slots=True)
class _Group:
    truth: list[Happening]
    found: list[Happening]


def score_events(truth: EventTruth, found: Iterable[Happening], tolerance_s: float = 1.0) -> list[dict[str, Any]]:
    """Compare what was found with what happened.

    Both are joined one to one by time within each kind, line or zone, direction and label. Where the truth tells no
    labels (or directions) of a line or zone, they are not looked at there. What was found at lines and zones that the
    truth does not speak of is left out.

    Args:
        truth: What happened.
        found: What the rules saw.
        tolerance_s: How far apart two may be in media time.

    Returns:
        A row for each group, with ``kind``, ``name``, ``direction``, ``label``, ``truth``, ``found``, ``matched``,
        ``precision``, ``recall``, ``error`` (found less truth), and ``time_s``, ``seconds``, ``value``: the errors of
        the matched ones, found less truth; ``None`` where there is nothing to tell. Several rows of a line or zone are
        followed by one for all of them.
    """
    groups = _grouped(truth, found)
    rows = [{**_named(key), **_compared(group, tolerance_s)} for key, group in sorted(groups.items())]
    return _with_sums(rows)


def total(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Truth, found and matched of all rows (those that are sums left out), with precision, recall and F1."""
    own = [row for row in rows if not row["is_sum"]]
    sums = {key: sum(row[key] for row in own) for key in ("truth", "found", "matched")}
    both = sums["truth"] + sums["found"]
    return {**sums, **_rates(sums), "f1": round(2 * sums["matched"] / both, 4) if both else None}


def _grouped(truth: EventTruth, found: Iterable[Happening]) -> dict[Key, _Group]:
    of_place: defaultdict[tuple[str, str], list[Happening]] = defaultdict(list)
    for one in truth.happenings:
        of_place[one.kind, one.name].append(one)
    groups: defaultdict[Key, _Group] = defaultdict(lambda: _Group([], []))
    found_at: defaultdict[tuple[str, str], list[Happening]] = defaultdict(list)
    for one in found:
        found_at[one.kind, one.name].append(one)
    for place in sorted(truth.watched):
        known = of_place[place]
        any_label = bool(known) and any(not one.label for one in known)
        any_direction = bool(known) and any(not one.direction for one in known)
        for side, those in (("truth", known), ("found", found_at[place])):
            for one in those:
                plain = replace(
                    one, label="" if any_label else one.label, direction="" if any_direction else one.direction
                )
                getattr(groups[plain.kind, plain.name, plain.direction, plain.label], side).append(plain)
        if not known and not found_at[place]:
            groups[(*place, "", "")] = _Group([], [])
    return dict(groups)


def _named(key: Key) -> dict[str, Any]:
    kind, name, direction, label = key
    return {"kind": kind, "name": name, "direction": direction, "label": label, "is_sum": False}


def _compared(group: _Group, tolerance_s: float) -> dict[str, Any]:
    pairs = in_time([one.time_s for one in group.truth], [one.time_s for one in group.found], tolerance_s)
    matched = [(group.truth[row], group.found[column]) for row, column in pairs]
    counts = {"truth": len(group.truth), "found": len(group.found), "matched": len(pairs)}
    return {
        **counts,
        **_rates(counts),
        "error": counts["found"] - counts["truth"],
        "time_s": spread([found.time_s - truth.time_s for truth, found in matched]),
        "seconds": spread(_differences(matched, "seconds")),
        "value": spread(_differences(matched, "value")),
    }


def _differences(matched: Sequence[tuple[Happening, Happening]], name: str) -> list[float]:
    both = [(getattr(truth, name), getattr(found, name)) for truth, found in matched]
    return [found - truth for truth, found in both if truth is not None and found is not None]


def _rates(counts: dict[str, int]) -> dict[str, float | None]:
    return {
        "precision": round(counts["matched"] / counts["found"], 4) if counts["found"] else None,
        "recall": round(counts["matched"] / counts["truth"], 4) if counts["truth"] else None,
    }


def spread(errors: Sequence[float]) -> dict[str, float] | None:
    """``{"n", "mean", "median", "abs_median", "abs_p95"}`` of signed errors; ``None`` without any."""
    if not errors:
        return None
    sizes = [abs(error) for error in errors]
    values = {"mean": fmean(errors), "median": median(errors), "abs_median": median(sizes)}
    values["abs_p95"] = float(np.percentile(sizes, 95))
    return {"n": len(errors), **{name: round(value, 4) for name, value in values.items()}}


def _with_sums(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """After several rows of a kind at a line or zone, one with the sum of their counts."""
    result: list[dict[str, Any]] = []
    for number, row in enumerate(rows):
        result.append(row)
        place = (row["kind"], row["name"])
        if number + 1 < len(rows) and (rows[number + 1]["kind"], rows[number + 1]["name"]) == place:
            continue
        own = [one for one in rows if (one["kind"], one["name"]) == place]
        if len(own) > 1:
            counts = {key: sum(one[key] for one in own) for key in ("truth", "found", "matched", "error")}
            empty = {"time_s": None, "seconds": None, "value": None}
            result.append(
                {
                    "kind": place[0], "name": place[1], "direction": "*", "label": "*", "is_sum": True, **counts,
                    **_rates(counts), **empty,
                }
            )  # fmt: skip
    return result
