"""One camera at work: its feed, what follows detection, and its figures."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from config.errors import ConfigError
from config.site import Snapshots
from detectors.detections import Detections
from detectors.detector import StageTimes
from pipelines.analysis import Analysis
from pipelines.events import ObjectEvent, ObjectLives
from pipelines.geometry import Xy
from pipelines.live.counters import certain_counters, open_places
from pipelines.live.files import CameraFiles
from pipelines.live.outputs import Job, Outputs
from pipelines.live.plan import PlannedCamera
from pipelines.live.publishing import CameraStatus, CameraTopics, SwitchName
from pipelines.live.snapshots import BestViews, crop_of, encode
from pipelines.live.spectators import Spectators
from pipelines.live.totals import Totals
from pipelines.merge import MergedLabels
from pipelines.messages import CameraStats
from pipelines.metrics import Histogram, Rate, RecentHistogram
from pipelines.motion import MotionGate
from pipelines.scenario import RuleSet
from pipelines.values import CounterKey, FrameResult, bare
from streams.feed import CameraFeed
from streams.frame import Frame
from streams.open_live import live_source
from streams.taken import FeedStatus, Taken

log = logging.getLogger(__name__)
_FACE_WAIT_S = 0.5
_MOST_GAP_S = 2.0
"""Media seconds between two analysed frames that still count as watched."""


@dataclasses.dataclass(frozen=True, slots=True)
class Work:
    """A frame on its way: taken from a feed, to be detected in and to be handled.

    Attributes:
        frame: The picture, converted.
        moving: Whether a detector shall look at it; else the last boxes stand.
        captured_s: ``time.monotonic()`` at which the picture reached this machine, before it was decoded.
    """

    frame: Frame
    moving: bool
    captured_s: float


class LiveCamera:
    """One camera. The feed's thread, the inference thread and the results thread meet here, under a lock."""

    def __init__(
        self,
        planned: PlannedCamera,
        merged: MergedLabels,
        found_by: tuple[str, str],
        topics: CameraTopics | None,
        outputs: Outputs,
        wake: Callable[[], None],
        snapshots: Snapshots | None = None,
        spectators: Spectators | None = None,
    ) -> None:
        """Prepare; ``start`` connects.

        Args:
            planned: What is configured.
            merged: Brings together what its detectors find.
            found_by: Framework and model, for the messages.
            topics: Where it publishes, if anywhere.
            outputs: The thread for files and snapshots.
            wake: Called when a frame is there.
            snapshots: How snapshots are made, if they are.
            spectators: Who looks at what comes out; default: nobody.
        """
        self.planned = planned
        self.name = planned.name
        self.topics = topics
        self.labels = merged.labels
        self.merge = merged.merge
        self.picked_s = 0.0
        """``time.monotonic()`` at which a frame was last taken: who waited longest goes first."""
        self.taken_size = (0, 0)
        """Width and height in pixels of the frame that was last taken."""
        self._found_by = found_by
        self._outputs = outputs
        self._wake = wake
        self._snapshots = snapshots
        self._spectators = spectators or Spectators()
        self._views = BestViews()
        self._dropped_results = 0
        wanted = planned.outputs
        self._files = None if wanted is None else CameraFiles(planned, wanted, outputs, self._lost)
        self._lock = threading.RLock()
        switches = topics.switches if topics is not None else {"detect": True, "enabled": planned.config.enabled}
        self.enabled, self.detecting = switches["enabled"], switches["detect"]
        self._degraded = ""
        self._refused = ""
        self._over = False
        self._blind = False  # what was there is forgotten: the motion gate must not keep the next frame back
        self._closed = False
        for name, on, topic in (("the camera", self.enabled, "enabled"), ("detection", self.detecting, "detect")):
            if not on and (topic == "detect" or planned.config.enabled):  # else the site file says so
                log.warning(
                    "camera %s: %s was switched off over MQTT and stays so; ON at .../%s/%s/set switches it on",
                    self.name, name, self.name, topic,
                )  # fmt: skip
        self._analysis: Analysis | None = None
        self._lives: ObjectLives | None = None
        self._zones: Mapping[str, tuple[Xy, ...]] = {}
        self._size = (0, 0)
        self._last: Detections = Detections.empty(self.labels)
        self._last_pts_s: float | None = None
        self._watched_s = 0.0
        self._started_s = time.monotonic()
        self._processed = self._detected = 0
        self._process_rate, self._detect_rate = Rate(), Rate()
        self._latency = RecentHistogram()
        self._reported: CameraStatus = topics.status if topics is not None else "offline"
        self._counted: dict[CounterKey, int] = {}
        self._totals = topics.totals if topics is not None else self._own_totals()
        self._feed: CameraFeed | None = None
        self._before: tuple[int, int, int, int] = (0, 0, 0, 0)
        self._media_s, self._media_at = 0.0, time.monotonic()  # media time of the last frame, and when that was
        self._offset_s = 0.0
        self._reconnects_before = 0
        self._skipped_seen = (time.monotonic(), 0, 0.0)

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, unless it is switched off."""
        with self._lock:
            if self.enabled and self._feed is None and not self._closed:
                if self._before[0]:  # it was switched off: its media time goes on, the pause included
                    self._offset_s = self._media_s + time.monotonic() - self._media_at
                self._feed = self._new_feed()
                self._feed.start()
        self._report()

    def _new_feed(self) -> CameraFeed:
        planned, config = self.planned, self.planned.config
        source: str | Path = Path(planned.source) if planned.is_file else planned.source
        return CameraFeed(
            self.name,
            lambda: live_source(
                source,
                username=config.username,
                password=planned.password,
                backend=config.backend,
                transport=config.transport,
                latency_ms=config.latency_ms,
                tls=planned.tls,
                realtime=planned.realtime,
                loop=planned.loop,
            ),
            detect_fps=config.detect_fps,
            stall_s=config.stall_s,
            wake=self._wake,
            gate=MotionGate(config.motion, config.masks) if config.motion.enabled else None,
            lossless=planned.is_file and not planned.realtime,
            on_status=self._on_feed,
        )

    def close(self, timeout_s: float = 2.0) -> None:
        """Disconnect for good."""
        self._closed = True
        self.stop(timeout_s)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Disconnect; objects in sight end, nobody is in the zones any more."""
        with self._lock:
            feed, self._feed = self._feed, None
            self._keep_figures(feed)
        if feed is not None and not feed.stop(timeout_s):
            log.warning("camera %s: its capture thread does not end; it is left behind", self.name)
        self._report()
        if self._files is not None:
            self._files.close(is_for_good=self._closed)

    def _keep_figures(self, feed: CameraFeed | None) -> None:
        """What a feed that ends has counted stays in the totals."""
        if feed is not None:
            stats = feed.stats()
            now = (stats.captured, stats.due, stats.skipped, stats.gated)
            before = self._before
            self._before = (before[0] + now[0], before[1] + now[1], before[2] + now[2], before[3] + now[3])
            self._reconnects_before += stats.reconnects

    def switch(self, name: SwitchName, on: bool) -> None:
        """Turn detection or the whole camera on or off."""
        if self._closed:
            return
        with self._lock:
            if name == "detect":
                self.detecting = on
                ends = [] if on else self._end_all()
            else:
                self.enabled = on
                ends = []
        log.info("camera %s: %s is switched %s", self.name, name, "on" if on else "off")
        if self.topics is not None:
            self.topics.set_switch(name, on, ends)
        if name == "enabled":
            if on:
                self.start()
            else:
                self.stop()

    def _own_totals(self) -> Totals:
        """Totals of a camera that publishes nowhere: they begin with it."""
        plan = self.planned.plan
        return Totals(self.name, certain_counters(plan), open_places(plan.rules), {}, time.time())

    def detach(self) -> None:
        """Publish nothing for a while: the connection to the broker is made anew."""
        with self._lock:
            self.topics = None
            self._counted = dict(self._analysis.rules.counters()) if self._analysis is not None else {}

    def attach(self, topics: CameraTopics | None, snapshots: Snapshots | None) -> None:
        """Publish again, there; what was counted meanwhile is added, what was in sight goes on."""
        with self._lock:
            self.topics, self._snapshots = topics, snapshots
            if topics is not None:
                topics.totals.go_on_from(self._counted)
                self._totals = topics.totals
                topics.set_status(self._reported)
        if topics is not None:
            for name, on in topics.switches.items():
                if on != (self.detecting if name == "detect" else self.enabled):
                    self.switch(name, on)

    def use(self, snapshots: Snapshots | None) -> None:
        """Make snapshots in another way from now on, or none."""
        self._snapshots = snapshots

    # -- state -----------------------------------------------------------------------------------------------------

    @property
    def feed_status(self) -> FeedStatus | None:
        """State of the connection; ``None`` while there is none."""
        feed = self._feed
        return feed.status if feed is not None else None

    @property
    def status(self) -> tuple[CameraStatus, str | None]:
        """The camera's state, and why it is not online."""
        feed = self._feed
        if not self.enabled or feed is None:
            return ("offline" if self.enabled else "disabled"), None
        if feed.status == "ended" and not self._over:
            return "online", None  # its last frames are on their way
        if feed.status != "online":
            return "offline", feed.reason or feed.status
        trouble = self._degraded or self._refused
        return ("degraded", trouble) if trouble else ("online", None)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of its pictures in pixels; (0, 0) before the first."""
        return self._size

    @property
    def ended(self) -> bool:
        """Whether a file that stands in for the camera is over, and every frame of it was taken."""
        feed = self._feed
        return feed is not None and feed.status == "ended" and not feed.ready()

    def check(self) -> None:
        """See whether the capture thread hangs; to be called a few times a second, by a thread that must not wait."""
        feed = self._feed  # without the lock, which a thread that hangs may hold
        if feed is not None:
            feed.check()

    @property
    def fault(self) -> str:
        """Why the file that stands in for the camera could not be read to its end; empty where it could."""
        feed = self._feed
        return feed.reason if feed is not None and feed.broken else ""

    def finish(self) -> None:
        """The last frame of a file went through."""
        if not self._over:
            self._over = True
            self._report()

    def degrade(self, reason: str) -> None:
        """Frames come in and nothing goes out (an empty reason: it does again)."""
        self._degraded = reason
        self._report()

    def _on_feed(self, name: str, status: FeedStatus, reason: str) -> None:
        """Called in the feed's thread when the connection changes."""
        if status == "online":
            log.info("camera %s is online", self.name)
        elif status == "offline":
            log.warning("camera %s is offline: %s", self.name, reason)
        elif status == "ended":
            told = log.info if reason.endswith("is over") else log.warning  # else it broke off
            told("camera %s: %s", self.name, reason or "its file is over")
        self._report()
        self._wake()

    def _report(self) -> None:
        """Publish the state where it changed; what is not watched holds nobody."""
        with self._lock:
            status, _ = self.status
            if status == self._reported:
                return
            self._reported = status
            ends = self._end_all() if status != "online" else []
            if self.topics is not None:
                self.topics.set_status(status, ends)

    def _end_all(self) -> list[ObjectEvent]:
        self._last, self._blind = Detections.empty(self.labels), True
        if self.topics is None:
            self._totals.empty()
        return self._lives.end_all(time.time()) if self._lives is not None else []

    def abandon(self) -> None:
        """Go on without a results thread that hangs in this camera's rules, and with new ones."""
        lives = self._lives
        self._lock = threading.RLock()
        with self._lock:
            self._analysis, self._lives, self._size = None, None, (0, 0)
            self._last, self._blind = Detections.empty(self.labels), True
            if self.topics is None:
                self._totals.restart()
            else:
                self.topics.rules_restart()
                self.topics.set_status(self._reported, lives.end_all(time.time()) if lives is not None else [])

    # -- frames ----------------------------------------------------------------------------------------------------

    def ready(self) -> bool:
        """Whether a frame is due and there; while detection is off it is taken away, for nobody misses it."""
        feed = self._feed
        if feed is None or not feed.ready():
            return False
        if not self.detecting:
            taken = feed.take()
            if taken is not None and self._spectators.looked_at(self.name):
                self._show_bare(taken.shot.frame(self.name, taken.index))
        return self.detecting

    def _show_bare(self, frame: Frame) -> None:
        """A picture in which nothing is looked for: somebody may want to draw lines on it."""
        self.taken_size = (frame.width, frame.height)
        self._spectators.show(self.name, bare(frame, self.labels))

    def take(self) -> Work | None:
        """The newest frame that is due; counted by the feed."""
        feed = self._feed
        taken: Taken | None = feed.take() if feed is not None else None
        if taken is None or feed is None:
            return None
        self.picked_s = time.monotonic()
        self.taken_size = (taken.shot.width, taken.shot.height)
        shot = dataclasses.replace(taken.shot, pts_s=round(self._offset_s + taken.shot.pts_s, 6))
        self._media_s, self._media_at = shot.pts_s, shot.arrived_s
        if shot.camera_time is not None and (skew_s := feed.stats().skew_s) is not None:
            # the camera knows when it looked, this host knows what time it was then
            shot = dataclasses.replace(shot, captured_at=shot.camera_time - skew_s)
        moving = taken.moving or self._blind
        return Work(shot.frame(self.name, self._before[0] + taken.index), moving, shot.arrived_s - shot.age_s)

    def handle(self, work: Work, found: Detections | None, times: StageTimes, taken: float) -> None:
        """Track, run the rules and publish; in the results thread, in order.

        Args:
            work: The frame.
            found: What its detectors found; ``None`` where the motion gate lets the last boxes stand.
            times: How long that took.
            taken: ``time.perf_counter()`` at which it was handed to the detectors.
        """
        lock = self._lock
        with lock:
            if not self.detecting or self._reported in ("offline", "disabled"):
                return  # stopped, lost or switched off while the frame was on its way
            analysis = self._analysis_for(work.frame)
            if analysis is None:
                self._show_bare(work.frame)
                return
            analysed = found is not None
            if found is not None:
                self._last, self._blind = found, False
            result = analysis.step(work.frame, self._last, times, taken, analysed)
            if lock is not self._lock:
                return  # given up meanwhile
            if self._degraded:
                self.degrade("")
                log.info("camera %s: frames go out again", self.name)
            watched_s = self._watched(work.frame.pts_s)
            events = self._lives.update(result.tracks, work.frame.pts_s, work.frame.captured_at) if self._lives else []
            if self.topics is not None:
                self.topics.result(result, events, self._zones, *self._found_by, watched_s)
            else:
                self._totals.update(result.counters, time.time())
            self._count(analysed, work.captured_s)
        self._write(result, events)
        if self._spectators.any:
            self._spectators.show(self.name, result)

    def _analysis_for(self, frame: Frame) -> Analysis | None:
        """Filter, tracker and rules for pictures of this size; ``None`` where the geometry does not fit them."""
        size = (frame.width, frame.height)
        if size == self._size:
            return self._analysis
        plan = self.planned.plan
        ends = self._end_all()
        self._size, self._analysis, self._lives = size, None, None
        if self.topics is not None:
            self.topics.nobody(ends)
        try:
            plan.check_size(self.planned.shown, *size)
        except ConfigError as error:
            self._refused = str(error)
            log.error("camera %s: %s", self.name, error)
            self._report()
            return None
        self._refused = ""
        self._report()
        if self.topics is not None:
            self.topics.rules_restart()
        else:
            self._totals.restart()
        self._analysis = Analysis.of(plan, self.labels, self.name, *size, self.planned.config.detect_fps)
        if self._files is not None:
            self._files.expect(self._analysis.rules.rules)
        self._zones = plan.pixel_zones(*size)
        has_snapshot = self._snapshots is not None
        if self.topics is not None:
            ground = plan.ground(*size)
            self._lives = ObjectLives(self.name, self._zones, plan.tracker.lost_s, has_snapshot, ground)
        return self._analysis

    def _watched(self, pts_s: float) -> float:
        """Seconds by which this frame lengthens the time the camera was watched."""
        before, self._last_pts_s = self._last_pts_s, pts_s
        most = max(_MOST_GAP_S, 3 / self.planned.config.detect_fps)
        step = pts_s - before if before is not None and 0 < pts_s - before <= most else 0.0
        self._watched_s += step
        return step

    def _count(self, analysed: bool, captured_s: float) -> None:
        now = time.monotonic()
        self._processed += 1
        self._process_rate.tick(now)
        if analysed:
            self._detected += 1
            self._detect_rate.tick(now)
            self._latency.add((now - captured_s) * 1e3)

    def _write(self, result: FrameResult, events: Sequence[ObjectEvent]) -> None:
        """Hand result files and snapshots over to the thread of outputs."""
        if self._files is not None:
            self._files.take(result)
        if self._snapshots is not None and self.topics is not None:
            self._snap(result, events, self.topics, self._snapshots)

    def _snap(
        self, result: FrameResult, events: Sequence[ObjectEvent], topics: CameraTopics, config: Snapshots
    ) -> None:
        """Snapshots of the objects of which this frame is the best view so far."""
        for event in events:
            label, box = event.after.label, event.after.box
            better = event.type == "new" or event.after.top_score > event.before.top_score
            if event.type != "end" and better and self._views.wanted(label, result.frame.pts_s):
                view = crop_of(result.frame.image, box).copy()  # else the queue would hold whole pictures
                self._outputs.put(
                    Job(
                        f"camera {self.name}: snapshot",
                        lambda label=label, view=view: topics.snapshot(label, encode(view, config)),  # type: ignore[misc]
                        self._lost,
                    )
                )

    def prune_files(self) -> None:
        """Delete its old result files; in the thread of outputs, as all that is done with them."""
        if self._files is not None:
            self._files.prune()

    def _lost(self) -> None:
        self._dropped_results += 1

    # -- figures ---------------------------------------------------------------------------------------------------

    @property
    def detectors(self) -> tuple[str, ...]:
        """Names of its detectors, in order."""
        return tuple(planned.name for planned in self.planned.detectors)

    @property
    def processed(self) -> int:
        """Frames that went through tracker and rules."""
        return self._processed

    @property
    def expects_results(self) -> bool:
        """Whether frames that are due should lead to results now."""
        return self.detecting and not self._refused and self.feed_status == "online"

    @property
    def due(self) -> int:
        """Frames that were due, analysed or not."""
        feed = self._feed
        return self._before[1] + (feed.stats().due if feed is not None else 0)

    def counters(self) -> dict[CounterKey, int]:
        """Its running totals, as they are published."""
        topics = self.topics
        if topics is not None:
            return topics.values()
        with self._held(_FACE_WAIT_S):
            return {key: total.value for key, total in self._totals.items()}

    @contextmanager
    def rules(self) -> Iterator[RuleSet | None]:
        """Its rules, which stand still meanwhile; ``None`` while there are none, or a thread hangs in them."""
        with self._held(_FACE_WAIT_S) as stand_still:
            yield self._analysis.rules if self._analysis is not None and stand_still else None

    @contextmanager
    def _held(self, wait_s: float) -> Iterator[bool]:
        """The camera's lock for one who asks, who must not wait for a thread that hangs; says whether it is held."""
        lock = self._lock
        held = lock.acquire(timeout=wait_s)
        try:
            yield held
        finally:
            if held:
                lock.release()

    @property
    def latencies(self) -> Histogram:
        """Milliseconds from the capture of the frames analysed in the last 15 to 30 s until they were handed over."""
        return self._latency.recent()

    def stats(self) -> CameraStats:
        """The camera's figures now."""
        feed = self._feed  # without the lock: figures must be had while a rule hangs
        stats = feed.stats() if feed is not None else None
        captured, due, skipped, gated = self._before
        if stats is not None:
            captured, due = captured + stats.captured, due + stats.due
            skipped, gated = skipped + stats.skipped, gated + stats.gated
        status, reason = self.status
        now = time.monotonic()
        return CameraStats(
            status=status,
            reason=reason,
            camera_fps=round(stats.capture_fps, 2) if stats is not None else 0.0,
            process_fps=round(self._process_rate.value(now), 2),
            detection_fps=round(self._detect_rate.value(now), 2),
            skipped_fps=self._skipped_fps(now, skipped),
            latency_ms=self._latency.summary(),
            reconnects=self._reconnects_before + (stats.reconnects if stats is not None else 0),
            observed_share=round(min(1.0, self._watched_s / max(now - self._started_s, 1e-9)), 4),
            gated_share=round(gated / due, 4) if due else 0.0,
            clock_skew_s=round(stats.skew_s, 3) if stats is not None and stats.skew_s is not None else None,
            captured=captured,
            processed=self._processed,
            detected=self._detected,
            skipped=skipped,
            gated=gated,
            dropped_results=self._dropped_results,
            detecting=self.detecting,
        )

    def _skipped_fps(self, now: float, skipped: int) -> float:
        """Frames skipped a second since the last look, a few seconds ago at least."""
        since, before, rate = self._skipped_seen
        if now - since >= 5:
            rate = (skipped - before) / (now - since)
            self._skipped_seen = (now, skipped, rate)
        return round(max(0.0, rate), 2)
