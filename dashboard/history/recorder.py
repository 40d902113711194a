"""The thread that keeps the history: it looks at the site every few seconds, and takes events as they come."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from config.errors import SightlineError, in_a_log
from dashboard.history.pictures import Box, thumbnail
from dashboard.history.sampler import Sampler, add_figures, figures_of
from dashboard.history.store import Batch, DamagedError, EventRow, HistoryError, Store
from pipelines.live.face import CannotBeAsked, SiteFace
from pipelines.live.telling import Telling
from pipelines.values import Event, FrameResult

log = logging.getLogger(__name__)
TICK_S = 5.0
FIGURES_S = 10.0
PRUNE_S = 600.0
TELL_AGAIN_S = 30.0
RETRY_S = 5.0
"""Seconds until a disk that refused is asked again."""
MOST_WAITING = 512
"""Events that wait for the thread, and"""
MOST_PICTURES = 6
"""pictures among them: each is a whole frame in memory."""
MOST_UNWRITTEN = 5_000
"""Events that wait for a disk that is full, and"""
MOST_UNWRITTEN_CELLS = 20_000
"""cells of counters."""
_MOST_UNWRITTEN_JPEGS = 200
_GAP_S = 0.2
"""Seconds between two pictures: five a second are enough to look at."""
_END_S = 1.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    """An event on its way to the thread."""

    camera: str
    event: Event
    image: NDArray[np.uint8] | None
    box: Box | None


class Recorder:
    """Keeps the history of one site until it is stopped.

    Attributes:
        fault: Why nothing is written at the moment, if so.
        lost: Events that were never written.
        written: Events that were.
    """

    def __init__(
        self,
        path: Path,
        keep_days: float,
        thumbnails: int,
        clock: Callable[[], float] = time.time,
        tick_s: float = TICK_S,
    ) -> None:
        """Prepare; nothing is opened before ``start``.

        Args:
            path: The database.
            keep_days: Days that are kept.
            thumbnails: Pictures that are kept; 0: none are made.
            clock: Unix seconds.
            tick_s: Seconds between two looks at the counters.
        """
        self.path = path
        self.fault: str | None = None
        self.lost = 0
        self.written = 0
        self._keep_days, self._thumbnails, self._clock, self._tick_s = keep_days, thumbnails, clock, tick_s
        self._queue: queue.Queue[_Waiting] = queue.Queue(MOST_WAITING)
        self._pictures = 0  # in the queue
        self._picture_at = 0.0
        self._count = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._end: Callable[[], None] = lambda: None
        self._batch = Batch()
        self._sampler = Sampler()
        self._store: Store | None = None
        self._is_suspected = False
        self._tell = Telling(log, logging.WARNING, TELL_AGAIN_S)

    def start(self, face: SiteFace) -> None:
        """Begin; the file is opened in the thread, so that a slow disk holds nobody up."""
        self._thread = threading.Thread(target=self._run, args=(face,), name="history", daemon=True)
        self._thread.start()
        self._end = face.listen(self.take)

    def stop(self) -> None:
        """Write what waits and end, within a second or so; safe to call twice."""
        self._end()
        self._end = lambda: None
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_END_S)
            self._thread = None

    def take(self, camera: str, result: FrameResult) -> None:
        """Take the events of a frame; called in the thread of results, so nothing is drawn, encoded or waited for."""
        boxes = {track.id: track.xyxy for track in result.tracks}
        for event in result.events:
            image = result.frame.image if self._may_have_picture() else None
            box = boxes.get(event.track_id) if event.track_id is not None else None
            try:
                self._queue.put_nowait(_Waiting(camera, event, image, box))
            except queue.Full:
                with self._count:
                    self.lost += 1
                    self._pictures -= image is not None

    def _may_have_picture(self) -> bool:
        """Whether a picture may wait with the next event; if so, it counts."""
        if self._thumbnails <= 0 or self.fault is not None:
            return False
        with self._count:
            now = time.monotonic()
            if self._pictures >= MOST_PICTURES or now < self._picture_at:
                return False
            self._pictures += 1
            self._picture_at = now + _GAP_S
            return True

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self, face: SiteFace) -> None:
        before_s: float | None = None
        look_at = figures_at = prune_at = write_at = time.monotonic()
        while True:
            is_ending = self._stop.is_set()
            now_s = time.monotonic()
            if now_s >= look_at or is_ending:
                self._guarded("a look", lambda: self._look(face, before_s, now_s))  # noqa: B023 (called at once)
                before_s, look_at = now_s, now_s + self._tick_s
            if now_s >= figures_at:
                self._guarded("figures", lambda: add_figures(self._batch, figures_of(face.stats()), self._clock()))
                figures_at = now_s + FIGURES_S
            self._guarded("events", self._take_all)
            if (now_s >= write_at and self._batch) or is_ending:
                self._guarded("what was to be written", self._write)
                write_at = now_s + (RETRY_S if self.fault else 0.0)
            if self._store is not None and self.fault is None and now_s >= prune_at:
                self._guarded("a clean-up", self._prune)
                prune_at = now_s + PRUNE_S
            if is_ending:
                break
            self._stop.wait(min(1.0, self._tick_s))
        self._leave(is_damaged=False)

    def _look(self, face: SiteFace, before_s: float | None, now_s: float) -> None:
        counters = {}
        for name in face.cameras():
            try:
                counters[name] = face.counters(name)
            except (KeyError, CannotBeAsked):  # it has just gone, or is just coming
                continue
        cameras = face.cameras()  # behind the counters: no counter is newer than the plan that it is looked at with
        seconds = None if before_s is None else now_s - before_s
        self._sampler.look(self._batch, cameras, counters, self._clock(), seconds)

    def _take_all(self) -> None:
        """What waits becomes rows, its pictures become small."""
        for _ in range(MOST_WAITING):
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return
            jpeg = None
            if waiting.image is not None:
                with self._count:
                    self._pictures -= 1
                jpeg = self._picture(waiting.image, waiting.box)
            try:
                self._batch.events.append(_row(waiting.camera, waiting.event, jpeg))
            except ValueError as error:  # a number that is none
                with self._count:
                    self.lost += 1
                self._tell("events", f"an event of camera {waiting.camera} is not kept: {in_a_log(error)}")

    def _picture(self, image: NDArray[np.uint8], box: Box | None) -> bytes | None:
        try:
            return thumbnail(image, box)
        except Exception as error:  # OpenCV's own: an event without a picture is better than none
            log.warning("a picture of an event cannot be made: %s", in_a_log(error))
            return None

    def _write(self) -> None:
        """Write what there is; what the disk does not take stays, within bounds."""
        batch = self._batch
        try:
            if self._store is not None and not self._store.is_in_place:
                log.warning("the history %s was moved or deleted; it is opened anew", self.path)
                self._leave(is_damaged=False)
            if self._store is None:
                self._store = Store(self.path, self._keep_days, self._thumbnails, self._clock, self._is_suspected)
                self._is_suspected = False
            self._store.write(batch)
        except HistoryError as error:
            if self.fault is None:
                log.warning("%s", error)
            self.fault = str(error)
            self._keep_bounds()
            if isinstance(error, DamagedError):
                self._leave(is_damaged=True)
            return
        except Exception:  # the next time it would be the same
            self._batch = replace(batch, events=[]) if batch.events else Batch()
            with self._count:
                self.lost += len(batch.events)
            raise
        if self.fault is not None:
            log.info("the history %s is written again", self.path)
        self.fault = None
        self.written += len(batch.events)
        self._batch = Batch()

    def _prune(self) -> None:
        try:
            if self._store is not None:
                self._store.prune()
        except DamagedError:
            self._leave(is_damaged=True)
            raise

    def _leave(self, is_damaged: bool) -> None:
        """Close the file; it is opened anew by the next write, and moved aside then if it is damaged."""
        store, self._store, self._is_suspected = self._store, None, is_damaged
        if store is not None:
            store.close()

    def _keep_bounds(self) -> None:
        batch = self._batch
        if (more := len(batch.events) - MOST_UNWRITTEN) > 0:
            del batch.events[:more]
            with self._count:
                self.lost += more
        with_picture = [number for number, event in enumerate(batch.events) if event.jpeg is not None]
        for number in with_picture[: max(0, len(with_picture) - _MOST_UNWRITTEN_JPEGS)]:
            batch.events[number] = _without_picture(batch.events[number])
        for cells in (batch.cells, batch.seen, batch.watched, batch.figures):
            _keep_newest(cells, MOST_UNWRITTEN_CELLS)

    def _guarded(self, what: str, step: Callable[[], object]) -> None:
        """A step of a thread that must not end: a fault is logged, the same one once in a while."""
        try:
            step()
        except SightlineError as error:
            self._tell(what, str(error))
        except Exception as error:
            self._tell(what, f"the history goes on without {what}", error)


def _row(camera: str, event: Event, jpeg: bytes | None) -> EventRow:
    data = json.dumps(dict(event.data), ensure_ascii=False, allow_nan=False, default=str, separators=(",", ":"))
    return EventRow(
        event.captured_at, camera, event.kind, event.rule, event.label, event.track_id, event.pts_s, data, jpeg
    )


def _without_picture(event: EventRow) -> EventRow:
    return EventRow(
        event.at, event.camera, event.kind, event.rule, event.label, event.track_id, event.pts_s, event.data
    )


def _keep_newest(cells: dict[Any, Any], most: int) -> None:
    """Drop the cells that were begun first."""
    for key in list(cells)[: max(0, len(cells) - most)]:
        del cells[key]
