"""MQTT messages as pure functions: values in, messages out. The payload models are the contract.

Times are Unix seconds (host UTC); ``pts_s`` is media time in seconds; boxes are ``[x1, y1, x2, y2]`` in source pixels.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic_core import to_json

from config.errors import ConfigError
from pipelines.events import ObjectEvent, ObjectState
from pipelines.geometry import Xy, inside
from pipelines.values import GROWING, PRESENT, CounterKey, Event, FrameResult, Scalar
from streams.message import Message

PAYLOAD_VERSION = 1
MAX_PAYLOAD_BYTES = 128_000
CAMERA_WORDS = GROWING | PRESENT | {"status", "detections", "rules", "detect", "enabled"}
"""What comes behind a camera in the topics; no label may be called so."""
_NOT_A_NAME = re.compile(r"[^a-z0-9_-]")


@lru_cache(maxsize=4096)
def topic_word(name: str) -> str:
    """A name or label as one level of a topic: ``traffic light`` becomes ``traffic_light``."""
    return _NOT_A_NAME.sub("_", name.lower())


def check_topic_words(labels: Iterable[str]) -> None:
    """Refuse labels that share a topic: their retained counters would overwrite each other.

    Args:
        labels: What may be counted: the labels that are kept, or all that the model knows.

    Raises:
        ConfigError: One sentence per topic that several labels would have, or that has another meaning.
    """
    words: dict[str, list[str]] = {}
    for label in dict.fromkeys(labels):
        words.setdefault(topic_word(label), []).append(label)
    faults = [
        f"the labels {' and '.join(map(repr, alike))} would have the same MQTT topics (.../{word}), so that their "
        "counters overwrite each other; keep one of them with 'labels', or do not publish"
        for word, alike in words.items()
        if len(alike) > 1
    ]
    faults += [
        f"the label {alike[0]!r} is a word of the MQTT topics; leave it out with 'labels', or do not publish"
        for word, alike in words.items()
        if word in CAMERA_WORDS
    ]
    if faults:
        raise ConfigError(*faults)


def zones_by_track(result: FrameResult, zones: Mapping[str, Sequence[Xy]]) -> dict[int, list[str]]:
    """The zones (polygons in pixels) that the foot of each track of a frame is in, by track id."""
    return {
        track.id: [name for name, polygon in zones.items() if inside(polygon, track.foot)] for track in result.tracks
    }


class Payload(BaseModel):
    """Keys of every JSON payload.

    ``boot_id`` is new at each start; ``seq`` counts per topic from 1, so that a subscriber sees what it lost.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: int = PAYLOAD_VERSION
    boot_id: str = ""
    seq: int = 0


class ObjectPayload(BaseModel):
    """One box of a detections message; ``id`` is ``null`` while it is not tracked."""

    id: int | None
    label: str
    score: float
    box: tuple[float, float, float, float]
    zones: list[str]


class DetectionsPayload(Payload):
    """``<p>/<camera>/detections``: one analysed frame."""

    frame_time: float
    pts_s: float
    width: int
    height: int
    framework: str
    model: str
    inference_ms: float
    objects: list[ObjectPayload]


class RulePayload(Payload):
    """``<p>/<camera>/rules/<rule>``: a scenario event."""

    kind: str
    rule: str
    track_id: int | None
    label: str | None
    pts_s: float
    frame_time: float
    data: dict[str, Scalar]


class EventPayload(Payload):
    """``<p>/events``: one step in the life of a tracked object; for ``new``, ``before`` equals ``after``."""

    type: Literal["new", "update", "end"]
    before: ObjectState
    after: ObjectState


class CounterPayload(Payload):
    """``…/detail`` beside a counter: since when and until when it counted, and how much of that was seen."""

    value: int
    since: float
    as_of: float
    observed_s: float


class CameraStats(BaseModel):
    """One camera in ``stats``; rates per second over the last seconds, counters since the start of the process."""

    status: str = "online"
    reason: str | None = Field(None, description="why it is not online, without a login")
    camera_fps: float
    process_fps: float = Field(description="frames through tracker and rules")
    detection_fps: float = Field(description="frames through the detectors")
    skipped_fps: float = Field(description="frames that were due and were not analysed, because newer ones came")
    latency_ms: dict[str, float] = Field(description="from capture to publishing: p50, p95, p99")
    reconnects: int
    observed_share: float = Field(description="of the time since it began, in which it was really watched")
    gated_share: float = Field(0.0, description="of the frames that were due, in which nothing moved")
    clock_skew_s: float | None = Field(None, description="the camera's NTP clock less the host's")
    captured: int = 0
    processed: int = 0
    detected: int = 0
    skipped: int = 0
    gated: int = 0
    dropped_results: int = Field(0, description="results that files could not take in time")
    detecting: bool = Field(True, description="whether detection is switched on")


