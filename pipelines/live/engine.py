"""Many cameras, few models: one thread owns the models and takes the newest frames, one follows with the results.

Each round serves cameras that share their detectors, tiles and the size of their pictures, beginning with the one that
has waited longest. No camera is waited for unless ``batch_wait_ms`` says so: one without a frame has no part in it.
A thread that hangs is left behind and replaced. What fails is left alone for a second, and nobody else waits for it.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from config.errors import in_a_log
from config.site import Tiles
from detectors.detections import Detections
from detectors.detector import StageTimes
from detectors.tiles import TiledDetector, parts_of
from pipelines.live.camera import LiveCamera, Work
from pipelines.live.models import Model
from pipelines.live.telling import Telling

log = logging.getLogger(__name__)
_IDLE_S = 0.5
_FAILED_S = 1.0
_TELL_AGAIN_S = 30.0
_QUEUE = 4
_NO_TIME = StageTimes(0.0, 0.0, 0.0)
_Group = tuple[tuple[str, ...], Tiles | None, tuple[int, int]]
"""What cameras share that can be in one forward pass: names of detectors, tiles, and the size of their pictures."""


@dataclass(frozen=True, slots=True)
class _Done:
    camera: LiveCamera
    work: Work
    found: Detections | None
    times: StageTimes
    taken: float


class Engine:
    """Inference and results threads. ``cameras`` and ``models`` are replaced as a whole, never changed."""

    def __init__(self) -> None:
        self.cameras: tuple[LiveCamera, ...] = ()
        self.models: Mapping[str, Model] = {}
        self.restarts = 0
        self._retired: queue.SimpleQueue[Model] = queue.SimpleQueue()
        self._frames = threading.Condition()
        self._there = False
        self._current: _Run | None = None

    def wake(self) -> None:
        """A frame is there."""
        with self._frames:
            self._there = True
            self._frames.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait until a frame is there."""
        with self._frames:
            if not self._there:
                self._frames.wait(timeout_s)
            self._there = False

    def retire(self, models: Iterable[Model]) -> None:
        """Release models that no camera uses any more; the inference thread does it, between two rounds."""
        for model in models:
            self._retired.put(model)
        self.wake()

    def close_retired(self) -> None:
        """Release what was retired; called by the thread that ran it."""
        while not self._retired.empty():
            model = self._retired.get()
            if not model.left_behind and all(model is not other for other in self.models.values()):
                model.detector.close()

    @property
    def depth(self) -> int:
        """Detected frames that wait for the results thread."""
        return self._current.results.qsize() if self._current is not None else 0

    @property
    def prepared(self) -> bool:
        """Whether the models are loaded and frames are taken."""
        return self._current is not None and self._current.prepared.is_set()

    def preparing_s(self, now: float) -> float:
        """Seconds (of the monotonic clock) since which the models are being loaded; 0 when they are there."""
        return now - self._current.began_s if self._current is not None and not self.prepared else 0.0

    def stuck_s(self, now: float) -> float:
        """Seconds (of the monotonic clock) since which a thread has been at one thing: a forward pass, a frame."""
        return self._current.stuck_s(now) if self._current is not None else 0.0

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way."""
        return self._current is None or self._current.idle

    def start(self, prepare: Callable[[], None]) -> None:
        """Start the threads.

        Args:
            prepare: Done first by the inference thread: it loads the models that it will use.
        """
        self._current = _Run(self, prepare)

    def restart(self, prepare: Callable[[], None]) -> None:
        """Leave threads that hang behind, and begin with new ones."""
        self.restarts += 1
        self._retired = queue.SimpleQueue()  # what waits there, the hanging thread may use
        for model in self.models.values():
            model.left_behind = True
        if self._current is not None:
            self._current.leave()
        self._current = _Run(self, prepare)

    def leave(self) -> None:
        """Take no more frames."""
        if self._current is not None:
            self._current.leave()
        self.wake()

    def stop(self, timeout_s: float) -> bool:
        """End the threads; returns whether they did in time."""
        run, self._current = self._current, None
        if run is None:
            return True
        run.leave()
        self.wake()
        return run.join(timeout_s)


class _Run:
    """The threads of one start; once ``leave`` was called they touch nothing any more."""

    def __init__(self, engine: Engine, prepare: Callable[[], None]) -> None:
        self._engine = engine
        self._prepare = prepare
        self.began_s = time.monotonic()
        self._left = threading.Event()
        self._busy = 0
        self._infer_since: float | None = None
        self._follow_since: float | None = None
        self._tell = Telling(log, logging.ERROR, _TELL_AGAIN_S)
        self._retry_s: list[tuple[_Group, float]] = []  # what has failed, and when it is tried again
        self._gathering_s: float | None = None  # since when a frame waits for those of other cameras
        self.prepared = threading.Event()
        self.results: queue.Queue[_Done] = queue.Queue(maxsize=_QUEUE)
        self._threads = [
            threading.Thread(target=self._infer, name="inference", daemon=True),
            threading.Thread(target=self._follow, name="results", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def stuck_s(self, now: float) -> float:
        """Seconds since which one of the threads has been at one thing."""
        since = [start for start in (self._infer_since, self._follow_since) if start is not None]
        return max((now - start for start in since), default=0.0)

    @property
    def idle(self) -> bool:
        return self._busy == 0 and self.results.unfinished_tasks == 0

    def leave(self) -> None:
        self._left.set()

    def join(self, timeout_s: float) -> bool:
        end = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    # -- inference -------------------------------------------------------------------------------------------------

    def _infer(self) -> None:
        self._prepare()
        self.prepared.set()
        while not self._left.is_set():
            try:
                self._engine.close_retired()
                if not self._round():
                    self._engine.wait(_IDLE_S)
            except Exception as error:  # whatever it is, it must not end a service
                log.debug("inference", exc_info=error)
                self._tell("inference", f"inference fails: {in_a_log(error)}")
                self._left.wait(_FAILED_S)

    def _round(self) -> bool:
        """Serve who waited longest, and those who can share its forward pass; ``False`` when nobody waits."""
        now = time.monotonic()
        self._retry_s = [(group, until) for group, until in self._retry_s if until > now]
        failed = [group for group, _ in self._retry_s]
        cameras = [camera for camera in self._engine.cameras if _group(camera) not in failed]
        waiting = [camera for camera in cameras if camera.ready() and self._models_of(camera) is not None]
        if not waiting:
            return False
        waiting.sort(key=lambda camera: camera.picked_s)
        models = self._models_of(waiting[0]) or []
        tiles = waiting[0].planned.plan.tiles
        pictures = min((model.batch for model in models), default=1)
        limit = max(1, pictures // parts_of(tiles))
        shared = _alike(waiting, waiting[0])
        wait_s = min((model.batch_wait_s for model in models), default=0.0)
        if wait_s and len(shared) < min(limit, _coming(cameras, waiting[0])):
            self._gathering_s = now if self._gathering_s is None else self._gathering_s
            if (left_s := self._gathering_s + wait_s - now) > 0:
                self._engine.wait(left_s)
                return True
        self._gathering_s = None
        self._busy = 1
        self._infer_since = now
        try:
            batch = self._take(shared, limit)
            try:
                if batch:
                    self._detect(models, batch, tiles)
            except Exception as error:  # a device that fails for one frame must not end a service
                self._failed(batch, error)
            return True
        finally:
            self._infer_since = None
            self._busy = 0

    def _failed(self, batch: Sequence[tuple[LiveCamera, Work]], error: Exception) -> None:
        """Leave alone for a while what has failed; others go on."""
        group = _group(batch[0][0])
        self._retry_s.append((group, time.monotonic() + _FAILED_S))
        detectors, cameras = ", ".join(group[0]), [camera.name for camera, _ in batch]
        log.debug("detector %s", detectors, exc_info=error)
        names = f"camera{'s' * (len(cameras) > 1)} {', '.join(cameras)}"
        self._tell(f"detector {detectors}", f"detector {detectors} ({names}) fails: {in_a_log(error)}")

    def _models_of(self, camera: LiveCamera) -> list[Model] | None:
        models = [self._engine.models.get(planned.name) for planned in camera.planned.detectors]
        return [model for model in models if model is not None] if None not in models else None

    def _take(self, cameras: Sequence[LiveCamera], limit: int) -> list[tuple[LiveCamera, Work]]:
        """Frames of one size, as many as a forward pass takes; what does not move goes straight on."""
        batch: list[tuple[LiveCamera, Work]] = []
        for camera in cameras:
            if len(batch) >= limit or (batch and camera.size != (batch[0][1].frame.width, batch[0][1].frame.height)):
                continue
            try:
                work = camera.take()
            except Exception as error:  # one camera's picture must not cost the others a round
                log.debug("camera %s", camera.name, exc_info=error)
                self._tell(camera.name, f"camera {camera.name}: a picture cannot be taken: {in_a_log(error)}")
                continue
            if work is None:
                continue
            if not work.moving:
                self._put(_Done(camera, work, None, _NO_TIME, time.perf_counter()))
                continue
            batch.append((camera, work))
        return batch

    def _detect(self, models: Sequence[Model], batch: Sequence[tuple[LiveCamera, Work]], tiles: Tiles | None) -> None:
        """Run every detector of these cameras on their frames; one of several failing fails the round."""
        start = 0
        while start < len(batch):
            size = 1 << ((len(batch) - start).bit_length() - 1)  # few batch sizes: networks are prepared for each
            part = batch[start : start + size]
            start += size
            taken = time.perf_counter()
            found: list[list[Detections]] = [[] for _ in part]
            times = _NO_TIME
            for model in models:
                detector = model.detector if tiles is None else TiledDetector(model.detector, tiles)
                for row, detections in enumerate(detector.detect([work.frame.image for _, work in part])):
                    found[row].append(detections)
                spent = detector.last_times
                times = StageTimes(
                    times.preprocess_ms + spent.preprocess_ms / size,
                    times.inference_ms + spent.inference_ms / size,
                    times.postprocess_ms + spent.postprocess_ms / size,
                )
                self._count(model, size, spent)
            for (camera, work), rows in zip(part, found, strict=True):
                merged = camera.merge(rows)
                self._put(_Done(camera, work, merged, times, taken))

    @staticmethod
    def _count(model: Model, frames: int, times: StageTimes) -> None:
        now = time.monotonic()
        model.frames += frames
        for _ in range(frames):
            model.rate.tick(now)
        model.times.add(times.inference_ms)

    def _put(self, done: _Done) -> None:
        while not self._left.is_set():
            try:
                return self.results.put(done, timeout=_IDLE_S)
            except queue.Full:
                continue

    # -- results ---------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        while not self._left.is_set():
            try:
                done = self.results.get(timeout=_IDLE_S)
            except queue.Empty:
                continue
            self._follow_since = time.monotonic()
            try:
                if not self._left.is_set():
                    done.camera.handle(done.work, done.found, done.times, done.taken)
            except Exception as error:  # one camera's fault must not end the thread of all
                name = done.camera.name
                log.debug("camera %s", name, exc_info=error)
                self._tell(name, f"camera {name}: a frame could not be handled: {in_a_log(error)}")
            finally:
                self._follow_since = None
                self.results.task_done()


def _alike(cameras: Sequence[LiveCamera], one: LiveCamera) -> list[LiveCamera]:
    """Those that use the same detectors and tiles as one of them."""
    planned = one.planned
    return [
        camera
        for camera in cameras
        if (camera.planned.detectors, camera.planned.plan.tiles) == (planned.detectors, planned.plan.tiles)
    ]


def _coming(cameras: Sequence[LiveCamera], one: LiveCamera) -> int:
    """How many of those like it have a frame, or will have one soon."""
    return sum(camera.expects_results for camera in _alike(cameras, one))


def _group(camera: LiveCamera) -> _Group:
    """What a camera shares with others."""
    return camera.detectors, camera.planned.plan.tiles, camera.taken_size
