"""What the running service says of itself, and settings that hold for all of its cameras."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.site import Server as ServerConfig
from dashboard.server import Server
from pipelines.live import service as live_service
from pipelines.live.face import SiteFace
from tests.support.live import WHOLE, Boxes, in_this_process, wait_until, write_site
from tests.support.memory_site import Cameras, shares, site, started
from tests.support.mosquitto import Mosquitto
from tests.support.subscriber import Subscriber


def test_a_main_thread_that_hangs_is_told_over_http(
    cameras: Cameras, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever watches the process by /healthz begins it anew; cameras go on meanwhile."""
    monkeypatch.setattr(live_service, "HUNG_S", 1.0)
    cameras({"a": 10.0})
    address: list[str] = []

    def serve(config: ServerConfig, face: SiteFace) -> Callable[[], None]:
        server = Server(config, face)
        server.start()
        address.append(server.address)
        return server.stop

    def health() -> tuple[int, dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://{address[0]}/healthz", timeout=5) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    go_on = threading.Event()
    path = site(tmp_path, ["a"], server={"port": 0})
    with in_this_process(path, lambda planned: Boxes(), serve=serve) as service:
        found = started(service, 1)
        assert (health()[0], health()[1]["status"]) == (200, "ok")
        monkeypatch.setattr(service, "_look_at_file", lambda: go_on.wait(60))
        wait_until(lambda: health()[0] == 503, "it is not told", 15)
        assert health()[1]["status"] == "hung"
        count = found["a"].processed
        wait_until(lambda: found["a"].processed > count + 5, "the camera does not go on")
        go_on.set()
        wait_until(lambda: health()[0] == 200, "it is told for ever", 15)
        assert health()[1]["status"] == "ok"


def test_boxes_need_not_be_published(cameras: Cameras, tmp_path: Path, models_dir: Path, broker: Mosquitto) -> None:
    cameras({"a": 10.0})
    each = {"zones": {"all": WHOLE}, "rules": [{"kind": "zone_count", "zone": "all", "labels": ["person"]}]}
    path = site(tmp_path, ["a"], each, mqtt={"port": broker.port, "detections": {"enabled": False}})
    with Subscriber(broker.address) as seen, in_this_process(path, lambda planned: Boxes()) as service:
        found = started(service, 1)
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        count = found["a"].processed
        wait_until(lambda: found["a"].processed > count + 10, "it does not go on")
    seen_topics = {message.topic for message in seen.messages}
    assert {"sightline/events", "sightline/a/rules/zone_count_all", "sightline/stats"} <= seen_topics
    assert "sightline/a/detections" not in seen_topics


def test_a_camera_that_stutters_costs_the_others_nothing(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    """Pictures come in bursts with silences between; what the others lose is measured beside what they had."""
    silent, end = threading.Event(), threading.Event()
    cameras(dict.fromkeys("abcd", 10.0), d=silent)

    def stutter() -> None:
        while not end.is_set():
            silent.set()
            time.sleep(0.45)
            silent.clear()
            time.sleep(0.15)

    every = {name: {"source": f"rtsp://memory/{name}"} for name in "abcd"}
    path = write_site(tmp_path / "site.yaml", every, detectors={"main": {"batch": 4}})
    with in_this_process(path, lambda planned: Boxes(0.005)) as service:
        found = started(service, 4)
        before = shares(found, 2)
        thread = threading.Thread(target=stutter)
        thread.start()
        try:
            after = shares(found, 3)
        finally:
            end.set()
            thread.join()
    assert after["d"] < 0.7 * before["d"]  # it does stutter
    for name in "abc":
        assert after[name] >= 0.9 * before[name], (before, after)
