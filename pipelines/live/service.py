"""The service behind ``run``: starts everything, watches over it, reloads it, and ends it."""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from config.errors import SightlineError, sentences
from config.site import Server as ServerConfig
from config.site import Snapshots
from pipelines.analyze import sightline_version
from pipelines.live.camera import LiveCamera
from pipelines.live.engine import Engine
from pipelines.live.expiry import Expiry
from pipelines.live.face import CommandName, Health, Reloaded, SiteFace
from pipelines.live.figures import detector_stats
from pipelines.live.memory import few_arenas
from pipelines.live.models import Load, Model, found_by, labels_of, load, load_models
from pipelines.live.outputs import Outputs
from pipelines.live.plan import PlannedCamera, SitePlan, live_broker, plan_site
from pipelines.live.publishing import REPORT_S, CameraTopics, SitePublisher, SwitchName
from pipelines.live.running_face import RunningFace
from pipelines.live.spectators import Spectators
from pipelines.live.telling import Telling
from pipelines.live.watchdog import Watchdog, load_again_s
from pipelines.log_dir import PERCENTILES, LogDir
from pipelines.messages import ServiceStats, StatsPayload
from pipelines.stopping import ended_within, watching
from pipelines.systemd import Notifier
from streams.outbox import Outbox

log = logging.getLogger(__name__)
STATS_S = REPORT_S
TICK_S = 0.2
MOST_RESTARTS = 3
RESTARTS_WITHIN_S = 600.0
"""More restarts of hung threads within so many seconds end the service: each leaves a thread and a model behind."""
MOST_CHARACTERS = 2000
"""Of the report of a reload that failed."""
Serve = Callable[[ServerConfig, SiteFace], Callable[[], None]]
"""Starts the HTTP server over a running site; returns what stops it."""
HUNG_S = 10.0
"""Seconds without a turn of the main thread after which the service is said to hang."""
_LOOK_AT_FILE_S = 1.0
_TELL_AGAIN_S = 30.0
_END_S = 4.5
_LIMIT_S = 4.8
_ENGINE_END_S = 0.8
_FEED_END_S = 0.3
_BROKER_END_S = 1.5
_OUTPUTS_END_S = 0.5


