"""The result files of one live camera, written by the thread of outputs: frames, events, and counts in bins of time."""

from __future__ import annotations

import dataclasses
import threading
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

from pipelines.bins import Bins, Row, most_gap_s
from pipelines.live.outputs import Job, Outputs
from pipelines.live.plan import PlannedCamera
from pipelines.rules import Rule
from pipelines.sinks.rotating import RotatingSink
from pipelines.values import FrameResult
from pipelines.wall_clock import WallClock

_NO_PICTURE = np.zeros((1, 1, 3), np.uint8)
_MOST_WAITING = 50_000
"""Rows of bins that wait for a disk that takes none; older ones are dropped."""


class CameraFiles:
    """Frames come in the results thread; everything is written in the thread of outputs, and never waited for.

    Rows of bins wait until they are on disk: what the queue of outputs or a full disk loses of frames is lost, bins are
    not.
    """

    def __init__(
        self, planned: PlannedCamera, wanted: tuple[Path, float, float], outputs: Outputs, lost: Callable[[], None]
    ) -> None:
        """Begin; no file is made before the first result.

        Args:
            planned: The camera. Bins follow the time at its place; those of a file that is read as fast as can be begin
                with the file.
            wanted: Folder, megabytes from which on a new file begins, and days after which one is deleted.
            outputs: The thread that writes.
            lost: Called for each result that could not be written.
        """
        self._wanted, self._outputs, self._lost = wanted, outputs, lost
        self._what = f"camera {planned.name}"
        self._sink: RotatingSink | None = None
        is_fast = planned.is_file and not planned.realtime
        self._wall = None if is_fast else WallClock(ZoneInfo(planned.plan.timezone))
        self._lock = threading.Lock()
        self._bins: Bins | None = Bins(planned.bin_minutes, self._wall, most_gap_s(planned.config.detect_fps))
        self._rows: deque[Row] = deque(maxlen=_MOST_WAITING)

    def expect(self, rules: Iterable[Rule]) -> None:
        """Have bins tell what these rules may count, with 0 where nothing came."""
        with self._lock:
            if self._bins is not None:
                self._bins.expect(rules)

    def take(self, result: FrameResult) -> None:
        """Take a frame; those that the motion gate left out count as watched, and have no line."""
        is_bin_over = self._count(result)
        has_lines = result.analysed or bool(result.events)
        if has_lines:
            light = dataclasses.replace(result, frame=dataclasses.replace(result.frame, image=_NO_PICTURE))
            self._outputs.put(Job(self._what, lambda: self._write(light), self._lost))
        elif is_bin_over:
            self._outputs.put(Job(self._what, self._write_rows, lambda: None))

    def _count(self, result: FrameResult) -> bool:
        """Count a frame in its bin; returns whether one is over with it."""
        with self._lock:
            if self._bins is None:
                return False
            if self._wall is not None:
                self._wall.note(result.frame.pts_s, result.frame.captured_at)
            rows = self._bins.update(result)
            self._rows.extend(rows)
            return bool(rows)

    def close(self, is_for_good: bool) -> None:
        """Have the files closed; for good: with the bin that is not over."""
        self._outputs.put(Job(self._what, lambda: self._close(is_for_good), self._lost))

    def prune(self) -> None:
        """Delete old files; in the thread of outputs, as all that is done with them."""
        (self._sink or RotatingSink(*self._wanted)).prune()

    def _open(self) -> RotatingSink:
        if self._sink is None:
            self._sink = RotatingSink(*self._wanted)
        return self._sink

    def _write(self, result: FrameResult) -> None:
        try:
            self._write_rows()
        finally:
            self._open().write(result)

    def _write_rows(self) -> None:
        """Write the rows that wait, oldest first; one that cannot be written waits with those after it."""
        while self._rows:
            row = self._rows.popleft()
            try:
                self._open().write_bin(row)
            except Exception:
                if len(self._rows) < _MOST_WAITING:
                    self._rows.appendleft(row)
                raise

    def _close(self, is_for_good: bool) -> None:
        if is_for_good:
            with self._lock:
                bins, self._bins = self._bins, None
                self._rows.extend(() if bins is None else bins.finish())
        try:
            self._write_rows()
        finally:
            sink, self._sink = self._sink, None
            if sink is not None:
                sink.close("stopped")
