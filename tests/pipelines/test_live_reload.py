"""What a reload must not cost: events, totals, switches, the truth of what is retained."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from detectors.detections import Detections
from pipelines.analysis import Analysis
from pipelines.live import camera as live_camera
from pipelines.live import service as live_service
from pipelines.live.camera import LiveCamera
from streams.frame import Frame
from tests.support.live import WHOLE, Boxes, MemoryCamera, in_this_process, wait_until, write_site
from tests.support.mosquitto import Mosquitto
from tests.support.subscriber import Subscriber


class Swings(Boxes):
    """A box whose foot goes up and down over the middle of the picture, once a second each way."""

    def _box(self, height: int, width: int) -> Detections:
        y = 0.5 + 0.1 * np.sin(time.monotonic() * np.pi)
        box = np.array([[width * 0.4, height * (y - 0.3), width * 0.6, height * y]], np.float32)
        return Detections(box, np.array([0.9], np.float32), np.array([self._class], np.int64), self.labels)


@pytest.fixture(autouse=True)
def memory_cameras(monkeypatch: pytest.MonkeyPatch, models_dir: Path) -> None:
    """Cameras of 20 frames a second that lie in memory."""

    def source(address: str, **_: Any) -> MemoryCamera:
        return MemoryCamera([np.full((480, 640, 3), value, np.uint8) for value in (20, 200)], 20.0)

    monkeypatch.setattr(live_camera, "live_source", source)


def write(folder: Path, names: str, broker: Mosquitto, more: dict[str, Any] | None = None, **mqtt: Any) -> Path:
    """A site file with a line that the box swings over."""
    camera = {
        "detect_fps": 20,
        "lines": {"mid": [[0.0, 0.5], [1.0, 0.5]]},
        "zones": {"all": WHOLE},
        "rules": [
            {"kind": "line_crossing", "line": "mid", "labels": ["person"], "margin": 0.0},
            {"kind": "zone_count", "zone": "all", "labels": ["person"]},
        ],
        **(more or {}),
    }
    cameras = {name: {"source": f"rtsp://memory/{name}", **camera} for name in names}
    return write_site(folder / "site.yaml", cameras, mqtt={"port": broker.port, **mqtt})


@pytest.fixture
def seen(broker: Mosquitto) -> Iterator[Subscriber]:
    with Subscriber(broker.address) as subscriber:
        yield subscriber


def at_work(service: Any) -> dict[str, LiveCamera]:
    wait_until(lambda: service.health()[0], "it does not start")
    working = [camera for camera in service._cameras.values() if camera.detecting]
    wait_until(lambda: all(camera.processed > 30 for camera in working), "no frame goes through")
    return dict(service._cameras)


def total(seen: Subscriber, prefix: str = "sightline/a") -> int:
    return sum(int(seen.last(f"{prefix}/counts/mid/{way}/person") or 0) for way in ("in", "out"))


def test_another_broker_block_at_a_frozen_broker_loses_no_event(
    broker: Mosquitto, seen: Subscriber, tmp_path: Path
) -> None:
    with in_this_process(write(tmp_path, "a", broker), lambda planned: Swings()) as service:
        cameras = at_work(service)
        for rate in (5, 6):
            broker.freeze()
            before = service._publisher.publisher
            write(tmp_path, "a", broker, detections={"max_hz": rate})
            service.request_reload()
            wait_until(lambda before=before: service._publisher.publisher is not before, "it is not taken over")
            broker.thaw()
            time.sleep(2.5)
        assert service._cameras == cameras
    end = [m.json for m in seen.messages if m.topic == "sightline/a/rules/line_crossing_mid"]
    numbers = {(event["boot_id"], event["seq"]) for event in end}
    assert total(seen) == len(numbers) > 5
    assert sorted(number for _, number in numbers) == list(range(1, len(numbers) + 1))  # one life: it went on
    lives = [m.json for m in seen.messages if m.topic == "sightline/events"]
    begun = {event["after"]["id"] for event in lives if event["type"] == "new"}
    assert begun == {event["after"]["id"] for event in lives if event["type"] == "end"}


def test_another_outbox_takes_totals_and_switches_along(broker: Mosquitto, seen: Subscriber, tmp_path: Path) -> None:
    with in_this_process(write(tmp_path, "ab", broker), lambda planned: Swings()) as service:
        at_work(service)
        seen.say("sightline/b/detect/set", "OFF")
        seen.wait_for("sightline/b/detect/state", "OFF")
        seen.wait(lambda _: total(seen) > 2, "nothing crosses")
        count = len(seen.messages)
        counted = total(seen)
        write(tmp_path, "ab", broker, outbox={"path": "other/outbox.sqlite"})
        service.request_reload()
        seen.wait(lambda messages: "online" in [m.text for m in messages[count:] if m.topic.endswith("a/status")], "x")
        time.sleep(1)
        after = seen.messages[count:]
        assert all(int(m.text) >= 1 for m in after if "a/counts" in m.topic and m.topic.endswith("person"))
        assert total(seen) >= counted
        assert {m.text for m in after if m.topic == "sightline/b/detect/state"} == {"OFF"}
        assert {m.text for m in after if m.topic == "sightline/a/status"} == {"online"}  # it never was away
        assert service.health()[1]["not_detecting"] == ["b"]
    counted = total(seen)
    write(tmp_path, "ab", broker, outbox={"path": "other/outbox.sqlite"})
    with in_this_process(tmp_path / "site.yaml", lambda planned: Swings()) as service:  # they were kept there
        at_work(service)
        assert total(seen) >= counted
        assert service.health()[1]["not_detecting"] == ["b"]


def test_another_prefix_leaves_nothing_behind(broker: Mosquitto, tmp_path: Path) -> None:
    """At a reload, and while no process runs."""
    path = write(tmp_path, "a", broker, prefix="first")
    with in_this_process(path, lambda planned: Swings()) as service, Subscriber(broker.address) as seen:
        at_work(service)
        counted = total(seen, "first/a")
        write(tmp_path, "a", broker, prefix="second")
        service.request_reload()
        seen.wait_for("second/a/status", "online")
        seen.wait(lambda _: total(seen, "second/a") >= counted, "the totals do not go on")
    assert prefixes(broker) == {"second"}
    with in_this_process(write(tmp_path, "a", broker, prefix="third"), lambda planned: Swings()) as service:
        at_work(service)
    assert prefixes(broker) == {"third"}


def prefixes(broker: Mosquitto) -> set[str]:
    """The prefixes of what is retained at the broker."""
    with Subscriber(broker.address) as late:
        late.wait(lambda messages: any(m.topic.endswith("available") for m in messages), "nothing is retained")
        time.sleep(0.3)
        return {m.topic.partition("/")[0] for m in late.messages if m.text}


def test_what_a_stopped_camera_still_says_is_not_published(
    broker: Mosquitto, seen: Subscriber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rule that takes 1.5 s holds the old camera's end up until its successor is online."""
    slow, step = threading.Event(), Analysis.step

    def lag(self: Analysis, frame: Frame, *rest: Any) -> Any:
        if slow.is_set() and frame.source_id == "a":
            time.sleep(1.5)
        return step(self, frame, *rest)

    monkeypatch.setattr(Analysis, "step", lag)
    with in_this_process(write(tmp_path, "ab", broker), lambda planned: Swings()) as service:
        old = at_work(service)
        slow.set()
        time.sleep(0.5)
        write(tmp_path, "ab", broker, {"detect_fps": 19})
        service.request_reload()
        wait_until(lambda: service._cameras.get("a", old["a"]) is not old["a"], "it is not taken over")
        slow.clear()
        time.sleep(4)
        assert service.health()[1]["cameras"] == {"a": "online", "b": "online"}
        assert seen.last("sightline/a/status") == "online"


