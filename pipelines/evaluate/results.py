"""What an output folder of ``analyze`` holds, read back."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import ConfigError
from detectors.detections import Detections
from pipelines.byte_track import UNTRACKED
from pipelines.evaluate.happening import Happening, place_name
from pipelines.evaluate.names import Names


@dataclass(frozen=True, slots=True)
class RunFrame:
    """The kept boxes of one frame.

    Attributes:
        index: Number of the frame, from 0.
        pts_s: Its media time, seconds.
        boxes: All kept boxes, pixels, those without a track included.
        ids: (N,) int64 track of each box, -1 where there is none.
    """

    index: int
    pts_s: float
    boxes: Detections
    ids: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """One analysed video.

    Attributes:
        folder: Where it lies.
        summary: Its ``summary.json``.
        frames: Its frames, in order.
        events: What its rules saw.
        labels: The labels it could have found, as renamed.
        places: ``(kind, line or zone)`` of each of its rules.
        rules: ``(kind, name)`` of each of its rules.
    """

    folder: Path
    summary: Mapping[str, Any]
    frames: tuple[RunFrame, ...]
    events: tuple[Happening, ...]
    labels: tuple[str, ...]
    places: frozenset[tuple[str, str]]
    rules: frozenset[tuple[str, str]] = frozenset()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the video, pixels."""
        width, height = self.summary["size"]
        return int(width), int(height)

    @property
    def kept_above(self) -> float | None:
        """The score above which all boxes were kept: of several detectors that of the choosiest one."""
        told = [row["confidence"] for row in self.summary.get("detectors") or ()] or [self.summary.get("confidence")]
        return None if None in told else float(max(told))

    @property
    def fps(self) -> float:
        """Frames per second of media time; 0 with a single frame."""
        last = self.frames[-1].pts_s
        return (len(self.frames) - 1) / last if last > 0 else 0.0

    def track_labels(self) -> dict[int, str]:
        """The label of each track: the one with the largest sum of scores."""
        votes: defaultdict[int, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        for frame in self.frames:
            for row in np.flatnonzero(frame.ids != UNTRACKED).tolist():
                votes[int(frame.ids[row])][frame.boxes.label(row)] += float(frame.boxes.score[row])
        return {track: max(sums, key=sums.__getitem__) for track, sums in votes.items()}


def read_run(folder: Path, names: Names) -> Run:
    """Read an output folder.

    Args:
        folder: That of one video: with ``summary.json``, ``detections.jsonl`` and ``events.jsonl``.
        names: How labels are renamed; boxes and events of those left out are dropped.

    Raises:
        ConfigError: It is none, or a line of it is broken, with file and line.
    """
    summary = _summary(folder)
    objects = list(_lines(folder / "detections.jsonl"))
    if not objects:
        raise ConfigError(f"{folder / 'detections.jsonl'} has no frames: there is nothing to evaluate")
    seen = sorted({label for number, line in objects for label in _labels(folder, number, line)})
    labels = tuple(dict.fromkeys([*(summary.get("labels") or ()), *seen]))
    numbers = {label: number for number, label in enumerate(labels)}
    frames: list[RunFrame] = []
    for number, line in objects:
        frame = _frame(folder, number, line, labels, numbers)
        if frame.index != len(frames) or (frames and frame.pts_s <= frames[-1].pts_s):
            raise _no_frame(folder, number, f"frame {len(frames)} and a later pts_s are expected")
        frames.append(frame)
    rules: Mapping[str, Mapping[str, Any]] = summary.get("rules") or {}
    places = frozenset((str(rule["kind"]), place_name(rule, name)) for name, rule in rules.items())
    own = frozenset((str(rule["kind"]), name) for name, rule in rules.items())
    events = tuple(_events(folder / "events.jsonl"))
    return renamed(Run(folder, summary, tuple(frames), events, labels, places, own), names)


def renamed(run: Run, names: Names) -> Run:
    """The same run with other labels; boxes and events of those left out are dropped."""
    new = {label: names(label) for label in run.labels}
    if all(label == other for label, other in new.items()):
        return run
    labels = tuple(dict.fromkeys(label for label in new.values() if label is not None))
    numbers = np.array([labels.index(label) if (label := new[old]) is not None else -1 for old in run.labels])
    frames = []
    for frame in run.frames:
        classes = numbers[frame.boxes.class_id]
        kept = classes >= 0
        boxes = Detections(frame.boxes.xyxy[kept], frame.boxes.score[kept], classes[kept].astype(np.int64), labels)
        frames.append(RunFrame(frame.index, frame.pts_s, boxes, frame.ids[kept]))
    return replace(run, frames=tuple(frames), events=tuple(renamed_events(run.events, names)), labels=labels)


def renamed_events(events: Iterable[Happening], names: Names) -> Iterator[Happening]:
    """Events with other labels; those of labels that are left out are dropped."""
    for one in events:
        label = names(one.label) if one.label else ""
        if label is not None:
            yield replace(one, label=label)


def _summary(folder: Path) -> dict[str, Any]:
    file = folder / "summary.json"
    try:
        summary: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        _check_summary(summary)
    except FileNotFoundError:
        inside = sorted(path.parent.name for path in folder.glob("*/summary.json")) if folder.is_dir() else []
        hint = f"; inside of it are {', '.join(inside[:5])}: name one" if inside else ""
        raise ConfigError(
            f"{folder} is not the output folder of a video: it has no summary.json{hint or '; analyze writes one'}"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file} is not a summary that analyze wrote ({str(error)[:80]})") from error
    return summary


def _check_summary(summary: Any) -> None:
    """Refuse what lacks a key that is read, or has something else behind it.

    Raises:
        KeyError: A key is missing.
        TypeError: Something is of another kind.
        ValueError: A number is out of range.
    """
    if not isinstance(summary, dict):
        raise TypeError("it is not an object")
    width, height = summary["size"]
    if not (isinstance(width, int) and isinstance(height, int) and min(width, height) > 0):
        raise ValueError(f"size is {summary['size']}")
    labels, rules, confidence = summary.get("labels"), summary.get("rules"), summary.get("confidence")
    off, start = summary.get("rules_off"), summary.get("start_time")
    if labels is not None and not (isinstance(labels, list) and all(isinstance(label, str) for label in labels)):
        raise TypeError("labels are not a list of names")
    if rules is not None and not (isinstance(rules, dict) and all("kind" in rule for rule in rules.values())):
        raise TypeError("rules are not rules by name")
    if off is not None and not (isinstance(off, dict) and all(isinstance(why, str) for why in off.values())):
        raise TypeError("rules_off are not reasons by name")
    if start is not None and not math.isfinite(float(start)):
        raise ValueError(f"start_time is {start}")
    if confidence is not None and not 0 <= float(confidence) <= 1:
        raise ValueError(f"confidence is {confidence}")
    if not all(0 <= float(row["confidence"]) <= 1 for row in summary.get("detectors") or ()):
        raise ValueError("the confidence of one of the detectors is not from 0 to 1")


def _lines(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Line number and content of each line; the last one of a killed run may be torn, and is left out."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"{file} cannot be read ({reason}); analyze writes it") from error
    whole = text[: text.rfind("\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        try:
            content = json.loads(line)
        except ValueError as error:
            raise ConfigError(f"{file}, line {number}: {line[:60]!r} is not JSON; analyse the video again") from error
        if not isinstance(content, dict):
            raise ConfigError(f"{file}, line {number}: {line[:60]!r} is not a line that analyze writes")
        yield number, content


def _labels(folder: Path, number: int, line: Mapping[str, Any]) -> list[str]:
    """The labels of a frame's boxes."""
    try:
        labels = [one["label"] for one in line["objects"]]
        if not all(isinstance(label, str) for label in labels):
            raise TypeError("a label is no text")
    except (KeyError, TypeError) as error:
        raise _no_frame(folder, number, str(error)) from error
    return labels


def _no_frame(folder: Path, number: int, why: str) -> ConfigError:
    return ConfigError(f"{folder / 'detections.jsonl'}, line {number} is not a frame as analyze writes it ({why[:60]})")


def _frame(
    folder: Path, number: int, line: Mapping[str, Any], labels: tuple[str, ...], numbers: Mapping[str, int]
) -> RunFrame:
    try:
        kept = line["objects"]
        boxes = np.array([one["box"] for one in kept], np.float32).reshape(-1, 4)
        scores = np.array([one["score"] for one in kept], np.float32)
        classes = np.array([numbers[one["label"]] for one in kept], np.int64)
        ids = np.array([UNTRACKED if one["id"] is None else one["id"] for one in kept], np.int64)
        pts_s = float(line["pts_s"])
        if not (np.isfinite(boxes).all() and math.isfinite(pts_s) and ((scores >= 0) & (scores <= 1)).all()):
            raise ValueError("a number is out of range")
        return RunFrame(int(line["frame"]), pts_s, Detections(boxes, scores, classes, labels), ids)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_frame(folder, number, str(error)) from error


def _events(file: Path) -> Iterator[Happening]:
    for number, line in _lines(file):
        try:
            label = "" if line["label"] is None else str(line["label"])
            one = Happening.of_event(line["kind"], line["rule"], label, line["data"], float(line["pts_s"]))
            if not math.isfinite(one.time_s):
                raise ValueError(f"its time is {one.time_s}")
            yield one
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            where = f"{file}, line {number}"
            raise ConfigError(f"{where} is not an event as analyze writes it ({str(error)[:60]})") from error


def at_frames(run: Run, wanted: Sequence[int]) -> list[RunFrame]:
    """The frames of these numbers, in that order."""
    by_index = {frame.index: frame for frame in run.frames}
    return [by_index[index] for index in wanted]
