"""How well boxes agree with the truth: average precision, precision and recall (pycocotools)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipelines.compare.frames import Laid
from pipelines.compare.truth import Box, Truth, judged
from pipelines.evaluate.box_truth import TrueBox
from pipelines.evaluate.results import RunFrame


def score_detection(
    truth: Sequence[Sequence[TrueBox]], found: Sequence[RunFrame], size: tuple[int, int], labels: Sequence[str]
) -> dict[str, Any]:
    """Score the boxes of frames, whatever their tracks.

    Source: COCO's detection evaluation: average precision over IoU 0.50 to 0.95 in steps of 0.05 and at 0.50, here over
    the boxes that were kept; precision and recall at IoU 0.50 of all of them.

    Args:
        truth: The boxes of each frame.
        found: Those that were found, likewise.
        size: Width and height of the pictures.
        labels: The labels that are scored.

    Returns:
        ``{"frames", "objects", "all": row, "labels": {label: row}}``; a row is ``{"map50", "map50_95",
        "precision", "recall", "objects", "found", "matched"}``, that of all is the mean of the average precisions over
        labels and the sum of the others.
    """
    laid = [Laid(str(frame.index), (size[1], size[0])) for frame in found]
    most = max(100, *(len(frame.boxes) for frame in found))
    judge, ids = judged(_as_truth(truth, labels), [frame.boxes for frame in found], laid, most)
    rows = {}
    for label in labels:
        objects = sum(box.label == label and box.role == "object" for boxes in truth for box in boxes)
        rows[label] = _row(judge, ids.get(label), objects)
    return {
        "frames": len(found),
        "objects": sum(row["objects"] for row in rows.values()),
        "all": _together(list(rows.values())),
        "labels": rows,
    }


def _as_truth(truth: Sequence[Sequence[TrueBox]], labels: Sequence[str]) -> Truth:
    def box(one: TrueBox) -> Box:
        x1, y1, x2, y2 = one.xyxy
        return Box(one.label, (x1, y1, x2 - x1, y2 - y1), one.role != "object")

    return Truth(tuple(tuple(box(one) for one in boxes if one.label in labels) for boxes in truth), tuple(labels))


def _row(judge: Any, class_id: int | None, objects: int) -> dict[str, Any]:
    if judge is None or class_id is None:
        nothing = {"map50": 0.0, "map50_95": 0.0, "precision": None, "recall": 0.0 if objects else None}
        return {**nothing, "objects": objects, "found": 0, "matched": 0}
    column = judge.params.catIds.index(class_id)
    precision = judge.eval["precision"][:, :, column, 0, -1]  # (IoU, recall) at all sizes
    found = matched = 0
    for one in judge.evalImgs:
        if one is not None and one["category_id"] == class_id and one["aRng"] == judge.params.areaRng[0]:
            counts = ~one["dtIgnore"][0].astype(bool)
            found += int(counts.sum())
            matched += int((one["dtMatches"][0].astype(bool) & counts).sum())
    return {
        "map50": _mean(precision[0]),
        "map50_95": _mean(precision),
        "precision": round(matched / found, 4) if found else None,
        "recall": round(matched / objects, 4) if objects else None,
        "objects": objects,
        "found": found,
        "matched": matched,
    }


def _mean(values: Any) -> float:
    """The mean of those that are there; COCO writes -1 for those that are not."""
    known = values[values > -1]
    return round(float(np.mean(known)), 4) if known.size else 0.0


def _together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sums = {key: sum(row[key] for row in rows) for key in ("objects", "found", "matched")}
    means = {key: round(float(np.mean([row[key] for row in rows])), 4) for key in ("map50", "map50_95")}
    return {
        **means,
        "precision": round(sums["matched"] / sums["found"], 4) if sums["found"] else None,
        "recall": round(sums["matched"] / sums["objects"], 4) if sums["objects"] else None,
        **sums,
    }
