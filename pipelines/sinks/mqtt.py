"""Frame results as MQTT messages."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from pipelines.geometry import Xy
from pipelines.loaded import Together
from pipelines.messages import CameraStats, MessageFactory, ServiceStats, zones_by_track
from pipelines.metrics import Pace, RunMetrics
from pipelines.values import CounterKey, FrameResult, grows
from streams.message import Message
from streams.mqtt import Broker, MqttPublisher

STATS_S = 10.0
_LAST_WAIT_S = 5.0
_SHORT_WAIT_S = 1.5
"""How long the last messages may wait for a broker that is away; short where someone wants us to stop."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published, and how.

    Attributes:
        broker: Where to.
        prefix: Topic prefix.
        client_id: Stable for this site and camera.
        detections: Whether there is a message for each frame.
        max_hz: Detections messages per second at most.
    """

    broker: Broker
    prefix: str = "sightline"
    client_id: str = "sightline"
    detections: bool = True
    max_hz: float = 10.0


class MqttSink:
    """Publishes one camera's results. The broker never holds the analysis up."""

    def __init__(
        self,
        publication: Publication,
        camera: str,
        zones: Mapping[str, tuple[Xy, ...]],
        counters: Mapping[CounterKey, int],
        metrics: RunMetrics,
        detectors: Together,
        version: str,
    ) -> None:
        """Connect and publish the birth and the retained state.

        Args:
            publication: Broker, prefix and what to publish.
            camera: Name of the camera in the topics.
            zones: Zones in pixels, to say in which zones an object is.
            counters: The counters before the first frame, zeros included.
            metrics: The run's rates and times, for ``stats``.
            detectors: What finds the objects.
            version: Sightline's version, for ``stats``.

        Raises:
            BrokerError: The broker cannot be reached or refuses the login.
        """
        self._publication = publication
        self._camera = camera
        self._zones = zones
        self._metrics = metrics
        self._version = version
        self._factory = MessageFactory(publication.prefix)
        self._counters = dict(counters)
        self._status = "online"
        self._started = time.time()
        self._observed_s = 0.0
        self._pace = Pace(publication.max_hz)
        self._next_stats = time.monotonic() + STATS_S
        self._detectors = detectors
        self._found_by = detectors.info
        self._closed = False
        self.undelivered = 0
        self.publisher = MqttPublisher(
            publication.broker, publication.client_id, self._factory.available(False), self._retained
        ).start()

    def _retained(self) -> Iterable[Message]:
        yield self._factory.available(not self._closed)
        yield self._factory.status(self._camera, self._status)
        for key, value in list(self._counters.items()):
            yield from self._counter(key, value)

    def _counter(self, key: CounterKey, value: int) -> tuple[Message, Message]:
        return self._factory.counter(self._camera, key, value, self._started, time.time(), self._observed_s)

    def write(self, result: FrameResult) -> None:
        """Publish a frame's events and changed counters, and its boxes at most ``max_hz`` times a second."""
        self._observed_s = result.frame.pts_s
        for event in result.events:
            self.publisher.publish(self._factory.rule_event(event))
        for key, value in result.counters.items():
            if self._counters.get(key) != value:
                self._counters[key] = value
                for message in self._counter(key, value):
                    self.publisher.publish(message)
        now = time.monotonic()
        if self._publication.detections and self._pace.due(now):
            self._publish_detections(result)
        if now >= self._next_stats:
            self._next_stats = now + STATS_S
            self.publisher.publish(self._stats(None))

    def _publish_detections(self, result: FrameResult) -> None:
        zones = zones_by_track(result, self._zones)
        framework, model = self._found_by.framework, self._found_by.model
        self.publisher.publish(self._factory.detections(result, framework, model, zones))

    def _stats(self, reason: str | None) -> Message:
        metrics = self._metrics
        fps = round(metrics.rate.value(), 2)
        camera = CameraStats(
            camera_fps=fps,
            process_fps=fps,
            detection_fps=fps,
            skipped_fps=0.0,
            latency_ms=metrics.stages["latency"].summary(),
            reconnects=0,
            observed_share=1.0,
            captured=metrics.frames,
            processed=metrics.frames,
            detected=metrics.frames,
        )
        service = ServiceStats(
            uptime=round(time.time() - self._started, 1),
            version=self._version,
            rss_mb=round(psutil.Process().memory_info().rss / 1e6, 1),
            spooled=self.publisher.undelivered,
            dropped=self.publisher.dropped,
            reason=reason,
            broker="connected" if self.publisher.connected else self.publisher.refusal,
        )
        return self._factory.stats({self._camera: camera}, self._detectors.stats(metrics), service)

    def report(self) -> dict[str, Any]:
        """What ``summary.json`` says of the publishing."""
        publisher = self.publisher
        return {
            "broker": str(publisher.broker),
            "prefix": self._publication.prefix,
            "published": publisher.published,
            "dropped": publisher.dropped,
            "undelivered": self.undelivered,
            "reconnects": publisher.reconnects,
        }

    def close(self, reason: str) -> None:
        """Publish the end (nobody is there any more, camera and service offline, last stats) and disconnect."""
        if self._closed:
            return
        self._closed = True
        self.publisher.publish(self._stats(reason))
        self._status = "offline"
        for key, value in list(self._counters.items()):
            if value and not grows(key):
                self._counters[key] = 0
                for message in self._counter(key, 0):
                    self.publisher.publish(message)
        self.publisher.publish(self._factory.status(self._camera, "offline"))
        self.publisher.publish(self._factory.available(False))
        self.undelivered = self.publisher.close(_LAST_WAIT_S if reason == "done" else _SHORT_WAIT_S)
