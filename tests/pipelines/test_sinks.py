"""Where results go: MQTT as a subscriber of a real broker sees it, and the annotated video."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from config.loader import load
from config.site import Site
from detectors.detections import Detections
from pipelines.analyze import Job, Progress, analyze
from pipelines.annotate import Painter
from pipelines.jobs import publication_of_site
from pipelines.loaded import LoadedModel, Together
from pipelines.messages import payload_models
from pipelines.metrics import RunMetrics
from pipelines.scenario import CameraPlan, plan_camera
from pipelines.sinks.mqtt import MqttSink, Publication
from pipelines.sinks.video import VideoSink
from pipelines.values import CounterKey, DetectorInfo, FrameResult, Timings
from streams.errors import BrokerError, OutputError
from streams.frame import Frame
from tests.support.live import Boxes
from tests.support.mosquitto import Mosquitto
from tests.support.results import frames_of, lines
from tests.support.subscriber import Subscriber

SITE = """\
version: 1
site: yard
mqtt: {{host: 127.0.0.1, port: {port}, prefix: plant/yard, detections: {{max_hz: 1000}}}}
cameras:
  gate:
    source: unused
    lines: {{middle: [[0.5, 1.0], [0.5, 0.0]]}}
    zones: {{floor: [[0, 0], [1, 0], [1, 1], [0, 1]]}}
    rules:
      - {{kind: line_crossing, line: middle, labels: [person, traffic light]}}
      - {{kind: zone_count, zone: floor, labels: [person, traffic light]}}
      - {{kind: dwell, name: stays, zone: floor, seconds: 1, labels: [person]}}
