"""Which truth a path is, read and held against the results before any work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import ConfigError
from pipelines.evaluate.box_truth import BoxTruth, TrueBox, is_yolo, read_pictures
from pipelines.evaluate.event_truth import EventTruth, check_against, read_events, unknown_labels
from pipelines.evaluate.mot import mot_file, read_mot
from pipelines.evaluate.names import Names
from pipelines.evaluate.results import Run, RunFrame, at_frames

FPS_APART = 0.02
"""Rates that differ by a larger share are two."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How truth files are read.

    Attributes:
        names: How labels are renamed.
        first: Number of the video's first frame in the truth; default: 1 in MOTChallenge's, 0 or 1 in the others.
        min_visibility: MOTChallenge's boxes that are less visible are ignored.
    """

    names: Names = field(default_factory=Names)
    first: int | None = None
    min_visibility: float = 0.0


@dataclass(frozen=True, slots=True)
class Truths:
    """What is known of a video."""

    boxes: BoxTruth | None = None
    events: EventTruth | None = None


def read_truths(paths: Sequence[Path], run: Run, reading: Reading) -> Truths:
    """Read truth files, and refuse what does not fit the results.

    Args:
        paths: MOTChallenge, COCO or YOLO, and an events CSV: one of boxes, one of events, or both.
        run: The results.
        reading: How they are read.

    Raises:
        ConfigError: Nothing like that, a broken row, another picture size, frame rate, number of frames, unknown labels
            or lines; with file and line.
    """
    truths = Truths()
    for path in paths:
        one = _read(path, run, reading)
        double = truths.boxes if one.boxes is not None else truths.events
        if double is not None:
            raise ConfigError(f"--truth: {path} and {double.file} tell the same; give one of boxes and one of events")
        truths = Truths(one.boxes or truths.boxes, one.events or truths.events)
    return truths


def _read(path: Path, run: Run, reading: Reading) -> Truths:
    if not path.exists():
        raise ConfigError(
            f"--truth: {path} does not exist; name a MOTChallenge gt.txt or its folder, a COCO .json, a folder of YOLO "
            ".txt, or an events .csv"
        )
    if path.suffix == ".csv":
        events = read_events(path, reading.names, run.frames[-1].pts_s)
        if not events.watched:
            raise ConfigError(
                f"--truth: {path} has no row but the header; a row without a time says that nothing happened"
            )
        off = run.summary.get("rules_off")
        return Truths(events=check_against(events, run.places, run.labels, f"{run.folder}'s run", run.rules, off))
    boxes = read_boxes(path, run.size, run.labels, reading)
    _check_fits(boxes, run)
    return Truths(boxes=boxes)


def read_boxes(path: Path, size: tuple[int, int] | None, labels: tuple[str, ...], reading: Reading) -> BoxTruth:
    """Read a truth of boxes of any form.

    Args:
        path: MOTChallenge, COCO or YOLO.
        size: Width and height of the video in pixels; MOTChallenge's may tell it itself.
        labels: Names of YOLO's classes where the folder has none.
        reading: How it is read.

    Raises:
        ConfigError: It is none of these, or broken; with file and line.
    """
    if (file := mot_file(path)) is not None:
        first = 1 if reading.first is None else reading.first
        return read_mot(file, reading.names, size, first, reading.min_visibility)
    if path.suffix != ".json" and not is_yolo(path):
        raise ConfigError(
            f"--truth: {path} is no truth; a MOTChallenge gt.txt or its folder, a COCO .json, a folder of YOLO .txt is"
        )
    if size is None:
        raise ConfigError(f"--truth: {path} does not tell the size of the pictures; name the video with --video")
    return read_pictures(path, size, labels, reading.names, reading.first)


def _check_fits(truth: BoxTruth, run: Run) -> None:
    """Refuse a truth of another video.

    Raises:
        ConfigError: Another size, rate, number of frames, or labels that the results do not have.
    """
    count = len(run.frames)
    if truth.size is not None and truth.size != run.size:
        raise _other(truth, f"pictures of {truth.size[0]}x{truth.size[1]}", f"{run.size[0]}x{run.size[1]}")
    if truth.fps is not None and run.fps and abs(truth.fps / run.fps - 1) > FPS_APART:
        raise _other(truth, f"{truth.fps:g} frames a second", f"{run.fps:.2f}")
    if truth.frame_count is not None and truth.frame_count != count and run.summary.get("result", "done") == "done":
        raise _other(truth, f"{truth.frame_count} frames", f"{count}")
    if truth.frames and (last := max(truth.frames)) >= count and truth.frame_count is None:
        raise _other(truth, f"a frame {last + 1} (counted from 1)", f"{count} frames")
    unknown = [label for label in truth.labels if label not in run.labels]
    if unknown:
        raise ConfigError(unknown_labels(truth.file, unknown, run.labels))
    if not truth.labels:
        raise ConfigError(f"--truth: {truth.file} has no object that counts; there is nothing to compare")


def _other(truth: BoxTruth, has: str, others: str) -> ConfigError:
    return ConfigError(
        f"--truth: {truth.file} has {has}, but the analysed video has {others}; take the truth of this video, or "
        "analyse the one that was annotated, every frame of it"
    )


def both_sides(truth: BoxTruth, run: Run) -> tuple[list[Sequence[TrueBox]], list[RunFrame]]:
    """The frames that were both annotated and analysed, in order."""
    numbers = [number for number in sorted(truth.frames) if number < len(run.frames)]
    return [truth.frames[number] for number in numbers], at_frames(run, numbers)
