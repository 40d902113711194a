"""MQTT messages against the contract: topics, QoS, retention, keys, numbers."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from typing import Any

import numpy as np
import pytest

from config.errors import ConfigError
from detectors.detections import Detections
from pipelines.messages import (
    MAX_PAYLOAD_BYTES,
    CameraStats,
    DetectionsPayload,
    DetectorStats,
    MessageFactory,
    ServiceStats,
    check_topic_words,
    payload_models,
)
from pipelines.values import Event, FrameResult, Timings
from streams.frame import Frame
from streams.message import Message

LABELS = ("person", "traffic light")
ENVELOPE = {"v", "boot_id", "seq"}


@pytest.fixture
def factory() -> MessageFactory:
    return MessageFactory("site/one", boot_id="b1")


def result(count: int = 2, ids: list[int] | None = None, width: int = 64, height: int = 36) -> FrameResult:
    boxes = np.tile(np.array([[1.23456, 2.34567, 30.00049, 35.99951]], np.float32), (count, 1))
    found = Detections(boxes, np.full(count, 0.123456, np.float32), np.arange(count) % 2, LABELS)
    frame = Frame("gate", 7, np.zeros((height, width, 3), np.uint8), 0.28, 1_700_000_000.25)
    track_ids = np.array(ids if ids is not None else [-1, 5][:count], np.int64)
    return FrameResult(frame, found, track_ids, (), (), {}, Timings(1, 2, 3.14159, 4, 5, 6, 7))


def event(**keys: Any) -> Event:
    data = {"line": "l", "direction": "in", "tripwire_crossings": 3}
    values = {
        "kind": "line_crossing", "rule": "line_crossing_l", "source_id": "gate", "pts_s": 1.5, "captured_at": 1.7e9,
        "track_id": 4, "label": "person", "data": data,
    }  # fmt: skip
    return Event(**{**values, **keys})


def body(message: Message) -> dict[str, Any]:
    found = json.loads(message.payload)
    assert isinstance(found, dict)
    assert len(message.payload) <= MAX_PAYLOAD_BYTES
    return found


def stats(factory: MessageFactory, reason: str | None = None) -> Message:
    spread = {"p50": 1.0, "p95": 2.0, "p99": 3.0}
    camera = CameraStats(
        camera_fps=10,
        process_fps=10,
        detection_fps=10,
        skipped_fps=0,
        latency_ms=spread,
        reconnects=0,
        observed_share=1,
    )
    detector = DetectorStats(
        framework="torch", model="yolov8n", device="cpu", precision="fp32", imgsz=[640, 640], batch=1, fps=10,
        inference_ms=spread,
    )  # fmt: skip
    service = ServiceStats(uptime=1, version="0.1.0", rss_mb=500, spooled=0, dropped=0, reason=reason)
    return factory.stats({"gate": camera}, {"main": detector}, service)


def test_topics_qos_and_retention(factory: MessageFactory) -> None:
    counter, detail = factory.counter("gate", ("counts", "l", "in", "traffic light"), 3, 1.0, 2.0, 1.0)
    occupancy, occupancy_detail = factory.counter("gate", ("occupancy", "z", "person"), 0, 1.0, 2.0, 1.0)
    total, total_detail = factory.counter("gate", ("totals", "stays", "traffic light"), 3, 1.0, 2.0, 1.0)
    value, value_detail = factory.counter("gate", ("values", "stays", "now"), 0, 1.0, 2.0, 1.0)
    messages = [
        factory.available(True), factory.status("gate", "online"), factory.detections(result(), "torch", "m", {}),
        factory.rule_event(event()), counter, detail, occupancy, occupancy_detail, total, total_detail,
        value, value_detail, stats(factory),
    ]  # fmt: skip
    assert [(message.topic, message.qos, message.retain) for message in messages] == [
        ("site/one/available", 1, True),
        ("site/one/gate/status", 1, True),
        ("site/one/gate/detections", 0, False),
        ("site/one/gate/rules/line_crossing_l", 1, False),
        ("site/one/gate/counts/l/in/traffic_light", 1, True),
        ("site/one/gate/counts/l/in/traffic_light/detail", 1, True),
        ("site/one/gate/occupancy/z/person", 1, True),
        ("site/one/gate/occupancy/z/person/detail", 1, True),
        ("site/one/gate/totals/stays/traffic_light", 1, True),
        ("site/one/gate/totals/stays/traffic_light/detail", 1, True),
        ("site/one/gate/values/stays/now", 1, True),
        ("site/one/gate/values/stays/now/detail", 1, True),
        ("site/one/stats", 0, False),
    ]


def test_plain_payloads(factory: MessageFactory) -> None:
    assert factory.available(True).payload == b"online"
    assert factory.available(False).payload == b"offline"
    assert factory.status("gate", "degraded").payload == b"degraded"
    assert factory.counter("gate", ("counts", "l", "in", "car"), 17, 0, 0, 0)[0].payload == b"17"


def test_detections_payload(factory: MessageFactory) -> None:
    found = body(factory.detections(result(), "torch", "yolov8n", {5: ["z", "a"]}))
    assert found == {
        "v": 1,
        "boot_id": "b1",
        "seq": 1,
        "frame_time": 1_700_000_000.25,
        "pts_s": 0.28,
        "width": 64,
        "height": 36,
        "framework": "torch",
        "model": "yolov8n",
        "inference_ms": 3.142,
        "objects": [
            {"id": None, "label": "person", "score": 0.1235, "box": [1.23, 2.35, 30.0, 36.0], "zones": []},
            {"id": 5, "label": "traffic light", "score": 0.1235, "box": [1.23, 2.35, 30.0, 36.0], "zones": ["a", "z"]},
        ],
    }


def test_untracked_boxes_have_no_id_and_no_zones(factory: MessageFactory) -> None:
    found = body(factory.detections(result(3, [-1, -1, 1]), "torch", "m", {-1: ["z"], 1: ["z"]}))
    assert [item["id"] for item in found["objects"]] == [None, None, 1]
    assert [item["zones"] for item in found["objects"]] == [[], [], ["z"]]


def test_frame_without_objects(factory: MessageFactory) -> None:
    assert body(factory.detections(result(0), "torch", "m", {}))["objects"] == []


def test_300_objects_are_far_under_128_kb(factory: MessageFactory) -> None:
    zones = {number: [f"zone_{n}" for n in range(6)] for number in range(1, 301)}
    message = factory.detections(result(300, list(range(1, 301)), 3840, 2160), "torch", "m", zones)
    assert len(body(message)["objects"]) == 300
    assert len(message.payload) < 64_000


def test_what_does_not_fit_loses_its_worst_boxes_not_the_run(factory: MessageFactory) -> None:
    zones = {number: [f"{n:064d}" for n in range(20)] for number in range(1, 301)}
    found = body(factory.detections(result(300, list(range(1, 301))), "torch", "m", zones))
    ids = [item["id"] for item in found["objects"]]
    assert 50 < len(ids) < 300
    assert ids == list(range(1, len(ids) + 1))
    assert body(factory.detections(result(), "torch", "m", {}))["seq"] == 2


def test_rule_event_payload(factory: MessageFactory) -> None:
    assert body(factory.rule_event(event())) == {
        "v": 1,
        "boot_id": "b1",
        "seq": 1,
        "kind": "line_crossing",
        "rule": "line_crossing_l",
        "track_id": 4,
        "label": "person",
        "pts_s": 1.5,
        "frame_time": 1.7e9,
        "data": {"line": "l", "direction": "in", "tripwire_crossings": 3},
    }


def test_rule_event_about_no_track(factory: MessageFactory) -> None:
    found = body(factory.rule_event(event(track_id=None, label=None, data={"ok": True, "share": 0.5, "none": None})))
    assert (found["track_id"], found["label"]) == (None, None)
    assert found["data"] == {"ok": True, "share": 0.5, "none": None}


def test_counter_payload(factory: MessageFactory) -> None:
    found = body(factory.counter("gate", ("counts", "l", "out", "car"), 4, 1.7e9, 1.7e9 + 60, 59.87654)[1])
    assert found == {
        "v": 1, "boot_id": "b1", "seq": 1, "value": 4, "since": 1.7e9, "as_of": 1.7e9 + 60, "observed_s": 59.877,
    }  # fmt: skip


def test_stats_payload(factory: MessageFactory) -> None:
    found = body(stats(factory, reason="stopped"))
    assert set(found) == {*ENVELOPE, "cameras", "detectors", "service"}
    assert set(found["cameras"]["gate"]) == {
        "camera_fps", "process_fps", "detection_fps", "skipped_fps", "latency_ms", "reconnects", "observed_share",
        "status", "reason", "gated_share", "clock_skew_s", "captured", "processed", "detected", "skipped", "gated",
        "dropped_results", "detecting",
    }  # fmt: skip
    assert set(found["detectors"]["main"]) == {
        "framework", "model", "device", "precision", "imgsz", "batch", "fps", "inference_ms", "frames",
        "camera_fps", "process_fps", "skipped_fps", "latency_ms", "load_mb",
    }  # fmt: skip
    assert set(found["service"]) == {
        "uptime", "version", "rss_mb", "spooled", "dropped", "reason", "broker", "queues", "reload_error", "reloads",
        "restarts",
    }  # fmt: skip
    assert body(stats(factory))["service"]["reason"] is None


def test_seq_counts_per_topic_from_1(factory: MessageFactory) -> None:
    key = ("counts", "l", "in", "car")
    assert [body(factory.rule_event(event()))["seq"] for _ in range(3)] == [1, 2, 3]
    assert body(factory.rule_event(event(rule="other")))["seq"] == 1
    assert [body(factory.counter("gate", key, 0, 0, 0, 0)[1])["seq"] for _ in range(2)] == [1, 2]
    assert body(factory.counter("gate", ("counts", "l", "out", "car"), 0, 0, 0, 0)[1])["seq"] == 1


def test_boot_id_is_new_at_each_start() -> None:
    ids = {body(MessageFactory("p").rule_event(event()))["boot_id"] for _ in range(50)}
    assert len(ids) == 50
    assert all(len(boot_id) >= 8 for boot_id in ids)


def test_every_json_payload_has_the_envelope_and_a_schema() -> None:
    for topic, model in payload_models():
        assert topic.startswith("<p>/")
        schema = model.model_json_schema()
        assert set(schema["properties"]) >= ENVELOPE
        assert schema["additionalProperties"] is False


@pytest.mark.parametrize("label", ["traffic light", "Fall", "a/b", "a+b#", "é"])
def test_a_label_never_breaks_the_topic(factory: MessageFactory, label: str) -> None:
    topic = factory.counter("gate", ("occupancy", "z", label), 0, 0, 0, 0)[0].topic
    assert topic.count("/") == 5
    assert not set(topic) & set("+# ")
    assert topic == topic.lower()


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (["person", "人", "车"], "the labels '人' and '车' would have the same MQTT topics (.../_)"),
        (["a b", "c", "a_b"], "the labels 'a b' and 'a_b' would"),
        (["Car", "car", "CAR"], "the labels 'Car' and 'car' and 'CAR' would"),
    ],
)
def test_labels_that_would_share_a_topic_are_refused(labels: list[str], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_topic_words(labels)
    (fault,) = caught.value.faults
    assert fault.startswith(named)
    assert "labels" in fault


def test_labels_with_topics_of_their_own_pass() -> None:
    check_topic_words(["person", "person", "traffic light", "trafficlight", "fire-hydrant", "fire hydrant"])
    check_topic_words([])


def test_every_number_is_given_once_though_threads_build_messages(factory: MessageFactory) -> None:
    seen: list[tuple[int, int]] = []
    start = threading.Barrier(4)

    def build() -> None:
        for rule in range(1000):
            start.wait(10)  # the first message of a topic is where numbers got lost
            seen.append((rule, body(factory.rule_event(event(rule=str(rule))))["seq"]))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=build) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert sorted(seen) == [(rule, seq) for rule in range(1000) for seq in (1, 2, 3, 4)]


def test_late_message_says_so(factory: MessageFactory) -> None:
    late = factory.rule_event(event()).replayed()
    assert body(late)["replayed"] is True
    assert (late.topic, late.qos, late.retain) == ("site/one/gate/rules/line_crossing_l", 1, False)
    assert factory.available(True).replayed().payload == b"online"


@pytest.mark.parametrize("count", [0, 1, 2, 300])
def test_detections_are_written_as_their_model_writes_them(factory: MessageFactory, count: int) -> None:
    """The message of each frame is made without the model; it must say the same, to the byte."""
    found = result(count, [5 if row % 2 else -1 for row in range(count)])
    text = factory.detections(found, "torch", "yolov8n", {5: ["b", 'a \u00e4 "q"']}).payload
    assert DetectionsPayload.model_validate_json(text, strict=True).model_dump_json().encode() == text
    assert set(body(Message("", text))) == set(DetectionsPayload.model_fields)


def test_a_number_that_is_none_is_written_as_models_do(factory: MessageFactory) -> None:
    found = dataclasses.replace(result(1), timings=Timings(1, 2, float("nan"), 4, 5, 6, 7))
    assert body(factory.detections(found, "torch", "m", {}))["inference_ms"] is None