def test_a_file_that_changes_while_it_is_read_is_taken_over(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The models' checksums, or their download, take a while."""
    plan_site = live_service.plan_site

    def planned(*arguments: Any) -> Any:
        plan = plan_site(*arguments)
        if not changed:
            changed.append(write(tmp_path, "ab", broker))
        return plan

    changed: list[Path] = []
    monkeypatch.setattr(live_service, "plan_site", planned)
    monkeypatch.setattr(live_service, "load_models", lambda plan, *_, **__: loaded(plan))
    from pipelines.live.models import load_models

    def loaded(plan: Any) -> Any:
        return load_models(plan, lambda planned: Swings())

    stop = threading.Event()
    services: list[Any] = []
    path = write(tmp_path, "a", broker)
    thread = threading.Thread(target=live_service.run_site, args=(path, stop, services.append))
    thread.start()
    try:
        wait_until(lambda: services and set(services[0]._cameras) == {"a", "b"}, "the change is not taken over")
    finally:
        stop.set()
        thread.join(15)
    assert not thread.is_alive()


def test_commands_ask_for_a_reload_only_where_they_may(
    broker: Mosquitto, seen: Subscriber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(live_service.Service, "request_reload", lambda self: asked.append("reload"))
    with in_this_process(write(tmp_path, "a", broker), lambda planned: Swings()) as service:
        at_work(service)
        seen.say("sightline/command", "reload")
        seen.say("sightline/a/detect/set", "OFF")  # behind it
        seen.wait_for("sightline/a/detect/state", "OFF")
        assert asked == []
    path = write(tmp_path, "a", broker, commands={"reload": True})
    with in_this_process(path, lambda planned: Swings()) as service:
        at_work(service)
        wait_until(lambda: asked or seen.say("sightline/command", "reload"), "it is not heard")  # it may not listen yet
        assert set(asked) == {"reload"}


def test_home_assistant_is_told_again_when_it_starts(broker: Mosquitto, seen: Subscriber, tmp_path: Path) -> None:
    path = write(tmp_path, "a", broker, home_assistant={"enabled": True})
    with in_this_process(path, lambda planned: Swings()) as service:
        at_work(service)
        configs = [m.topic for m in seen.messages if m.topic.endswith("/config")]
        assert configs
        seen.say("homeassistant/status", "online")
        seen.wait(
            lambda messages: all(sum(m.topic == topic for m in messages) > 1 for topic in configs), "it is not told"
        )


def test_a_switch_that_fails_is_not_the_last(
    broker: Mosquitto, seen: Subscriber, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    switch = LiveCamera.switch

    def fails_once(self: LiveCamera, name: Any, on: bool) -> None:
        monkeypatch.setattr(LiveCamera, "switch", switch)
        raise RuntimeError("no thread can be started")

    with in_this_process(write(tmp_path, "a", broker), lambda planned: Swings()) as service:
        at_work(service)
        monkeypatch.setattr(LiveCamera, "switch", fails_once)
        seen.say("sightline/a/enabled/set", "OFF")
        seen.say("sightline/a/detect/set", "OFF")
        seen.wait_for("sightline/a/detect/state", "OFF")


def test_many_reloads_leave_nothing_behind(broker: Mosquitto, tmp_path: Path) -> None:
    """Each brings a camera and a model that are new, and ends those before."""
    process = psutil.Process()

    def held() -> tuple[int, int, int]:
        return threading.active_count(), process.num_fds(), len(process.children())

    def reload_as(number: int) -> None:
        before = dict(service._cameras)
        write(tmp_path, "ab", broker, {"detect_fps": 20 - number % 2}, detections={"max_hz": 5 + number % 3})
        service.request_reload()
        wait_until(lambda: all(service._cameras.get(name) not in (None, before[name]) for name in "ab"), "no reload")
        at_work(service)

    with in_this_process(write(tmp_path, "ab", broker), lambda planned: Swings()) as service:
        at_work(service)
        reload_as(1)
        wait_until(lambda: service.health()[1]["broker"] == "connected", "it does not connect")
        first = held()
        for number in range(2, 8):
            reload_as(number)
        wait_until(lambda: held() <= first, f"more is held than before: {held()}, then {first}", 10)
        assert service.health()[1]["reload_error"] is None


def test_it_stops_in_time_in_the_middle_of_a_reload(broker: Mosquitto, tmp_path: Path) -> None:
    """A model that takes long to load holds nobody up; the reload comes to nothing."""
    loading, go_on = threading.Event(), threading.Event()

    def loader(planned: Any) -> Swings:
        if planned.config.iou != 0.7:
            loading.set()
            go_on.wait(30)
        return Swings()

    path = write(tmp_path, "a", broker)
    try:
        with in_this_process(path, loader) as service:
            at_work(service)
            content = path.read_text().replace("version: 1", "version: 1\ndetectors: {main: {iou: 0.5}}")
            path.write_text(content)
            service.request_reload()
            assert loading.wait(10)
            begin = time.monotonic()
        assert time.monotonic() - begin < 5
    finally:
        go_on.set()
