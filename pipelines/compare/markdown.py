"""A comparison as Markdown, to paste into a report or an issue."""

from __future__ import annotations

from typing import Any

from pipelines.compare.rows import Row

HEAD = (
    "FPS",
    "ms p50",
    "p95",
    "forward ms",
    "CPU s",
    "start s",
    "RSS MB",
    "file MB",
    "IoU 0.75",
    "score diff.",
    "counts",
)


def as_markdown(result: dict[str, Any]) -> str:
    """What was compared and on what, a table, and the recommendation.

    Args:
        result: The content of ``compare.json``.
    """
    machine = result["machine"]
    beside = f" Boxes beside those of {result['reference']}." if result["reference"] else ""
    flags = " ".join(machine["cpu_flags"]) or "no known instruction sets"
    about = (
        f"{_plain(', '.join(result['videos']))}: {result['frames']} frames, {result['rounds']} rounds; "
        f"{machine['cpu']}, {machine['threads']} threads, {flags}.{beside}"
    )
    head = ("model", "combination", "batch", *HEAD)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cells(row)) + " |" for row in result["rows"]]
    advice = [f"- {_plain(line)}" for line in result["recommendation"]]
    return "\n\n".join((about, "\n".join(lines), "\n".join(advice))) + "\n"


def _cells(row: Row) -> list[str]:
    names = [_plain(str(row["model"])), f"{row['runtime']} {row['precision']} {row['imgsz']}"]
    if row["error"] is not None:
        return [*names, "-", f"failed: {_plain(row['error'])}", *("" for _ in HEAD[1:])]
    ms, near, counts = row["ms"], row["agreement"], row["counts"]
    same = "-" if counts is None or counts["same"] is None else ", ".join(counts["differs"]) + " differ"
    same = "the same" if counts is not None and counts["same"] else same
    return [
        *names, str(row["batch"]), f"{row['fps']:.1f}", f"{ms['total']['p50']:.1f}", f"{ms['total']['p95']:.1f}",
        f"{ms['inference']['p50']:.1f}", f"{row['cpu_s']:.3f}", f"{row['start_s']:.1f}", f"{row['rss_mb']:.0f}",
        f"{row['size_mb']:.1f}", "no box" if near["iou75"] is None else f"{100 * near['iou75']:.1f} %",
        "-" if near["score_mean"] is None else f"{near['score_mean']:.4f}", same,
    ]  # fmt: skip


def _plain(text: str) -> str:
    """Text that ends no cell and no line."""
    return text.replace("|", "\\|").replace("\n", " ")
