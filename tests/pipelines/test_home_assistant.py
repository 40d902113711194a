"""Home Assistant discovery: the JSON has the keys of its schemas, ids are unique and stay, availability is right."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from paho.mqtt import publish

from pipelines.home_assistant import discovery
from pipelines.messages import CameraStats, DetectorStats, MessageFactory, ServiceStats, StatsPayload
from pipelines.values import CounterKey, counter_name
from streams.message import Message
from tests.support.mosquitto import Mosquitto
from tests.support.subscriber import Subscriber

CAMERAS: dict[str, list[CounterKey]] = {
    "gate": [("counts", "middle", "in", "person"), ("counts", "middle", "out", "traffic light"),
             ("occupancy", "floor", "traffic light"), ("totals", "queue_till", "served"),
             ("values", "queue_till", "waiting")],
    "back-yard": [],
}  # fmt: skip
SNAPSHOTS = {"gate": ["traffic light", "person"]}
ARGUMENTS = ("homeassistant", "plant/yard", "north", "1.2", CAMERAS, SNAPSHOTS)
UP = "{{ 'online' if value in ('online', 'degraded') else 'offline' }}"

STATS = StatsPayload(
    cameras={
        "gate": CameraStats(
            camera_fps=25, process_fps=9.9, detection_fps=10, skipped_fps=0, reconnects=0, observed_share=1,
            latency_ms={"p50": 40, "p95": 90, "p99": 120},
        )
    },
    detectors={
        name: DetectorStats(
            framework="torch", model="m", device="cpu", precision="fp32", imgsz=[64, 64], batch=1, fps=5,
            inference_ms={},
        )
        for name in ("main", "night")
    },
    service=ServiceStats(uptime=1, version="1", rss_mb=512.5, spooled=7, dropped=0, reason=None),
)  # fmt: skip

COMMON = {"name", "unique_id", "qos", "availability", "availability_mode", "device", "origin"}
STATE = {"state_topic", "value_template", "entity_category", "device_class", "icon"}
# What Home Assistant's schema of each component knows, as far as it is used here.
KNOWN = {
    "binary_sensor": COMMON | STATE | {"payload_on", "payload_off"},
    "sensor": COMMON | STATE | {"state_class", "unit_of_measurement", "expire_after"},
    "switch": COMMON | STATE | {"command_topic", "payload_on", "payload_off"},
    "image": COMMON | {"image_topic", "content_type"},
}


def parsed(messages: list[Message]) -> dict[str, dict[str, Any]]:
    return {message.topic: json.loads(message.payload) for message in messages}


def by_name(messages: list[Message], device: str) -> dict[str, dict[str, Any]]:
    configs = parsed(messages).values()
    return {config["name"]: config for config in configs if config["device"]["name"] == device}


def test_every_message_fits_the_schema() -> None:
    for message in discovery(*ARGUMENTS):
        assert (message.qos, message.retain) == (1, True)
        config = json.loads(message.payload)
        found = re.fullmatch(r"homeassistant/(\w+)/([a-zA-Z0-9_-]+)/([a-zA-Z0-9_-]+)/config", message.topic)
        assert found is not None
        component, node, object_id = found.groups()
        assert set(config) <= KNOWN[component]
        assert set(config) >= COMMON
        assert config["unique_id"] == f"{node}_{object_id}"
        assert config["availability_mode"] == "all"
        assert config["origin"] == {"name": "Sightline", "sw_version": "1.2"}
        assert config["device"]["identifiers"] == [node]
        assert set(config["device"]) <= {
            "identifiers", "name", "model", "manufacturer", "sw_version", "via_device",
        }  # fmt: skip
        for key, value in config.items():
            if key.endswith("_topic"):
                assert re.fullmatch(r"plant/yard(/[a-z0-9_-]+)+", value)


def test_a_camera_is_a_device_with_its_entities() -> None:
    messages = discovery(*ARGUMENTS)
    gate = by_name(messages, "gate")
    assert list(gate) == [
        "Connection", "Camera", "Detection", "Frame rate", "Latency (p95)", "middle in person",
        "middle out traffic light", "floor traffic light", "queue_till served", "queue_till waiting now",
        "traffic light snapshot", "person snapshot",
    ]  # fmt: skip
    assert list(by_name(messages, "back-yard")) == list(gate)[:5]
    total = gate["middle out traffic light"]
    assert total["state_topic"] == "plant/yard/gate/counts/middle/out/traffic_light"
    assert total["state_class"] == "total_increasing"
    assert gate["floor traffic light"]["state_topic"] == "plant/yard/gate/occupancy/floor/traffic_light"
    assert gate["floor traffic light"]["state_class"] == "measurement"
    served, waiting = gate["queue_till served"], gate["queue_till waiting now"]
    assert (served["state_topic"], served["state_class"]) == (
        "plant/yard/gate/totals/queue_till/served", "total_increasing",
    )  # fmt: skip
    assert (waiting["state_topic"], waiting["state_class"]) == (
        "plant/yard/gate/values/queue_till/waiting", "measurement",
    )  # fmt: skip
    assert gate["traffic light snapshot"]["image_topic"] == "plant/yard/gate/traffic_light/snapshot"
    for name, word in (("Detection", "detect"), ("Camera", "enabled")):
        assert gate[name]["command_topic"] == f"plant/yard/gate/{word}/set"
        assert gate[name]["state_topic"] == f"plant/yard/gate/{word}/state"
        assert (gate[name]["payload_on"], gate[name]["payload_off"]) == ("ON", "OFF")
    connection = gate["Connection"]
    assert (connection["state_topic"], connection["device_class"]) == ("plant/yard/gate/status", "connectivity")
    assert connection["value_template"] == UP
    assert (
        gate["Camera"]["device"]["via_device"]
        == by_name(messages, "Sightline north")["Memory"]["device"]["identifiers"][0]
    )


def test_what_a_camera_shows_is_unavailable_with_it_but_not_its_switch() -> None:
    messages = discovery(*ARGUMENTS)
    online = {"payload_available": "online", "payload_not_available": "offline"}
    service = {"topic": "plant/yard/available", **online}
    camera = {"topic": "plant/yard/gate/status", "value_template": UP, **online}
    for name, config in by_name(messages, "gate").items():
        assert config["availability"] == ([service] if name in ("Connection", "Camera") else [service, camera]), name
    for config in by_name(messages, "Sightline north").values():
        assert config["availability"] == [service]


def test_topics_are_those_of_the_messages() -> None:
    factory = MessageFactory("plant/yard")
    gate = by_name(discovery(*ARGUMENTS), "gate")
    for key in CAMERAS["gate"]:
        assert gate[counter_name(key)]["state_topic"] == factory.counter("gate", key, 0, 0, 0, 0)[0].topic
    assert gate["Connection"]["state_topic"] == factory.status("gate", "online").topic
    assert gate["Connection"]["availability"][0]["topic"] == factory.available(True).topic
    assert gate["Frame rate"]["state_topic"] == factory.topic("stats")


def test_templates_read_the_real_stats() -> None:
    jinja2 = pytest.importorskip("jinja2")

    def shown(config: dict[str, Any], **values: Any) -> str:
        text: str = jinja2.Environment(autoescape=True).from_string(config["value_template"]).render(**values)
        return text

    messages = discovery(*ARGUMENTS)
    gate, yard, service = (by_name(messages, name) for name in ("gate", "back-yard", "Sightline north"))
    stats = STATS.model_dump(mode="json")
    assert shown(gate["Frame rate"], value_json=stats) == "9.9"
    assert shown(gate["Latency (p95)"], value_json=stats) == "90.0"
    assert shown(yard["Frame rate"], value_json=stats) == "None"  # not in the report: unknown
    assert shown(yard["Latency (p95)"], value_json=stats) == "None"
    assert [shown(config, value_json=stats) for config in service.values()] == ["10.0", "7", "512.5"]
    said = {"online": "online", "degraded": "online", "offline": "offline", "disabled": "offline"}
    assert {status: shown(gate["Connection"], value=status) for status in said} == said


def test_ids_are_unique_even_where_names_run_into_one_another() -> None:
    cameras: dict[str, list[CounterKey]] = {
        name: [
            ("counts", "a", "in", "b_c"), ("counts", "a_in", "in", "c"), ("counts", "a-", "in", "c"),
            ("counts", "a", "in", "b-c"), ("occupancy", "a", "b"), ("occupancy", "a_b", "b"), ("occupancy", "a", "b_b"),
            ("occupancy", "a_", "b"), ("occupancy", "a", "_b"),
        ]
        for name in ("x", "x_y", "x-y", "y", "camera", "service", "_", "-", "-_")
    }  # fmt: skip
    snapshots = {name: ("b", "b_snapshot", "status") for name in cameras}
    ids: list[str] = []
    topics: list[str] = []
    for site in ("site", "site_camera", "site_camera_x", "x"):
        messages = discovery("homeassistant", "p", site, "1", cameras, snapshots)
        ids += [config["unique_id"] for config in parsed(messages).values()]
        topics += [message.topic for message in messages]
    assert len(set(topics)) == len(topics) == len(ids)
    assert len(set(ids)) == len(ids)


def test_ids_stay_whatever_else_changes() -> None:
    before = {topic: config["unique_id"] for topic, config in parsed(discovery(*ARGUMENTS)).items()}
    less = discovery("homeassistant", "other", "north", "2.0", {"gate": CAMERAS["gate"][:1]}, {})
    after = {topic: config["unique_id"] for topic, config in parsed(less).items()}
    assert after.items() <= before.items()
    assert after["homeassistant/sensor/sightline_north_camera_gate/counts_middle_in_person/config"] == (
        "sightline_north_camera_gate_counts_middle_in_person"
    )


def test_a_site_without_cameras_has_its_service() -> None:
    assert discovery("homeassistant", "p", "north", "1", {}, {})


def test_a_broker_keeps_them(broker: Mosquitto) -> None:
    messages = discovery(*ARGUMENTS)
    address = broker.address
    for message in messages:
        publish.single(message.topic, message.payload, message.qos, message.retain, address.host, address.port)
    with Subscriber(broker.address) as late:
        late.wait(lambda seen: len(seen) >= len(messages), "not all are kept")
        assert {seen.topic: seen.json for seen in late.messages if seen.retained} == parsed(messages)
