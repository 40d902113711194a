"""How a run ends: by a signal, by a kill, with a broker that goes away; always in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import finish, start_app
from tests.support.mosquitto import Mosquitto
from tests.support.results import frames_of, lines, summary, whole_lines
from tests.support.subscriber import Subscriber

VIDEO = "one-by-one-person-detection.mp4"  # 1394 frames, 10 a second
STEM = "one-by-one-person-detection"


@pytest.fixture
def start(
    data_dir: Path, light_runtime: str, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.Popen[bytes]]:
    """Start analysing a long video."""
    monkeypatch.setenv("SIGHTLINE_CACHE", str(cache_dir))

    def begin(*arguments: str, new_group: bool = False) -> subprocess.Popen[bytes]:
        fixed = ("--model", "yolov8n", "--scenario", "pedestrian", "--runtime", light_runtime)
        return start_app("analyze", data_dir / VIDEO, *fixed, *arguments, cwd=tmp_path, new_group=new_group)

    return begin


def wait_for_frames(process: subprocess.Popen[bytes], folder: Path, frames: int) -> None:
    path = folder / "detections.jsonl"
    end = time.monotonic() + 90
    while not path.exists() or path.read_bytes().count(b"\n") < frames:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, "the analysis does not get ahead"
        time.sleep(0.02)


def test_a_kill_leaves_at_most_one_torn_line_and_a_video_that_plays(
    start: Callable[..., subprocess.Popen[bytes]], broker: Mosquitto, tmp_path: Path
) -> None:
    with Subscriber(broker.address) as seen:
        process = start("--annotate", "--mqtt", broker.url)
        wait_for_frames(process, tmp_path / "results" / STEM, 35)
        process.kill()
        process.communicate()
        seen.wait_for("sightline/available", "offline")  # the will
    folder = tmp_path / "results" / STEM
    found = whole_lines(folder / "detections.jsonl")
    assert [line["frame"] for line in found] == list(range(len(found)))
    whole_lines(folder / "events.jsonl")
    assert (folder / "fps.csv").read_text().startswith("elapsed_s,")
    assert 10 <= len(frames_of(folder / "annotated.mp4")) <= len(found) + 1
    assert not (folder / "summary.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_in_good_order(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path, number: signal.Signals
) -> None:
    arguments = ["--annotate"] if number == signal.SIGTERM else []
    process = start(*arguments)
    wait_for_frames(process, tmp_path / "results" / STEM, 5)
    process.send_signal(number)
    begin = time.monotonic()
    done = finish(process)
    assert time.monotonic() - begin < 5
    assert done.code == 0
    assert [line.split(":")[1] for line in done.err.splitlines()] == [" rule flows is off"]  # one zone has no ways
    folder = tmp_path / "results" / STEM
    found = summary(folder)
    assert (found["result"], found["error"]) == ("stopped", None)
    assert found["frames"] == len(lines(folder / "detections.jsonl")) >= 5
    if arguments:
        assert len(frames_of(folder / "annotated.mp4")) == found["frames"]
    assert STEM in done.out


def test_a_signal_while_the_broker_is_away_does_not_wait_long(
    start: Callable[..., subprocess.Popen[bytes]], broker: Mosquitto, tmp_path: Path
) -> None:
    process = start("--mqtt", broker.url)
    wait_for_frames(process, tmp_path / "results" / STEM, 3)
    broker.stop()
    process.send_signal(signal.SIGTERM)
    begin = time.monotonic()
    done = finish(process)
    assert time.monotonic() - begin < 5
    assert done.code == 1
    assert len(done.errors) == 1
    assert "messages were not delivered" in done.errors[0]
    assert "Traceback" not in done.err
    assert summary(tmp_path / "results" / STEM)["result"] == "stopped"


def test_a_signal_before_anything_happened(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = start()
    time.sleep(0.7)  # its handlers are there, the model is not
    process.send_signal(signal.SIGTERM)
    done = finish(process)
    assert done.code in (0, -signal.SIGTERM)
    assert "Traceback" not in done.err


def test_two_signals_do_not_wait(start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path) -> None:
    process = start("--annotate")
    wait_for_frames(process, tmp_path / "results" / STEM, 3)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    done = finish(process)
    assert done.code == 0
    assert "Traceback" not in done.err


def test_a_broker_killed_midway_and_started_again_gets_the_rest(
    broker: Mosquitto, data_dir: Path, light_runtime: str, cache_dir: Path, tmp_path: Path
) -> None:
    video = data_dir / "worker-zone-detection.mp4"
    site = tmp_path / "site.yaml"
    site.write_text(
        f"version: 1\nmqtt: {{host: 127.0.0.1, port: {broker.port}}}\ncameras:\n  gate:\n    source: {video}\n"
        "    zones: {floor: [[0, 0], [1, 0], [1, 1], [0, 1]]}\n    labels: [person]\n    rules:\n"
        + "".join(f"      - {{kind: dwell, name: stay{n}, zone: floor, seconds: {n / 5}}}\n" for n in range(1, 21))
    )
    wishes = ("--config", site, "--model", "yolov8n", "--runtime", light_runtime)
    process = start_app("analyze", video, *wishes, cwd=tmp_path, env={"SIGHTLINE_CACHE": str(cache_dir)})
    folder = tmp_path / "results" / "worker-zone-detection"
    wait_for_frames(process, folder, 3)
    broker.stop()
    time.sleep(0.5)
    broker.start()
    with Subscriber(broker.address) as seen:
        done = finish(process)
        assert (done.code, done.errors) == (0, []), done
        assert "Traceback" not in done.err
        seen.wait_for("sightline/available", "offline")
        seen.wait_for("sightline/gate/status", "offline")
        stays = [message.topic for message in seen.messages if "/rules/" in message.topic]
    events = lines(folder / "events.jsonl")
    assert len(events) == 20
    assert len(lines(folder / "detections.jsonl")) == 71
    assert stays == [f"sightline/gate/rules/{event['rule']}" for event in events[-len(stays) :]]
    found = summary(folder)["mqtt"]
    assert (found["reconnects"], found["undelivered"]) == (1, 0)
    assert found["published"] > 20
