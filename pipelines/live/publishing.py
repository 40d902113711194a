"""What a site publishes: retained state that is true, events that are not lost, counts that outlive the process."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from config.site import Mqtt
from pipelines.events import ObjectEvent, ObjectState
from pipelines.geometry import Xy
from pipelines.home_assistant import discovery
from pipelines.live.counters import certain_counters, open_places
from pipelines.live.plan import PlannedCamera, SitePlan
from pipelines.live.telling import Telling
from pipelines.live.totals import Notes, Total, Totals
from pipelines.messages import CameraStats, DetectorStats, MessageFactory, ServiceStats, topic_word, zones_by_track
from pipelines.metrics import Pace
from pipelines.values import CounterKey, FrameResult
from streams.message import Message
from streams.mqtt import MqttPublisher, is_event
from streams.outbox import Outbox

log = logging.getLogger(__name__)
CameraStatus = Literal["online", "offline", "disabled", "degraded"]
SwitchName = Literal["detect", "enabled"]
_TELL_AGAIN_S = 10.0
_CLOSE_S = 1.5
_MOST_HELD = 20_000
REPORT_S = 10.0
"""Seconds between two calls of ``SitePublisher.stats``."""
Command = Callable[[str, str, str], None]
"""Called with ``reload`` and two empty words, or ``detect`` or ``enabled``, the camera, and ``ON`` or ``OFF``."""


class CameraTopics:
    """The topics of one camera. Any thread may call it.

    Values change and are handed to the publisher under one lock: the retained state never shows what is not on its way.
    """

    def __init__(
        self, site: SitePublisher, planned: PlannedCamera, notes: Mapping[str, str], is_running: bool = False
    ) -> None:
        """Take up what was kept of the camera's counters and switches."""
        self.name = planned.name
        self.status: CameraStatus = "offline"
        self._site = site
        self._closed = False
        now = time.time()
        places = open_places(planned.plan.rules)
        self.totals = Totals(planned.name, certain_counters(planned.plan), places, notes, now)
        self.switches: dict[SwitchName, bool] = {
            "detect": notes.get(f"switch/{self.name}/detect", "ON") == "ON",
            "enabled": _enabled(notes.get(f"switch/{self.name}/enabled", ""), planned.config.enabled),
        }
        self._enabled_by_file = planned.config.enabled
        key = f"switch/{self.name}/enabled"
        self._overruled: Notes = {key: None} if key in notes and not _holds(notes[key], planned.config.enabled) else {}
        self._snapshots: set[str] = set()
        labels = planned.plan.labels
        self._label_words = None if labels is None else {topic_word(label) for label in labels}
        self._left_open = [] if is_running else _left_open(notes, self.name)
        self.status = "offline" if self.switches["enabled"] else "disabled"
        self._pace = Pace(site.mqtt.detections.max_hz)
        self._lock = site.order

    @property
    def _factory(self) -> MessageFactory:
        return self._site.factory

    def use(self, mqtt: Mqtt) -> None:
        """Go on with another block of the site file."""
        with self._lock:
            self._pace = Pace(mqtt.detections.max_hz)

    def close(self) -> None:
        """Publish nothing any more: what a camera that is stopped still says, its successor may have made wrong."""
        with self._lock:
            self._closed = True

    def retained(self) -> list[Message]:
        """The retained state as it is now."""
        with self._lock:
            messages = [self._factory.status(self.name, self.status)]
            messages += [self._factory.switch(self.name, name, on) for name, on in self.switches.items()]
            messages += [message for key, total in self.totals.items() for message in self._counter(key, total)]
        return messages

    def counter_keys(self) -> list[CounterKey]:
        """Every counter that is published."""
        with self._lock:
            return [key for key, _ in self.totals.items()]

    def values(self) -> dict[CounterKey, int]:
        """Every counter's published value."""
        with self._lock:
            return {key: total.value for key, total in self.totals.items()}

    def nobody(self, events: Sequence[ObjectEvent]) -> None:
        """Publish ends of objects, and that nobody is in the zones."""
        with self._lock:
            messages = [self._factory.object_event(event) for event in events] + self._nobody()
            self._publish(messages, self._open_notes(events))

    def take_up(self) -> None:
        """End the objects that were in sight when an earlier process was killed, and keep counters that begin now."""
        events = [_ended(state) for state in self._left_open]
        self._left_open = []
        with self._lock:
            notes: Notes = {**self.totals.begun, **self._overruled}
            self.totals.begun, self._overruled = {}, {}
            messages = [self._factory.object_event(event) for event in events]
            self._publish(messages, {**notes, **self._open_notes(events)})

    def set_status(self, status: CameraStatus, events: Sequence[ObjectEvent] = ()) -> None:
        """Publish the camera's state; unless it is watched, nobody is said to be in its zones.

        Args:
            status: The new state.
            events: Ends of objects that were in sight.
        """
        with self._lock:
            self.status = status
            messages = [self._factory.object_event(event) for event in events]
            messages.append(self._factory.status(self.name, status))
            messages += self._nobody() if status != "online" else []
            self._publish(messages, {**self.totals.watched(), **self._open_notes(events)})

    def set_switch(self, name: SwitchName, on: bool, events: Sequence[ObjectEvent] = ()) -> None:
        """Publish and keep the state of a switch; with ``detect`` off, nobody is said to be in the zones."""
        with self._lock:
            self.switches[name] = on
            messages = [self._factory.object_event(event) for event in events]
            messages.append(self._factory.switch(self.name, name, on))
            messages += self._nobody() if not on else []
            text = "ON" if on else "OFF"
            if name == "enabled":
                text += f" over {self._enabled_by_file}"
            notes: Notes = {f"switch/{self.name}/{name}": text, **self._open_notes(events)}
            self._publish(messages, notes)

    def result(
        self,
        result: FrameResult,
        events: Sequence[ObjectEvent],
        zones: Mapping[str, Sequence[Xy]],
        framework: str,
        model: str,
        watched_s: float,
    ) -> None:
        """Publish what one frame brought: rule events, object events, changed counters, and now and then the boxes.

        Args:
            result: The frame's result.
            events: Steps in the lives of its objects.
            zones: Polygons in pixels, by name.
            framework: What found the boxes.
            model: Likewise.
            watched_s: Seconds by which this frame lengthens the time the camera was watched.
        """
        with self._lock:
            self.totals.watched_s += watched_s
            known = len(self.totals)
            changed, notes = self.totals.update(result.counters, time.time())
            messages = [self._factory.object_event(event) for event in events]
            messages += [self._factory.rule_event(event) for event in result.events]
            for key, total in changed:
                messages += self._counter(key, total)
            if self._wants_detections(result):
                inside = zones_by_track(result, zones)
                messages.append(self._factory.detections(result, framework, model, inside))
            self._publish(messages, {**notes, **self._open_notes(events)})
        if len(self.totals) > known:
            self._site.announce_home()

    def _wants_detections(self, result: FrameResult) -> bool:
        return self._site.mqtt.detections.enabled and result.analysed and self._pace.due(time.monotonic())

    def refresh(self) -> None:
        """Tell counters again that have not changed for a minute: their ``as_of`` and ``observed_s`` have."""
        with self._lock:
            stale = self.totals.stale(time.time(), REPORT_S)
            self._publish([self._counter(key, total)[1] for key, total in stale], {})

    def rules_restart(self) -> None:
        """The rules begin at 0 again; the totals stay."""
        with self._lock:
            self.totals.restart()

    def snapshot(self, label: str, jpeg: bytes) -> None:
        """Publish the best view of a label."""
        message = self._factory.snapshot(self.name, label, jpeg)
        self._snapshots.add(message.topic)
        self._publish([message], {})

    def may_show(self, word: str) -> bool:
        """Whether a label, as a word of a topic, is one of those that this camera watches for."""
        return self._label_words is None or word in self._label_words

    def retained_topics(self) -> set[str]:
        """Every retained topic of this camera, snapshots included."""
        return {message.topic for message in self.retained()} | self._snapshots

    def _nobody(self) -> list[Message]:
        return [message for key, total in self.totals.empty() for message in self._counter(key, total)]

    def _counter(self, key: CounterKey, total: Total) -> tuple[Message, Message]:
        observed_s = self.totals.observed_s(total)
        return self._factory.counter(self.name, key, total.value, total.since, time.time(), observed_s)

    def _open_notes(self, events: Sequence[ObjectEvent]) -> Notes:
        """Objects in sight are kept, so that they can be ended after a kill."""
        return {
            f"open/{self.name}/{event.after.id}": None if event.type == "end" else event.after.model_dump_json()
            for event in events
        }

    def _publish(self, messages: Sequence[Message], notes: Notes) -> None:
        if (messages or notes) and not self._closed:
            self._site.publish(messages, notes)


