"""Write what the code knows of ``docs/``: tables of keys, the module map, JSON Schema and AsyncAPI of the messages.

``python docs/generate.py`` writes them; ``python docs/generate.py --check`` writes nothing and ends with 1 when a file
is not what it would write.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from config.site import Site  # noqa: E402 - the project need not be installed
from detectors.detections import Detections  # noqa: E402
from pipelines.events import ObjectEvent, ObjectState  # noqa: E402
from pipelines.home_assistant import discovery  # noqa: E402
from pipelines.messages import PAYLOAD_VERSION, MessageFactory, ServiceStats, payload_models  # noqa: E402
from pipelines.rules import RULE_KINDS  # noqa: E402
from pipelines.values import Event, FrameResult, Timings  # noqa: E402
from streams.frame import Frame  # noqa: E402
from streams.message import Message  # noqa: E402

Schema = Mapping[str, Any]
BEGIN = "<!-- begin: written by docs/generate.py -->"
END = "<!-- end: written by docs/generate.py -->"
REPLAYED = {
    "type": "boolean",
    "const": True,
    "description": "only there when the broker was away and the message is sent late",
}


# --- tables of keys -------------------------------------------------------------------------------------------------


def key_tables(model: type[BaseModel]) -> str:
    """A table for each block of a configuration model, outermost first."""
    root = model.model_json_schema()
    parts = []
    for place, schema in blocks(root, "", root):
        title = f"`{place}`" if place else "Top level"
        about = str(schema["description"]).split("\n\n")[0]
        parts.append(f"### {title}\n\n{about}\n\n{table(schema)}")
    return "\n\n".join(parts)


def blocks(schema: Schema, place: str, root: Schema) -> Iterator[tuple[str, Schema]]:
    """A block and those below it, with their places in the file."""
    yield place, schema
    for key, value in schema.get("properties", {}).items():
        below = f"{place}.{key}" if place else key
        for reference, suffix in references(value):
            found = root["$defs"][reference]
            if not found.get("additionalProperties"):  # rules have keys of their kind: they are told elsewhere
                yield from blocks(found, below + suffix, root)


def references(schema: Schema) -> Iterator[tuple[str, str]]:
    """Names of the blocks that a key leads to, and what stands between: ``.<name>`` or nothing."""
    if "$ref" in schema:
        yield schema["$ref"].rsplit("/", 1)[1], ""
    for part in schema.get("anyOf", ()):
        yield from references(part)
    for part in schema.get("patternProperties", {}).values():
        yield from ((name, f".<name>{suffix}") for name, suffix in references(part))


def table(schema: Schema) -> str:
    """The keys of one block."""
    required = schema.get("required", ())
    rows = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, value in schema["properties"].items():
        default = "**required**" if key in required else default_words(value)
        meaning = value.get("description") or ("a block, see below" if "$ref" in value else "")
        if not meaning and "const" not in value:
            raise SystemExit(f"{schema['title']}.{key} has no description; write one in its Field(...)")
        rows.append(f"| `{key}` | {type_words(value)} | {default} | {meaning.replace('<', '&lt;')} |")
    return "\n".join(rows)


def default_words(schema: Schema) -> str:
    """The default as YAML; a block's keys have their own, and an empty cell is nothing."""
    default = schema.get("default")
    return "" if default is None or "$ref" in schema else f"`{compact(default)}`"


