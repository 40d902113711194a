"""What comes out of a training comparison: rows, how far both frameworks agree, a table, and plain words."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from detectors.training.recipe import PARTS

Row = dict[str, Any]
"""``{"runtime", "device", "trained", "images_per_s", "start_s", "train_s", "epoch_s", "total_s", "rss_mb", "gpu_mb",
"first": {"box", "cls", "dfl", "total", "gradient"}, "loss": [{"box", "cls", "dfl", "total"} an epoch],
"before": {"map50_95", "map50", …}, "after", "error"}``; what was not measured is ``None``."""
_KEYS = (
    "device", "trained", "images_per_s", "start_s", "train_s", "epoch_s", "total_s", "rss_mb", "gpu_mb", "first",
    "loss", "before", "after", "error",
)  # fmt: skip
SAME_LOSS = 1e-3
"""First losses that differ by less, relatively, are those of the same arithmetic."""
SAME_MAP = 0.02
"""Mean average precisions that differ by less agree."""
_CLOSE = 0.05
"""Speeds that differ by less are the same on a machine that has other work."""


def failed_row(runtime: str, error: str) -> Row:
    """The row of a framework that did not train."""
    return {"runtime": runtime} | dict.fromkeys(_KEYS) | {"error": error}


def row_of(runtime: str, answer: dict[str, Any], images: int, before: Row, after: Row) -> Row:
    """The row of a framework that has trained.

    Args:
        runtime: Its name.
        answer: Of ``pipelines.compare.train_worker``.
        images: How many pictures an epoch has.
        before: Accuracy on ``val``, as ``pipelines.compare.truth.score`` gives it.
        after: Likewise, after training.
    """
    seconds = [epoch["seconds"] for epoch in answer["epochs"]]
    figures = {
        **{key: answer[key] for key in ("device", "trained", "first", "start_s", "total_s", "rss_mb", "gpu_mb")},
        "images_per_s": round(images * len(seconds) / sum(seconds), 3),
        "epoch_s": seconds,
        "train_s": round(sum(seconds), 3),
        "loss": [epoch["loss"] for epoch in answer["epochs"]],
        "before": before,
        "after": after,
    }
    return failed_row(runtime, "") | figures | {"error": None}


def agreement(rows: Sequence[Row]) -> dict[str, Any] | None:
    """How far two frameworks are apart; None unless both have trained.

    Returns:
        ``{"reference", "first_loss", "first_gradient", "loss", "map50", "map50_95"}``: relative differences of the
        first step's loss and gradient and the largest one of the epochs' losses, and differences of
        accuracy after it.
    """
    trained = [row for row in rows if row["error"] is None]
    if len(trained) < 2:
        return None
    one, other = trained[:2]
    return {
        "reference": one["runtime"],
        "first_loss": _apart(one["first"]["total"], other["first"]["total"]),
        "first_gradient": _apart(one["first"]["gradient"], other["first"]["gradient"]),
        "loss": max(_apart(a["total"], b["total"]) for a, b in zip(one["loss"], other["loss"], strict=True)),
        **{key: round(other["after"][key] - one["after"][key], 4) for key in ("map50", "map50_95")},
    }


def _apart(one: float, other: float) -> float:
    """Relative to the first."""
    return abs(other - one) / max(abs(one), 1e-12)


def words(result: dict[str, Any]) -> list[str]:
    """What follows from the figures.

    Args:
        result: The content of ``train.json`` but for this.
    """
    rows: list[Row] = [row for row in result["rows"] if row["error"] is None]
    if not rows:
        return ["No framework could train, so nothing is compared."]
    lines = [_what(result), *(_accuracy(row, result) for row in rows)]
    near = result["agreement"]
    if near is None:
        return [*lines, f"Only {rows[0]['runtime']} was trained, so nothing is compared."]
    return [*lines, _speed(rows), _loss(near), _agree(near, result)]


def _what(result: dict[str, Any]) -> str:
    head = "" if result["same_classes"] else (
        f" The class branch was given the dataset's {len(result['classes'])} classes: {result['kept_classes']} of them "
        "by their names, the others with the same random numbers."
    )  # fmt: skip
    return f"Pictures, their order, first weights and loss are the same on every framework. {result['frozen']}.{head}"


def _accuracy(row: Row, result: dict[str, Any]) -> str:
    before, after, losses = row["before"], row["after"], row["loss"]
    return (
        f"{row['runtime']}: mAP50 {before['map50']:.3f} → {after['map50']:.3f}, mAP50-95 {before['map50_95']:.3f} → "
        f"{after['map50_95']:.3f} on {result['val_pictures']} pictures with {after['objects']} objects; loss of the "
        f"first epoch {losses[0]['total']:.3f}, of the last {losses[-1]['total']:.3f}."
    )


def _speed(rows: Sequence[Row]) -> str:
    fast, slow = sorted(rows[:2], key=lambda row: -row["images_per_s"])
    ratio = fast["images_per_s"] / slow["images_per_s"]
    rates = f"{fast['images_per_s']:.2f} and {slow['images_per_s']:.2f} images/s"
    memory = "memory: " + ", ".join(f"{row['runtime']} {row['rss_mb']:.0f} MB" for row in (fast, slow))
    if ratio < 1 + _CLOSE:
        return f"{fast['runtime']} and {slow['runtime']} are equally fast here ({rates}); {memory}. One run each."
    return f"{fast['runtime']} is faster: {rates}, {ratio:.2f} times {slow['runtime']}; {memory}. One run each."


def _loss(near: dict[str, Any]) -> str:
    same = "the same loss on both" if near["first_loss"] <= SAME_LOSS else "NOT the same loss on both"
    return (
        f"On the first batch the loss differs by {near['first_loss']:.1e} of its value and the gradient's norm by "
        f"{near['first_gradient']:.1e}: {same}; over the epochs the loss differs by {near['loss']:.1e} at most."
    )


def _agree(near: dict[str, Any], result: dict[str, Any]) -> str:
    apart = max(abs(near["map50"]), abs(near["map50_95"]))
    agree = "agrees" if apart <= SAME_MAP else "does not agree"
    seen = result["val_trained"]
    note = f" {seen} of the pictures of 'val' are in 'train', too: it says nothing of others." if seen else ""
    epochs = f"{result['epochs']} epoch{'s' if result['epochs'] > 1 else ''}"
    return f"Accuracy {agree} after {epochs}: mAP50 and mAP50-95 differ by {apart:.3f} at most.{note}"


def as_csv(rows: Sequence[Row]) -> str:
    """A line for each framework and epoch; one for a framework that failed."""
    text = io.StringIO()
    heads = (
        "runtime", "device", "epoch", "seconds", *(f"loss_{part}" for part in (*PARTS, "total")), "images_per_s",
        "start_s", "train_s", "total_s", "rss_mb", "gpu_mb", "first_loss", "first_gradient", "before_map50",
        "before_map50_95", "after_map50", "after_map50_95", "error",
    )  # fmt: skip
    writer = csv.DictWriter(text, heads, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerows(_lines(row))
    return text.getvalue()


def _lines(row: Row) -> list[dict[str, Any]]:
    if row["error"] is not None:
        return [{"runtime": row["runtime"], "error": row["error"]}]
    common = {key: row[key] for key in ("runtime", "device", "images_per_s", "start_s", "train_s", "total_s", "rss_mb")}
    common |= {"gpu_mb": row["gpu_mb"], "first_loss": row["first"]["total"], "first_gradient": row["first"]["gradient"]}
    for when in ("before", "after"):
        common |= {f"{when}_{key}": row[when][key] for key in ("map50", "map50_95")}
    return [
        common | {"epoch": epoch, "seconds": seconds} | {f"loss_{part}": value for part, value in loss.items()}
        for epoch, (seconds, loss) in enumerate(zip(row["epoch_s"], row["loss"], strict=True), 1)
    ]