class SitePublisher:
    """The connection of a site to its broker, and the topics of its cameras."""

    def __init__(self, plan: SitePlan, version: str, command: Command) -> None:
        """Open the outbox; nothing is sent before ``begin``.

        Args:
            plan: A plan with a broker.
            version: Sightline's version.
            command: Told what subscribers ask for.

        Raises:
            OutputError: The outbox cannot be opened, or belongs to another process.
            ConfigError: A file of the TLS settings cannot be loaded.
            ValueError: The plan has no broker.
        """
        self._version = version
        self._command = command
        self._online, self._taken_back = True, False
        self._held: deque[tuple[Sequence[Message], Notes]] | None = None
        self._dropped_before = 0
        self._tell = Telling(log, logging.WARNING, _TELL_AGAIN_S)
        self._cameras: dict[str, CameraTopics] = {}
        self._home_topics: set[str] = set()
        self._lock = threading.Lock()
        self.order = threading.RLock()
        """Held while messages are numbered and handed over: their numbers and their order agree over all cameras."""
        self._open(plan)
        self.factory = MessageFactory(self.mqtt.prefix)
        self.notes = dict(self._outbox.read_notes(""))
        """What is kept, as the outbox will have it."""

    def _open(self, plan: SitePlan) -> None:
        if plan.mqtt is None or plan.publication is None:
            raise ValueError("the plan has no broker")
        self.mqtt: Mqtt = plan.mqtt
        self._plan = plan
        outbox = self.mqtt.outbox
        path = plan.document.resolve(outbox.path)
        broker = plan.publication.broker
        target = f"{broker}/{self.mqtt.prefix}"
        self._outbox = Outbox(path, target, max_mb=outbox.max_mb, expiry_s=outbox.expiry_s)
        prefix = self.mqtt.prefix
        self._commands = [f"{prefix}/+/detect/set", f"{prefix}/+/enabled/set"]
        if self.mqtt.commands.reload:
            self._commands.append(f"{prefix}/command")
        self._home = f"{self.mqtt.home_assistant.prefix}/status" if self.mqtt.home_assistant.enabled else None
        self.publisher = MqttPublisher(
            broker,
            plan.publication.client_id,
            MessageFactory(prefix).available(False),
            self._retained,
            self._outbox,
            subscriptions=[*self._commands, *([self._home] if self._home else [])],
            on_message=self._on_message,
            is_kept=self._is_snapshot,
        )

    def add(self, planned: PlannedCamera, is_running: bool = False) -> CameraTopics:
        """Take up a camera; its retained state is published with the next connection, or by ``announce``.

        Args:
            planned: The camera.
            is_running: Whether it runs already: the objects in its sight go on.
        """
        with self._lock:
            notes = dict(self.notes)
        topics = CameraTopics(self, planned, notes, is_running)
        with self._lock:
            self._cameras[planned.name] = topics
        return topics

    def topics(self, name: str) -> CameraTopics | None:
        """The topics of a camera, if it has any."""
        with self._lock:
            return self._cameras.get(name)

    def begin(self) -> None:
        """Connect, now or as soon as the broker is there, and publish the retained state."""
        self.publisher.begin()
        for topics in self._all():
            topics.take_up()
        self._end_left_open()

    def _end_left_open(self) -> None:
        """End the objects of cameras that were taken away while no process ran."""
        with self._lock:
            keys = [key for key in self.notes if key.startswith("open/") and key.split("/")[1] not in self._cameras]
            notes = {key: self.notes[key] for key in keys}
        for name in {key.split("/")[1] for key in keys}:
            events = [_ended(state) for state in _left_open(notes, name)]
            with self.order:
                self.publish([self.factory.object_event(event) for event in events], {})
        if keys:
            self.publish([], dict.fromkeys(keys))

    def announce(self, topics: CameraTopics) -> None:
        """Publish the state of a camera that came with a reload."""
        self.publisher.publish(*topics.retained())
        topics.take_up()

    def replace(self, name: str, planned: PlannedCamera | None) -> None:
        """Take a camera away, or put a changed one in its place; retained topics that are no longer ours are cleared.

        Args:
            name: The camera.
            planned: What takes its place, if anything.
        """
        with self._lock:
            topics = self._cameras.pop(name, None)
        if topics is None:
            return
        topics.close()
        gone = topics.retained_topics()
        if planned is None:
            self._end_left_open()
        else:
            new = self.add(planned)
            gone = {topic for topic in gone - new.retained_topics() if not self._is_snapshot(topic)}
            self.announce(new)
        self.publisher.publish(*(Message(topic, b"", qos=1, retain=True) for topic in sorted(gone)))

    def publish(self, messages: Sequence[Message], notes: Notes) -> None:
        """Publish messages, and keep notes, as one unit."""
        with self.order, self._lock:
            for key, value in notes.items():
                if value is None:
                    self.notes.pop(key, None)
                else:
                    self.notes[key] = value
            held = self._held
            if held is not None:
                held.append((messages, notes))
                return
        self.publisher.publish(*messages, notes=notes)

    @property
    def dropped(self) -> int:
        """Messages lost since the start of the process, on earlier connections too."""
        return self._dropped_before + self.publisher.dropped

    def reconnect(self, plan: SitePlan, elsewhere: bool) -> None:
        """Go on at the broker of a reloaded plan: what is published meanwhile waits, totals and objects go on.

        Args:
            plan: A plan with a broker.
            elsewhere: It is another broker or prefix: what is retained at the old one is cleared.

        Raises:
            OutputError: The outbox cannot be opened; nothing is published any more.
            ConfigError: A file of the TLS settings cannot be loaded; likewise.
        """
        with self.order:
            self._held = deque(maxlen=_MOST_HELD)
        if elsewhere:
            self._take_back()
        self.close(_CLOSE_S)
        self._dropped_before += self.publisher.dropped
        before = self.mqtt.prefix
        self._open(plan)
        self._online, self._taken_back = True, False
        kept = self._outbox.read_notes("")
        with self.order:
            if self.mqtt.prefix != before:
                self.factory = MessageFactory(self.mqtt.prefix, self.factory.boot_id)
            with self._lock:
                notes: Notes = {key: value for key, value in self.notes.items() if kept.get(key) != value}
                notes |= dict.fromkeys(key for key in kept if key not in self.notes)
                waiting, self._held = self._held or (), None
            self.publisher.publish(notes=notes)
            for messages, more in waiting:
                events = (_moved(message, before, self.mqtt.prefix) for message in messages if is_event(message))
                self.publisher.publish(*events, notes=more)
        for topics in self._all():
            topics.use(self.mqtt)
        self.publisher.begin()

    def stats(
        self, cameras: Mapping[str, CameraStats], detectors: Mapping[str, DetectorStats], service: ServiceStats
    ) -> None:
        """Publish the regular report, and counters not told for a minute; keep how long each camera was watched."""
        notes: Notes = {}
        for topics in self._all():
            notes |= topics.totals.watched()
            topics.refresh()
        try:
            message = self.factory.stats(cameras, detectors, service)
        except ValueError as error:  # hundreds of cameras
            log.warning("%s; cameras are left out", error)
            message = self.factory.stats({}, detectors, service)
        self.publish([message], notes)

    def take_back(self) -> None:
        """Clear every retained topic, before the end: the site is not published any more."""
        self._take_back()
        with self._lock:
            self._cameras = {}

    def _take_back(self) -> None:
        topics = {topic for camera in self._all() for topic in camera.retained_topics()} | self._outbox.topics
        with self._lock:
            topics |= self._home_topics
            self._home_topics = set()
        self._taken_back = True
        self.publisher.publish(*(Message(topic, b"", qos=1, retain=True) for topic in sorted(topics)))

    def close(self, timeout_s: float) -> None:
        """Publish the end and disconnect; what was not confirmed waits in the outbox for the next start."""
        self._online = False
        last = self.factory.available(False)
        self.publisher.publish(replace(last, payload=b"") if self._taken_back else last)
        waiting = self.publisher.close(timeout_s)
        if waiting:
            log.warning(
                "MQTT broker %s: %d messages are not confirmed; they wait in %s",
                self.publisher.broker, waiting, self._plan.document.resolve(self.mqtt.outbox.path),
            )  # fmt: skip

    def _all(self) -> list[CameraTopics]:
        with self._lock:
            return list(self._cameras.values())

    def _retained(self) -> Iterable[Message]:
        yield self.factory.available(self._online)
        for topics in self._all():
            yield from topics.retained()
        home = list(self._discovery())
        with self._lock:
            self._home_topics = {message.topic for message in home}
        yield from home

    def _discovery(self) -> Iterable[Message]:
        home = self.mqtt.home_assistant
        if not home.enabled:
            return []
        snapshots = {
            name: camera.plan.labels or () if self.mqtt.snapshots.enabled else ()
            for name, camera in self._plan.cameras.items()
        }
        cameras = {topics.name: topics.counter_keys() for topics in self._all()}
        return discovery(home.prefix, self.mqtt.prefix, self._plan.site.site, self._version, cameras, snapshots)

    def announce_home(self) -> None:
        """Tell Home Assistant what there is, and take back what there is no longer; does nothing unless asked for."""
        if not self.mqtt.home_assistant.enabled:
            return
        messages = list(self._discovery())
        topics = {message.topic for message in messages}
        with self._lock:
            gone, self._home_topics = self._home_topics - topics, topics
        self.publisher.publish(*messages, *(Message(topic, b"", qos=1, retain=True) for topic in sorted(gone)))

    def use(self, plan: SitePlan) -> None:
        """Go on with a reloaded plan that has the same broker."""
        self._plan = plan

    def _is_snapshot(self, topic: str) -> bool:
        """Whether a retained topic is a snapshot of a camera that is still there: it stays until there is a newer."""
        if not self.mqtt.snapshots.enabled or not topic.endswith("/snapshot"):
            return False
        with self._lock:
            cameras = {topic_word(name): camera for name, camera in self._cameras.items()}
        if not topic.startswith(f"{self.mqtt.prefix}/"):
            return False
        name, _, label = topic.removeprefix(f"{self.mqtt.prefix}/").removesuffix("/snapshot").partition("/")
        return name in cameras and cameras[name].may_show(label)

    def _on_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """What subscribers ask for; called in the network's thread."""
        text = payload.decode("utf-8", "replace").strip()
        if topic == self._home:
            if text == "online":
                self.announce_home()
            return
        words = topic.removeprefix(f"{self.mqtt.prefix}/").split("/")
        if words == ["command"] and text == "reload":
            if not retained:  # else every connection would ask for one more
                self._command("reload", "", "")
            return
        if len(words) == 3 and words[1] in ("detect", "enabled") and words[2] == "set" and text in ("ON", "OFF"):
            with self._lock:
                known = words[0] in self._cameras
            if known:
                self._command(words[1], words[0], text)
                return
        self._tell("commands", f"MQTT topic {topic}: {text[:40]!r} is not understood")


def _moved(message: Message, before: str, prefix: str) -> Message:
    """A message with another prefix of its topic."""
    return message if before == prefix else replace(message, topic=prefix + message.topic.removeprefix(before))


def _enabled(note: str, by_file: bool) -> bool:
    """Whether a camera is on: as it was switched last, unless the site file says something else since then."""
    return note.startswith("ON") if _holds(note, by_file) else by_file


def _holds(note: str, by_file: bool) -> bool:
    """Whether a camera was switched since the site file says what it says."""
    return note.partition(" over ")[2] == str(by_file)


def _ended(state: ObjectState) -> ObjectEvent:
    return ObjectEvent("end", state, state.model_copy(update={"end_time": state.frame_time}))


def _left_open(notes: Mapping[str, str], camera: str) -> list[ObjectState]:
    """Objects that were in sight when an earlier process ended without a word."""
    found = []
    for key, text in notes.items():
        if key.startswith(f"open/{camera}/"):
            try:
                found.append(ObjectState.model_validate(json.loads(text)))
            except ValueError:
                log.warning("a kept object (%s) cannot be read; its end is not published", key)
    return found
