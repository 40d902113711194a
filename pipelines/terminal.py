"""What people see in a terminal: progress bars and tables (rich)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from config.catalogue import ModelEntry, catalogue
from detectors.verify import Verified, verify

if TYPE_CHECKING:
    from pipelines.analyze import Progress as RunProgress
    from pipelines.compare.step import Step

SHOW_AFTER_S = 2.0


@contextmanager
def progress_bar(console: Console, title: str) -> Iterator[Callable[[RunProgress], None]]:
    """A bar with frames done, FPS and time left, for what takes longer than two seconds; nothing without a terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} FPS"),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(title, total=None, fps=0.0)
    start = time.monotonic()
    shown = False

    def update(progress: RunProgress) -> None:
        nonlocal shown
        if not console.is_terminal:
            return
        if not shown and time.monotonic() - start >= SHOW_AFTER_S:
            shown = True
            bar.start()
        bar.update(task, completed=progress.frames, total=progress.frame_count, fps=progress.fps)

    try:
        yield update
    finally:
        if shown:
            bar.stop()


@contextmanager
def step_bar(console: Console, say: Callable[[str], None]) -> Iterator[Callable[[Step], None]]:
    """What a comparison is at, and how much of that part is done; without a terminal a line for each step.

    Args:
        console: Where the bar is drawn.
        say: Told each step where there is no terminal.
    """
    if not console.is_terminal:
        yield lambda step: say(str(step))
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("looking at the frames", total=None)
        yield lambda step: bar.update(
            task, completed=step.number - 1, total=step.count, description=f"{step.doing}: {step.combination}"
        )


