"""Home Assistant discovery as pure functions: cameras and counters in, retained messages out.

Key names are those of Home Assistant's MQTT integration (one message per entity). A camera is a device, and so is the
service. Nothing here is read back: entities show the topics of ``pipelines.messages``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.messages import topic_word
from pipelines.values import CounterKey, counter_name, grows
from streams.message import Message

_UP = "{{ 'online' if value in ('online', 'degraded') else 'offline' }}"
_ICONS = {
    "counts": "mdi:counter",
    "totals": "mdi:counter",
    "occupancy": "mdi:account-multiple",
    "values": "mdi:gauge",
}
_EXPIRES_S = 60  # stats come every 10 s and are not retained


@dataclass(frozen=True, slots=True)
class _Entity:
    """One entity.

    Attributes:
        component: ``sensor``, ``switch`` and so on.
        key: What it is, within its device; part of its id.
        body: Its own keys.
        follows: Whether it is unavailable while its camera is.
    """

    component: str
    key: tuple[str, ...]
    body: Mapping[str, Any]
    follows: bool = True


def discovery(
    discovery_prefix: str,
    prefix: str,
    site: str,
    version: str,
    cameras: Mapping[str, Collection[CounterKey]],
    snapshots: Mapping[str, Collection[str]],
) -> list[Message]:
    """What Home Assistant has to hear to show everything.

    Args:
        discovery_prefix: Topic that Home Assistant listens to.
        prefix: What our topics begin with.
        site: Name of the place; ids are made of it, so that two services on one broker stay apart.
        version: Of Sightline.
        cameras: The counters of each camera.
        snapshots: The labels of which a camera publishes pictures; none without snapshots.

    Returns:
        One retained message per entity, those of the service first: cameras refer to its device.
    """
    service = _identifier(site, "service")
    origin = {"name": "Sightline", "sw_version": version}
    maker = {"manufacturer": "Sightline", "sw_version": version}
    device = {"identifiers": [service], "name": f"Sightline {site}", "model": "service", **maker}
    messages = [
        _message(discovery_prefix, prefix, service, entity, {"device": device, "origin": origin}, None)
        for entity in _of_service(prefix)
    ]
    for name, counters in cameras.items():
        node = _identifier(site, "camera", name)
        device = {"identifiers": [node], "name": name, "model": "camera", "via_device": service, **maker}
        messages += [
            _message(discovery_prefix, prefix, node, entity, {"device": device, "origin": origin}, name)
            for entity in _of_camera(prefix, name, counters, snapshots.get(name, ()))
        ]
    return messages


def _of_service(prefix: str) -> Iterator[_Entity]:
    stats = f"{prefix}/stats"
    fps = "{{ value_json.detectors.values() | sum(attribute='fps') | round(1) }}"
    yield _figure("Detection rate", ("fps",), stats, fps, {"unit_of_measurement": "fps"})
    yield _figure("Waiting messages", ("outbox",), stats, "{{ value_json.service.spooled }}", {})
    memory = {"device_class": "data_size", "unit_of_measurement": "MB"}
    yield _figure("Memory", ("memory",), stats, "{{ value_json.service.rss_mb }}", memory)


def _of_camera(
    prefix: str, name: str, counters: Collection[CounterKey], snapshots: Collection[str]
) -> Iterator[_Entity]:
    status, stats = _topic(prefix, name, "status"), f"{prefix}/stats"
    connectivity = {
        "name": "Connection",
        "state_topic": status,
        "value_template": _UP,
        "payload_on": "online",
        "payload_off": "offline",
        "device_class": "connectivity",
        "entity_category": "diagnostic",
    }
    yield _Entity("binary_sensor", ("status",), connectivity, follows=False)
    yield _Entity("switch", ("enabled",), _switch(prefix, name, "enabled", "Camera"), follows=False)
    yield _Entity("switch", ("detect",), _switch(prefix, name, "detect", "Detection"))
    of_camera = f"value_json.cameras.get('{name}', {{}})"
    rate = f"{{{{ {of_camera}.get('process_fps') }}}}"
    yield _figure("Frame rate", ("fps",), stats, rate, {"unit_of_measurement": "fps"})
    delay = f"{{{{ {of_camera}.get('latency_ms', {{}}).get('p95') }}}}"
    yield _figure(
        "Latency (p95)", ("latency",), stats, delay, {"device_class": "duration", "unit_of_measurement": "ms"}
    )
    for key in counters:
        body = {
            "name": counter_name(key),
            "state_topic": _topic(prefix, name, *key),
            "state_class": "total_increasing" if grows(key) else "measurement",
            "icon": _ICONS[key[0]],
        }
        yield _Entity("sensor", key, body)
    for label in snapshots:
        picture = {
            "name": f"{label} snapshot",
            "image_topic": _topic(prefix, name, label, "snapshot"),
            "content_type": "image/jpeg",
        }
        yield _Entity("image", ("snapshot", label), picture)


def _switch(prefix: str, camera: str, word: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "command_topic": _topic(prefix, camera, word, "set"),
        "state_topic": _topic(prefix, camera, word, "state"),
        "payload_on": "ON",
        "payload_off": "OFF",
        "entity_category": "config",
    }


def _figure(name: str, key: tuple[str, ...], topic: str, template: str, more: Mapping[str, str]) -> _Entity:
    """A number of ``stats``; unknown to Home Assistant when no report comes."""
    body = {
        "name": name,
        "state_topic": topic,
        "value_template": template,
        "state_class": "measurement",
        "expire_after": _EXPIRES_S,
        "entity_category": "diagnostic",
        **more,
    }
    return _Entity("sensor", key, body)


def _message(
    discovery_prefix: str, prefix: str, node: str, entity: _Entity, common: Mapping[str, Any], camera: str | None
) -> Message:
    online = {"payload_available": "online", "payload_not_available": "offline"}
    availability = [{"topic": f"{prefix}/available", **online}]
    if camera is not None and entity.follows:
        availability.append({"topic": _topic(prefix, camera, "status"), "value_template": _UP, **online})
    object_id = _identifier_of(*map(topic_word, entity.key))
    config = {
        **entity.body,
        "unique_id": f"{node}_{object_id}",
        "qos": 1,
        "availability": availability,
        "availability_mode": "all",
        **common,
    }
    payload = json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode()
    return Message(f"{discovery_prefix}/{entity.component}/{node}/{object_id}/config", payload, qos=1, retain=True)


def _topic(prefix: str, *levels: str) -> str:
    return "/".join((prefix, *map(topic_word, levels)))


def _identifier(*words: str) -> str:
    return _identifier_of("sightline", *words)


def _identifier_of(*words: str) -> str:
    """Words as one id of ``[a-z0-9_-]``: joined by ``_``; a ``_`` or ``-`` of a word has a ``-`` before it.

    So different words never make the same id: camera ``a_b`` with ``c`` is not camera ``a`` with ``b_c``.
    """
    return "_".join(word.replace("-", "--").replace("_", "-_") for word in words)
