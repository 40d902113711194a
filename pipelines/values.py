"""The values that travel through the pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from streams.frame import Frame

Scalar = str | int | float | bool | None
CounterKey = tuple[str, ...]
"""Where a counter lives, as in its MQTT topic.

``("counts", line, "in", label)`` and ``("totals", rule, word)`` only grow, and are kept over restarts;
``("occupancy", zone, label)`` and ``("values", rule, word)`` are what is there now, 0 while nobody looks.
"""
GROWING = frozenset({"counts", "totals"})
PRESENT = frozenset({"occupancy", "values"})


def grows(key: CounterKey) -> bool:
    """Whether a counter only grows; else it is what is there now."""
    return key[0] in GROWING


def counter_name(key: CounterKey) -> str:
    """What people call a counter; a rule's total and its present value of one word have different names."""
    return " ".join(key[1:]) + (" now" if key[0] == "values" else "")


@dataclass(frozen=True, slots=True)
class Track:
    """One object followed through time, as seen in one frame.

    Attributes:
        id: Unique within a source and run, from 1.
        label: The label most of its boxes had so far, weighted by score.
        xyxy: Box in source pixels, x1, y1, x2, y2: the detector's own.
        score: Of this frame's box, in [0, 1].
        first_seen_s: Media time of its first confirmed box.
        last_seen_s: Media time of this box.
        seen_as: What detectors called it in this very frame, the best score first: the label of its box, and of others
            that lie on it. Empty: as ``label``.
    """

    id: int
    label: str
    xyxy: tuple[float, float, float, float]
    score: float
    first_seen_s: float
    last_seen_s: float
    seen_as: tuple[str, ...] = ()

    @property
    def labels_now(self) -> tuple[str, ...]:
        """What it was called in this frame, the best score first: never empty, never of earlier frames alone."""
        return self.seen_as or (self.label,)

    @property
    def foot(self) -> tuple[float, float]:
        """Bottom centre of the box, in pixels: where the object stands."""
        x1, _, x2, y2 = self.xyxy
        return ((x1 + x2) / 2, y2)

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box, in pixels."""
        x1, y1, x2, y2 = self.xyxy
        return ((x1 + x2) / 2, (y1 + y2) / 2)

    @property
    def height(self) -> float:
        """Height of the box, in pixels."""
        return self.xyxy[3] - self.xyxy[1]


@dataclass(frozen=True, slots=True)
class Event:
    """Something a rule saw.

    Attributes:
        kind: Kind of the rule, ``line_crossing`` say.
        rule: Name of the rule.
        source_id: The camera or file.
        pts_s: Media time in seconds.
        captured_at: Unix seconds; a label.
        track_id: The track, if it is about one.
        label: The track's label, if it is about one.
        data: Scalars by name.
    """

    kind: str
    rule: str
    source_id: str
    pts_s: float
    captured_at: float
    track_id: int | None
    label: str | None
    data: Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds spent on a frame, per stage.

    ``latency`` runs from the frame's being handed to the detector until its rules are done.
    """

    decode: float
    preprocess: float
    inference: float
    postprocess: float
    track: float
    rules: float
    latency: float


@dataclass(frozen=True, slots=True)
class FrameResult:
    """All that is known of one analysed frame.

    Attributes:
        frame: The frame itself.
        detections: Boxes that were kept.
        track_ids: (N,) int64, the track of each box, -1 while untracked.
        tracks: The confirmed tracks seen in this frame.
        events: What the rules saw in this frame.
        counters: Every counter's present value.
        timings: Milliseconds per stage.
        analysed: Whether a detector looked at this frame; ``False`` where the motion gate let the last boxes stand.
        is_bare: Whether nothing was looked for at all: detection is off, or the geometry does not fit.
    """

    frame: Frame
    detections: Detections
    track_ids: NDArray[np.int64]
    tracks: tuple[Track, ...]
    events: tuple[Event, ...]
    counters: Mapping[CounterKey, int]
    timings: Timings
    analysed: bool = True
    is_bare: bool = False


def bare(frame: Frame, labels: tuple[str, ...]) -> FrameResult:
    """A picture in which nothing was looked for, as a result."""
    nothing = Timings(frame.decode_ms, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return FrameResult(
        frame, Detections.empty(labels), np.empty(0, np.int64), tracks=(), events=(), counters={}, timings=nothing,
        analysed=False, is_bare=True,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """What found the objects, for reports.

    Attributes:
        name: Its name in the site file.
        framework: Name of the runtime.
        model: Name of the model, or its path.
        device: As resolved.
        precision: As executed.
        imgsz: (height, width) that pictures are fitted into, in pixels.
    """

    name: str
    framework: str
    model: str
    device: str
    precision: str
    imgsz: tuple[int, int]