@contextmanager
def counting(console: Console, text: str) -> Iterator[Callable[[int, int], None]]:
    """A bar over things that are alike, shown with the first; nothing without a terminal."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(text, total=None)

    shown = False

    def update(done: int, of: int) -> None:
        nonlocal shown
        if console.is_terminal:
            if not shown:
                bar.start()
                shown = True
            bar.update(task, completed=done, total=of)

    try:
        yield update
    finally:
        if shown:
            bar.stop()


@contextmanager
def busy(console: Console, text: str) -> Iterator[None]:
    """A spinner while something of unknown length goes on; nothing without a terminal."""
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


def counts_text(summary: dict[str, Any]) -> str:
    """What was counted, in one cell: ``middle in: person 3``, and ``rule: word 2`` for totals that are not 0."""
    parts = []
    for line, directions in summary["counts"].items():
        for direction, labels in directions.items():
            total = ", ".join(f"{label} {value}" for label, value in labels.items() if value)
            parts.append(f"{line} {direction}: {total or 0}")
    for rule, words in summary["totals"].items():
        if total := ", ".join(f"{word} {value}" for word, value in words.items() if value):
            parts.append(f"{rule}: {total}")
    return "\n".join(parts) or "nothing"


def summary_table(summaries: list[dict[str, Any]], title: str = "Results") -> Table:
    """Frames, FPS, latency, objects, counts and messages, one row per run; fits 80 columns."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1))
    table.add_column("video, framework", overflow="fold")
    for heading in ("frames", "FPS", "p50\np95 ms", "objects"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("counts", overflow="fold")
    table.add_column("MQTT", justify="right", no_wrap=True)
    for summary in summaries:
        latency = summary["ms"]["latency"]
        framework = f"{summary['framework']} {summary['precision']} {summary['device']}"
        published = summary["mqtt"]["published"] if summary["mqtt"] else "-"
        table.add_row(
            Text("\n".join((Path(summary["video"]).stem, framework, summary["model"]))),
            str(summary["frames"]),
            f"{summary['fps']:.1f}",
            f"{latency['p50']:.1f}\n{latency['p95']:.1f}",
            str(summary["objects"]),
            Text(counts_text(summary)),
            str(published),
        )
    return table


def models_table() -> Table:
    """The catalogue, with where each model was found, and whether its files have changed; nothing is recorded.

    Raises:
        ModelError: A list or record of checksums cannot be read.
    """
    found = verify()
    table = Table(title="Models", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("name", "labels", "MB", "licence", "where"):
        table.add_column(heading, overflow="fold", no_wrap=heading == "name")
    for entry in catalogue().models:
        labels = "in the file" if entry.labels is None else str(len(entry.labels))
        where = _where(entry, found) if entry.runnable else entry.reason
        table.add_row(entry.name, labels, f"{entry.size_mb:g}", entry.licence, Text(where))
    return table


def _where(entry: ModelEntry, found: list[Verified]) -> str:
    """Where a model's files are, taken as ``detectors.model_files`` does: from the first folder that has its file."""
    main = next((file for file in found if file.path.name == entry.file), None)
    if main is None:
        return f"not here; models pull {entry.name}"
    beside = [file for file in found if file.path.parent == main.path.parent and file.path.name in entry.files]
    for file in beside:
        if file.status == "changed":
            return f"changed: {file.path} ({file.note})"
    return f"{main.path} ({main.note})" if main.status == "unknown" else str(main.path)


def compare_table(result: dict[str, Any]) -> Table:
    """The rows of ``compare.json``; why one failed does not fit in."""
    table = Table(box=box.SIMPLE, title=f"{result['frames']} frames, beside {result['reference']}")
    table.add_column("runtime", no_wrap=True)
    scored = any(row["map"] is not None for row in result["rows"])
    for name in ("batch", "FPS", "ms p50", "p95", "CPU s", "RSS MB", "IoU .75", *(("mAP",) if scored else ())):
        table.add_column(name, justify="right")
    several = len({row["model"] for row in result["rows"]}) > 1
    sizes = len({row["imgsz"] for row in result["rows"]}) > 1
    for row in result["rows"]:
        name = f"{row['runtime']} {row['precision']}" + (f" {row['imgsz']}" if sizes else "")
        name += f" {Path(row['model']).stem}" if several else ""
        if row["error"] is not None:
            table.add_row(Text(name), Text("failed", style="red"))
            continue
        total, near = row["ms"]["total"], row["agreement"]
        share = "no box" if near["iou75"] is None else f"{100 * near['iou75']:.1f} %"
        table.add_row(
            Text(name), str(row["batch"]), f"{row['fps']:.1f}", f"{total['p50']:.1f}", f"{total['p95']:.1f}",
            f"{row['cpu_s']:.3f}", f"{row['rss_mb']:.0f}", share,
            *((f"{row['map']['map50_95']:.3f}" if row["map"] is not None else "-",) if scored else ()),
        )  # fmt: skip
    return table


def train_table(result: dict[str, Any]) -> Table:
    """The rows of ``train.json``; why one failed does not fit in."""
    size = f"{result['train_pictures']} pictures, {result['epochs']} epochs at {result['imgsz']}x{result['imgsz']}"
    table = Table(box=box.SIMPLE, title=f"{result['model']} fine-tuned on {result['dataset']}: {size}")
    table.add_column("runtime", no_wrap=True)
    heads = (
        "images/s",
        "s/epoch",
        "total s",
        "RSS MB",
        "loss\nfirst\nlast",
        "mAP50\nbefore\nafter",
        "mAP\nbefore\nafter",
    )
    for name in heads:
        table.add_column(name, justify="right")
    for row in result["rows"]:
        if row["error"] is not None:
            table.add_row(Text(row["runtime"]), Text("failed", style="red"))
            continue
        before, after, loss = row["before"], row["after"], row["loss"]
        table.add_row(
            row["runtime"], f"{row['images_per_s']:.2f}", f"{row['train_s'] / len(row['epoch_s']):.1f}",
            f"{row['total_s']:.1f}", f"{row['rss_mb']:.0f}", f"{loss[0]['total']:.3f}\n{loss[-1]['total']:.3f}",
            *(f"{before[key]:.3f}\n{after[key]:.3f}" for key in ("map50", "map50_95")),
        )  # fmt: skip
    return table
