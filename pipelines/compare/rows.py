"""The rows of a comparison: from what the rounds of a combination measured to what is written and shown."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from config.site import Camera
from pipelines.compare.combination import Combination
from pipelines.compare.worker import STAGES

Row = dict[str, Any]
"""``{"model", "runtime", "precision", "device", "imgsz", "input", "batch", "fps", "ms": {stage: {"p50", "p95", "p99"}},
"cpu_s", "start_s", "rss_mb", "gpu_mb", "energy_j", "size_mb", "placement", "cameras", "agreement", "map", "counts",
"sustained", "error"}``; what was not measured is ``None``."""
CAMERA_FPS: float = Camera.model_fields["detect_fps"].default
"""Analysed frames a second of a camera, as in a site file that says nothing else."""


@dataclass(frozen=True, slots=True)
class Extras:
    """What only some comparisons measure, once for a combination.

    Attributes:
        counts: Beside the reference's.
        accuracy: ``{"map50_95", "map50", …}``, where there are labels.
        sustained: ``{"minutes", "fps", "first_fps", "last_fps", "watts"}``.
    """

    counts: dict[str, Any] | None = None
    accuracy: dict[str, Any] | None = None
    sustained: dict[str, Any] | None = None


def failed_row(combination: Combination, error: str) -> Row:
    """The row of a combination that could not be measured."""
    return _head(combination) | {"error": error}


def rows_of(
    combination: Combination,
    size_mb: float,
    rounds: Sequence[dict[str, Any]],
    agreement: dict[str, Any],
    extras: Extras = Extras(),
) -> list[Row]:
    """One row for each batch size: percentiles over all calls of all rounds, the rest medians of the rounds."""
    rows = []
    for batch in rounds[0]["batches"]:
        runs = [answer["batches"][batch] for answer in rounds]
        pooled = {stage: np.concatenate([run["ms"][stage] for run in runs]) for stage in STAGES}
        each = [1e3 / statistics.fmean(run["ms"]["total"]) for run in runs]
        rows.append(
            _head(combination)
            | {
                "device": rounds[0]["device"],
                "input": rounds[0]["input"],
                "batch": int(batch),
                "fps": round(statistics.median(each), 2),
                "cameras": math.floor(statistics.median(each) / CAMERA_FPS),
                "fps_rounds": [round(value, 2) for value in each],
                "ms": {stage: _percentiles(values) for stage, values in pooled.items()},
                "cpu_s": round(statistics.median(run["cpu_s"] for run in runs), 5),
                "start_s": round(statistics.median(answer["start_s"] for answer in rounds), 2),
                "rss_mb": round(statistics.median(run["rss_mb"] for run in runs), 1),
                "gpu_mb": _median([run["gpu_mb"] for run in runs], 1),
                "energy_j": _median([run["energy_j"] for run in runs], 4),
                "size_mb": size_mb,
                "placement": rounds[0]["placement"],
                "agreement": agreement,
                "map": extras.accuracy,
                "counts": extras.counts,
                "sustained": extras.sustained,
            }
        )
    return rows


def _head(combination: Combination) -> Row:
    return {
        "model": combination.model,
        "runtime": combination.runtime,
        "precision": combination.precision,
        "device": None,
        "imgsz": combination.imgsz,
        "input": None,
        "batch": None,
        "fps": None,
        "fps_rounds": None,
        "cameras": None,
        "ms": None,
        "cpu_s": None,
        "start_s": None,
        "rss_mb": None,
        "gpu_mb": None,
        "energy_j": None,
        "size_mb": None,
        "placement": None,
        "agreement": None,
        "map": None,
        "counts": None,
        "sustained": None,
        "error": None,
    }


def _median(values: Sequence[float | None], digits: int) -> float | None:
    """``None`` where one was not measured."""
    known = [value for value in values if value is not None]
    return round(statistics.median(known), digits) if known and len(known) == len(values) else None


def _percentiles(values: Any) -> dict[str, float]:
    return {f"p{share}": round(float(np.percentile(values, share)), 3) for share in (50, 95, 99)}


def as_csv(rows: Sequence[Row]) -> str:
    """The rows as a table; an empty cell was not measured."""
    flat = [_flat(row) for row in rows]
    columns = list(dict.fromkeys(key for row in flat for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def placed(placement: dict[str, float] | None) -> str:
    """``XNNPACK 100 %``."""
    return ", ".join(f"{name} {100 * share:.0f} %" for name, share in (placement or {}).items())


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in row.items():
        match key, value:
            case "ms", dict():
                for stage, shares in value.items():
                    flat |= {f"ms_{stage}_{share}": number for share, number in shares.items()}
            case "agreement" | "map" | "sustained", dict():
                flat |= {f"{key}_{name}": number for name, number in value.items()}
            case "placement", dict():
                flat[key] = placed(value)
            case "input" | "fps_rounds", list():
                flat[key] = "x".join(map(str, value)) if key == "input" else " ".join(map(str, value))
            case "counts", dict():
                flat |= {"same_counts": value["same"], "counts_differ": ", ".join(value["differs"] or ())}
            case "ms" | "agreement" | "map" | "sustained" | "counts", _:
                pass
            case _:
                flat[key] = value
    return flat