class Service:
    """One running site. ``run`` is the main thread's; ``request_reload`` may be called from anywhere."""

    def __init__(
        self,
        path: Path,
        plan: SitePlan,
        realtime: bool = False,
        loop: bool = False,
        log_dir: Path | None = None,
        loader: Load = load,
        serve: Serve | None = None,
        on_plan: Callable[[SitePlan], None] = lambda plan: None,
        fingerprint: str | None = None,
        notifier: Notifier | None = None,
    ) -> None:
        """Prepare; nothing is connected or loaded before ``run``.

        Args:
            path: The site file, read again at a reload.
            plan: What it says now, checked.
            realtime: Files are played at their own pace.
            loop: Files start again at their end.
            log_dir: Where CSV and TensorBoard files go, if anywhere.
            loader: Loads a detector.
            serve: Starts the HTTP server of a site file that has one; returns what stops it.
            on_plan: Called with each plan that a reload brings, before it is used: it has new secrets.
            fingerprint: What ``fingerprint_of`` said of the site file before it was read; default: it has not changed.
            notifier: Tells systemd; default: a new one.
        """
        self._path = path
        self._plan = live_broker(plan)
        self._realtime, self._loop = realtime, loop
        self._loader = loader
        self._serve = serve
        self._on_plan = on_plan
        self._log_dir = LogDir(log_dir) if log_dir is not None else None
        self._started = time.time()
        self._started_s = time.monotonic()
        self._stop = threading.Event()
        self._reload_wanted = False  # no Event: a signal handler must not wait for its lock
        self._reloading: threading.Thread | None = None
        self._reloaded: tuple[SitePlan, dict[str, Model]] | None = None
        self._reload_error: str | None = None
        self._seen = self._looked = fingerprint or fingerprint_of(path)
        self._reading = self._seen  # what the reload under way has read
        self._over = (0, self._seen)  # reloads that are over, taken over or not, and what was read last
        self._error: Exception | None = None
        self._loaded = threading.Event()
        self._load_s = 0.0  # how long it took
        self._publisher: SitePublisher | None = None
        self._engine = Engine()
        self._outputs = Outputs()
        self._expiry = Expiry(self._outputs)
        self._cameras: dict[str, LiveCamera] = {}
        self.spectators = Spectators()
        self._watchdog = Watchdog()
        self._notifier = notifier or Notifier()
        self._switches: queue.SimpleQueue[tuple[SwitchName, str, bool]] = queue.SimpleQueue()
        self._restarts: deque[float] = deque(maxlen=2 * MOST_RESTARTS)
        self._beat_s = time.monotonic()
        self._tell = Telling(log, logging.ERROR, _TELL_AGAIN_S)
        self._lock = threading.Lock()

    # -- from outside ----------------------------------------------------------------------------------------------

    def request_reload(self) -> None:
        """Read the site file again as soon as possible; safe in a signal handler."""
        self._reload_wanted = True

    @property
    def path(self) -> Path:
        """The site file."""
        return self._path

    @property
    def plan(self) -> SitePlan:
        """What is in force."""
        return self._plan

    def live(self) -> dict[str, LiveCamera]:
        """The cameras at work by name; none before the models are loaded."""
        with self._lock:
            return dict(self._cameras)

    def topics(self, camera: str) -> CameraTopics | None:
        """Where a camera publishes, if it does."""
        publisher = self._publisher
        return publisher.topics(camera) if publisher is not None else None

    def ask(self, name: CommandName, camera: str, on: bool) -> None:
        """Have a camera switched or the site file read again, soon; any thread may ask."""
        self._command(name, camera, "ON" if on else "OFF")

    def stats(self) -> StatsPayload:
        """All figures now."""
        with self._lock:
            cameras, models, publisher = dict(self._cameras), dict(self._engine.models), self._publisher
        stats = {name: camera.stats() for name, camera in cameras.items()}
        figures = {name: (camera.detectors, stats[name], camera.latencies) for name, camera in cameras.items()}
        return StatsPayload(
            boot_id=publisher.factory.boot_id if publisher is not None else "",
            cameras=stats,
            detectors=detector_stats({name: model.stats() for name, model in models.items()}, figures),
            service=self._service_stats(None),
        )

    def reloaded(self) -> Reloaded:
        """What became of the reloads until now."""
        count, revision = self._over  # first: with a number comes what came of it
        return Reloaded(count, self._reload_error, revision)

    def health(self) -> Health:
        """Whether the process does its work, and the states of its parts; a camera that is away is no fault of ours."""
        with self._lock:
            cameras = {name: camera.status for name, camera in self._cameras.items()}
            not_detecting = [name for name, camera in self._cameras.items() if not camera.detecting]
        alive = time.monotonic() - self._beat_s < HUNG_S
        hung = [name for name, (status, reason) in cameras.items() if status == "degraded" and reason]
        state = "starting" if not self._loaded.is_set() else "degraded" if hung else "ok"
        return alive and self._loaded.is_set(), {
            "status": state if alive else "hung",
            "uptime": round(time.monotonic() - self._started_s, 1),
            "version": sightline_version(),
            "cameras": {name: status for name, (status, _) in cameras.items()},
            "reasons": {name: reason for name, (_, reason) in cameras.items() if reason},
            "not_detecting": not_detecting,
            "broker": self._broker(),
            "reload_error": self._reload_error,
        }

    # -- life ------------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, or every camera is a file that is over.

        Raises:
            SightlineError: It cannot begin (outbox, server, a model or a label), or a file was not read to its end.
        """
        self._stop = stop
        reason = "failed"
        stop_server: Callable[[], None] | None = None
        try:
            if self._serve is not None and self._plan.server is not None:
                stop_server = self._serve(self._plan.server, RunningFace(self))
            self._open_publisher(self._plan)  # last, so that a port in use leaves the topics alone
            self._outputs.start()
            threading.Thread(target=self._switch_all, name="switches", daemon=True).start()
            self._engine.start(self._load_and_start)
            reason = self._work()
            faults = [f"camera {name}: {camera.fault}" for name, camera in self._cameras.items() if camera.fault]
            if reason == "done" and faults:
                self._error = SightlineError("\n".join(faults))
        finally:
            self._close(reason, stop_server)
        if self._error is not None:
            raise self._error

    def _open_publisher(self, plan: SitePlan) -> None:
        """Connect and publish what is known before any model is loaded."""
        if plan.mqtt is None:
            return
        self._publisher = SitePublisher(plan, sightline_version(), self._command)
        for planned in plan.cameras.values():
            self._publisher.add(planned, planned.name in self._cameras)
        self._publisher.begin()

    def _load_and_start(self) -> None:
        """In the inference thread: load the models, then connect the cameras."""
        try:
            begin = time.monotonic()
            models = load_models(self._plan, self._loader, stopped=self._stop.is_set)
            self._load_s = time.monotonic() - begin
            if self._stop.is_set():
                return
            with self._lock:
                self._engine.models = models
                for planned in self._plan.cameras.values():
                    self._cameras[planned.name] = self._new_camera(planned)
                self._engine.cameras = tuple(self._cameras.values())
            for camera in self._cameras.values():
                camera.start()
            self._loaded.set()
            self._notifier.ready()
            log.info("models are loaded; cameras: %s", ", ".join(self._cameras))
        except Exception as error:  # raised by ``run``
            if self._stop.is_set():  # the signal that stops this process may have ended its children, too
                log.info("stopped while models were loaded: %s", error)
                return
            self._error = error

    def _new_camera(self, planned: PlannedCamera) -> LiveCamera:
        topics = self._publisher.topics(planned.name) if self._publisher is not None else None
        models = self._engine.models
        merged, by = labels_of(planned, models), found_by(planned, models)
        snapshots, spectators = _snapshots(self._plan), self.spectators
        return LiveCamera(planned, merged, by, topics, self._outputs, self._engine.wake, snapshots, spectators)

    def _work(self) -> str:
        """The main thread's loop; returns why it ended."""
        stats_at = time.monotonic() + STATS_S
        log_at = time.monotonic() + self._plan.site.log.stats_s
        file_at = time.monotonic()
        interval_s = self._notifier.interval_s
        notify_at = time.monotonic()
        while not self._stop.wait(TICK_S):
            now = self._beat_s = time.monotonic()
            if self._error is not None:
                return "failed"
            if interval_s is not None and now >= notify_at:
                notify_at = now + interval_s
                self._notifier.watchdog()
            if now >= file_at:
                file_at = now + _LOOK_AT_FILE_S
                self._guarded(self._look_at_file)
            self._guarded(self._reload_if_wanted)
            if self._loaded.is_set():
                self._guarded(partial(self._watch, now))
                self._expiry.look(now, self._plan, lambda: self._cameras)
                if self._all_over():
                    return "done"
            if now >= stats_at:
                stats_at = max(stats_at + STATS_S, now)
                self._guarded(self._report)
            if now >= log_at:
                log_at = max(log_at + self._plan.site.log.stats_s, now)
                self._guarded(self._log_stats)
        return "stopped"

    def _guarded(self, step: Callable[[], None]) -> None:
        """One step of a thread that must not end, for it serves for months: a fault in it is logged once in a while."""
        try:
            step()
        except Exception as error:
            name = getattr(getattr(step, "func", step), "__name__", "")
            self._tell(name, "a step of the service fails", error)

    def _all_over(self) -> bool:
        """Whether every camera is a file that has ended, and all its frames went through."""
        ended = [camera for camera in self._engine.cameras if camera.ended]
        if not ended or not self._engine.idle:
            return False
        for camera in ended:
            camera.finish()
        others = [camera for camera in self._engine.cameras if camera.enabled and not camera.ended]
        return not others and self._outputs.depth == 0

    def _close(self, reason: str, stop_server: Callable[[], None] | None) -> None:
        self._notifier.stopping()
        log.info("ending (%s)", reason)
        end = time.monotonic() + _END_S
        if stop_server is not None:
            server = threading.Thread(target=stop_server, daemon=True)
            server.start()
        final: StatsPayload | None = None
        with suppress(Exception):
            final = self.stats() if self._loaded.is_set() else None
        self._engine.leave()
        _close_all(self._cameras.values(), _FEED_END_S)
        self._engine.stop(_ENGINE_END_S)
        self._outputs.close(_OUTPUTS_END_S if reason != "done" else 10.0)
        if reason == "done":
            end = time.monotonic() + _END_S
        if self._publisher is not None:
            cameras = final.cameras if final is not None else {}
            detectors = final.detectors if final is not None else {}
            self._publisher.stats(cameras, detectors, self._service_stats(reason))
            connected = self._publisher.publisher.connected
            self._publisher.close(min(_BROKER_END_S, max(0.1, end - time.monotonic() - 2.0)) if connected else 0.1)
        if self._log_dir is not None:
            with suppress(SightlineError):
                if final is not None:
                    self._log_dir.write(final, time.monotonic() - self._started_s)
                self._log_dir.close()
        if stop_server is not None:
            server.join(max(0.1, end - time.monotonic()))

    # -- watching --------------------------------------------------------------------------------------------------

    def _watch(self, now: float) -> None:
        """Replace threads that hang: a camera's, or where frames come in and nothing goes out."""
        for camera in self._engine.cameras:
            camera.check()
        if not self._engine.prepared:
            limit_s = load_again_s(self._load_s)
            if self._error is None and self._engine.preparing_s(now) >= limit_s:
                text = f"the models could not be loaded again within {limit_s:.0f} s; the service ends to begin anew"
                self._error = SightlineError(text)
            return
        hung = self._watchdog.hung(self._engine.cameras, now)
        if not hung:
            return
        names = ", ".join(camera.name for camera in hung)
        log.error("%s: nothing goes out for %.0f s although frames come in", names, self._watchdog.limit_s)
        if self._engine.stuck_s(now) >= self._watchdog.limit_s / 2:  # else the threads are well, and one camera fails
            self._restarts.append(now)
            log.error("a thread hangs; it is left behind, and the models are loaded again")
            self._engine.restart(self._load_again)
            for camera in hung:
                camera.abandon()
            if len([moment for moment in self._restarts if now - moment < RESTARTS_WITHIN_S]) > MOST_RESTARTS:
                self._error = SightlineError(f"{names}: threads hang again and again; the service ends to begin anew")
        for camera in hung:
            camera.degrade("frames come in and nothing goes out")

    def _load_again(self) -> None:
        """In the new inference thread: models of its own, for the old thread may still hold the others."""
        try:
            plan = self._plan
            models = load_models(plan, self._loader, stopped=self._stop.is_set)
            with self._lock:
                if self._plan is plan:  # else a reload has brought its own meanwhile
                    self._engine.models = models
        except Exception as error:
            log.error("the models cannot be loaded again: %s", " ".join(sentences(error)))

    # -- reload ----------------------------------------------------------------------------------------------------

    def _command(self, name: str, camera: str, value: str) -> None:
        """A subscriber's wish; called in the network's thread, so that the slow ones are done elsewhere."""
        if name == "reload":
            log.info("reload is asked for")
            self.request_reload()
            return
        switch: SwitchName = "detect" if name == "detect" else "enabled"
        self._switches.put((switch, camera, value == "ON"))

    def _switch_all(self) -> None:
        """The thread that switches cameras, one after the other in the order they were asked for."""
        while not self._stop.is_set():
            with suppress(queue.Empty):
                switch, name, on = self._switches.get(timeout=TICK_S)
                self._guarded(partial(self._switch, switch, name, on))

    def _switch(self, switch: SwitchName, name: str, on: bool) -> None:
        with self._lock:
            camera = self._cameras.get(name)
            topics = self._publisher.topics(name) if self._publisher is not None else None
            if camera is None and topics is not None:  # it is not started yet, and begins as it is told now
                topics.set_switch(switch, on)
        if camera is not None:
            camera.switch(switch, on)

    def _look_at_file(self) -> None:
        seen, before = fingerprint_of(self._path), self._looked
        self._looked = seen
        if seen is None and before is not None:
            log.warning("%s cannot be read any more; everything goes on as before", self._path)
        if seen is not None and seen != self._seen and seen == before:  # else somebody is still writing
            log.info("%s has changed", self._path)
            self.request_reload()

    def _reload_if_wanted(self) -> None:
        """Read the site file in a thread of its own, then take it over here: loading a model takes seconds."""
        if self._reloading is not None:
            if self._reloading.is_alive():
                return
            self._reloading = None
            try:
                if self._reloaded is not None:
                    (plan, models), self._reloaded = self._reloaded, None
                    self._take_over(plan, models)
            except Exception:
                self._reload_error = "the site file is taken over in part only, for a step of it fails; see the log"
                raise
            finally:
                self._over = (self._over[0] + 1, self._reading)  # behind what came of it
                self._notifier.ready()
            return
        if self._reload_wanted and self._loaded.is_set():
            self._reload_wanted = False
            self._notifier.reloading()
            self._reloading = threading.Thread(target=self._read_again, name="reload", daemon=True)
            self._reloading.start()

    def _read_again(self) -> None:
        self._seen = self._reading = fingerprint_of(self._path)
        try:
            try:
                plan = live_broker(plan_site(self._path, self._realtime, self._loop, log.info))
            finally:
                if fingerprint_of(self._path) != self._seen:
                    self._reading = None  # which of the two was read, nobody knows; it is read again
            self._on_plan(plan)
            self._try_outbox(plan)
            models = load_models(plan, self._loader, self._engine.models, self._stop.is_set)
            self._reloaded = (plan, models)
        except Exception as error:
            self._reload_error = " ".join(sentences(error))[:MOST_CHARACTERS]
            log.error("%s is not taken over, everything goes on as before: %s", self._path, self._reload_error)

    def _try_outbox(self, plan: SitePlan) -> None:
        """Open another outbox before this one is given up.

        Raises:
            OutputError: It cannot be opened, or belongs to another process.
        """
        if plan.mqtt is None:
            return
        path, old = plan.document.resolve(plan.mqtt.outbox.path), self._plan.mqtt
        if old is None or path != self._plan.document.resolve(old.outbox.path):
            Outbox(path, "", max_mb=plan.mqtt.outbox.max_mb, expiry_s=plan.mqtt.outbox.expiry_s).close()

    def _take_over(self, plan: SitePlan, models: dict[str, Model]) -> None:
        """Change what has changed; what has not goes on untouched."""
        old = self._plan
        new_broker = (
            plan.publication != old.publication
            or plan.mqtt != old.mqtt
            or (plan.mqtt is not None and self._publisher is None)
        )
        kept = {
            name
            for name, camera in self._cameras.items()
            if name in plan.cameras and camera.planned.same_as(plan.cameras[name])
        }
        gone = {name: camera for name, camera in self._cameras.items() if name not in kept}
        with self._lock:
            self._engine.cameras = tuple(camera for name, camera in self._cameras.items() if name in kept)
            self._cameras = {name: self._cameras[name] for name in kept}
            self._plan, self._reload_error = plan, None  # nobody is told the new plan with the old error
            before, self._engine.models = self._engine.models, models
        self._engine.retire(model for model in before.values() if all(model is not one for one in models.values()))
        _close_all(gone.values(), _FEED_END_S)
        self._change_topics(plan, old if new_broker else None, gone)
        new = [planned for name, planned in plan.cameras.items() if name not in kept]
        added = {planned.name: self._new_camera(planned) for planned in new}
        with self._lock:
            self._cameras = {name: (self._cameras | added)[name] for name in plan.cameras}
            self._engine.cameras = tuple(self._cameras.values())
        for camera in added.values():
            camera.start()
        for block in ("server", "log"):
            if getattr(plan.site, block) != getattr(old.site, block):
                log.warning("%s: a change of '%s' needs a restart", self._path, block)
        old_names, new_names = set(gone), set(added)
        log.info(
            "%s is taken over: cameras: %d as before, %d changed, %d new, %d gone",
            self._path, len(kept), len(old_names & new_names), len(new_names - old_names), len(old_names - new_names),
        )  # fmt: skip

    def _change_topics(self, plan: SitePlan, old: SitePlan | None, gone: dict[str, LiveCamera]) -> None:
        """Clear what is no longer ours, announce what is new.

        Args:
            plan: What holds from now on.
            old: What held before, where the connection to the broker must be made anew.
            gone: Cameras that have ended.
        """
        if old is not None and not self._change_broker(plan, old):
            return
        if self._publisher is None:
            return
        self._publisher.use(plan)
        for name in gone:
            self._publisher.replace(name, plan.cameras.get(name))
        for name, planned in plan.cameras.items():
            if self._publisher.topics(name) is None:
                self._publisher.announce(self._publisher.add(planned))
        self._publisher.announce_home()

    def _change_broker(self, plan: SitePlan, old: SitePlan) -> bool:
        """Connect as a reloaded plan says; returns whether cameras are still to be announced."""
        try:
            if plan.mqtt is not None and self._publisher is not None:
                self._publisher.reconnect(plan, elsewhere=not _same_topics(old, plan))
                for camera in self._cameras.values():
                    camera.use(_snapshots(plan))
                return True
            for camera in self._cameras.values():
                camera.detach()
            if self._publisher is not None:
                self._publisher.take_back()
                self._publisher.close(_BROKER_END_S)
                self._publisher = None
            self._open_publisher(plan)
        except (SightlineError, OSError) as error:
            self._publisher = None
            self._reload_error = " ".join(sentences(error))
            log.error("nothing is published until the next reload: %s", self._reload_error)
        for name, camera in self._cameras.items():
            camera.attach(self._publisher.topics(name) if self._publisher is not None else None, _snapshots(plan))
        return False

    # -- reports ---------------------------------------------------------------------------------------------------

    def _broker(self) -> str | None:
        site = self._publisher
        return None if site is None else "connected" if site.publisher.connected else site.publisher.refusal or "away"

    def _service_stats(self, reason: str | None) -> ServiceStats:
        site = self._publisher
        publisher = site.publisher if site is not None else None
        reloaded = self.reloaded()
        return ServiceStats(
            uptime=round(time.monotonic() - self._started_s, 1),
            version=sightline_version(),
            rss_mb=round(psutil.Process().memory_info().rss / 1e6, 1),
            spooled=publisher.depth if publisher is not None else 0,
            dropped=site.dropped if site is not None else 0,
            reason=reason,
            broker=self._broker(),
            queues={"results": self._engine.depth, "outputs": self._outputs.depth},
            reload_error=reloaded.error,
            reloads=reloaded.count,
            restarts=self._engine.restarts,
        )

    def _report(self) -> None:
        stats = self.stats()
        online = sum(camera.status == "online" for camera in stats.cameras.values())
        said = f"{online} of {len(stats.cameras)} cameras online; broker {stats.service.broker or 'not used'}"
        fault = "; the last reload failed, see the log" if self._reload_error else ""
        self._notifier.status(said + fault)
        if self._publisher is not None:
            self._publisher.stats(stats.cameras, stats.detectors, stats.service)
        if self._log_dir is not None:
            try:
                self._log_dir.write(stats, time.monotonic() - self._started_s)
            except SightlineError as error:
                log.warning("%s", error)

    def _log_stats(self) -> None:
        """One line for each camera and detector."""
        stats = self.stats()
        for name, camera in stats.cameras.items():
            p50, p95, p99 = (camera.latency_ms[key] for key in ("p50", "p95", "p99"))
            log.info(
                "camera %s: %s%s%s; %.1f captured, %.1f processed, %.1f detected, %.1f skipped FPS; "
                "latency %.0f/%.0f/%.0f ms; %d reconnects; %.1f %% observed; %.1f %% gated",
                name, camera.status, f" ({camera.reason})" if camera.reason else "",
                "" if camera.detecting else ", detection is switched off",
                camera.camera_fps, camera.process_fps, camera.detection_fps, camera.skipped_fps,
                p50, p95, p99, camera.reconnects, camera.observed_share * 100, camera.gated_share * 100,
                extra={"fields": {"camera": name, **camera.model_dump()}},
            )  # fmt: skip
        for name, detector in stats.detectors.items():
            times = "/".join(f"{detector.inference_ms[key]:.1f}" for key in PERCENTILES)
            latency = "/".join(f"{detector.latency_ms[key]:.0f}" for key in PERCENTILES)
            log.info(
                "detector %s: %s %s %s %s: %.1f captured, %.1f processed, %.1f detected, %.1f skipped FPS; "
                "latency %s ms; inference %s ms",
                name, detector.framework, detector.precision, detector.device, detector.model, detector.camera_fps,
                detector.process_fps, detector.fps, detector.skipped_fps, latency, times,
                extra={"fields": {"detector": name, **detector.model_dump()}},
            )  # fmt: skip
        service = stats.service
        log.info(
            "service: %.0f MB; %s; outbox %d; dropped %d", service.rss_mb,
            f"broker {service.broker}" if service.broker else "no broker", service.spooled,
            service.dropped, extra={"fields": service.model_dump()},
        )  # fmt: skip