"""
P = "plant/yard"
COUNT, OCCUPANCY = f"{P}/gate/counts/middle/in/person", f"{P}/gate/occupancy/floor/person"


@pytest.fixture
def job(broker: Mosquitto, data_dir: Path, tmp_path: Path) -> Job:
    """A worker walks over the line into the zone and stays: 71 frames, published by a site file."""
    path = tmp_path / "site.yaml"
    path.write_text(SITE.format(port=broker.port))
    document = load(path, Site)
    assert document.value.mqtt is not None
    publication = publication_of_site(document, document.value.mqtt)
    video = data_dir / "worker-zone-detection.mp4"
    return Job(video, tmp_path / "out", "gate", plan_camera(document, "gate"), publication=publication)


def test_a_subscriber_sees_the_whole_contract(broker: Mosquitto, job: Job, yolov8n: LoadedModel) -> None:
    at_start: dict[str, str] = {}
    keys = [f"counts/middle/{way}/{label}" for way in ("in", "out") for label in ("person", "traffic_light")]
    keys += [
        f"{head}/{label}"
        for head in ("occupancy/floor", "totals/zone_count_floor")
        for label in ("person", "traffic_light")
    ]
    expected = {f"{P}/gate/{key}{end}" for key in keys for end in ("", "/detail")}

    def first(progress: Progress) -> None:
        if progress.frames == 1:  # before anything moved
            with Subscriber(broker.address) as early:
                early.wait(
                    lambda messages: expected <= {m.topic for m in messages}, "not all retained topics are there"
                )
                at_start.update({message.topic: message.text for message in early.messages if message.retained})

    with Subscriber(broker.address) as seen:
        result = analyze(job, yolov8n, threading.Event(), first)
        seen.wait_for(f"{P}/available", "offline")
        messages = seen.messages
    assert {message.topic.split("/")[0] for message in messages} == {"plant"}
    # available and status
    assert [message.text for message in seen.of(f"{P}/available")] == ["online", "offline"]
    assert [message.text for message in seen.of(f"{P}/gate/status")] == ["online", "offline"]
    assert messages[0].topic == f"{P}/available"
    assert messages[-1].topic == f"{P}/available"
    # counters: all of them, zeros included, from the start
    for key in keys:
        assert at_start[f"{P}/gate/{key}"] == "0"
        assert f"{P}/gate/{key}/detail" in at_start
    assert [message.text for message in seen.of(COUNT)] == ["0", "1"]
    assert [message.text for message in seen.of(OCCUPANCY)][-1] == "0"
    assert "1" in [message.text for message in seen.of(OCCUPANCY)]
    detail = seen.of(f"{COUNT}/detail")[-1].json
    assert (detail["v"], detail["value"]) == (1, 1)
    assert detail["since"] <= detail["as_of"] <= time.time()
    assert 0 < detail["observed_s"] < 5
    # rules: each event of the file is a message
    rules = [message for message in messages if "/rules/" in message.topic]
    events = lines(job.folder / "events.jsonl")
    assert [message.topic for message in rules] == [f"{P}/gate/rules/{event['rule']}" for event in events]
    for message, event in zip(rules, events, strict=True):
        assert message.qos == 1
        assert {key: message.json[key] for key in ("kind", "rule", "track_id", "label", "pts_s", "data")} == {
            key: event[key] for key in ("kind", "rule", "track_id", "label", "pts_s", "data")
        }
    assert f"{P}/gate/rules/stays" in {message.topic for message in rules}
    # detections
    found = seen.of(f"{P}/gate/detections")
    assert 20 < len(found) <= 71
    objects = {line["frame"]: line for line in lines(job.folder / "detections.jsonl")}
    by_time = {line["pts_s"]: line for line in objects.values()}
    for message in found:
        assert message.qos == 0
        payload = message.json
        line = by_time[payload["pts_s"]]
        assert [{k: item[k] for k in ("id", "label", "score", "box")} for item in payload["objects"]] == line["objects"]
        assert (payload["width"], payload["height"]) == (480, 270)
        assert (payload["framework"], payload["model"]) == ("torch", "yolov8n")
        assert payload["inference_ms"] > 0
    assert any(item["zones"] == ["floor"] for message in found for item in message.json["objects"])
    # stats at the end say why
    stats = seen.of(f"{P}/stats")[-1].json
    assert stats["service"]["reason"] == "done"
    assert stats["cameras"]["gate"]["latency_ms"]["p50"] > 0
    assert stats["detectors"]["main"]["model"] == "yolov8n"
    # every JSON payload fits its published model, and counts itself
    _check_schema([(message.topic, message.text) for message in messages])
    assert result["mqtt"]["published"] == len(messages)
    assert (result["mqtt"]["dropped"], result["mqtt"]["undelivered"], result["mqtt"]["reconnects"]) == (0, 0, 0)


def _check_schema(messages: list[tuple[str, str]]) -> None:
    models = {
        word: model
        for pattern, model in payload_models()
        for word in ("detections", "rules", "counts", "occupancy", "totals", "values", "stats")
        if f"/{word}" in pattern
    }
    last: dict[str, int] = {}
    boots = set()
    for topic, text in messages:
        if not text.startswith("{"):
            continue
        word = next(word for word in models if word in topic.removeprefix(f"{P}/").split("/"))
        payload = models[word].model_validate_json(text)
        assert payload.seq == last.get(topic, 0) + 1, topic
        last[topic] = payload.seq
        boots.add(payload.boot_id)
    assert len(boots) == 1


def test_a_stop_is_the_reason_of_the_last_stats(broker: Mosquitto, job: Job, yolov8n: LoadedModel) -> None:
    stop = threading.Event()
    with Subscriber(broker.address) as seen:
        analyze(job, yolov8n, stop, lambda progress: stop.set() if progress.frames == 5 else None)
        seen.wait_for(f"{P}/available", "offline")
        assert seen.of(f"{P}/stats")[-1].json["service"]["reason"] == "stopped"


def test_a_video_that_fails_says_offline(broker: Mosquitto, job: Job, data_dir: Path, yolov8n: LoadedModel) -> None:
    with Subscriber(broker.address) as seen:
        with pytest.raises(OSError, match="breaks off"):
            analyze(replace(job, video=data_dir / "truncated-workers.mp4"), yolov8n, threading.Event())
        seen.wait_for(f"{P}/available", "offline")
        assert seen.last(f"{P}/gate/status") == "offline"
        assert seen.of(f"{P}/stats")[-1].json["service"]["reason"] == "failed"


def test_a_broker_that_stays_away_is_an_error_with_a_number_and_all_results(
    broker: Mosquitto, job: Job, yolov8n: LoadedModel
) -> None:
    with pytest.raises(BrokerError, match=r"\d+ messages were not delivered; the results are complete in ") as caught:
        analyze(job, yolov8n, threading.Event(), lambda progress: broker.stop() if progress.frames == 1 else None)
    assert str(caught.value).startswith(f"MQTT broker 127.0.0.1:{broker.port}: ")
    assert len(lines(job.folder / "detections.jsonl")) == 71
    assert len(lines(job.folder / "events.jsonl")) == 3


INFO = DetectorInfo("main", "torch", "yolov8n", "cpu", "fp32", (640, 640))
_MODEL: Any = SimpleNamespace(detector=Boxes(), info=lambda name: INFO)
FOUND_BY = Together({"main": _MODEL})
KEY: CounterKey = ("occupancy", "floor", "person")
WAITING: CounterKey = ("values", "queue_till", "waiting")
SERVED: CounterKey = ("totals", "queue_till", "served")


def result(number: int, **counters: int) -> FrameResult:
    frame = Frame("gate", number, np.zeros((48, 64, 3), np.uint8), number / 10, time.time())
    times = Timings(1, 1, 1, 1, 1, 1, 1)
    now = {key: counters["now"] for key in (KEY, WAITING, SERVED)}
    return FrameResult(frame, Detections.empty(("person",)), np.zeros(0, np.int64), (), (), now, times)


@pytest.fixture
def sink(broker: Mosquitto) -> Iterator[MqttSink]:
    publication = Publication(broker.address, "t", "tester", max_hz=10)
    sink = MqttSink(publication, "gate", {}, dict.fromkeys((KEY, WAITING, SERVED), 0), RunMetrics(), FOUND_BY, "1")
    yield sink
    sink.close("stopped")


def test_detections_are_sent_at_most_so_often(broker: Mosquitto, sink: MqttSink) -> None:
    with Subscriber(broker.address) as seen:
        start = time.monotonic()
        number = 0
        while time.monotonic() < start + 1:
            sink.write(result(number, now=0))
            number += 1
            time.sleep(0.002)
        took = time.monotonic() - start
        sink.close("done")
        seen.wait_for("t/available", "offline")
        assert 8 <= len(seen.of("t/gate/detections")) <= 10 * took + 2


def test_goodbye_holds_even_when_the_broker_comes_back_while_it_is_said(broker: Mosquitto, sink: MqttSink) -> None:
    sink.write(result(0, now=3))
    assert sink.publisher.flush(5) == 0
    broker.stop()
    while sink.publisher.connected:
        time.sleep(0.01)
    back = threading.Timer(0.8, broker.start)
    back.start()
    sink.close("done")
    back.join()
    assert sink.undelivered == 0
    with Subscriber(broker.address) as late:
        late.wait_for("t/available", "offline")
        late.wait_for("t/gate/status", "offline")
        late.wait_for("t/gate/occupancy/floor/person", "0")
        late.wait_for("t/gate/values/queue_till/waiting", "0")
        late.wait_for("t/gate/totals/queue_till/served", "3")


def test_what_changed_while_the_broker_was_away_is_there_when_it_is_back(broker: Mosquitto, sink: MqttSink) -> None:
    broker.stop()
    while sink.publisher.connected:
        time.sleep(0.01)
    for number in range(5):
        sink.write(result(number, now=number))
    broker.start()
    with Subscriber(broker.address) as seen:
        seen.wait_for("t/gate/occupancy/floor/person", "4")
        seen.wait_for("t/available", "online")
    assert sink.report()["reconnects"] == 1


class _Painter(Painter):
    """A painter that fails, as one would on a picture it cannot draw on."""

    def draw(self, result: FrameResult) -> Any:
        raise OutputError("the pen is dry")


def test_the_video_sink_writes_all_and_hands_an_error_to_the_caller(tmp_path: Path) -> None:
    sink = VideoSink(tmp_path / "a.mp4", 64, 48, 10, Painter(64, 48, {}, {}))
    for number in range(30):  # more than the queue holds
        sink.write(result(number, now=0))
    sink.close("done")
    sink.close("done")
    assert len(frames_of(tmp_path / "a.mp4")) == 30
    broken = VideoSink(tmp_path / "b.mp4", 64, 48, 10, _Painter(64, 48, {}, {}))
    with pytest.raises(OutputError, match="the pen is dry"):
        for number in range(100):
            broken.write(result(number, now=0))
            time.sleep(0.01)
    with pytest.raises(OutputError, match="the pen is dry"):
        broken.close("failed")
    assert not [thread for thread in threading.enumerate() if thread.name == "annotate"]


def test_nothing_is_published_without_being_asked(broker: Mosquitto, job: Job, yolov8n: LoadedModel) -> None:
    with Subscriber(broker.address) as seen:
        plain = replace(job, publication=None, plan=CameraPlan())
        stop = threading.Event()
        found = analyze(plain, yolov8n, stop, lambda progress: stop.set())
        assert found["mqtt"] is None
        time.sleep(0.2)
        assert seen.messages == []
