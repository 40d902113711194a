"""``evaluate --sweep``: tracker and rules again and again over the boxes that were kept, without the detector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from config.site import Tracker as TrackerConfig
from pipelines.evaluate.event_truth import check_against
from pipelines.evaluate.events import score_events, total
from pipelines.evaluate.names import Names
from pipelines.evaluate.replay import happenings, places_of, rules_of
from pipelines.evaluate.results import Run, RunFrame, renamed
from pipelines.evaluate.settings import parse_sweep
from pipelines.evaluate.tracking import score_tracking
from pipelines.evaluate.truth_files import Truths, both_sides
from pipelines.fitting import fitted, rules_off
from pipelines.jobs import camera_name
from pipelines.scenario import CameraPlan, plan_camera
from pipelines.tracker import Tracker
from pipelines.values import Track

METRICS = ("hota", "idf1", "mota", "f1")
_SCORES = ("hota", "idf1", "mota", "id_switches")


@dataclass(frozen=True, slots=True)
class SweepWishes:
    """The arguments of ``--sweep``.

    Attributes:
        settings: What is tried, as written.
        metric: What the best one is best at; default: HOTA with tracks, else F1 of the events.
        config: Site file whose rules are run again; only events need it.
        camera: Its camera.
        scenario: In place of the camera's own, as in the analysis.
    """

    settings: str
    metric: str | None = None
    config: Path | None = None
    camera: str | None = None
    scenario: str | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is tried on what."""

    run: Run
    truths: Truths
    names: Names
    tolerance_s: float
    settings: Sequence[Mapping[str, float]]
    metric: str
    tracker: TrackerConfig
    plan: CameraPlan | None
    camera: str
    detectors: tuple[str, ...] = ("main",)
    start: float | None = None


def prepare_sweep(wishes: SweepWishes, run: Run, truths: Truths, names: Names, tolerance_s: float) -> Sweep:
    """Check all of it before the first try.

    Args:
        wishes: The arguments.
        run: The results, their labels as they are.
        truths: What they are compared with.
        names: How labels are renamed.
        tolerance_s: How far apart an event may be.

    Raises:
        ConfigError: Unknown settings, a metric without its truth, no rules for a truth of events, or none at a place
            that it speaks of, or a schedule that does not know its time.
    """
    has_tracks = truths.boxes is not None and truths.boxes.is_tracked
    metric = wishes.metric or ("hota" if has_tracks else "f1")
    if not has_tracks and truths.events is None:
        raise ConfigError("--sweep needs a truth of tracks or of events; boxes alone do not depend on the tracker")
    if metric == "f1" and truths.events is None:
        raise ConfigError("--metric f1 is that of events; give their truth with --truth events.csv")
    if metric != "f1" and not has_tracks:
        raise ConfigError(f"--metric {metric} is that of tracks; give a truth with tracks, or take --metric f1")
    settings = parse_sweep(wishes.settings, run.kept_above)
    tracker = TrackerConfig.model_validate(run.summary.get("tracker") or {})
    if wishes.config is None:
        if truths.events is not None:
            raise ConfigError("--sweep with a truth of events runs the rules again; give their site file with --config")
        camera = str(run.summary.get("camera", "camera"))
        used = tuple(str(row["name"]) for row in run.summary.get("detectors") or ())
        return Sweep(run, truths, names, tolerance_s, settings, metric, tracker, None, camera, used or ("main",))
    document = load(wishes.config, Site)
    camera = camera_name(document, wishes.camera)
    plan = plan_camera(document, camera, wishes.scenario)
    plan.check_size(str(run.folder), *run.size)
    detectors = document.value.detector_names(document.value.cameras[camera])
    task = Sweep(run, truths, names, tolerance_s, settings, metric, plan.tracker, None, camera, detectors)
    if truths.events is None:
        return task
    off, plan = rules_off(plan, run.labels), fitted(plan, run.labels)
    where = f"{document.path}: camera {camera}"
    events = check_against(truths.events, places_of(plan), (), where, rules_of(plan), off)
    told = run.summary.get("start_time")
    start = plan.start_of(None, None if told is None else float(told), "analyse it again with --start-time")
    return replace(task, truths=replace(truths, events=events), plan=plan, start=start)