def _snapshots(plan: SitePlan) -> Snapshots | None:
    """How snapshots are made, if they are."""
    return plan.mqtt.snapshots if plan.mqtt is not None and plan.mqtt.snapshots.enabled else None


def _same_topics(old: SitePlan, new: SitePlan) -> bool:
    """Whether two plans publish on the same broker under the same prefixes."""
    if old.mqtt is None or new.mqtt is None:
        return old.mqtt is new.mqtt
    places = [
        (site.publication.broker.host, site.publication.broker.port, mqtt.prefix, mqtt.home_assistant)
        for site, mqtt in ((old, old.mqtt), (new, new.mqtt))
        if site.publication is not None
    ]
    return places[0] == places[-1]


def _close_all(cameras: Iterable[LiveCamera], timeout_s: float) -> None:
    """Disconnect cameras for good, all at the same time."""
    threads = [threading.Thread(target=camera.close, args=(timeout_s,), daemon=True) for camera in cameras]
    for thread in threads:
        thread.start()
    end = time.monotonic() + timeout_s + 0.2
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def fingerprint_of(path: Path) -> str | None:
    """What the site file holds; ``None`` while it cannot be read (an editor is writing it)."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def run_site(
    path: Path,
    stop: threading.Event,
    on_service: Callable[[Service], None],
    realtime: bool = False,
    loop: bool = False,
    log_dir: Path | None = None,
    set_up_logs: Callable[[SitePlan], None] = lambda plan: None,
    serve: Serve | None = None,
) -> None:
    """Do what ``run`` was asked for.

    Args:
        path: The site file.
        stop: Set by a signal.
        on_service: Given the service once there is one, to pass on signals.
        realtime: Files are played at their own pace.
        loop: Files start again at their end.
        log_dir: Where CSV and TensorBoard files go, if anywhere.
        set_up_logs: Called as soon as it is known what must not be shown.
        serve: Starts the HTTP server.

    Raises:
        ConfigError: The site file is wrong; nothing was started.
        SightlineError: It cannot begin.
    """
    few_arenas()
    notifier = Notifier()
    notifier.starting()
    seen = fingerprint_of(path)  # a change from now on is a reload
    plan = plan_site(path, realtime, loop, log.info)
    set_up_logs(plan)
    service = Service(
        path, plan, realtime, loop, log_dir, serve=serve, on_plan=set_up_logs, fingerprint=seen, notifier=notifier
    )
    on_service(service)
    with watching(stop), ended_within(stop, _LIMIT_S):
        service.run(stop)
