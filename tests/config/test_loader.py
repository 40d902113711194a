"""What a site file may say, and what a wrong one gets: file, line, path and the way out."""

from __future__ import annotations

import textwrap
import traceback
from pathlib import Path

import pytest

from config.errors import ConfigError
from config.loader import Document, load
from config.site import Site

HEAD = "version: 1\n"
CAMERA = "cameras: {a: {source: x.mp4}}\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.yaml"


def read(file: Path, text: str) -> Document[Site]:
    file.write_text(textwrap.dedent(text))
    return load(file, Site)


def faults(file: Path, text: str) -> list[str]:
    """The sentences, without the file's folder."""
    with pytest.raises(ConfigError) as error:
        read(file, text)
    assert error.value.exit_code == 2
    assert str(error.value) == "\n".join(error.value.faults)
    assert all("\n" not in fault for fault in error.value.faults)
    return [fault.removeprefix(f"{file.parent}/") for fault in error.value.faults]


def test_defaults(file: Path) -> None:
    site = read(file, HEAD + CAMERA).value
    assert site.mqtt is None and site.server is None
    assert list(site.detectors) == ["main"]
    assert site.detectors["main"].model_dump() == {
        "model": "yolov8n", "runtime": "torch", "device": "auto", "precision": "fp32", "imgsz": 640, "labels": None,
        "confidence": 0.25, "iou": 0.7, "batch": 4, "batch_wait_ms": 0,
    }  # fmt: skip
    camera = site.cameras["a"]
    assert (camera.backend, camera.transport, camera.stall_s, camera.detect_fps) == ("auto", "tcp", 3, 10)
    assert (camera.lines, camera.zones, camera.rules, camera.labels) == ({}, {}, (), None)
    assert site.detector_names(camera) == ("main",)


def test_values_never_change(file: Path) -> None:
    with pytest.raises(Exception, match="frozen"):
        read(file, HEAD + CAMERA).value.site = "other"


def test_lines_of_keys_and_relative_paths(file: Path) -> None:
    document = read(file, HEAD + "cameras:\n  a:\n    source: x\n    labels:\n      - car\n")
    assert document.lines["cameras", "a", "labels", 0] == 6
    assert document.fault(("cameras", "a", "rules", 3), "wrong") == f"{file}:3: cameras.a.rules[3]: wrong"
    assert document.resolve(Path("var/x")) == file.parent / "var/x"
    assert document.resolve(Path("/var/x")) == Path("/var/x")


def camera(text: str) -> str:
    """A site whose camera ``a`` has these keys, the first of them on line 5."""
    return HEAD + "cameras:\n  a:\n    source: x\n" + textwrap.indent(textwrap.dedent(text), "    ")


def detector(text: str) -> str:
    """A site whose detector ``main`` has these keys, the first of them on line 4."""
    return HEAD + "detectors:\n  main:\n" + textwrap.indent(textwrap.dedent(text), "    ") + CAMERA


