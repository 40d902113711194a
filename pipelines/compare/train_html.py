"""A training comparison as one page of HTML; nothing on it comes from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from pipelines.compare.html import document
from pipelines.compare.train_report import Row

_COLOURS = ("#2563a8", "#c2570c")
_WIDTH, _HEIGHT, _LEFT, _FOOT = 800, 300, 60, 260


def train_page(result: dict[str, Any]) -> str:
    """The whole page.

    Args:
        result: The content of ``train.json``.
    """
    trained = [row for row in result["rows"] if row["error"] is None]
    machine = result["machine"]
    parts = [
        "<h1>Training compared</h1>",
        f"<p>{escape(result['dataset'])}: {result['train_pictures']} pictures to learn from, {result['val_pictures']} "
        f"to be scored on; {escape(result['model'])}, {result['imgsz']}x{result['imgsz']}, batches of "
        f"{result['batch']}, {result['epochs']} epochs, {escape(result['optimiser'])}. Loss: {escape(result['loss'])}. "
        f"{escape(str(machine['cpu']))}, {machine['cores']} cores, {machine['threads']} threads.</p>",
        "<h2>What follows</h2><ul>",
        *(f"<li>{escape(line)}</li>" for line in result["words"]),
        "</ul>",
    ]
    if trained:
        parts += ["<h2>Loss, epoch by epoch</h2>", _curves(trained)]
    return document("Training compared", [*parts, "<h2>All figures</h2>", _table(result["rows"])])


def _curves(rows: Sequence[Row]) -> str:
    """The loss of each framework over the epochs; the second one's line is dashed, since both mostly coincide."""
    top = max(loss["total"] for row in rows for loss in row["loss"]) * 1.05
    epochs = max(len(row["loss"]) for row in rows)
    step = (_WIDTH - _LEFT - 40) / max(1, epochs - 1)
    shapes = [
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{_FOOT}" y2="{_FOOT}" stroke="#8c959f"/>',
        *(_text(_LEFT - 8, _FOOT - share * (_FOOT - 20) + 4, f"{top * share:.2f}", "end") for share in (0, 0.5, 1)),
        _text(_LEFT, _FOOT + 18, "epoch 1"),
        _text(_WIDTH - 40, _FOOT + 18, str(epochs) if epochs > 1 else "", "middle"),
    ]
    for number, (row, colour) in enumerate(zip(rows, _COLOURS, strict=False)):
        points = [
            (_LEFT + step * epoch, _FOOT - loss["total"] / top * (_FOOT - 20)) for epoch, loss in enumerate(row["loss"])
        ]
        dash = ' stroke-dasharray="6 5"' if number else ""
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        shapes += [
            f'<polyline fill="none" stroke="{colour}" stroke-width="2"{dash} points="{line}"/>',
            *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 - 2 * number}" fill="{colour}"/>' for x, y in points),
            f'<rect x="{_WIDTH - 150}" y="{12 + 20 * number}" width="12" height="12" fill="{colour}"/>',
            _text(_WIDTH - 132, 22 + 20 * number, row["runtime"]),
        ]
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(shapes)}</svg>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _table(rows: Sequence[Row]) -> str:
    heads = (
        "runtime", "device", "images/s", "start s", "s/epoch", "training s", "total s", "RSS MB", "GPU MB",
        "first loss", "last epoch's", "mAP50 before", "after", "mAP before", "after",
    )  # fmt: skip
    lines = ["<tr>" + "".join(f"<th>{head}</th>" for head in heads) + "</tr>"]
    for row in rows:
        name = f"<td>{escape(row['runtime'])}</td>"
        if row["error"] is not None:
            lines.append(f'<tr>{name}<td class="error" colspan="{len(heads) - 1}">{escape(row["error"])}</td></tr>')
            continue
        values = (
            row["device"], row["images_per_s"], row["start_s"], f"{row['train_s'] / len(row['epoch_s']):.2f}",
            row["train_s"], row["total_s"], row["rss_mb"], row["gpu_mb"], f"{row['first']['total']:.4f}",
            f"{row['loss'][-1]['total']:.4f}", row["before"]["map50"], row["after"]["map50"], row["before"]["map50_95"],
            row["after"]["map50_95"],
        )  # fmt: skip
        cells = "".join(f"<td>{'-' if value is None else escape(str(value))}</td>" for value in values)
        lines.append(f"<tr>{name}{cells}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'