def compact(value: Any) -> str:
    """A value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1000)
    return text.removesuffix("\n").removesuffix("\n...")


def type_words(schema: Schema) -> str:
    """The type and its bounds, for people."""
    if "anyOf" in schema:
        parts = [type_words(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(parts))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "$ref" in schema:
        return "block"
    kind = schema.get("type")
    if kind == "array":
        return array_words(schema)
    if kind == "object":
        inner: Schema = next(iter(schema.get("patternProperties", {}).values()), {})
        return f"name → {type_words(inner)}"
    return scalar_words(schema)


def array_words(schema: Schema) -> str:
    """A list, a pair, a point or a line."""
    items = schema.get("prefixItems")
    if items is None:
        return f"list of {type_words(schema['items'])}"
    if all(item.get("type") == "number" and "maximum" in item for item in items):
        return "point"
    return f"[{', '.join(type_words(item) for item in items)}]"


def scalar_words(schema: Schema) -> str:
    """Text, a name, a number with its bounds, true or false."""
    if schema.get("pattern") == "^[a-z0-9_-]+$":
        return "name"
    words = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "string": "text"}
    word = "path" if schema.get("format") == "path" else words[schema["type"]]
    signs = (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))
    bounds = [f"{sign} {schema[key]:g}" for key, sign in signs if key in schema]
    return " ".join([word, ", ".join(bounds)]).strip()


def rule_tables() -> str:
    """A table for each rule kind."""
    return "\n\n".join(
        f"### `{kind}`\n\n{table(config.model_json_schema())}" for kind, (config, _) in RULE_KINDS.items()
    )


def between_marks(path: Path, text: str) -> str:
    """A file's text with what stands between the marks replaced."""
    head, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, found, tail = rest.partition(END)
    if not found:
        raise SystemExit(f"{path}: the marks {BEGIN} and {END} are missing")
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"


def module_map() -> str:
    """A list for each room: its modules with the first line of their docstrings."""
    parts = []
    for room in ("config", "streams", "detectors", "pipelines", "dashboard"):
        rows: list[str] = []
        for path in sorted((DOCS.parent / room).rglob("*.py")):
            about = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0]
            if path.name == "__init__.py":
                if path.parent.name == room:
                    rows.insert(0, f"`{room}/`: {about}\n")
            else:
                rows.append(f"- `{path.relative_to(DOCS.parent / room).as_posix()}`: {about}")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


# --- MQTT -----------------------------------------------------------------------------------------------------------


class Topic(NamedTuple):
    """A topic of the contract.

    Attributes:
        id: Its name in the AsyncAPI document.
        pattern: As ``payload_models`` writes it.
        message: One as the code builds it: QoS and retained are read from it.
        about: One sentence.
        ours: Whether Sightline sends it; else it listens there.
    """

    id: str
    pattern: str
    message: Message
    about: str
    ours: bool = True


def topics() -> list[Topic]:
    """Every topic this version publishes to or listens to."""
    make = MessageFactory("p", boot_id="0" * 16)
    frame = Frame("camera", 0, np.zeros((2, 2, 3), np.uint8), 0.0, 0.0)
    result = FrameResult(frame, Detections.empty(()), np.empty(0, np.int64), (), (), {}, Timings(0, 0, 0, 0, 0, 0, 0))
    event = Event("line_crossing", "rule", "camera", 0.0, 0.0, 1, "person", {})
    count, count_detail = make.counter("camera", ("counts", "line", "in", "person"), 0, 0.0, 0.0, 0.0)
    inside, inside_detail = make.counter("camera", ("occupancy", "zone", "person"), 0, 0.0, 0.0, 0.0)
    total, total_detail = make.counter("camera", ("totals", "rule", "word"), 0, 0.0, 0.0, 0.0)
    value, value_detail = make.counter("camera", ("values", "rule", "word"), 0, 0.0, 0.0, 0.0)
    service = ServiceStats(uptime=0, version="0", rss_mb=0, spooled=0, dropped=0, reason=None)
    state = ObjectState(
        id="", camera="camera", frame_time=0, label="", top_score=0, score=0, start_time=0, box=(0, 0, 0, 0), area=0
    )
    home = discovery("homeassistant", "p", "site", "0", {}, {})[0]
    counts, occupancy = "<p>/<camera>/counts/<line>/<in|out>/<label>", "<p>/<camera>/occupancy/<zone>/<label>"
    totals, values = "<p>/<camera>/totals/<rule>/<word>", "<p>/<camera>/values/<rule>/<word>"
    return [
        Topic("available", "<p>/available", make.available(True), "The service: online or offline; also its last will"),
        Topic(
            "status",
            "<p>/<camera>/status",
            make.status("camera", "online"),
            "A camera: online, offline, disabled or degraded",
        ),
        Topic("detections", "<p>/<camera>/detections", make.detections(result, "", "", {}), "The boxes of one frame"),
        Topic(
            "events",
            "<p>/events",
            make.object_event(ObjectEvent("new", state, state)),
            "A step in the life of a tracked object",
        ),
        Topic("rules", "<p>/<camera>/rules/<rule>", make.rule_event(event), "What a rule saw"),
        Topic("counts", counts, count, "Crossings of a line so far, a whole number"),
        Topic("countsDetail", f"{counts}/detail", count_detail, "The same with its times"),
        Topic("occupancy", occupancy, inside, "How many are in a zone now, a whole number"),
        Topic("occupancyDetail", f"{occupancy}/detail", inside_detail, "The same with its times"),
        Topic("totals", totals, total, "What a rule has counted so far, a whole number"),
        Topic("totalsDetail", f"{totals}/detail", total_detail, "The same with its times"),
        Topic("values", values, value, "What a rule sees now, a whole number"),
        Topic("valuesDetail", f"{values}/detail", value_detail, "The same with its times"),
        Topic("stats", "<p>/stats", make.stats({}, {}, service), "Rates and times, every 10 s and at the end"),
        Topic(
            "snapshot",
            "<p>/<camera>/<label>/snapshot",
            make.snapshot("camera", "person", b""),
            "The best view of an object of this label, a JPEG",
        ),
        *switches(make),
        Topic(
            "command", "<p>/command", Message("p/command", b"reload", qos=1), "Reads the site file again", ours=False
        ),
        Topic(
            "homeAssistant",
            "<discovery>/<component>/<device>/<entity>/config",
            home,
            "An entity for Home Assistant's MQTT discovery, one message for each",
        ),
        Topic(
            "homeAssistantStatus",
            "<discovery>/status",
            Message("homeassistant/status", b"online", qos=1),
            "Home Assistant has started: its entities are published again",
            ours=False,
        ),
    ]


