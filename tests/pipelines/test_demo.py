"""The demo on a short real video: both frameworks, one broker, one table."""

from __future__ import annotations

import os
import signal
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from config.loader import load
from config.site import Site
from tests.support.cli import finish, run_app, start_app
from tests.support.mosquitto import Mosquitto
from tests.support.results import frames_of, lines, summary
from tests.support.subscriber import Subscriber

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed (extra 'tensorflow')", allow_module_level=True)
pytest.importorskip("amqtt", reason="amqtt is not installed (extra 'broker')")


def test_both_frameworks_see_the_same(data_dir: Path, models_dir: Path, cache_dir: Path, tmp_path: Path) -> None:
    video = data_dir / "people-detection.mp4"
    out = tmp_path / "demo out"
    done = run_app("demo", "--video", video, "--out", out, env={"SIGHTLINE_CACHE": str(cache_dir)})
    assert done.code == 0, done
    assert "Traceback" not in done.err
    assert "error" not in done.err
    assert "\x1b" not in done.out + done.err
    assert "MQTT broker started inside this process: mqtt://127.0.0.1:" in done.err
    found = {}
    for runtime in ("torch", "tensorflow"):
        folder = out / f"{runtime}-yolov8n" / video.stem
        assert f"results: {folder}\n" in done.out  # on one line, to be copied
        found[runtime] = summary(folder)
        assert found[runtime]["framework"] == runtime
        assert (found[runtime]["result"], found[runtime]["frames"]) == ("done", 23)
        assert found[runtime]["mqtt"]["published"] > 10
        assert (found[runtime]["mqtt"]["undelivered"], found[runtime]["mqtt"]["dropped"]) == (0, 0)
        assert len(frames_of(folder / "annotated.mp4")) == 23
    torch, tensorflow = found["torch"], found["tensorflow"]
    for key in ("counts", "model_sha256", "model", "precision", "imgsz"):
        assert torch[key] == tensorflow[key]
    assert abs(torch["objects"] - tensorflow["objects"]) <= 0.02 * torch["objects"]
    assert {zone: value["visits"] for zone, value in torch["zones"].items()} == {
        zone: value["visits"] for zone, value in tensorflow["zones"].items()
    }
    events = [lines(out / f"{runtime}-yolov8n" / video.stem / "events.jsonl") for runtime in found]
    assert [(event["frame"], event["kind"]) for event in events[0]] == [
        (event["frame"], event["kind"]) for event in events[1]
    ]
    for word in ("torch", "tensorflow", "yolov8n", "FPS", "objects", "MQTT"):
        assert word in done.out
    site = next(line for line in done.out.splitlines() if line.startswith("site file to start your own from: "))
    assert list(load(Path(site.partition(": ")[2]), Site).value.cameras) == ["demo"]


def test_a_broker_of_ones_own_and_a_stop_in_the_middle(
    broker: Mosquitto, data_dir: Path, models_dir: Path, cache_dir: Path, tmp_path: Path
) -> None:
    video = data_dir / "one-by-one-person-detection.mp4"
    process = start_app(
        "demo", "--video", video, "--out", tmp_path, "--mqtt", broker.url, env={"SIGHTLINE_CACHE": str(cache_dir)}
    )
    with Subscriber(broker.address) as seen:
        seen.wait(lambda _: len(seen.of("sightline/demo/detections")) > 3, "no detections", timeout_s=60)
        process.send_signal(signal.SIGTERM)
        begin = time.monotonic()
        done = finish(process)
        assert time.monotonic() - begin < 12  # within a moment; other tests share the cores
        seen.wait_for("sightline/available", "offline")
        assert seen.of("sightline/stats")[-1].json["service"]["reason"] == "stopped"
    assert done.code == 0, done
    assert "Traceback" not in done.err
    assert summary(tmp_path / "torch-yolov8n" / video.stem)["result"] == "stopped"
    assert not (tmp_path / "tensorflow-yolov8n").exists()


def test_ctrl_c_while_a_framework_starts_is_quiet(data_dir: Path, models_dir: Path, tmp_path: Path) -> None:
    """A terminal sends Ctrl-C to all processes at once, also to one that is still importing."""
    video = data_dir / "people-detection.mp4"
    process = start_app("demo", "--video", video, "--out", tmp_path, new_group=True)
    assert process.stderr is not None
    while b"MQTT broker started" not in (line := process.stderr.readline()):
        assert line, "the demo ends before it starts"
    time.sleep(0.4)
    os.killpg(process.pid, signal.SIGINT)
    done = finish(process)
    assert done.code == 0, done
    assert "Traceback" not in done.err
    assert "KeyboardInterrupt" not in done.err
    assert "error" not in done.err


def test_a_bad_video_is_one_sentence(models_dir: Path, tmp_path: Path) -> None:
    run_app("demo", "--video", tmp_path / "no.mp4", "--out", tmp_path / "o").failed(1, "no.mp4 does not exist")
    text = tmp_path / "text.mp4"
    text.write_text("hello\n" * 100)
    run_app("demo", "--video", text, "--out", tmp_path / "o").failed(1, str(text))