class DetectorStats(BaseModel):
    """One detector in ``stats``."""

    framework: str
    model: str
    device: str
    precision: str
    imgsz: list[int]
    batch: int = Field(description="pictures in one forward pass at most")
    fps: float = Field(description="frames through it")
    inference_ms: dict[str, float] = Field(description="of a forward pass: p50, p95, p99")
    frames: int = 0
    camera_fps: float = Field(0.0, description="pictures that came, over all cameras that use it")
    process_fps: float = Field(0.0, description="frames through tracker and rules, over the same cameras")
    skipped_fps: float = Field(0.0, description="due frames that were not analysed, over the same cameras")
    latency_ms: dict[str, float] = Field(
        default_factory=dict, description="from capture to publishing, over the same cameras: p50, p95, p99"
    )
    load_mb: float | None = Field(
        None, description="by how much the memory of the process grew while it was loaded; null where nobody measured"
    )


class ServiceStats(BaseModel):
    """The process in ``stats``; ``reason`` says why it stopped and is ``null`` while it runs."""

    uptime: float
    version: str
    rss_mb: float
    spooled: int = Field(description="messages that wait in the outbox or are not confirmed")
    dropped: int = Field(description="messages lost: too old, too many, or QoS 0 without a broker")
    reason: str | None
    broker: str | None = Field(None, description="connected, or why not; null without MQTT")
    queues: dict[str, int] = Field(default_factory=dict, description="what waits inside the process, by queue")
    reload_error: str | None = Field(None, description="why the site file was not taken over at the last reload")
    reloads: int = Field(0, description="that are over since the start, taken over or not")
    restarts: int = Field(0, description="of stages that hung")


class StatsPayload(Payload):
    """``<p>/stats``."""

    cameras: dict[str, CameraStats]
    detectors: dict[str, DetectorStats]
    service: ServiceStats


