"""From what a site says of itself at one moment to what its history keeps. Nothing here writes or waits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dashboard.history.cells import WIDTHS, Counter, amount, cell_of, counter_of
from dashboard.history.store import Batch, DetectorKey, Figures
from pipelines.live.face import CameraFace
from pipelines.messages import StatsPayload
from pipelines.scenario import CameraPlan
from pipelines.values import CounterKey, grows

LONGEST_S = 30.0
"""Seconds between two looks after which nobody knows what was in between (the machine slept)."""
LOOKS_OF_ANOTHER_PLAN = 2
"""Looks at a camera with another plan at which its new counters are taken as they are: a line that is drawn again goes
on from the total that was kept of it, and its counters come a moment after its plan."""
SEEN_S = 300.0
"""Seconds after which it is noted again that a counter is there."""

_Counted = tuple[object, ...]


class Sampler:
    """Remembers the last look at each counter, and since when each camera has been watched without a break."""

    def __init__(self) -> None:
        self._last: dict[str, dict[CounterKey, int]] = {}
        self._plans: dict[str, tuple[_Counted, int]] = {}  # what is counted, and looks that take it as it is
        self._seen: dict[Counter, float] = {}
        self._since: dict[str, tuple[float, float]] = {}  # begin of the interval, and its end until now

    def look(
        self,
        batch: Batch,
        cameras: Mapping[str, CameraFace],
        counters: Mapping[str, Mapping[CounterKey, int]],
        now: float,
        seconds: float | None,
    ) -> None:
        """Add one look at all cameras.

        Args:
            batch: What it is added to.
            cameras: By name.
            counters: Their running totals and present values, by name; of a camera that is not in it nothing is known.
            now: Unix seconds.
            seconds: Since the last look, by the monotonic clock; ``None`` at the first.
        """
        self._seen = {counter: at for counter, at in self._seen.items() if counter.camera in cameras}
        known: tuple[dict[str, Any], ...] = (self._last, self._plans, self._since)
        for noted in known:
            for gone in set(noted) - set(cameras):
                del noted[gone]
        between = seconds if seconds is not None and 0 < seconds <= LONGEST_S else 0.0
        middle = now - between / 2
        for name, camera in cameras.items():
            is_watched = camera.status == "online" and camera.detecting
            self._note_watched(batch, name, is_watched, now, between)
            if name not in counters:
                continue
            last = self._last.get(name, {})
            begin = None if self._may_go_on(camera) else 0  # a counter that comes later has begun at zero
            for key, value in counters[name].items():
                counter = counter_of(name, key)
                if not 0 <= now - self._seen.get(counter, -SEEN_S) < SEEN_S:
                    batch.seen[counter] = self._seen[counter] = now
                lasted = between if is_watched else 0.0
                added = amount(key, last.get(key, begin), value, lasted)
                if added:
                    peak = float(0 if grows(key) else value)
                    for width in WIDTHS:
                        batch.add(counter, width, cell_of(middle, width), added, peak)
            self._last[name] = {**last, **counters[name]}

    def _may_go_on(self, camera: CameraFace) -> bool:
        """Whether a counter that is seen for the first time may go on from a total that was kept."""
        counted = _counted(camera.plan)
        before, left = self._plans.get(camera.name, (None, 1))
        if before is not None and before != counted:
            left = LOOKS_OF_ANOTHER_PLAN
        self._plans[camera.name] = (counted, max(0, left - 1))
        return left > 0

    def _note_watched(self, batch: Batch, name: str, is_watched: bool, now: float, between: float) -> None:
        """Make the interval longer in which the camera has been watched, or begin one."""
        begun = self._since.get(name)
        if not is_watched:
            self._since.pop(name, None)
        elif begun is None or not between or not begun[1] <= now <= begun[1] + LONGEST_S:  # or the clock was set
            self._since[name] = (now, now)
        else:
            self._since[name] = (begun[0], now)
            batch.watched[name, begun[0]] = now


def _counted(plan: CameraPlan) -> _Counted:
    """What decides which counters there are; a reload makes new plans of all cameras."""
    return plan.labels, plan.lines, plan.zones, tuple(rule.config for rule in plan.rules)


def figures_of(stats: StatsPayload) -> dict[DetectorKey, Figures]:
    """The figures of each detector that had frames of late: without any there is nothing that a percentile is of."""
    found = {}
    for name, one in stats.detectors.items():
        p50, p95, p99 = (one.inference_ms.get(key, math.nan) for key in ("p50", "p95", "p99"))
        if one.frames and p99 > 0 and all(map(math.isfinite, (one.fps, p50, p95, p99))):
            key = DetectorKey(name, one.framework, one.model, one.precision, one.device)
            found[key] = Figures(one.fps, p50, p95, p99, stats.service.rss_mb)
    return found


def add_figures(batch: Batch, figures: Mapping[DetectorKey, Figures], now: float) -> None:
    """Add figures to the cells of a moment."""
    for key, one in figures.items():
        for width in WIDTHS:
            batch.figures.setdefault((key, width, cell_of(now, width)), []).append(one)