def sweep(task: Sweep, on_step: Callable[[int, int], None] = lambda done, all_: None) -> dict[str, Any]:
    """Try all settings.

    Args:
        task: What is tried.
        on_step: Told how many of how many are done.

    Returns:
        ``{"metric", "rows": [{setting: value, …, score: value, …}], "best": row, "yaml": lines, "remark"}``; the first
        of equal ones is the best. Where all of several are equal, none is, and the remark says so.
    """
    rows: list[dict[str, Any]] = []
    for number, setting in enumerate(task.settings):
        on_step(number, len(task.settings))
        rows.append({**setting, **_tried(task, setting)})
    scores = {row[task.metric] for row in rows}
    if len(rows) > 1 and len(scores) == 1:
        score = scores.pop()
        remark = (
            f"no setting is better than another: {task.metric} is {'not known' if score is None else f'{score:g}'} "
            f"with all {len(rows)}"
        )
        return {"metric": task.metric, "rows": rows, "best": None, "yaml": "", "remark": remark}
    best = max(rows, key=lambda row: row[task.metric] if row[task.metric] is not None else -1.0)
    chosen = {key: best[key] for key in task.settings[0]}
    lines = _yaml(chosen, task.camera, task.detectors)
    return {"metric": task.metric, "rows": rows, "best": best, "yaml": lines, "remark": ""}


def _tried(task: Sweep, setting: Mapping[str, float]) -> dict[str, float | int | None]:
    """Scores of one setting."""
    changes = {key: value for key, value in setting.items() if key != "confidence"}
    config = TrackerConfig.model_validate({**task.tracker.model_dump(), **changes})
    followed = list(followed_again(task.run.frames, config, task.run.fps, setting.get("confidence", 0.0)))
    frames = tuple(frame for frame, _ in followed)
    events = task.run.events
    if task.plan is not None:
        plan = replace(task.plan, tracker=config)
        ways = ((frame.pts_s, tracks) for frame, tracks in followed)
        events = tuple(happenings(plan.rule_set(task.camera, *task.run.size, task.start), ways, task.camera))
    run = renamed(replace(task.run, frames=frames, events=events), task.names)
    scores: dict[str, float | int | None] = {}
    boxes = task.truths.boxes
    if boxes is not None and boxes.is_tracked:
        row = score_tracking(*both_sides(boxes, run), run.track_labels(), boxes.labels, each=False)["all"]
        scores |= {name: row[name] for name in _SCORES}
    if task.truths.events is not None:
        sums = total(score_events(task.truths.events, run.events, task.tolerance_s))
        scores |= {
            **{name: sums[name] for name in ("f1", "precision", "recall")},
            "error": sums["found"] - sums["truth"],
        }
    return scores


def followed_again(
    frames: Iterable[RunFrame], config: TrackerConfig, fps: float, confidence: float = 0.0
) -> Iterator[tuple[RunFrame, tuple[Track, ...]]]:
    """The tracker over boxes that were kept.

    Args:
        frames: In order.
        config: Of the tracker.
        fps: Frames a second.
        confidence: Boxes that score less are dropped.

    Yields:
        Each frame with its new tracks' numbers, and the tracks.
    """
    tracker = Tracker(config, fps)
    for frame in frames:
        boxes = frame.boxes[frame.boxes.score >= confidence] if confidence else frame.boxes
        ids, tracks = tracker.update(boxes, frame.pts_s)
        yield RunFrame(frame.index, frame.pts_s, boxes, ids), tracks


def _yaml(chosen: Mapping[str, float], camera: str, detectors: Sequence[str]) -> str:
    """Lines for a site file."""
    site: dict[str, Any] = {}
    tracker = {
        key: int(value) if key == "min_frames" else value for key, value in chosen.items() if key != "confidence"
    }
    if "confidence" in chosen:
        site["detectors"] = {name: {"confidence": chosen["confidence"]} for name in detectors}
    if tracker:
        site["cameras"] = {camera: {"tracker": tracker}}
    return yaml.safe_dump(site, sort_keys=False)