ONE_FAULT = {
    # not YAML, or no site file
    "comment only": ("# nothing\n", "site.yaml: the file is empty"),
    "empty": ("", "site.yaml: the file is empty"),
    "list": ("- a\n- b\n", "site.yaml:1: expected keys with values, not a list"),
    "word": ("hello\n", "site.yaml:1: expected keys with values, not 'hello'"),
    "two colons": (HEAD + "site: a: b\n", "site.yaml:2: not valid YAML: mapping values are not allowed here"),
    "tab": (HEAD + "\tsite: b\n", "site.yaml:2: not valid YAML: found character '\\t' that cannot start any token"),
    "open bracket": (HEAD + "cameras: [\n", "site.yaml:3: not valid YAML: "),
    "two documents": (HEAD + "---\n" + HEAD, "site.yaml:2: not valid YAML: but found another document"),
    "control character": ("version: 1\0\n", "site.yaml: not valid YAML: unacceptable character #x0000"),
    "unknown tag": (HEAD + "site: !vault x\n" + CAMERA, "site.yaml:2: site: this value cannot be read as YAML: "),
    "no such day": (HEAD + "site: 2021-13-45\n" + CAMERA, "site.yaml:2: site: this value cannot be read as YAML: "),
    "unknown anchor": (HEAD + "site: *x\n", "site.yaml:2: not valid YAML: found undefined alias; a value"),
    "alias in itself": (HEAD + "site: &x [*x]\n" + CAMERA, "site.yaml:2: site[0]: this alias (*) stands inside"),
    "list as key": (HEAD + "? [a]\n: 1\n" + CAMERA, "a key must be a plain word"),
    "code in a tag": (
        HEAD + "site: !!python/object/apply:os.system [ls]\n" + CAMERA,
        "site.yaml:2: site: expected text, not a list",
    ),
    # keys
    "no version": (CAMERA, "site.yaml:1: version: this key is required"),
    "other version": ("version: 2\n" + CAMERA, "site.yaml:1: version: expected 1, not 2"),
    "no cameras": (HEAD, "site.yaml:1: cameras: this key is required"),
    "empty cameras": (HEAD + "cameras: {}\n", "site.yaml:2: cameras: must not be empty"),
    "nothing behind cameras": (HEAD + "cameras:\n", "cameras: expected keys with values, but nothing is written here"),
    "no source": (HEAD + "cameras:\n  a:\n    labels: [car]\n", "site.yaml:3: cameras.a.source: this key is required"),
    "no detectors": (HEAD + "detectors: {}\n" + CAMERA, "site.yaml:2: detectors: must not be empty"),
    "unknown key at the top": (
        HEAD + CAMERA + "detector: {}\n",
        "site.yaml:3: detector: unknown key (did you mean 'detectors'?); allowed: cameras, detectors, log, mqtt, "
        "outputs, server, site, timezone, version",
    ),
    "unknown key of an optional block": (
        HEAD + "mqtt:\n  hots: x\n" + CAMERA,
        "site.yaml:3: mqtt.hots: unknown key (did you mean 'host'?); allowed: commands, detections, "
        "home_assistant, host, outbox, password, password_file, port, prefix, protocol, snapshots, tls, username",
    ),
    "unknown key two blocks down": (
        HEAD + "mqtt:\n  tls:\n    enabld: true\n" + CAMERA,
        "site.yaml:4: mqtt.tls.enabld: unknown key (did you mean 'enabled'?); allowed: ca, cert, enabled, key",
    ),
    "unknown key of a detector": (
        detector("confidance: 0.5\n"),
        "site.yaml:4: detectors.main.confidance: unknown key (did you mean 'confidence'?); allowed: batch, "
        "batch_wait_ms, confidence, device, imgsz, iou, labels, model, precision, runtime",
    ),
    "unknown key of a camera": (
        camera("line: {}\n"),
        "site.yaml:5: cameras.a.line: unknown key (did you mean 'lines'?); allowed: backend, calibration, detect_fps,",
    ),
    "unknown key of tiles": (
        camera("tiles:\n  rows: 1\n  columns: 2\n  cols: 1\n"),
        "site.yaml:7: cameras.a.tiles.columns: unknown key (did you mean 'cols'?); allowed: cols, overlap, rows",
    ),
    "unknown key nothing is like": (
        HEAD + CAMERA + "outputs:\n  jsonl: {zzz: 1}\n",
        "site.yaml:4: outputs.jsonl.zzz: unknown key; allowed: keep_days, path, rotate_mb",
    ),
    "unknown key of the tracker": (camera("tracker: {lost: 1}\n"), "site.yaml:5: cameras.a.tracker.lost: unknown"),
    "key twice": (HEAD + "site: a\n" + CAMERA + "site: b\n", "site.yaml:4: site: this key is written twice; keep one"),
    "camera twice": (
        HEAD + "cameras:\n  a: {source: x}\n  b: {source: y}\n  a: {source: z}\n",
        "site.yaml:5: cameras.a: this key is written twice; keep one",
    ),
    # types
    "camera is a word": (HEAD + "cameras: {a: x.mp4}\n", "cameras.a: expected keys with values, not 'x.mp4'"),
    "cameras are a list": (HEAD + "cameras: [x]\n", "site.yaml:2: cameras: expected keys with values, not a list"),
    "port is a word": (HEAD + "mqtt: {port: high}\n" + CAMERA, "mqtt.port: expected a whole number, not 'high'"),
    "port is broken": (HEAD + "mqtt: {port: 1.5}\n" + CAMERA, "mqtt.port: expected a whole number, not 1.5"),
    "port is truth": (HEAD + "mqtt: {port: yes}\n" + CAMERA, "mqtt.port: expected a number, not true"),
    "number is nothing": (camera("stall_s:\n"), "stall_s: expected a number, but nothing is written here"),
    "number is per cent": (camera("min_size: 1%\n"), "cameras.a.min_size: expected a number, not '1%'"),
    "number without end": (camera("stall_s: .inf\n"), "cameras.a.stall_s: must be a finite number, not inf"),
    "no number": (camera("min_size: .nan\n"), "cameras.a.min_size: must be a finite number, not nan"),
    "endless tracker": (camera("tracker: {lost_s: .inf}\n"), "tracker.lost_s: must be a finite number, not inf"),
    "truth is a word": (HEAD + "server: {metrics: perhaps}\n" + CAMERA, "expected true or false, not 'perhaps'"),
    "text is a number": (camera("scenario: 5\n"), "cameras.a.scenario: expected text, not 5; put it in quotes"),
    "text is truth": (camera("labels: [no]\n"), "labels[0]: expected text, not false; put it in quotes"),
    "text is a list": (HEAD + "cameras: {a: {source: [x]}}\n", "cameras.a.source: expected text, not a list"),
    "list is a word": (camera("labels: car\n"), "site.yaml:5: cameras.a.labels: expected a list, not 'car'"),
    "list is a mapping": (camera("rules: {a: 1}\n"), "cameras.a.rules: expected a list, not keys with values"),
    "rule is a word": (camera("rules:\n  - dwell\n"), "cameras.a.rules[0]: expected keys with values, not 'dwell'"),
    "rule without kind": (camera("rules:\n  - {zone: x}\n"), "site.yaml:6: cameras.a.rules[0].kind: this key is req"),
    "block is a word": (camera("motion: off\n"), "cameras.a.motion: expected keys with values, not false"),
    "imgsz is a word": (detector("imgsz: big\n"), "imgsz: expected a whole number or a list, not 'big'"),
    "imgsz is a mapping": (detector("imgsz: {h: 1}\n"), "expected a whole number or a list, not keys with values"),
    "imgsz is half a pair": (detector("imgsz: [640]\n"), "detectors.main.imgsz: item 2 of this list is missing"),
    "imgsz is a pair of words": (detector("imgsz: [640, x]\n"), "imgsz[1]: expected a whole number, not 'x'"),
    "detector is a number": (camera("detector: 3\n"), "cameras.a.detector: expected text or a list, not 3"),
    "detector list with a wrong name": (camera("detector: [main, 'B ad']\n"), "cameras.a.detector[1]: 'B ad' has char"),
    "calibration too short": (
        camera("calibration:\n  image: [[0, 0], [1, 0], [1, 1], [0, 1]]\n  ground_m: [[0, 0], [1, 0], [1, 1]]\n"),
        "site.yaml:7: cameras.a.calibration.ground_m: item 4 of this list is missing",
    ),
    # ranges
    "empty source": (HEAD + "cameras: {a: {source: ''}}\n", "cameras.a.source: must not be empty"),
    "port too high": (HEAD + "mqtt: {port: 70000}\n" + CAMERA, "mqtt.port: must be at most 65535, not 70000"),
    "confidence too high": (detector("confidence: 1\n"), "main.confidence: must be less than 1, not 1"),
    "imgsz too small": (detector("imgsz: 16\n"), "detectors.main.imgsz: must be at least 32, not 16"),
    "imgsz negative": (detector("imgsz: [640, -5]\n"), "detectors.main.imgsz[1]: must be at least 32, not -5"),
    "no detector in the list": (camera("detector: []\n"), "cameras.a.detector: must not be empty"),
    "drawn on nothing": (camera("drawn_on: [0, 720]\n"), "cameras.a.drawn_on[0]: must be more than 0, not 0"),
    "drawn on three": (camera("drawn_on: [1, 2, 3]\n"), "drawn_on: must have at most 2 items, this has 3"),
    "point outside": (camera("lines:\n  l: [[0, 0], [0, 640]]\n"), "lines.l[1][1]: must be at most 1, not 640"),
    "line of three": (camera("lines:\n  l: [[0, 0], [0, 1], [1, 1]]\n"), "l: a line has exactly 2 points, this one h"),
    "line without length": (camera("lines:\n  l: [[0, 1], [0, 1]]\n"), "site.yaml:6: cameras.a.lines.l: this line st"),
    "zone of two": (camera("zones:\n  z: [[0, 0], [0, 1]]\n"), "z: a polygon needs at least 3 points, this one has 2"),
    "zone of too many": (
        camera(f"zones:\n  z: [{201 * '[0, 0],'}]\n"),
        "z: a polygon can have 200 points at most, this one has 201",
    ),
    "drawn on more than a float holds": (
        camera(f"drawn_on: [1{400 * '0'}, 1]\n"), "cameras.a.drawn_on[0]: must be at most 100000"
    ),
    "zone without area": (camera("zones:\n  z: [[0, 0], [0, 1], [0, 0.5]]\n"), "zones.z: all points of this polygon"),
    "zone of one point outside": (
        camera("zones:\n  z: [[0, 0], [0, 1.01], [1, 1]]\n"),
        "site.yaml:6: cameras.a.zones.z[1][1]: must be at most 1, not 1.01",
    ),
    "zone with a point that is no number": (camera("zones:\n  z: [[0, 0], [0, .nan], [1, 1]]\n"), "zones.z[1][1]: "),
    "zone like a bow": (
        camera("zones:\n  z: [[0.1, 0.1], [0.9, 0.9], [0.9, 0.1], [0.1, 0.9]]\n"),
        "site.yaml:6: cameras.a.zones.z: this polygon crosses or touches itself: its edges from point 1 to point 2 and "
        "from point 3 to point 4 meet; write its points in the order in which they follow each other around it",
    ),
    "mask like a bow": (camera("masks: [[[0, 0], [1, 1], [1, 0], [0, 1]]]\n"), "cameras.a.masks[0]: this polygon cro"),
    "mask without depth": (camera("masks: [[[0, 0], [1, 0]]]\n"), "cameras.a.masks[0]: a polygon needs at leas"),
    # nothing behind a key, or nothing in it
    "empty server": (
        HEAD + "server:\n" + CAMERA,
        "site.yaml:2: server: nothing is written behind this key; write a value ({} for a block with its defaults), or",
    ),
    "empty broker": (HEAD + "mqtt:\n" + CAMERA, "site.yaml:2: mqtt: nothing is written behind this key; "),
    "empty result files": (HEAD + CAMERA + "outputs: {jsonl:}\n", "site.yaml:3: outputs.jsonl: nothing is written"),
    "empty scenario": (camera("scenario:\n"), "site.yaml:5: cameras.a.scenario: nothing is written behind this key"),
    "empty key of a rule": (camera("rules:\n  - {kind: dwell, labels: }\n"), "6: cameras.a.rules[0].labels: nothing"),
    "no labels": (
        camera("labels: []\n"),
        "site.yaml:5: cameras.a.labels: no label is named, so nothing would be seen; name some, or leave this key out",
    ),
    "launch line without text": (
        HEAD + "cameras: {a: {source: 'gst: '}}\n",
        "site.yaml:2: cameras.a.source: the launch line behind 'gst:' is missing; write gst:",
    ),
    "address without host": (
        HEAD + "cameras:\n  a:\n    source: RTSP:///stream\n",
        "site.yaml:4: cameras.a.source: this address has no host; write rtsp://host/path",
    ),
    "address that ends early": (HEAD + "cameras: {a: {source: 'rtsp://'}}\n", "a.source: this address has no host"),
    "address with a port only": (HEAD + "cameras: {a: {source: 'http://:80/x'}}\n", "a.source: this address has no h"),
    "address with a login only": (HEAD + "cameras: {a: {source: 'rtsps://u:p@/x'}}\n", "source: this address has no h"),
    # what MQTT cannot carry
    "user name too long": (
        HEAD + f"mqtt: {{username: {'ä' * 40_000}}}\n" + CAMERA,
        "site.yaml:2: mqtt.username: must have at most 65535 bytes (MQTT allows no more), this has 80000",
    ),
    "user name with NUL": (HEAD + 'mqtt: {username: "a\\0"}\n' + CAMERA, "mqtt.username: must not have a NUL"),
    "user name in half a pair": (HEAD + 'mqtt: {username: "\\udc80"}\n' + CAMERA, "username: has characters that ar"),
    "password too long": (
        HEAD + f"mqtt: {{username: u, password: {'a' * 65_536}}}\n" + CAMERA,
        "site.yaml:2: mqtt.password: must have at most 65535 bytes (MQTT allows no more), this has 65536",
    ),
    "path with NUL": (HEAD + 'log: {path: "a\\0"}\n' + CAMERA, "log.path: a path cannot have a NUL character"),
    "password with NUL": (HEAD + 'mqtt: {password: "a\\0"}\n' + CAMERA, "mqtt.password: must not have a NUL character"),
    "prefix too long": (
        HEAD + f"mqtt: {{prefix: {'a' * 201}}}\n" + CAMERA,
        "site.yaml:2: mqtt.prefix: must have at most 200 characters, this has 201",
    ),
    "prefix of the broker": (HEAD + "mqtt: {prefix: $SYS/a}\n" + CAMERA, "mqtt.prefix: '$SYS/a' has characters"),
    "prefix of Home Assistant too long": (
        HEAD + f"mqtt: {{home_assistant: {{prefix: {'a' * 201}}}}}\n" + CAMERA,
        "home_assistant.prefix: must have at most 200 characters",
    ),
    # names and choices
    "camera with a capital": (HEAD + "cameras: {Gate: {source: x}}\n", "cameras.Gate: 'Gate' has characters that are"),
    "zone with a space": (camera("zones:\n  'a b': [[0, 0], [0, 1], [1, 1]]\n"), "site.yaml:6: cameras.a.zones.a b: '"),
    "prefix with a wildcard": (HEAD + "mqtt: {prefix: a/#}\n" + CAMERA, "mqtt.prefix: 'a/#' has characters"),
    "unknown runtime": (
        detector("runtime: tensorlow\n"),
        "detectors.main.runtime: expected 'torch', 'tensorflow', 'litert', 'onnxruntime', 'openvino' or 'tensorrt', "
        "not 'tensorlow'",
    ),
    "unknown backend": (camera("backend: gst\n"), "backend: expected 'auto', 'opencv' or 'gstreamer', not 'gst'"),
    "unknown time zone": (HEAD + "timezone: Berlin\n" + CAMERA, "site.yaml:2: timezone: unknown time zone 'Ber"),
    "unknown detector": (camera("detector: edge\n"), "detector: unknown detector 'edge'; allowed: main"),
    "camera named like a topic": (
        HEAD + "cameras:\n  a: {source: x}\n  stats: {source: x}\n",
        "site.yaml:4: cameras.stats: a camera cannot be called 'stats': that is a word of the MQTT topics",
    ),
    "zone named like a camera": (
        camera("zones:\n  a: [[0, 0], [0, 1], [1, 1]]\n"),
        "site.yaml:6: cameras.a.zones.a: this zone is called like a camera",
    ),
    "zone named like a line": (
        camera("lines:\n  l: [[0, 0], [0, 1]]\nzones:\n  l: [[0, 0], [0, 1], [1, 1]]\n"),
        "site.yaml:8: cameras.a.zones.l: this zone is called like a line of the camera",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONE_FAULT)
def test_one_fault(name: str, file: Path) -> None:
    text, words = ONE_FAULT[name]
    found = faults(file, text)
    assert len(found) == 1, found
    assert words in found[0]
    assert found[0].startswith("site.yaml:")


def test_all_faults_at_once_in_file_order(file: Path) -> None:
    text = """\
        version: 1
        timezone: Mars
        cameras:
          gate:
            backend: gst
            lines:
              l: [[0, 0], [0, 0]]
              m: [[0, 0], [2, 0]]
            sourc: x
          B:
            source: y
        detectors:
          main: {imgsz: [1, 640], runtme: torch}
        mqtt:
          port: many
        extra: 1
        """
    assert [fault.split(": ")[0:2] for fault in faults(file, text)] == [
        ["site.yaml:2", "timezone"],
        ["site.yaml:4", "cameras.gate.source"],
        ["site.yaml:5", "cameras.gate.backend"],
        ["site.yaml:7", "cameras.gate.lines.l"],
        ["site.yaml:8", "cameras.gate.lines.m[1][0]"],
        ["site.yaml:9", "cameras.gate.sourc"],
        ["site.yaml:10", "cameras.B"],
        ["site.yaml:13", "detectors.main.imgsz[0]"],
        ["site.yaml:13", "detectors.main.runtme"],
        ["site.yaml:15", "mqtt.port"],
        ["site.yaml:16", "extra"],
    ]


def test_a_key_with_nothing_behind_it_is_told_beside_other_faults_but_null_is_a_value(file: Path) -> None:
    text = HEAD + "mqtt:\ncameras:\n  a:\n    source: x\n    stall_s: 0\n    labels:\nserver:\n"
    assert [fault.split(": ")[0:2] for fault in faults(file, text)] == [
        ["site.yaml:2", "mqtt"],
        ["site.yaml:6", "cameras.a.stall_s"],
        ["site.yaml:7", "cameras.a.labels"],
        ["site.yaml:8", "server"],
    ]
    site = read(file, HEAD + CAMERA + "server: null\nmqtt: ~\noutputs: {jsonl: {}}\n").value
    assert (site.server, site.mqtt) == (None, None)
    assert site.outputs.jsonl is not None


def test_the_longest_that_mqtt_can_carry(file: Path) -> None:
    text = f"mqtt: {{username: {'u' * 65_535}, password: {'p' * 65_535}, prefix: {'a/' * 99}bc}}\n"
    mqtt = read(file, HEAD + text + CAMERA).value.mqtt
    assert mqtt is not None and len(mqtt.prefix) == 200


@pytest.mark.parametrize(
    "source",
    ["rtsp://u:ge/heim@h/x", "rtsp://[::1/x", "http://[::1]/x", "gst:videotestsrc", "rtsp://u:p@h", "x//y.mp4"],
)
def test_sources_of_which_others_say_what_is_wrong(source: str, file: Path) -> None:
    assert read(file, HEAD + f"cameras: {{a: {{source: '{source}'}}}}\n").value.cameras["a"].source == source


def test_all_colliding_names_at_once_in_file_order(file: Path) -> None:
    text = """\
        version: 1
        cameras:
          a:
            detector: [main, edge]
            source: x
            lines: {b: [[0, 0], [1, 1]], z: [[0, 0], [1, 1]]}
            zones: {z: [[0, 0], [1, 1], [0, 1]]}
          b: {source: y}
          events: {source: y}
        """
    assert [fault.split(": ")[0:2] for fault in faults(file, text)] == [
        ["site.yaml:4", "cameras.a.detector"],
        ["site.yaml:6", "cameras.a.lines.b"],
        ["site.yaml:7", "cameras.a.zones.z"],
        ["site.yaml:9", "cameras.events"],
    ]


def test_all_unset_variables_and_double_keys_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ONE", "TWO"):
        monkeypatch.delenv(f"SIGHTLINE_TEST_{name}", raising=False)
    text = HEAD + "site: ${SIGHTLINE_TEST_ONE}\ncameras:\n  a: {source: '${SIGHTLINE_TEST_TWO}'}\ncameras:\n"
    assert faults(file, text) == [
        "site.yaml:2: site: the environment variable SIGHTLINE_TEST_ONE is not set; set it or write "
        "${SIGHTLINE_TEST_ONE:-default}",
        "site.yaml:4: cameras.a.source: the environment variable SIGHTLINE_TEST_TWO is not set; set it or write "
        "${SIGHTLINE_TEST_TWO:-default}",
        "site.yaml:5: cameras: this key is written twice; keep one",
    ]


def test_variables_are_filled_in(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_TEST_HOST", "broker")
    monkeypatch.setenv("SIGHTLINE_TEST_PORT", "2883")
    monkeypatch.setenv("SIGHTLINE_TEST_EMPTY", "")
    monkeypatch.delenv("SIGHTLINE_TEST_UNSET", raising=False)
    text = """\
        version: 1
        mqtt:
          host: ${SIGHTLINE_TEST_HOST}.lan
          port: ${SIGHTLINE_TEST_PORT}
          username: ${SIGHTLINE_TEST_UNSET:-nobody}${SIGHTLINE_TEST_EMPTY}
          password: "${SIGHTLINE_TEST_EMPTY:-a: b}"
          tls: {enabled: "${SIGHTLINE_TEST_UNSET:-false}"}
        cameras: {a: {source: "${SIGHTLINE_TEST_UNSET:-}x$HOME"}}
        """
    site = read(file, text).value
    assert site.mqtt is not None
    assert (site.mqtt.host, site.mqtt.port, site.mqtt.username) == ("broker.lan", 2883, "nobody")
    assert site.mqtt.password.get_secret_value() == "a: b"
    assert site.mqtt.tls.enabled is False
    assert site.cameras["a"].source == "x$HOME"


SECRETS = {
    "in a list": "mqtt: {password: [hunter2]}\n" + CAMERA,
    "in a mapping": "mqtt: {password: {a: hunter2}}\n" + CAMERA,
    "beside a fault": "mqtt: {password: hunter2, port: x}\n" + CAMERA,
    "beside a missing key": "cameras: {a: {password: hunter2}}\n",
    "under a wrong name": "cameras: {a: {source: x, pasword: hunter2}}\n",
    "from the environment": "cameras: {a: {source: x, password: '${SIGHTLINE_TEST_PASSWORD}', stall_s: 0}}\n",
    "of a camera that collides": "cameras: {stats: {source: x, password: hunter2}}\n",
    "in an address that stands for a camera": "cameras: {gate: 'rtsp://viewer:hunter2@10.0.0.1/s'}\n",
    "in an address with an open password": "cameras: {gate: 'rtsp://viewer:/hunter2@10.0.0.1/s'}\n",
    "in the query of an address": "cameras: {gate: 'http://10.0.0.1/s?user=a&pwd=hunter2'}\n",
    "in an address that stands for the broker": "mqtt: 'mqtt://u:hunter2@h'\n" + CAMERA,
    "in an address that stands for a name": "cameras: {'rtsp://u:hunter2@h/x': {source: x}}\n",
    "in an address that stands for a prefix": "mqtt: {prefix: 'mqtt://u:hunter2@h'}\n" + CAMERA,
    "filled in for a number": "mqtt: {port: '${SIGHTLINE_TEST_PASSWORD}'}\n" + CAMERA,
    "filled in for a word": "cameras: {a: {source: x, backend: '${SIGHTLINE_TEST_PASSWORD}'}}\n",
    "filled in for a prefix": "mqtt: {prefix: '${SIGHTLINE_TEST_PASSWORD} '}\n" + CAMERA,
    "filled in for a detector": "cameras: {a: {source: x, detector: '${SIGHTLINE_TEST_PASSWORD}'}}\n",
    "too long": f"mqtt: {{password: {'hunter2' * 10_000}}}\n" + CAMERA,
    "with a NUL": 'mqtt: {username: "hunter2\\0", password: "hunter2\\0"}\n' + CAMERA,
    "in an address without a host": "cameras: {a: {source: 'rtsp://u:hunter2@/x'}}\n",
    "filled in for a time zone": "timezone: '${SIGHTLINE_TEST_PASSWORD}'\n" + CAMERA,
}


@pytest.mark.parametrize("name", SECRETS)
def test_passwords_are_never_shown_not_even_in_a_traceback(
    name: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_TEST_PASSWORD", "hunter2")
    file.write_text(HEAD + SECRETS[name])
    with pytest.raises(ConfigError) as error:
        load(file, Site)
    shown = "".join(traceback.format_exception(error.value))
    assert "hunter2" not in shown


def test_an_address_is_shown_without_its_login_and_a_variable_by_its_name(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_TEST_PASSWORD", "rtsp://u:hunter2@h")
    text = "mqtt: {port: '${SIGHTLINE_TEST_PASSWORD}'}\ncameras: {gate: 'rtsp://u:hunter2@h/s?x=y'}\n"
    assert faults(file, HEAD + text) == [
        "site.yaml:2: mqtt.port: expected a whole number, not the value of ${SIGHTLINE_TEST_PASSWORD}",
        "site.yaml:3: cameras.gate: expected keys with values, not 'rtsp://…@h/s?…'",
    ]


def test_what_later_checks_say_hides_variables_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_TEST_PASSWORD", "hunter2")
    document = read(file, HEAD + "cameras: {a: {source: x, labels: ['${SIGHTLINE_TEST_PASSWORD}']}}\n")
    sentence = document.fault(("cameras", "a", "labels", 0), "unknown label 'hunter2'")
    assert sentence.endswith("cameras.a.labels[0]: unknown label the value of ${SIGHTLINE_TEST_PASSWORD}")


def test_a_loaded_password_does_not_print(file: Path) -> None:
    site = read(file, HEAD + "mqtt: {password: hunter2}\ncameras: {a: {source: x, password: hunter2}}\n").value
    assert "hunter2" not in repr(site) + str(site.model_dump()) + site.model_dump_json()


def test_numeric_password_is_asked_for_in_quotes(file: Path) -> None:
    assert faults(file, HEAD + "mqtt: {password: 12345}\n" + CAMERA) == [
        "site.yaml:2: mqtt.password: expected text; put it in quotes"
    ]


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: no such file; check the path or make one with 'init SOURCE'"):
        load(tmp_path / "none.yaml", Site)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a file; give the path of a YAML file"):
        load(tmp_path, Site)


def test_binary_file(file: Path, data_dir: Path) -> None:
    for content in (b"\xff\xfe\x00\x01" * 20, (data_dir / "people-detection.mp4").read_bytes()[:4096]):
        file.write_bytes(content)
        with pytest.raises(ConfigError) as error:
            load(file, Site)
        assert "not a UTF-8 text file" in str(error.value) and "\n" not in str(error.value)


def test_nesting_without_end(file: Path) -> None:
    file.write_text("a: " + "[" * 5000)
    with pytest.raises(ConfigError):
        load(file, Site)


@pytest.mark.parametrize("key", ["stats", "events", "available", "command"])
def test_words_of_the_topics(key: str, file: Path) -> None:
    assert "word of the MQTT topics" in faults(file, HEAD + f"cameras: {{{key}: {{source: x}}}}\n")[0]


def test_a_device_or_a_file_far_too_large_is_not_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="/dev/zero: not a file"):
        load(Path("/dev/zero"), Site)
    (tmp_path / "big.yaml").write_bytes(b"# " + b"x" * 1_000_000)
    with pytest.raises(ConfigError, match=r"big\.yaml: larger than 1 MB"):
        load(tmp_path / "big.yaml", Site)


def test_aliases_that_unfold_without_end_are_a_fault(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (tmp_path / "bomb.yaml").write_text("\n".join(rows))
    with pytest.raises(ConfigError, match="unfold to more than"):
        load(tmp_path / "bomb.yaml", Site)


@pytest.mark.parametrize(
    "text",
    [
        camera("password: !Summer2024\n"), camera("password: *Summer2024\n"), camera("password: !!Summer2024 x\n"),
        camera("password: !Sum!mer2024 x\n"), camera("password: &a 2024-99-99\n"),
        HEAD + "server: {password_hash: 2024}\n" + CAMERA,
        HEAD + "server: {tokens: [{name: a, scopes: [read], hash: 2024}]}\n" + CAMERA,
    ],
)  # fmt: skip
def test_no_sentence_shows_a_password_that_is_not_quoted(text: str, tmp_path: Path) -> None:
    file = tmp_path / "site.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, Site)
    said = " ".join(caught.value.faults)
    assert "2024" not in said.replace(str(file), "")
    assert "Sum" not in said.replace(str(file), "")
    assert "quotes" in said
