"""``run`` as operators use it: real cameras, a real broker, signals, kills, reloads; in processes of their own."""

from __future__ import annotations

import json
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.cameras import figures
from config.errors import ConfigError
from pipelines.live.plan import plan_site
from tests.support import live
from tests.support.camera import Film, RtspCamera
from tests.support.cli import run_app
from tests.support.live import WHOLE, Running, wait_until
from tests.support.mosquitto import Mosquitto, make_certificates
from tests.support.results import lines
from tests.support.subscriber import Received, Subscriber

TRAFFIC = {
    "labels": ["car", "truck", "bus", "person"],
    "lines": {"road": [[0.0, 0.55], [1.0, 0.55]]},
    "zones": {"all": WHOLE},
    "rules": [
        {"kind": "line_crossing", "line": "road", "labels": ["car", "truck"]},
        {"kind": "zone_count", "zone": "all", "labels": ["car", "truck"]},
    ],
}


@pytest.fixture(autouse=True)
def _light(light_runtime: str, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is the service: its detector runs on what starts fast, unless a test asks for another."""
    monkeypatch.setenv("SIGHTLINE_CACHE", str(cache_dir))
    monkeypatch.setitem(LIGHT["main"], "runtime", light_runtime)


IMGSZ = 416
"""The street is in reach of it, for less than half the work of the usual size."""
LIGHT: dict[str, dict[str, Any]] = {"main": {"model": "yolov8n", "imgsz": IMGSZ}}


def write_site(path: Path, cameras: Mapping[str, Mapping[str, Any]], **blocks: Any) -> Path:
    """A site file whose detector starts fast."""
    return live.write_site(path, cameras, **{"detectors": LIGHT, **blocks})


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    """A camera that shows the street, for tests that leave it alone."""
    with RtspCamera(Film()) as running:
        yield running


def mqtt_of(broker: Mosquitto, **more: Any) -> dict[str, Any]:
    return {"port": broker.port, **more}


def detection_fps(stats: Received) -> float:
    """What ``stats`` say of the street; 0 in those that went out before it was taken over."""
    fps: float = stats.json["cameras"].get("street", {}).get("detection_fps", 0.0)
    return fps


def retained(broker: Mosquitto, wait_for: str = "sightline/street/occupancy/all/truck/detail") -> dict[str, str]:
    """What a late subscriber finds; the last retained topic of a camera tells that all of them are there."""
    with Subscriber(broker.address) as late:
        late.wait(lambda messages: any(m.topic == wait_for for m in messages), f"no {wait_for}")
        time.sleep(0.3)
        return {message.topic: message.text for message in late.messages if message.retained}


def test_a_file_is_analysed_to_its_end_as_analyze_does(
    broker: Mosquitto, data_dir: Path, models_dir: Path, tmp_path: Path
) -> None:
    video = data_dir / "person-bicycle-car-detection.mp4"
    blocks = {"outputs": {"jsonl": {"path": "results"}}, "mqtt": mqtt_of(broker)}
    camera = {"source": str(video), **TRAFFIC, "rules": [{"kind": "zone_count", "zone": "all"}]}
    site = write_site(tmp_path / "site.yaml", {"lot": camera}, **blocks)
    with Subscriber(broker.address) as seen, Running(site) as app:
        done = app.finish()
        assert done.code == 0, done.err
        seen.wait_for("sightline/available", "offline")
        messages = seen.messages
    again = run_app("analyze", video, "--config", site, "--out", tmp_path / "analyze", cwd=tmp_path)
    assert again.code == 0, again.err
    live = [line for path in (tmp_path / "results" / "lot").glob("events-*.jsonl") for line in lines(path)]
    expected = lines(tmp_path / "analyze" / video.stem / "events.jsonl")
    assert len(expected) > 0
    assert [{key: line[key] for key in expected[0]} for line in live] == expected
    frames = [line for path in (tmp_path / "results" / "lot").glob("detections-*.jsonl") for line in lines(path)]
    assert [line["frame"] for line in frames] == list(range(41))
    begun = [m.json for m in messages if m.topic == "sightline/events"]
    assert {event["type"] for event in begun} >= {"new", "end"}
    by_object: dict[str, list[str]] = {}
    for event in begun:
        by_object.setdefault(event["after"]["id"], []).append(event["type"])
    assert all(steps[0] == "new" and steps[-1] == "end" for steps in by_object.values()), by_object
    assert [m.json["service"]["reason"] for m in messages if m.topic == "sightline/stats"][-1] == "done"


def test_a_camera_is_watched_and_everything_is_published(
    camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    site = write_site(
        tmp_path / "site.yaml",
        {"street": {"source": camera.url, **TRAFFIC}},
        detectors={"main": {"runtime": "torch", "imgsz": IMGSZ}},
        mqtt=mqtt_of(broker, snapshots={"enabled": True}, home_assistant={"enabled": True}),
        log={"format": "json", "stats_s": 5},
    )
    with Subscriber(broker.address) as seen, Running(site, "--log-dir", str(tmp_path / "logs")) as app:
        seen.wait_for("sightline/available", "online")
        seen.wait_for("sightline/street/status", "offline")
        seen.wait_for("sightline/street/detect/state", "ON")
        seen.wait_for("sightline/street/counts/road/in/car", "0")
        assert not seen.of("sightline/street/detections")  # the state is there before the models are
        app.wait_online("street")
        seen.wait_for("sightline/street/status", "online")
        seen.wait(lambda messages: [m for m in messages if m.topic.endswith("/snapshot")], "no snapshot")
        seen.wait(lambda messages: [m for m in messages if m.topic == "sightline/events"], "no events")
        seen.wait(
            lambda messages: [m for m in messages if m.topic == "sightline/stats" and detection_fps(m) > 1], "no stats"
        )
        stats = seen.of("sightline/stats")[-1].json
        found = stats["cameras"]["street"]
        assert 7 < found["camera_fps"] < 13
        assert 0 < found["latency_ms"]["p50"] <= found["latency_ms"]["p99"]
        assert found["captured"] >= found["processed"] > 0
        assert stats["detectors"]["main"]["framework"] == "torch"
        assert stats["service"]["broker"] == "connected"
        discovered = {m.topic: m.json for m in seen.messages if m.topic.startswith("homeassistant/")}
        assert any(entity.get("state_topic", "").endswith("/counts/road/in/car") for entity in discovered.values())
        detections = seen.of("sightline/street/detections")[-1].json
        assert detections["width"] == 640 and detections["framework"] == "torch"
        code, seconds = app.stop()
    assert (code, seconds < 5) == (0, True), app.log
    said = [json.loads(line) for line in app.log.splitlines()]
    assert any(line.get("camera") == "street" and "latency_ms" in line for line in said)
    assert (tmp_path / "logs" / "frameworks.csv").read_text().count("\n") >= 2
    assert list((tmp_path / "logs" / "torch").glob("events.out.tfevents.*"))
    state = retained(broker)
    assert state["sightline/available"] == state["sightline/street/status"] == "offline"
    assert state["sightline/street/occupancy/all/car"] == "0"


def test_a_camera_that_goes_and_comes_back(broker: Mosquitto, models_dir: Path, tmp_path: Path) -> None:
    with RtspCamera(Film()) as camera, Subscriber(broker.address) as seen:
        site = write_site(tmp_path / "site.yaml", {"street": {"source": camera.url, **TRAFFIC}}, mqtt=mqtt_of(broker))
        with Running(site) as app:
            app.wait_online("street")
            seen.wait(lambda messages: [m for m in messages if m.topic == "sightline/events"], "nobody is seen", 40)
            camera.stop()
            gone = time.monotonic()
            seen.wait_for("sightline/street/status", "offline")
            assert time.monotonic() - gone < 10
            seen.wait_for("sightline/street/occupancy/all/car", "0")
            camera.start()
            back = time.monotonic()
            seen.wait_for("sightline/street/status", "online")
            assert time.monotonic() - back < 15
            seconds = [m.json["pts_s"] for m in seen.of("sightline/street/detections")]
            assert seconds == sorted(set(seconds))
            opened = [m.json for m in seen.of("sightline/events")]
            before = {event["after"]["id"] for event in opened if event["type"] == "new"}
            ended = {event["after"]["id"] for event in opened if event["type"] == "end"}
            assert ended and ended <= before


def silent_port() -> tuple[socket.socket, int]:
    """A port that takes connections and says nothing."""
    server = socket.create_server(("127.0.0.1", 0))
    return server, server.getsockname()[1]


@pytest.mark.parametrize(
    ("state", "number"),
    [
        ("loading", signal.SIGTERM),
        ("connecting", signal.SIGTERM),
        ("frozen", signal.SIGTERM),
        ("frozen", signal.SIGINT),
        ("broker away", signal.SIGTERM),
        ("broker frozen", signal.SIGTERM),
    ],
)
def test_a_signal_ends_it_from_any_state(
    state: str, number: signal.Signals, tmp_path: Path, models_dir: Path, broker: Mosquitto
) -> None:
    server, port = silent_port()
    source = f"rtsp://127.0.0.1:{port}/x"
    with server, RtspCamera(Film()) as camera:
        if state in ("frozen", "broker away", "broker frozen"):
            source = camera.url
        site = write_site(tmp_path / "site.yaml", {"street": {"source": source, **TRAFFIC}}, mqtt=mqtt_of(broker))
        if state == "broker away":
            broker.stop()
        with Running(site) as app:
            if state == "loading":
                wait_until(lambda: f":{broker.port} is connected" in app.log, "it does not connect")
            elif state == "connecting":
                app.wait_health(lambda health: health.get("status") == "ok", "it does not start")
            else:
                app.wait_online("street")
            if state == "frozen":
                camera.freeze()
            if state == "broker frozen":
                broker.freeze()
            if state == "loading":
                assert "models are loaded" not in app.log
            else:
                time.sleep(0.5)
            app.signal(number)
            begin = time.monotonic()
            assert app.process is not None
            code = app.process.wait(20)
            assert time.monotonic() - begin < 5
            assert code == 0, app.log
            assert "Traceback" not in app.log
            if state == "frozen":
                camera.thaw()


def test_a_kill_loses_no_total_and_the_state_is_right_after_it(
    camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    kill_again_and_again(camera, broker, tmp_path, ("watching", "loading", "watching"), 15)  # beside other tests


@pytest.mark.slow
def test_twenty_kills(camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path) -> None:
    kill_again_and_again(camera, broker, tmp_path, 5 * ("watching", "loading", "reloading", "anywhen"), 5)


def kill_again_and_again(
    camera: RtspCamera, broker: Mosquitto, folder: Path, moments: Sequence[str], within_s: float
) -> None:
    """SIGKILL at such moments; after each start the state is right in time, and totals never go back."""
    random_ = random.Random(1)  # noqa: S311 - the same moments each time
    line = {"kind": "line_crossing", "line": "road", "labels": ["car", "truck"], "margin": 0.0}
    settings = {**TRAFFIC, "lines": {"road": [[0.0, 0.5], [1.0, 0.5]]}, "rules": [line, TRAFFIC["rules"][1]]}
    site = write_site(folder / "site.yaml", {"street": {"source": camera.url, **settings}}, mqtt=mqtt_of(broker))
    totals: dict[str, int] = {}
    opened: set[str] = set()
    with Subscriber(broker.address, qos=0) as seen, ExitStack() as stack:
        app = Running(site)
        stack.push(app.__exit__)
        for turn, moment in enumerate(moments):
            seen_before = len(seen.messages)
            app.start()
            begin = time.monotonic()
            seen.wait(
                lambda messages, since=seen_before: [  # type: ignore[misc]
                    m for m in messages[since:] if m.topic == "sightline/available" and m.text == "online"
                ],
                "it does not come online",
            )
            said = len(app.log)
            seen.wait_for("sightline/street/status", "offline")
            seen.wait_for("sightline/street/occupancy/all/car", "0")
            seen.wait_for("sightline/street/occupancy/all/truck", "0")
            assert time.monotonic() - begin < within_s
            if moment in ("watching", "reloading"):
                state = retained(broker)
                assert state["sightline/street/occupancy/all/car"] == "0"
                now = {topic: int(text) for topic, text in state.items() if "/counts/" in topic and text.isdigit()}
                assert now.keys() >= totals.keys()
                assert all(now[topic] >= value for topic, value in totals.items()), (totals, now)
                app.wait_online("street")
                time.sleep(1.5 + 1.7 * (turn % 3))
            if moment == "reloading":
                reload_with_another_model(app, site, 0.5 + turn / 100)
                time.sleep(random_.uniform(0, 3))
            elif moment == "anywhen":
                time.sleep(random_.uniform(0, 8))
            app.kill()
            assert moment != "loading" or "models are loaded" not in app.log[said:]
            seen.wait_for("sightline/available", "offline")  # the will
            check_outbox(folder / "var" / "outbox.sqlite")
            time.sleep(0.3)
            state = retained(broker)
            totals = {topic: int(text) for topic, text in state.items() if "/counts/" in topic and text.isdigit()}
        app.start()
        app.wait_online("street")
        assert app.stop()[0] == 0
        for message in seen.of("sightline/events"):
            event = message.json
            (opened.discard if event["type"] == "end" else opened.add)(event["after"]["id"])
    assert opened == set()  # what was in sight at a kill is ended by the next start
    assert sum(totals.values()) > 0
    crossings = [m.json for m in seen.messages if "/rules/line_crossing_road" in m.topic and not m.retained]
    unique = {(event["boot_id"], event["seq"]) for event in crossings}
    final = retained(broker)
    assert sum(int(t) for topic, t in final.items() if "/counts/" in topic and t.isdigit()) == len(unique)


def reload_with_another_model(app: Running, site: Path, iou: float) -> None:
    """Change a setting of the detector, so that the reload loads it and starts the camera anew."""
    content = yaml.safe_load(site.read_text(encoding="utf-8"))
    content["detectors"]["main"]["iou"] = iou
    site.write_text(yaml.safe_dump(content), encoding="utf-8")
    app.signal(signal.SIGHUP)


def check_outbox(path: Path) -> None:
    with sqlite3.connect(path) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_broker_killed_under_load_gets_every_event(
    camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    kill_the_broker(camera, broker, tmp_path, 5, 0.3)  # seconds beside other tests are no measure of a rate


@pytest.mark.slow
def test_a_broker_that_is_away_for_a_minute(
    camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    kill_the_broker(camera, broker, tmp_path, 60, 0.75)


def kill_the_broker(camera: RtspCamera, broker: Mosquitto, folder: Path, away_s: float, share: float) -> None:
    """Events of the time without a broker come late, marked, in order, and none is missing; the pipeline goes on."""
    many = [{"kind": "dwell", "name": f"stay{n}", "zone": "all", "seconds": 0.2 * n} for n in range(1, 15)]
    site = write_site(
        folder / "site.yaml",
        {"street": {"source": camera.url, **TRAFFIC, "rules": [*TRAFFIC["rules"], *many]}},
        mqtt=mqtt_of(broker),
    )
    with Subscriber(broker.address, qos=0) as seen, Running(site) as app:
        app.wait_online("street")
        seen.wait(lambda messages: len([m for m in messages if "/rules/" in m.topic]) > 10, "no events")
        rate = processed_per_s(app, 4)
        broker.stop()
        without = processed_per_s(app, away_s)
        broker.start()
        seen.wait(lambda _: seen.subscriptions > 1, "no new subscription")
        seen.wait(lambda messages: [m for m in messages if '"replayed":true' in m.text], "nothing comes late", 30)
        time.sleep(3)
        code, _ = app.stop()
        assert code == 0
        seen.wait_for("sightline/available", "offline")
        messages = seen.messages
    assert without > share * rate, (without, rate)
    by_topic: dict[tuple[str, str], list[int]] = {}
    for message in messages:
        if message.topic == "sightline/events" or "/rules/" in message.topic:
            body = message.json
            by_topic.setdefault((body["boot_id"], message.topic), []).append(body["seq"])
    assert len(by_topic) > 5
    for topic, numbers in by_topic.items():
        first_seen = list(dict.fromkeys(numbers))
        assert first_seen == list(range(1, len(first_seen) + 1)), (topic, numbers)


def processed_per_s(app: Running, seconds: float) -> float:
    """Frames that go through, a second."""
    begin, first = time.monotonic(), figures(app.port)["street"]["process"]
    time.sleep(seconds)
    return (figures(app.port)["street"]["process"] - first) / (time.monotonic() - begin)


def test_switches_and_reload_over_mqtt(camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path) -> None:
    site = write_site(
        tmp_path / "site.yaml",
        {"street": {"source": camera.url, **TRAFFIC}},
        mqtt=mqtt_of(broker, commands={"reload": True}),
    )
    with Subscriber(broker.address) as seen, Running(site) as app:
        app.wait_online("street")
        seen.say("sightline/street/detect/set", "OFF")
        seen.wait_for("sightline/street/detect/state", "OFF")
        time.sleep(0.7)
        count = len(seen.of("sightline/street/detections"))
        time.sleep(1)
        assert len(seen.of("sightline/street/detections")) == count
        assert seen.last("sightline/street/status") == "online"
        assert app.health()["not_detecting"] == ["street"]
        seen.say("sightline/street/detect/set", "ON")
        seen.wait(lambda messages: len([m for m in messages if m.topic.endswith("/detections")]) > count, "stays off")
        seen.say("sightline/street/enabled/set", "OFF")
        seen.wait_for("sightline/street/status", "disabled")
        seen.say("sightline/street/enabled/set", "nonsense")
        seen.say("sightline/nobody/enabled/set", "ON")
        wait_until(lambda: "'nonsense' is not understood" in app.log, "nonsense is not told")
        app.kill()
        app.start()  # what was switched off stays off
        wait_until(lambda: "street: the camera was switched off over MQTT" in app.log, "nothing is said of the switch")
        seen.wait_for("sightline/street/enabled/state", "OFF")
        seen.wait_for("sightline/street/status", "disabled")
        app.wait_health(lambda health: health.get("status") == "ok", "it does not start")
        seen.say("sightline/street/enabled/set", "ON")
        seen.wait_for("sightline/street/status", "online")
        seen.say("sightline/command", "reload")
        wait_until(lambda: "is taken over" in app.log, "no reload")
        seen.say("sightline/street/enabled/set", "OFF")
        seen.wait_for("sightline/street/status", "disabled")
        content = yaml.safe_load(site.read_text())
        for number, (enabled, status) in enumerate(((False, "disabled"), (True, "online"))):
            content["cameras"]["street"]["enabled"] = enabled  # the file has the last word when it changes
            site.write_text(yaml.safe_dump(content))
            wait_until(lambda n=number: app.log.count("is taken over") == n + 2, "no reload")  # type: ignore[misc]
            seen.wait_for("sightline/street/enabled/state", "ON" if enabled else "OFF")
            seen.wait_for("sightline/street/status", status)


def test_reload_leaves_alone_what_did_not_change(
    camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    cameras: dict[str, Any] = {"a": {"source": camera.url, **TRAFFIC}, "b": {"source": camera.url, **TRAFFIC}}
    site = write_site(tmp_path / "site.yaml", cameras, mqtt=mqtt_of(broker))
    with Subscriber(broker.address) as seen, Running(site) as app:
        app.wait_online("a", "b")
        content = yaml.safe_load(site.read_text())

        def change(text: str, number: signal.Signals | None = None) -> None:
            site.write_text(text)
            if number is not None:
                app.signal(number)

        change("version: 1\ncameras: {a: {sauce: x}}\n", signal.SIGHUP)
        app.wait_health(lambda health: health.get("reload_error"), "a wrong file is not reported")
        assert "unknown key (did you mean 'source'?)" in app.health()["reload_error"]
        assert "everything goes on as before" in app.log
        assert app.health()["cameras"] == {"a": "online", "b": "online"}
        content["cameras"]["b"]["lines"] = {"other": [[0.0, 0.4], [1.0, 0.4]]}
        content["cameras"]["b"]["rules"] = [{"kind": "line_crossing", "line": "other", "labels": ["car"]}]
        content["cameras"]["c"] = {"source": camera.url, **TRAFFIC}
        change(yaml.safe_dump(content))  # nobody says so: the file is looked at
        app.wait_online("a", "b", "c")
        seen.wait_for("sightline/c/status", "online")
        seen.wait_for("sightline/b/counts/other/in/car", "0")
        seen.wait_for("sightline/b/counts/road/in/car", "")  # cleared: no longer ours
        assert app.health()["reload_error"] is None
        statuses = [message.text for message in seen.of("sightline/a/status")]
        assert statuses.count("online") == 1 and statuses[-1] == "online"  # never touched
        del content["cameras"]["c"]
        change(yaml.safe_dump(content), signal.SIGHUP)
        seen.wait_for("sightline/c/status", "")
        app.wait_health(lambda health: list(health.get("cameras", {})) == ["a", "b"], "c stays")
        state = retained(broker, "sightline/a/occupancy/all/truck/detail")
        assert not [topic for topic in state if topic.startswith("sightline/c/")]
        content["mqtt"]["prefix"] = "elsewhere"
        change(yaml.safe_dump(content), signal.SIGHUP)
        seen.wait_for("elsewhere/a/status", "online")
    state = retained(broker, "elsewhere/a/occupancy/all/truck/detail")
    assert state["elsewhere/available"] == "offline"
    assert not [topic for topic in state if topic.startswith("sightline/")]


def test_topics_that_are_no_longer_ours_are_cleared_at_the_next_start(
    camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    path = tmp_path / "site.yaml"
    two = {"a": {"source": camera.url, **TRAFFIC}, "gone": {"source": camera.url, **TRAFFIC}}
    with Running(write_site(path, two, mqtt=mqtt_of(broker))) as app:
        app.wait_online("a", "gone")
    assert "sightline/gone/status" in retained(broker, "sightline/a/occupancy/all/truck/detail")
    with Running(write_site(path, {"a": two["a"]}, mqtt=mqtt_of(broker))) as app:
        app.wait_online("a")
        state = retained(broker, "sightline/a/occupancy/all/truck/detail")
        assert not [topic for topic in state if topic.startswith("sightline/gone/")]


def test_one_wedged_camera_of_four_costs_the_others_nothing(models_dir: Path, tmp_path: Path) -> None:
    wedge_one_of_four(tmp_path, before_s=8, wedged_s=12, share=0.9)  # of a few frames: a frame more or less is 4 %


@pytest.mark.slow
def test_one_wedged_camera_of_four_over_minutes(models_dir: Path, tmp_path: Path) -> None:
    wedge_one_of_four(tmp_path, before_s=60, wedged_s=120, share=0.95)


def wedge_one_of_four(folder: Path, before_s: float, wedged_s: float, share: float) -> None:
    """The others keep this share of their rate, which is one the machine can hold: it is the wedge that is measured."""
    with RtspCamera(Film(), cameras=3) as good, RtspCamera(Film()) as bad:
        urls = {f"good{number}": url for number, url in enumerate(good.urls)}
        cameras = {name: {"source": url, "detect_fps": 2, **TRAFFIC} for name, url in {**urls, "bad": bad.url}.items()}
        with Running(write_site(folder / "site.yaml", cameras)) as app:
            app.wait_online(*cameras)
            time.sleep(4)
            before = rates(app, before_s)
            bad.freeze()
            after = rates(app, wedged_s)
            app.wait_health(lambda health: health["cameras"]["bad"] == "offline", "the wedge is not seen", 10)
            bad.thaw()
            app.wait_online("bad", timeout_s=20)
    print(f"wedged: {before} -> {after}")
    for name in urls:
        assert after[name] >= share * before[name], (before, after)
    assert after["bad"] < 0.5 * before["bad"]


@pytest.mark.slow
def test_one_stuttering_camera_of_four_over_minutes(models_dir: Path, tmp_path: Path) -> None:
    """Its pictures come in bursts; the short form is in ``tests/pipelines/test_live_service.py``."""
    end = threading.Event()
    with RtspCamera(Film(), cameras=3) as good, RtspCamera(Film()) as bad:
        urls = {f"good{number}": url for number, url in enumerate(good.urls)}
        cameras = {name: {"source": url, "detect_fps": 2, **TRAFFIC} for name, url in {**urls, "bad": bad.url}.items()}

        def stutter() -> None:
            while not end.is_set():
                bad.freeze()
                time.sleep(1.3)
                bad.thaw()
                time.sleep(0.2)

        with Running(write_site(tmp_path / "site.yaml", cameras)) as app:
            app.wait_online(*cameras)
            time.sleep(4)
            before = rates(app, 60)
            thread = threading.Thread(target=stutter)
            thread.start()
            try:
                after = rates(app, 120)
            finally:
                end.set()
                thread.join()
    print(f"stuttering: {before} -> {after}")
    for name in urls:
        assert after[name] >= 0.95 * before[name], (before, after)
    assert after["bad"] < 0.7 * before["bad"]


def rates(app: Running, seconds: float) -> dict[str, float]:
    """Analysed frames a second of each camera."""
    begin, first = time.monotonic(), figures(app.port)
    time.sleep(seconds)
    last, elapsed = figures(app.port), time.monotonic() - begin
    return {name: (last[name]["detection"] - first[name]["detection"]) / elapsed for name in last}


def test_a_still_scene_costs_no_inference_and_a_moving_one_does(
    broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    settings = {**TRAFFIC, "motion": {"enabled": True}}
    with RtspCamera(Film(still=True)) as camera, Subscriber(broker.address) as seen:
        site = write_site(tmp_path / "site.yaml", {"street": {"source": camera.url, **settings}}, mqtt=mqtt_of(broker))
        with Running(site) as app:
            app.wait_online("street")
            seen.wait(lambda messages: [m for m in messages if m.topic == "sightline/events"], "nobody is seen", 40)
            time.sleep(2)
            first = figures(app.port)["street"]
            there = seen.last("sightline/street/occupancy/all/car")
            time.sleep(6)
            last = figures(app.port)["street"]
            assert last["detection"] == first["detection"]
            assert last["gated"] - first["gated"] > 40
            assert last["process"] > first["process"]  # the rules see the time pass
            assert there != "0" and seen.last("sightline/street/occupancy/all/car") == there
            ended = [m.json["type"] for m in seen.of("sightline/events")]
            assert "end" not in ended  # what stands still is not lost
            camera.stop()
            camera.start(still=False)
            seen.wait_for("sightline/street/status", "online")
            app.wait_online("street")
            wait_until(lambda: figures(app.port)["street"]["detection"] > last["detection"] + 10, "it stays shut")


def test_counts_begin_anew_only_when_told(
    camera: RtspCamera, broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    margin = [{**rule, "margin": 0.0} if rule["kind"] == "line_crossing" else rule for rule in TRAFFIC["rules"]]
    settings = {**TRAFFIC, "rules": margin}
    site = write_site(tmp_path / "site.yaml", {"street": {"source": camera.url, **settings}}, mqtt=mqtt_of(broker))
    with Subscriber(broker.address) as seen, Running(site) as app:
        app.wait_online("street")
        seen.wait(lambda messages: [m for m in messages if "/rules/line_crossing" in m.topic], "no crossing", 60)
        run_app("reset-counts", site, cwd=tmp_path).failed(1, "outbox.sqlite")  # it is in use
        assert app.stop()[0] == 0
    kept = {topic: text for topic, text in retained(broker).items() if text.isdigit()}
    before = {topic: text for topic, text in kept.items() if "/counts/" in topic or "/totals/" in topic}
    assert sum(map(int, before.values())) > 0
    run_app("reset-counts", site, "nobody", cwd=tmp_path).failed(2, "no camera nobody")
    done = run_app("reset-counts", site, "street", cwd=tmp_path)
    assert (done.code, done.out.split()[0]) == (0, str(len(before)))
    with Subscriber(broker.address) as seen, Running(site) as app:
        for topic in before:
            seen.wait_for(topic, "0")


def test_tls_with_client_certificates_and_mqtt_5(models_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    certificates = make_certificates(tmp_path)
    tls = {"enabled": True, "ca": "ca.pem", "cert": str(certificates.cert), "key": str(certificates.key)}
    assert certificates.ca == tmp_path / "ca.pem"
    login = ("camera", "geheim")
    (tmp_path / "password").write_text("geheim\n")
    camera = {"source": str(data_dir / "people-detection.mp4"), "zones": {"all": WHOLE}}
    with Mosquitto(tmp_path, login=login, tls=certificates) as broker:
        mqtt = {"port": broker.port, "tls": tls, "protocol": "5", "username": "camera", "password_file": "password"}
        site = write_site(tmp_path / "site.yaml", {"hall": camera}, mqtt=mqtt)
        address = replace(broker.address, username=login[0], password=login[1], tls=True, ca=certificates.ca)
        with Subscriber(address) as seen, Running(site) as app:
            assert app.finish().code == 0, app.log
            seen.wait_for("sightline/available", "offline")
            assert [m.json for m in seen.of("sightline/events")]
        assert "geheim" not in app.log


def test_systemd_is_told(camera: RtspCamera, models_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    site = write_site(tmp_path / "site.yaml", {"street": {"source": camera.url}})
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(path))
        systemd.settimeout(60)
        env = {"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"}
        with Running(site, env=env) as app:
            said: list[str] = []

            def hear(word: str) -> None:
                while not any(word in text for text in said):
                    said.append(systemd.recv(4096).decode())

            hear("READY=1")
            assert said[0].startswith("EXTEND_TIMEOUT_USEC=")  # models may have to be fetched or exported first
            hear("WATCHDOG=1")
            app.signal(signal.SIGHUP)
            hear("RELOADING=1")
            del said[:]
            hear("READY=1")
            app.stop()
            hear("STOPPING=1")


def test_two_frameworks_in_one_process(camera: RtspCamera, models_dir: Path, tmp_path: Path, cache_dir: Path) -> None:
    """GStreamer, PyTorch and TensorFlow side by side; and one camera that both look at."""
    detectors = {
        "torch": {"runtime": "torch", "imgsz": IMGSZ},
        "tf": {"runtime": "tensorflow", "imgsz": IMGSZ},
    }
    cameras = {
        "one": {"source": camera.url, "detector": "torch", "detect_fps": 2},
        "two": {"source": camera.url, "detector": "tf", "detect_fps": 2},
        "both": {"source": camera.url, "detector": ["torch", "tf"], "detect_fps": 1, **TRAFFIC},
    }
    site = write_site(tmp_path / "site.yaml", cameras, detectors=detectors)
    with Running(site, env={"SIGHTLINE_CACHE": str(cache_dir)}) as app:
        app.wait_online(*cameras, timeout_s=150)
        wait_until(lambda: all(row["detection"] > 3 for row in figures(app.port).values()), "no detections", 60)
        code, seconds = app.stop()
    assert (code, seconds < 5) == (0, True), app.log


BAD = {
    "source": ({"source": "nowhere.mp4"}, "nowhere.mp4 is not a file"),
    "scheme": ({"source": "ftp://user:secret@host/x"}, "ftp:// cannot be opened"),
    "stall": ({"source": "rtsp://h/x", "stall_s": 100}, "must be at most 8"),
    "detector": ({"source": "rtsp://h/x", "detector": "other"}, "unknown detector 'other'"),
    "two passwords": ({"source": "rtsp://h/x", "password": "secret", "password_file": "p"}, "keep one of them"),
    "no such password": ({"source": "rtsp://h/x", "password_file": "nowhere"}, "nowhere cannot be read"),
    "gst on opencv": ({"source": "gst:videotestsrc", "backend": "opencv"}, "needs GStreamer"),
    "http on gst": ({"source": "http://h/x", "backend": "gstreamer"}, "is read with OpenCV"),
    "tiles": ({"source": "rtsp://h/x", "tiles": {"rows": 9, "cols": 2}}, "must be at most 8"),
    "rule": ({"source": "rtsp://h/x", "rules": [{"kind": "dwell", "zone": "z", "seconds": 3}]}, "unknown zone 'z'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_wrong_file_is_refused_with_its_place(name: str, models_dir: Path, tmp_path: Path) -> None:
    """By what ``run`` reads it with; the next two tests are the whole command."""
    camera, sentence = BAD[name]
    site = write_site(tmp_path / "site.yaml", {"a": camera}, mqtt={"port": 1})
    with pytest.raises(ConfigError) as caught:
        plan_site(site, False, False, print)
    said = str(caught.value)
    assert sentence in said and "site.yaml:" in said and "\n" not in said
    assert "secret" not in said


def test_a_wrong_file_is_refused_before_anything_starts(broker: Mosquitto, models_dir: Path, tmp_path: Path) -> None:
    camera, sentence = BAD["stall"]
    site = write_site(tmp_path / "site.yaml", {"a": camera}, mqtt=mqtt_of(broker))
    run_app("run", site, cwd=tmp_path).failed(2, sentence, "site.yaml:")
    assert not (tmp_path / "var").exists()


def test_all_faults_at_once(models_dir: Path, tmp_path: Path) -> None:
    cameras: dict[str, Any] = {f"c{n}": camera for n, (camera, _) in enumerate(BAD.values())}
    cameras = {name: camera for name, camera in cameras.items() if not {"stall_s", "tiles"} & set(camera)}
    del cameras["c3"]
    site = write_site(tmp_path / "site.yaml", cameras, detectors={"main": {"model": "no-such-model"}})
    done = run_app("run", site, cwd=tmp_path)
    assert done.code == 2
    assert len(done.errors) == len(cameras) + 1, done.err
    assert all("site.yaml:" in error for error in done.errors), done.err
    for camera, sentence in BAD.values():
        assert sentence in done.err or camera not in cameras.values(), sentence
    assert "no-such-model" in done.err and "secret" not in done.err and "Traceback" not in done.err
    assert not (tmp_path / "var").exists()


def test_unknown_labels_are_refused_with_all_else_before_anything_starts(
    broker: Mosquitto, models_dir: Path, tmp_path: Path
) -> None:
    cameras = {
        "a": {"source": "rtsp://127.0.0.1:1/x", "detector": "main", "labels": ["unicorn"]},
        "b": {"source": "rtsp://127.0.0.1:1/x", "detector": "few"},
        "c": {"source": "ftp://127.0.0.1/x"},
    }
    detectors = {"main": {"model": "yolov8n"}, "few": {"model": "yolov8n", "labels": ["one", "two"]}}
    site = write_site(tmp_path / "site.yaml", cameras, detectors=detectors, mqtt=mqtt_of(broker), log={"path": "log"})
    with Subscriber(broker.address) as subscriber:
        done = run_app("run", site, cwd=tmp_path)
        assert done.code == 2 and len(done.errors) == 3, done.err
        for part in ("has no label 'unicorn'", "has 80 classes, and 'labels' names 2", "ftp:// cannot be opened"):
            assert part in done.err
        assert not subscriber.messages and not (tmp_path / "var").exists()


def test_a_port_in_use_and_an_outbox_in_use(
    broker: Mosquitto, data_dir: Path, models_dir: Path, tmp_path: Path
) -> None:
    server, port = silent_port()
    camera = {"source": str(data_dir / "people-detection.mp4")}
    with server:
        site = write_site(tmp_path / "a.yaml", {"a": camera}, server={"port": port}, log={"path": "log.txt"})
        run_app("run", site, cwd=tmp_path).failed(1, f"127.0.0.1:{port}")
    site = write_site(tmp_path / "b.yaml", {"a": camera}, mqtt=mqtt_of(broker))
    with Running(site, "--loop", "--realtime") as app:
        app.wait_online("a")
        content = yaml.safe_load(site.read_text())
        content["log"] = {"path": "log.txt"}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(content))
        run_app("run", tmp_path / "c.yaml", cwd=tmp_path).failed(1, "outbox.sqlite")


def test_no_password_is_ever_shown(broker: Mosquitto, models_dir: Path, tmp_path: Path) -> None:
    password = "geh/eim:ü@?#"  # noqa: S105 - a made-up one
    (tmp_path / "password").write_text(f"{password}\n", encoding="utf-8")
    with RtspCamera(Film(), login=("root", password)) as camera:
        cameras = {
            "right": {"source": camera.url, "username": "root", "password_file": "password"},
            "wrong": {"source": camera.url, "username": "root", "password": "${WRONG}"},
            "inside": {"source": camera.url.replace("rtsp://", "rtsp://root:in%2Fside@")},
        }
        site = write_site(tmp_path / "site.yaml", cameras, mqtt=mqtt_of(broker), log={"stats_s": 1})
        secrets = [password, "not-the-one", "in/side", "in%2Fside", "geh%2Feim"]
        with Subscriber(broker.address) as seen, Running(site, env={"WRONG": "not-the-one", "GST_DEBUG": "2"}) as app:
            app.wait_online("right")
            wait_until(lambda: "camera wrong is offline" in app.log, "the refusal is not told", 20)
            wait_until(lambda: "camera inside is offline" in app.log, "the refusal is not told", 20)
            time.sleep(11)
            seen.wait(lambda messages: [m for m in messages if m.topic == "sightline/stats"], "no stats")
            stats = seen.of("sightline/stats")[-1].json
            assert "login" in stats["cameras"]["wrong"]["reason"]
            text = app.log + "".join(m.text for m in seen.messages) + json.dumps(app.health())
    for word in secrets:
        assert word not in text
