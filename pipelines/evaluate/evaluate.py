"""The command ``evaluate``: results against the truth."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from pipelines.compare.truth import check_pycocotools
from pipelines.evaluate.detection import score_detection
from pipelines.evaluate.events import left_out, score_events, total
from pipelines.evaluate.names import Names
from pipelines.evaluate.report import write_reports
from pipelines.evaluate.results import Run, read_run, renamed
from pipelines.evaluate.sweep import Sweep, SweepWishes, prepare_sweep, sweep
from pipelines.evaluate.tracking import check_trackers, score_tracking
from pipelines.evaluate.truth_files import Reading, Truths, both_sides, read_truths


@dataclass(frozen=True, slots=True)
class EvaluateWishes:
    """The arguments of ``evaluate``."""

    results: Path
    truth: Sequence[Path]
    names: str | None = None
    tolerance_s: float = 1.0
    first_frame: int | None = None
    min_visibility: float = 0.0
    out: Path | None = None
    sweep: SweepWishes | None = None

    @property
    def reading(self) -> Reading:
        """How truth files are read."""
        return Reading(Names.parse(self.names), self.first_frame, self.min_visibility)


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is needed, checked.

    Attributes:
        run: The results, their labels renamed.
        truths: What they are compared with.
        sweep: What is tried, if anything is.
    """

    run: Run
    truths: Truths
    sweep: Sweep | None = None


def evaluate(
    wishes: EvaluateWishes,
    say: Callable[[str], None],
    on_step: Callable[[int, int], None] = lambda done, all_: None,
) -> dict[str, Any]:
    """Score results, and write ``evaluation.json``, ``evaluation.csv`` and ``evaluation.md``.

    Args:
        wishes: The arguments.
        say: Told in one line what people should know.
        on_step: Told how many of how many settings of a sweep are done.

    Returns:
        The content of ``evaluation.json``.

    Raises:
        ConfigError: Results or truth cannot be read, or do not belong together; with file and line.
        OutputError: The reports cannot be written.
    """
    prepared = prepare(wishes)
    state = prepared.run.summary.get("result", "done")
    if state != "done":
        say(f"{wishes.results} is of a run that was {state}: only what it analysed is compared")
    result = evaluated(prepared.run, prepared.truths, wishes.tolerance_s)
    result = {"results": str(wishes.results), "truth": [str(path) for path in wishes.truth], **result}
    if prepared.sweep is not None:
        result["sweep"] = sweep(prepared.sweep, on_step)
    write_reports(result, wishes.out or wishes.results)
    return result


def prepare(wishes: EvaluateWishes) -> Prepared:
    """Read and check all that is needed, before any work.

    Raises:
        ConfigError: Results or truth cannot be read, do not belong together, or a package is missing.
    """
    if not wishes.truth:
        raise ConfigError("nothing to compare with: name the truth with --truth")
    if not 0 <= wishes.tolerance_s < math.inf:
        raise ConfigError(f"--tolerance is {wishes.tolerance_s:g}; write seconds, 0 or more")
    names = wishes.reading.names
    raw = read_run(wishes.results, Names())
    run = renamed(raw, names)
    truths = read_truths(wishes.truth, run, wishes.reading)
    if truths.boxes is not None:
        check_pycocotools("evaluate with boxes", "evaluate")
        check_trackers()
    task = None
    if wishes.sweep is not None:
        task = prepare_sweep(wishes.sweep, raw, truths, names, wishes.tolerance_s)
    return Prepared(run, truths, task)


def evaluated(run: Run, truths: Truths, tolerance_s: float) -> dict[str, Any]:
    """Every score that the truth allows: ``{"frames", "fps", "detection", "tracking", "events", "events_total", …}``.

    What the truth does not tell is ``None``.
    """
    result: dict[str, Any] = {
        "frames": len(run.frames), "fps": round(run.fps, 3), "detection": None, "tracking": None, "events": None,
        "events_total": None, "events_left_out": None, "sweep": None, "tolerance_s": tolerance_s,
    }  # fmt: skip
    if truths.boxes is not None:
        true, found = both_sides(truths.boxes, run)
        scores = score_detection(true, found, run.size, truths.boxes.labels)
        result["detection"] = {"least_score": _least_score(run), **scores}
        if truths.boxes.is_tracked:
            result["tracking"] = score_tracking(true, found, run.track_labels(), truths.boxes.labels)
    if truths.events is not None:
        rows = score_events(truths.events, run.events, tolerance_s)
        result |= {"events": rows, "events_total": total(rows), "events_left_out": left_out(truths.events, run.events)}
    return result


def _least_score(run: Run) -> float | None:
    """What boxes had to score; that of the worst one where the results do not tell."""
    if run.kept_above is not None:
        return run.kept_above
    scores = [float(frame.boxes.score.min()) for frame in run.frames if len(frame.boxes)]
    return round(min(scores), 4) if scores else None
