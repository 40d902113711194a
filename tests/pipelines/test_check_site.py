"""``check``: everything a run would need, tried for real; it goes on after a fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import Done, call_app
from tests.support.http_server import MjpegServer
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.rtsp_server import RtspServer
from tests.support.subscriber import Subscriber

Call = Callable[..., Done]
HELMET = "{kind: missing_gear, gear: helmet, worn: [helmet], optional: true}"


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
        assert len(done.errors) == 6, done.err
        parts = [
            "own.pt does not exist", "cameras.one.rules[0].zone", "'walrus'", f"{site}:9: cameras.two.source: ",
            f"{site}:10: cameras.three.source: ", "refuses the login",
        ]  # fmt: skip
        assert sorted(part for part in parts if any(part in error for error in done.errors)) == sorted(parts)
        assert "geheim" not in done.out + done.err
        assert "detectors.spare: not used" in done.out
        assert "people-detection.mp4: h264 480x270" in done.out  # its rules are wrong, its source is not


def test_check_of_a_broker_leaves_nothing_behind(call: Call, broker: Mosquitto, data_dir: Path, tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(
        f"version: 1\nmqtt: {{port: {broker.port}, prefix: a/b}}\n"
        f"cameras: {{one: {{source: {data_dir / 'people-detection.mp4'}, rules: [{HELMET}]}}}}\n"
    )
    with Subscriber(broker.address) as seen:
        done = call("check", site)
        assert (done.code, done.err) == (0, "")
        assert f"127.0.0.1:{broker.port} answers and takes the login; topics begin with a/b/" in done.out
        assert "cameras.one: rules: none; rule missing_gear_helmet is off: the model has no label 'helmet'" in done.out
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


def faults_of_sources(call: Call, folder: Path, *cameras: str) -> list[str]:
    """What ``check`` finds wrong with sources, without the places, which must name file, line and camera."""
    site = folder / "site.yaml"
    lines = [f"  cam{number}: {{{camera}}}\n" for number, camera in enumerate(cameras)]
    site.write_text(f"version: 1\ncameras:\n{''.join(lines)}", encoding="utf-8")
    done = call("check", site)
    assert done.code == 1
    assert "heim" not in done.out + done.err
    places = [f"{site}:{3 + number}: cameras.cam{number}.source: " for number in range(len(cameras))]
    assert [error[: len(place)] for error, place in zip(done.errors, places, strict=True)] == places
    return [error[len(place) :] for error, place in zip(done.errors, places, strict=True)]


def test_each_camera_is_told_of_its_own_source(call: Call, tmp_path: Path) -> None:
    source = f"source: rtsp://127.0.0.1:{free_port()}/x"
    one, two = faults_of_sources(call, tmp_path, source, source)
    assert one == two
    assert "refuses the connection" in one


def test_a_refused_login_is_told_as_one(call: Call, tmp_path: Path) -> None:
    with RtspServer("viewer", "right") as camera, MjpegServer(login="viewer:right") as mjpeg:
        rtsp = f"rtsp://127.0.0.1:{camera.port}/cam"
        wrong = "username: viewer, password: geheim"
        said = faults_of_sources(
            call, tmp_path, f"source: {rtsp}", f"source: {rtsp}, backend: opencv, {wrong}",
            f"source: {mjpeg.url.replace('//', '//viewer:geheim@')}",
        )  # fmt: skip
    assert said == [f"source {url} refuses the login; check user name and password" for url in (rtsp, rtsp, mjpeg.url)]


def test_files_that_are_no_videos(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    empty, text = faults_of_sources(call, tmp_path, "source: empty.mp4", "source: text.mp4")
    assert empty.startswith(f"{tmp_path / 'empty.mp4'} is empty")
    assert text.startswith(f"{tmp_path / 'text.mp4'} is ")


def test_a_camera_is_seen_as_run_will_see_it(call: Call, tmp_path: Path) -> None:
    with RtspServer("viewer", "right") as camera:
        site = tmp_path / "site.yaml"
        login = "username: viewer, password: right"
        url = f"rtsp://127.0.0.1:{camera.port}/cam"
        site.write_text(
            f"version: 1\ncameras:\n  a: {{source: '{url}', {login}}}\n"
            f"  b: {{source: '{url}', backend: opencv, {login}, drawn_on: [320, 320]}}\n"
        )
        done = call("check", site)
    assert f"cameras.a: {url}: h264 320x240, 10.00 fps" in done.out, done
    done.failed(2, f"{site}:4: cameras.b.drawn_on: ", f"{url} is 320x240")