def switches(make: MessageFactory) -> Iterator[Topic]:
    """The two switches of a camera: where they are set, and what they are."""
    for word, about in (("detect", "Detection"), ("enabled", "The connection to the camera")):
        place = f"<p>/<camera>/{word}"
        wish = Message(f"p/camera/{word}/set", b"ON", qos=1)
        yield Topic(f"{word}Set", f"{place}/set", wish, f"{about}: switch it on or off", ours=False)
        yield Topic(f"{word}State", f"{place}/state", make.switch("camera", word, True), f"{about}: on or off")


def payload_schemas() -> dict[str, Any]:
    """The schemas of all payloads by model name, as sent."""
    models = list(dict.fromkeys(model for _, model in payload_models()))
    _, document = models_json_schema([(model, "serialization") for model in models], ref_template="#/$defs/{model}")
    schemas: dict[str, Any] = document["$defs"]
    for model in models:  # their defaults are filled in before they are sent
        keys = schemas[model.__name__]["properties"]
        keys["v"] = {"type": "integer", "const": PAYLOAD_VERSION}
        keys["boot_id"] = {"type": "string", "description": "new at each start"}
        keys["seq"] = {"type": "integer", "minimum": 1, "description": "counts per topic"}
    for schema in schemas.values():  # every key is sent, those with a default, too
        schema["required"] = list(schema["properties"])
    patterns = {pattern: model.__name__ for pattern, model in payload_models()}
    for topic in topics():
        if topic.pattern in patterns and topic.message.qos and not topic.message.retain:  # it may be sent late
            schemas[patterns[topic.pattern]]["properties"]["replayed"] = REPLAYED
    return schemas


def json_schema() -> str:
    """``mqtt-schema.json``: every payload that is JSON, and which topic has which."""
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Sightline MQTT payloads, version {PAYLOAD_VERSION}",
        "description": "x-topics says which definition a topic's payload follows; <p> is the configured prefix.",
        "x-topics": {pattern: {"$ref": f"#/$defs/{model.__name__}"} for pattern, model in payload_models()},
        "$defs": payload_schemas(),
    }
    return json.dumps(document, indent=2) + "\n"


