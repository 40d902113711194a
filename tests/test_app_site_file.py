"""What a wrong site file gets from ``analyze`` and from ``check``: file, line, YAML path and what is allowed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigError
from pipelines.live.plan import plan_site
from streams.gst import load_gst
from tests.support.cli import Done, call_app, run_app
from tests.support.mosquitto import make_certificates

Call = Callable[..., Done]
GOOD = """\
version: 1
detectors:
  main: {model: yolov8n, runtime: torch}
cameras:
  gate:
    source: VIDEO
    lines: {middle: [[0.5, 1.0], [0.5, 0.0]]}
    zones: {floor: [[0, 0], [1, 0], [1, 1], [0, 1]]}
    rules:
      - {kind: line_crossing, line: middle, labels: [person]}
      - {kind: zone_count, zone: floor}
"""
# (what is written instead, line and path, what the sentence must say)
WRONG: dict[str, tuple[str, str, str, list[str]]] = {
    "label": (
        "labels: [person]",
        "labels: [walrus]",
        "10: cameras.gate.rules[0].labels: ",
        ["'walrus'", "person, bicycle"],
    ),
    "labels": (
        "    rules:",
        "    labels: [walrus, person]\n    rules:",
        "9: cameras.gate.labels: ",
        ["'walrus'", "person, bicycle"],
    ),
    "zone": ("zone: floor", "zone: flor", "11: cameras.gate.rules[1].zone: ", ["'flor'", "allowed: floor"]),
    "line": ("line: middle", "line: midle", "10: cameras.gate.rules[0].line: ", ["'midle'", "allowed: middle"]),
    "rule kind": ("kind: zone_count", "kind: zone", "11: cameras.gate.rules[1].kind: ", ["'zone'", "line_crossing"]),
    "scenario": ("    rules:", "    scenario: zoo\n    rules:", "9: cameras.gate.scenario: ", ["'zoo'", "traffic"]),
    "runtime": (
        "runtime: torch",
        "runtime: caffe",
        "3: detectors.main.runtime: ",
        ["'torch'", "'tensorflow'", "caffe"],
    ),
    "detector": ("    rules:", "    detector: tf\n    rules:", "9: cameras.gate.detector: ", ["'tf'", "allowed: main"]),
    "key": (
        "source: VIDEO",
        "source: VIDEO\n    sauce: x",
        "7: cameras.gate.sauce: ",
        ["unknown key", "'source'", "zones"],
    ),
    "type": ("    rules:", "    min_size: tall\n    rules:", "9: cameras.gate.min_size: ", ["a number", "'tall'"]),
    "variable": (
        "source: VIDEO",
        "source: ${NO_SUCH_VARIABLE}",
        "6: cameras.gate.source: ",
        ["NO_SUCH_VARIABLE is not set"],
    ),
    "point": ("[0.5, 1.0]", "[0.5, 480]", "7: cameras.gate.lines.middle[0][1]: ", ["at most 1"]),
    "yaml": ("    rules:", "    rules: [", "", ["not valid YAML"]),
    "version": ("version: 1", "version: 2", "1: version: ", ["1"]),
    "nothing behind a key": (
        "cameras:",
        "server:\ncameras:",
        "4: server: ",
        ["nothing is written", "leave the key out"],
    ),
    "no label": ("    rules:", "    labels: []\n    rules:", "9: cameras.gate.labels: ", ["leave this key out"]),
    "launch line": ("source: VIDEO", "source: 'gst:'", "6: cameras.gate.source: ", ["launch line", "is missing"]),
    "host": ("source: VIDEO", "source: rtsp:///x", "6: cameras.gate.source: ", ["has no host", "rtsp://host/path"]),
    "outbox": ("cameras:", "mqtt: {outbox: {path: /dev/null}}\ncameras:", "4: mqtt.outbox.path: ", ["is a device"]),
    "log": ("cameras:", "log: {path: .}\ncameras:", "4: log.path: ", ["is a folder; name a file in it"]),
    "password file": (
        "cameras:",
        "mqtt: {password_file: /dev/zero}\ncameras:",
        "4: mqtt.password_file: ",
        ["/dev/zero is a device; name a file"],
    ),
    "certificate": (
        "cameras:",
        "mqtt: {tls: {enabled: true, ca: .}}\ncameras:",
        "4: mqtt.tls.ca: ",
        ["is a folder; name a file"],
    ),
    "prefix": ("cameras:", f"mqtt: {{prefix: {'a' * 201}}}\ncameras:", "4: mqtt.prefix: ", ["at most 200 characters"]),
}


@pytest.fixture
def video(data_dir: Path) -> Path:
    return data_dir / "people-detection.mp4"


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: call_app(capfd, arguments)


def write(folder: Path, video: Path, before: str = "", after: str = "") -> Path:
    """A site file with one thing replaced."""
    path = folder / "my site.yaml"
    assert before in GOOD
    path.write_text(GOOD.replace(before, after, 1).replace("VIDEO", str(video)))
    return path


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("command", ["analyze", "check"])
def test_one_sentence_with_file_line_path_and_what_is_allowed(
    call: Call, video: Path, tmp_path: Path, name: str, command: str
) -> None:
    before, after, place, parts = WRONG[name]
    path = write(tmp_path, video, before, after)
    done = call("analyze", video, "--config", path) if command == "analyze" else call("check", path)
    sentence = done.failed(2, *parts)
    assert sentence.startswith(f"{path}:{place}")
    assert not (tmp_path / "results").exists()


def test_all_faults_at_once_one_sentence_each(call: Call, video: Path, tmp_path: Path) -> None:
    path = write(tmp_path, video, "source: VIDEO", "source: VIDEO\n    sauce: x\n    min_size: tall\n    stall_s: -1")
    done = call("analyze", video, "--config", path)
    assert done.code == 2
    assert [error.split(": ")[1] for error in done.errors] == [
        "cameras.gate.sauce", "cameras.gate.min_size", "cameras.gate.stall_s",
    ]  # fmt: skip


def test_an_unknown_camera_and_one_that_must_be_named(call: Call, video: Path, tmp_path: Path) -> None:
    path = write(tmp_path, video)
    call("analyze", video, "--config", path, "--camera", "door").failed(2, str(path), "'door'", "allowed: gate")
    path.write_text(path.read_text() + f"  door: {{source: {video}}}\n")
    call("analyze", video, "--config", path).failed(2, str(path), "--camera", "gate, door")
    assert call("analyze", video, "--config", path, "--camera", "door").code == 0


def test_a_secret_in_the_file_is_never_shown(call: Call, video: Path, tmp_path: Path) -> None:
    path = write(tmp_path, video, "cameras:", "mqtt: {port: 0, username: u, password: geheim}\ncameras:")
    sentence = call("analyze", video, "--config", path).failed(2, ":4: mqtt.port: ")
    assert "geheim" not in sentence
    path = write(tmp_path, video, "cameras:", "mqtt: {username: u, password: [geheim]}\ncameras:")
    sentence = call("check", path).failed(2, ":4: mqtt.password: ")
    assert "geheim" not in sentence


def test_geometry_drawn_on_another_picture(call: Call, video: Path, tmp_path: Path) -> None:
    path = write(tmp_path, video, "    rules:", "    drawn_on: [100, 100]\n    rules:")
    call("analyze", video, "--config", path).failed(2, f"{path}:9: cameras.gate.drawn_on: ", "100x100", "480x270")


def test_a_runtime_that_is_known_but_not_there(call: Call, video: Path, tmp_path: Path) -> None:
    path = write(tmp_path, video, "runtime: torch", "runtime: tensorrt")
    parts = ["'tensorrt' is not installed", "pip install tensorrt cuda-python"]
    call("analyze", video, "--config", path).failed(2, *parts)
    assert call("check", path).code == 2


def test_the_scenario_file_is_named_with_its_own_line(call: Call, video: Path, tmp_path: Path) -> None:
    scenario = tmp_path / "mine.yaml"
    scenario.write_text("version: 1\nlabels: [person]\ngeometry: {}\nrules:\n  - {kind: zone_count, zone: yard}\n")
    sentence = call("analyze", video, "--scenario", scenario).failed(2, "'yard'")
    assert sentence.startswith(f"{scenario}:5: rules[0].zone: ")


def planned(path: Path) -> list[str]:
    """The faults that ``run`` finds before it begins, without the folder."""
    with pytest.raises(ConfigError) as error:
        plan_site(path, False, False, print)
    assert error.value.exit_code == 2
    return [fault.removeprefix(f"{path}:") for fault in error.value.faults]


@pytest.mark.parametrize("content", ["a picture, say", "version: 1\n"])
def test_run_leaves_a_file_alone_that_is_no_outbox(video: Path, tmp_path: Path, models_dir: Path, content: str) -> None:
    (tmp_path / "mine").write_text(content)
    path = write(tmp_path, video, "cameras:", "mqtt:\n  outbox:\n    path: mine\ncameras:")
    before = sorted(tmp_path.iterdir())
    sentence = run_app("run", path).failed(2, f"{path}:6: mqtt.outbox.path: ")
    assert sentence.endswith(f"{tmp_path / 'mine'} is a file of another kind, not an outbox; give it another place")
    assert (tmp_path / "mine").read_text() == content
    assert sorted(tmp_path.iterdir()) == before


def test_run_says_which_file_of_the_encryption_is_wrong(video: Path, tmp_path: Path, models_dir: Path) -> None:
    files = make_certificates(tmp_path)
    (tmp_path / "wrong.pem").write_text("not a certificate")
    for keys, place, text in (
        ("ca: wrong.pem", "ca", f"cannot load {tmp_path}/wrong.pem ("),
        ("ca: missing.pem", "ca", f"cannot load {tmp_path}/missing.pem (No such file or directory); check the file"),
        (f"cert: {files.cert}, key: missing.pem", "key", f"cannot load {tmp_path}/missing.pem (No such file or dir"),
        (
            "cert: missing.pem",
            "cert",
            f"cannot load {tmp_path}/missing.pem (No such file or directory); check the file",
        ),
        (f"cert: {files.cert}, key: {files.client_key}", "cert", f"cannot load {files.cert}, {files.client_key} ("),
    ):
        path = write(tmp_path, video, "cameras:", f"mqtt:\n  tls: {{enabled: true, {keys}}}\ncameras:")
        (fault,) = planned(path)
        assert fault.startswith(f"5: mqtt.tls.{place}: {text}")


def test_run_without_gstreamer_names_the_way_out_for_a_site_file(
    video: Path, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gi", None)
    load_gst.cache_clear()
    path = write(tmp_path, video, "source: VIDEO", "source: rtsp://h/x\n    backend: gstreamer")
    try:
        (fault,) = planned(path)
    finally:
        load_gst.cache_clear()
    assert fault.startswith("6: cameras.gate.source: GStreamer is not installed (")
    assert "(backend: opencv in a site file, --backend opencv with 'analyze')" in fault


@pytest.mark.parametrize(
    ("url", "what"),
    [
        (f"mqtt://h/{'a' * 201}", "the prefix must have at most 200 characters, this has 201"),
        (
            f"mqtt://{'u' * 65_536}@h",
            "the user name must have at most 65535 bytes (MQTT allows no more), this has 65536",
        ),
        ("mqtt://u:geheim%00@h", "the password must not have a NUL character, which MQTT does not allow"),
    ],
    ids=["prefix", "user", "password"],
)
def test_a_broker_that_cannot_be_told_so_much(call: Call, video: Path, url: str, what: str) -> None:
    assert call("analyze", video, "--mqtt", url).failed(2) == f"--mqtt: {what}"
