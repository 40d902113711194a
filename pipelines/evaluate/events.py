"""How well counts and events agree with the truth: by line or zone, direction and label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
    """How many are true and were found, and the pairs of both."""

    truth: int = 0
    found: int = 0
    pairs: list[tuple[Happening, Happening]] = field(default_factory=list)


def score_events(truth: EventTruth, found: Iterable[Happening], tolerance_s: float = 1.0) -> list[dict[str, Any]]:
    """Compare what was found with what happened.

    Both are joined one to one by time within each kind, line or zone (or rule), direction and label; what the truth
    tells without a label or direction is joined to any. What was found at lines and zones that the truth does not speak
    of, and of labels that it does not name (``left_out``), is not looked at.

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
    groups: defaultdict[Key, _Group] = defaultdict(_Group)
    for place, known, those in _by_place(truth, found):
        asked, _ = _parted(truth, place, those)
        for pool in _pools(known, asked):
            _share_out(groups, place, known, pool, tolerance_s)
        if not known and not asked:
            groups[(*place, "", "")] = _Group()
    rows = [{**_named(key), **_compared(group)} for key, group in sorted(groups.items())]
    return _with_sums(rows)


def left_out(truth: EventTruth, found: Iterable[Happening]) -> dict[str, int]:
    """How many were found of each label that the truth does not name, where it is asked for labels."""
    others = (_parted(truth, place, those)[1] for place, _, those in _by_place(truth, found))
    return dict(sorted(Counter(one.label for those in others for one in those).items()))


def total(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Truth, found and matched of all rows (those that are sums left out), with precision, recall and F1."""
    own = [row for row in rows if not row["is_sum"]]
    sums = {key: sum(row[key] for row in own) for key in ("truth", "found", "matched")}
    both = sums["truth"] + sums["found"]
    return {**sums, **_rates(sums), "f1": round(2 * sums["matched"] / both, 4) if both else None}


def _by_place(
    truth: EventTruth, found: Iterable[Happening]
) -> Iterator[tuple[tuple[str, str], list[Happening], list[Happening]]]:
    """Each kind and name of the truth, with what is true and what was found there; names of rules go before places."""
    of_place: defaultdict[tuple[str, str], list[Happening]] = defaultdict(list)
    for one in truth.happenings:
        of_place[one.kind, one.name].append(one)
    at_place: defaultdict[tuple[str, str], list[Happening]] = defaultdict(list)
    of_rule: defaultdict[tuple[str, str], list[Happening]] = defaultdict(list)
    for one in found:
        at_place[one.kind, one.name].append(one)
        of_rule[one.kind, one.rule].append(one)
    for place in sorted(truth.watched):
        yield place, of_place[place], of_rule.get(place) or at_place[place]


def _parted(
    truth: EventTruth, place: tuple[str, str], those: Sequence[Happening]
) -> tuple[list[Happening], list[Happening]]:
    """Of what was found at a place, that of labels that the truth asks for, and the rest."""
    asks = {label: truth.asks(*place, label) for label in {one.label for one in those}}
    return [one for one in those if asks[one.label]], [one for one in those if not asks[one.label]]


def _pools(
    known: Sequence[Happening], asked: Sequence[Happening]
) -> list[tuple[list[Happening], list[Happening], bool]]:
    """Parts of a place between which nothing can be joined: what is true, what was found, whether any two will do."""
    any_direction, any_label = any(not one.direction for one in known), any(not one.label for one in known)
    pools: defaultdict[tuple[str, str], tuple[list[Happening], list[Happening]]] = defaultdict(lambda: ([], []))
    for side, those in enumerate((known, asked)):
        for one in those:
            pools["" if any_direction else one.direction, "" if any_label else one.label][side].append(one)
    return [(*sides, all((o.direction, o.label) == key for o in sides[0])) for key, sides in pools.items()]


def _share_out(
    groups: dict[Key, _Group],
    place: tuple[str, str],
    known: Sequence[Happening],
    pool: tuple[list[Happening], list[Happening], bool],
    tolerance_s: float,
) -> None:
    """Join a pool, and add each of it to the group of what it is joined to, or fits best."""
    true, found, is_plain = pool
    pairs = in_time(
        [one.time_s for one in true],
        [one.time_s for one in found],
        tolerance_s,
        None if is_plain else lambda row, column: _fits(true[row], found[column]),
    )
    for one in true:
        groups[(*place, one.direction, one.label)].truth += 1
    joined = {column: true[row] for row, column in pairs}
    words = {(one.direction, one.label) for one in known}
    for column, one in enumerate(found):
        partner = joined.get(column)
        key = _nearest(one, words) if partner is None else (partner.direction, partner.label)
        group = groups[(*place, *key)]
        group.found += 1
        if partner is not None:
            group.pairs.append((partner, one))


def _fits(true: Happening, found: Happening) -> bool:
    return true.direction in ("", found.direction) and true.label in ("", found.label)


def _nearest(one: Happening, words: Collection[tuple[str, str]]) -> tuple[str, str]:
    """Direction and label of the group of what is joined to nothing: the narrowest that the truth has for it."""
    direction, label = one.direction, one.label
    for key in ((direction, label), (direction, ""), ("", label), ("", "")):
        if key in words:
            return key
    tells_direction = not words or any(known for known, _ in words)
    tells_label = not words or any(known for _, known in words)
    return direction if tells_direction else "", label if tells_label else ""


def _named(key: Key) -> dict[str, Any]:
    kind, name, direction, label = key
    return {"kind": kind, "name": name, "direction": direction, "label": label, "is_sum": False}


def _compared(group: _Group) -> dict[str, Any]:
    counts = {"truth": group.truth, "found": group.found, "matched": len(group.pairs)}
    return {
        **counts,
        **_rates(counts),
        "error": counts["found"] - counts["truth"],
        "time_s": spread([found.time_s - truth.time_s for truth, found in group.pairs]),
        "seconds": spread(_differences(group.pairs, "seconds")),
        "value": spread(_differences(group.pairs, "value")),
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