def async_api() -> str:
    """``asyncapi.yaml``: the topics, what is sent there, and how."""
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    messages: dict[str, Any] = {}
    for topic in topics():
        address = topic.pattern.replace("<p>", "{prefix}").replace("<in|out>", "{direction}")
        address = address.replace("<", "{").replace(">", "}")
        channels[topic.id] = {
            "address": address,
            "description": topic.about,
            "parameters": parameters(address),
            "messages": {topic.id: {"$ref": f"#/components/messages/{topic.id}"}},
        }
        verb, action = ("publish", "send") if topic.ours else ("take", "receive")
        operations[f"{verb}{topic.id[0].upper()}{topic.id[1:]}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{topic.id}"},
            "bindings": {"mqtt": {"qos": topic.message.qos, "retain": topic.message.retain, "bindingVersion": "0.2.0"}},
        }
        content_type, payload = content(topic)
        messages[topic.id] = {"summary": topic.about, "contentType": content_type, "payload": payload}
    schemas = json.loads(json.dumps(payload_schemas()).replace("#/$defs/", "#/components/schemas/"))
    info = {
        "title": "Sightline over MQTT",
        "version": f"{PAYLOAD_VERSION}.0.0",
        "description": "Written by docs/generate.py from the code; docs/mqtt.md explains it.",
        "license": {"name": "AGPL-3.0-or-later"},
    }
    document = {
        "asyncapi": "3.0.0",
        "info": info,
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": schemas},
    }
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)


def parameters(address: str) -> dict[str, Any]:
    """What stands for the words in braces."""
    known: dict[str, Any] = {
        "prefix": {"description": "as configured; may have several levels", "default": "sightline"},
        "camera": {"description": "name of the camera"},
        "rule": {"description": "name of the rule: its own, or <kind>_<line or zone>"},
        "line": {"description": "name of the line"},
        "zone": {"description": "name of the zone"},
        "direction": {"enum": ["in", "out"], "description": "in ends on the left hand of someone walking from A to B"},
        "label": {"description": "label in lower case, other characters than a-z, 0-9, _ and - as _"},
        "word": {"description": "what is counted: a label, or a word of the rule's kind"},
        "discovery": {"description": "what Home Assistant listens to", "default": "homeassistant"},
        "component": {"enum": ["binary_sensor", "image", "sensor", "switch"], "description": "kind of entity"},
        "device": {"description": "a camera or the service: made of site and camera"},
        "entity": {"description": "what it shows"},
    }
    return {name: value for name, value in known.items() if f"{{{name}}}" in address}


def content(topic: Topic) -> tuple[str, Schema]:
    """Content type and schema of a topic's payload."""
    models = {pattern: model.__name__ for pattern, model in payload_models()}
    if topic.pattern in models:
        return "application/json", {"$ref": f"#/components/schemas/{models[topic.pattern]}"}
    if topic.id == "homeAssistant":
        return "application/json", {"type": "object", "description": "keys of Home Assistant's MQTT integration"}
    if topic.id == "snapshot":
        return "image/jpeg", {"type": "string", "format": "binary"}
    words = {
        "available": ["online", "offline"],
        "status": ["online", "offline", "disabled", "degraded"],
        "command": ["reload"],
        "homeAssistantStatus": ["online"],
        **{key: ["ON", "OFF"] for key in ("detectSet", "detectState", "enabledSet", "enabledState")},
    }
    if topic.id in words:
        return "text/plain", {"type": "string", "enum": words[topic.id]}
    return "text/plain", {"type": "integer", "minimum": 0}


# --- files ----------------------------------------------------------------------------------------------------------


def generated() -> dict[Path, str]:
    """Every file and what must stand in it."""
    architecture, configuration, scenarios = (
        DOCS / f"{name}.md" for name in ("architecture", "configuration", "scenarios")
    )
    return {
        architecture: between_marks(architecture, module_map()),
        configuration: between_marks(configuration, key_tables(Site)),
        scenarios: between_marks(scenarios, rule_tables()),
        DOCS / "mqtt-schema.json": json_schema(),
        DOCS / "asyncapi.yaml": async_api(),
    }


def main() -> int:
    """Write the files, or with ``--check`` only compare; the exit code."""
    files = generated()
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    if "--check" in sys.argv[1:]:
        for path in stale:
            print(f"{path.relative_to(DOCS.parent)} is stale; run: python docs/generate.py", file=sys.stderr)
        return bool(stale)
    for path in stale:
        path.write_text(files[path], encoding="utf-8")
        print(f"written: {path.relative_to(DOCS.parent)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