class MessageFactory:
    """Builds the messages of one run; keeps nothing but the numbers of what it built. Any thread may call it."""

    def __init__(self, prefix: str, boot_id: str | None = None) -> None:
        """Set the topic prefix; ``boot_id`` is made up unless given."""
        self.prefix = prefix
        self.boot_id = boot_id or secrets.token_hex(8)
        self._seq: Counter[str] = Counter()
        self._lock = threading.Lock()

    def topic(self, *levels: str) -> str:
        """Join topic levels behind the prefix; a label such as ``traffic light`` becomes ``traffic_light``."""
        return "/".join((self.prefix, *map(topic_word, levels)))

    def available(self, online: bool) -> Message:
        """The service's birth, or its end; the latter is also its last will."""
        return Message(self.topic("available"), b"online" if online else b"offline", qos=1, retain=True)

    def status(self, camera: str, status: str) -> Message:
        """A camera's state: ``online``, ``offline``, ``disabled`` or ``degraded``."""
        return Message(self.topic(camera, "status"), status.encode(), qos=1, retain=True)

    def detections(
        self, result: FrameResult, framework: str, model: str, zones: Mapping[int, Collection[str]]
    ) -> Message:
        """The boxes of one frame; ``zones`` names the zones of each track id.

        Where they do not fit into one message (hundreds of boxes, each in many zones), the worst boxes are left out.
        """
        frame, found = result.frame, result.detections
        objects = [
            {
                "id": track_id if track_id > 0 else None,
                "label": found.labels[class_id],
                "score": round(score, 4),
                "box": [round(x1, 2), round(y1, 2), round(x2, 2), round(y2, 2)],
                "zones": sorted(zones.get(track_id, ())) if track_id > 0 else [],
            }
            for (x1, y1, x2, y2), score, class_id, track_id in zip(
                found.xyxy.tolist(),
                found.score.tolist(),
                found.class_id.tolist(),
                result.track_ids.tolist(),
                strict=True,
            )
        ]
        topic = self.topic(frame.source_id, "detections")
        # a frame in, a message out: not worth a model for each box; the tests hold it against ``DetectionsPayload``
        payload = dict(
            v=PAYLOAD_VERSION,
            boot_id=self.boot_id,
            seq=self._number(topic),
            frame_time=frame.captured_at,
            pts_s=frame.pts_s,
            width=frame.width,
            height=frame.height,
            framework=framework,
            model=model,
            inference_ms=round(result.timings.inference, 3),
            objects=objects,
        )
        text = _text(payload)
        if len(text) > MAX_PAYLOAD_BYTES:
            text = _text(payload | {"objects": _that_fit(objects)})
        return Message(topic, text, qos=0, retain=False)

    def rule_event(self, event: Event) -> Message:
        """What a rule saw."""
        payload = RulePayload(
            kind=event.kind,
            rule=event.rule,
            track_id=event.track_id,
            label=event.label,
            pts_s=event.pts_s,
            frame_time=event.captured_at,
            data=dict(event.data),
        )
        return self._json(self.topic(event.source_id, "rules", event.rule), payload, qos=1, retain=False)

    def object_event(self, event: ObjectEvent) -> Message:
        """A step in the life of a tracked object."""
        payload = EventPayload(type=event.type, before=event.before, after=event.after)
        return self._json(self.topic("events"), payload, qos=1, retain=False)

    def switch(self, camera: str, name: str, on: bool) -> Message:
        """The state of a camera's switch, ``detect`` or ``enabled``."""
        return Message(self.topic(camera, name, "state"), b"ON" if on else b"OFF", qos=1, retain=True)

    def snapshot(self, camera: str, label: str, jpeg: bytes) -> Message:
        """The best view of a label, a JPEG."""
        return Message(self.topic(camera, label, "snapshot"), jpeg, qos=0, retain=True)

    def counter(
        self, camera: str, key: CounterKey, value: int, since: float, as_of: float, observed_s: float
    ) -> tuple[Message, Message]:
        """A retained counter, and its JSON twin."""
        topic = self.topic(camera, *key)
        payload = CounterPayload(value=value, since=since, as_of=as_of, observed_s=round(observed_s, 3))
        return (
            Message(topic, str(value).encode(), qos=1, retain=True),
            self._json(f"{topic}/detail", payload, qos=1, retain=True),
        )

    def stats(
        self, cameras: Mapping[str, CameraStats], detectors: Mapping[str, DetectorStats], service: ServiceStats
    ) -> Message:
        """The regular report."""
        payload = StatsPayload(cameras=dict(cameras), detectors=dict(detectors), service=service)
        return self._json(self.topic("stats"), payload, qos=0, retain=False)

    def _json(self, topic: str, payload: Payload, qos: int, retain: bool) -> Message:
        numbered = payload.model_copy(update={"boot_id": self.boot_id, "seq": self._number(topic)})
        text = numbered.model_dump_json().encode()
        if len(text) > MAX_PAYLOAD_BYTES:
            raise ValueError(f"payload of {topic} has {len(text)} bytes, the contract allows {MAX_PAYLOAD_BYTES}")
        return Message(topic, text, qos, retain)

    def _number(self, topic: str) -> int:
        """The next number of a topic."""
        with self._lock:
            seq = self._seq[topic] = self._seq[topic] + 1
        return seq


def _text(payload: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """JSON as pydantic's models write it."""
    return to_json(payload, inf_nan_mode="null")


def _that_fit(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first objects that fit into one message; they come best score first."""
    room = MAX_PAYLOAD_BYTES - 2_000  # the rest of the message
    for index, item in enumerate(objects):
        room -= len(_text(item)) + 1
        if room < 0:
            return objects[:index]
    return objects


def payload_models() -> Iterable[tuple[str, type[Payload]]]:
    """Topic pattern and payload model of everything that is JSON; the source of the published schema."""
    return (
        ("<p>/<camera>/detections", DetectionsPayload),
        ("<p>/events", EventPayload),
        ("<p>/<camera>/rules/<rule>", RulePayload),
        ("<p>/<camera>/counts/<line>/<in|out>/<label>/detail", CounterPayload),
        ("<p>/<camera>/occupancy/<zone>/<label>/detail", CounterPayload),
        ("<p>/<camera>/totals/<rule>/<word>/detail", CounterPayload),
        ("<p>/<camera>/values/<rule>/<word>/detail", CounterPayload),
        ("<p>/stats", StatsPayload),
    )
