"""One camera's way from boxes to meaning: filter, tracker, rules."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from detectors.detections import Detections
from detectors.detector import StageTimes
from pipelines.filters import BoxFilter
from pipelines.fitting import fitted
from pipelines.geometry import scale
from pipelines.scenario import CameraPlan, RuleSet
from pipelines.tracker import Tracker
from pipelines.values import FrameResult, Timings
from streams.frame import Frame


@dataclass(frozen=True, slots=True)
class Analysis:
    """What follows detection, for one camera and one size of its pictures. One thread, frames in order.

    Attributes:
        keep: Which boxes go on.
        tracker: This camera's tracker.
        rules: This camera's rules.
    """

    keep: BoxFilter
    tracker: Tracker
    rules: RuleSet

    @classmethod
    def of(
        cls,
        plan: CameraPlan,
        labels: Sequence[str],
        source_id: str,
        width: int,
        height: int,
        fps: float,
        start: float | None = None,
    ) -> Analysis:
        """Make what a plan asks for.

        Args:
            plan: Labels, geometry and rules; optional rules that the labels do not serve are left out.
            labels: All labels of the detector, or of several together.
            source_id: Name of the camera or file.
            width: Of the pictures, in pixels.
            height: Of the pictures, in pixels.
            fps: Frames a second that will be analysed; 0 when unknown.
            start: Unix seconds of a recording's first frame; ``None``: frames tell the time.
        """
        plan = fitted(plan, labels)
        masks = [scale(mask, width, height) for mask in plan.masks]
        keep = BoxFilter(labels, plan.labels, plan.min_size * height, masks)
        return cls(keep, Tracker(plan.tracker, fps), plan.rule_set(source_id, width, height, start))

    def step(
        self, frame: Frame, detections: Detections, times: StageTimes, taken: float, analysed: bool = True
    ) -> FrameResult:
        """Take the next frame.

        Args:
            frame: The frame.
            detections: What was found in it.
            times: How long that took.
            taken: ``time.perf_counter()`` at which the frame was handed to the detector.
            analysed: Whether a detector looked at this very frame.
        """
        start = time.perf_counter()
        found = self.keep(detections)
        track_ids, tracks = self.tracker.update(found, frame.pts_s)
        tracked = time.perf_counter()
        events = self.rules.update(tracks, frame)
        counters = self.rules.counters()
        done = time.perf_counter()
        timings = Timings(
            decode=frame.decode_ms,
            preprocess=times.preprocess_ms,
            inference=times.inference_ms,
            postprocess=times.postprocess_ms,
            track=(tracked - start) * 1e3,
            rules=(done - tracked) * 1e3,
            latency=(done - taken) * 1e3,
        )
        return FrameResult(frame, found, track_ids, tracks, events, counters, timings, analysed)
