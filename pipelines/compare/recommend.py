"""What follows from the figures, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

from detectors.parity import POOR
from pipelines.compare.rows import Row

_CLOSE = 0.05
"""Speeds that differ by less are the same on a shared machine."""


def recommendation(rows: Sequence[Row]) -> list[str]:
    """Sentences: the fastest at equal precision, what a faster precision costs, and the smallest.

    Args:
        rows: All of them; those with an error and those of larger batches have no part.
    """
    single = [row for row in rows if row["error"] is None and row["batch"] == 1]
    if not single:
        return ["Nothing could be measured, so nothing is recommended."]
    lines = []
    for model in dict.fromkeys(row["model"] for row in single):
        lines += _of_model(model, [row for row in single if row["model"] == model])
    return lines


def _of_model(model: str, rows: Sequence[Row]) -> list[str]:
    lines = []
    exact = sorted((row for row in rows if row["precision"] == "fp32"), key=lambda row: -row["fps"])
    if exact:
        best = exact[0]
        near = [row for row in exact[1:] if row["fps"] >= best["fps"] * (1 - _CLOSE)]
        equal = f"; {_names(near)} within {_CLOSE:.0%} of it, which is the same here" if near else ""
        others = f", {best['fps'] / exact[-1]['fps']:.1f} times {_name(exact[-1])}" if len(exact) > 1 else ""
        lines.append(f"{model}, equal precision: {_name(best)} is fastest with {best['fps']:.1f} FPS{others}{equal}.")
    good = [row for row in rows if _is_good(row)]
    poor = [row for row in rows if not _is_good(row) and not _counts_otherwise(row)]
    if good:
        best = max(good, key=lambda row: row["fps"])
        if not exact or best is not exact[0]:
            gain = f", {best['fps'] / exact[0]['fps']:.1f} times the fastest fp32" if exact else ""
            lines.append(f"{model}, any precision: take {_name(best)} with {best['fps']:.1f} FPS{gain}; {_cost(best)}.")
        smallest = min(good, key=lambda row: row["rss_mb"])
        lines.append(
            f"{model}, little memory: {_name(smallest)} takes {smallest['rss_mb']:.0f} MB at {smallest['fps']:.1f} FPS."
        )
    lines += [
        f"{model}: {_name(row)} counts other line crossings than the reference."
        for row in rows
        if _counts_otherwise(row)
    ]
    lines += [f"{model}: do not use {_name(row)} as it is: {_cost(row)}." for row in poor]
    return lines


def _is_good(row: Row) -> bool:
    share = (row["agreement"] or {}).get("iou75")
    if _counts_otherwise(row):
        return False
    if share is None:  # nothing was seen: what is not exact is not called good on trust
        return bool(row["precision"] == "fp32")
    return bool(share >= POOR[row["precision"]])


def _counts_otherwise(row: Row) -> bool:
    return row["counts"] is not None and "lines" in (row["counts"]["differs"] or ())


def _cost(row: Row) -> str:
    agreement = row["agreement"]
    if agreement is None or agreement["iou75"] is None:
        return "its agreement is not known, as the reference found no box above a score of 0.4"
    differs = (row["counts"] or {}).get("differs")
    rest = f"; its line counts are the reference's, its {' and '.join(differs)} are not quite" if differs else ""
    return (
        f"it matches {100 * agreement['iou75']:.1f} % of the reference's {agreement['boxes']} boxes at IoU 0.75{rest}"
    )


def _name(row: Row) -> str:
    return f"{row['runtime']} {row['precision']} at {row['imgsz']}"


def _names(rows: Sequence[Row]) -> str:
    verb = "is" if len(rows) == 1 else "are"
    return " and ".join(_name(row) for row in rows) + f" {verb}"
