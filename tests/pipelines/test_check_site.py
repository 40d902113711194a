"""``check``: everything a run would need, tried for real; it goes on after a fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import Done, call_app
from tests.support.mosquitto import Mosquitto
from tests.support.subscriber import Subscriber

Call = Callable[..., Done]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], models_dir: Path) -> Call:
    """Run the command line in this process."""
    return lambda *arguments: call_app(capfd, arguments)


def test_check_goes_on_after_a_fault_and_says_each_once(call: Call, data_dir: Path, tmp_path: Path) -> None:
    with Mosquitto(tmp_path, login=("camera", "right")) as broker:
        site = tmp_path / "site.yaml"
        site.write_text(
            f"version: 1\nmqtt: {{port: {broker.port}, username: camera, password: geheim}}\n"
            "detectors:\n  main: {model: yolov8n}\n  spare: {model: yolov9z}\n  own: {model: ./own.pt}\n"
            "cameras:\n"
            f"  one: {{source: {data_dir / 'people-detection.mp4'}, rules: [{{kind: zone_count, zone: yard}}]}}\n"
            "  two: {source: missing.mp4, labels: [walrus]}\n"
            "  three: {source: missing.mp4, detector: own}\n"
        )
        done = call("check", site)
        assert done.code == 2
        assert len(done.errors) == 5, done.err
        parts = ["own.pt does not exist", "cameras.one.rules[0].zone", "'walrus'", "missing.mp4", "refuses the login"]
        assert sorted(part for part in parts if any(part in error for error in done.errors)) == sorted(parts)
        assert "geheim" not in done.out + done.err
        assert "detectors.spare: not used" in done.out
        assert "people-detection.mp4: h264 480x270" in done.out  # its rules are wrong, its source is not


def test_check_of_a_broker_leaves_nothing_behind(call: Call, broker: Mosquitto, data_dir: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        f"version: 1\nmqtt: {{port: {broker.port}, prefix: a/b}}\n"
        f"cameras: {{one: {{source: {data_dir / 'people-detection.mp4'}}}}}\n"
    )
    with Subscriber(broker.address) as seen:
        done = call("check", site)
        assert (done.code, done.err) == (0, "")
        assert f"127.0.0.1:{broker.port} answers and takes the login; topics begin with a/b/" in done.out
        assert seen.messages == []
    broker.stop()
    call("check", site).failed(1, f"MQTT broker 127.0.0.1:{broker.port} cannot be reached")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("precision: int8", "precision"),
        ("device: toaster", "'toaster'"),
        ("runtime: tensorrt", "'tensorrt' is not installed"),
        ("model: pedestrian-ssdlite, runtime: torch", "pedestrian-ssdlite"),
    ],
)
def test_what_analyze_refuses_check_refuses_too(
    keys: str, expected: str, call: Call, data_dir: Path, tmp_path: Path
) -> None:
    site = tmp_path / "site.yaml"
    video = data_dir / "people-detection.mp4"
    site.write_text(f"version: 1\ndetectors:\n  main: {{{keys}}}\ncameras:\n  one: {{source: {video}}}\n")
    done = call("check", site)
    assert done.code != 0
    (error,) = done.errors
    assert f"{site}:3: detectors.main: " in error
    assert expected in error


def test_several_detectors_know_labels_together_and_a_launch_line_is_looked_at(call: Call, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    gst_line = "gst:videotestsrc num-buffers=30 ! video/x-raw,width=320,height=240"
    (tmp_path / "password").write_text("geheim\n")
    site.write_text(
        "version: 1\ndetectors: {main: {model: yolov8n}, same: {model: yolov8n, confidence: 0.4}}\ncameras:\n"
        f'  drawn: {{source: "{gst_line}", detector: [main, same], labels: [person]}}\n'
        "  away: {source: 'rtsp://127.0.0.1:1/x', username: root, password_file: password, labels: [unicorn]}\n"
    )
    done = call("check", site)
    assert done.code == 2
    assert "cameras.drawn: a gst: launch line: 320x240" in done.out, done.err
    assert "cameras.drawn: rules: none" in done.out
    assert len(done.errors) == 2, done.err
    assert any("has no label 'unicorn'" in error for error in done.errors)
    assert any("rtsp://127.0.0.1:1/x" in error for error in done.errors)
    assert "geheim" not in done.out + done.err
