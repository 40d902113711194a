"""What fails for one camera, detector or file costs the others nothing, and is told."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from config.errors import SightlineError
from pipelines.analysis import Analysis
from pipelines.live import watchdog
from pipelines.live.camera import LiveCamera
from pipelines.live.watchdog import load_again_s
from tests.support.live import WHOLE, Boxes, in_this_process, wait_until, write_site
from tests.support.memory_site import Cameras, shares, site, started
from tests.support.mosquitto import Mosquitto
from tests.support.subscriber import Subscriber


class Failing(Boxes):
    """A detector that can do nothing."""

    def detect(self, images: Any) -> Any:
        """Fail."""
        raise RuntimeError("no kernel for this device")


def test_a_detector_that_always_fails_costs_the_cameras_of_others_nothing(
    cameras: Cameras, tmp_path: Path, models_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cameras(dict.fromkeys("abcd", 10.0))
    every = {
        name: {"source": f"rtsp://memory/{name}", "detector": "bad" if name in "cd" else "good"} for name in "abcd"
    }
    path = write_site(tmp_path / "site.yaml", every, detectors={"good": {}, "bad": {"iou": 0.6}})
    with (
        caplog.at_level(logging.ERROR),
        in_this_process(path, lambda planned: Failing() if planned.name == "bad" else Boxes()) as service,
    ):
        wait_until(lambda: service.health()[0], "it does not start")
        found = {name: camera for name, camera in service._cameras.items() if name in "ab"}
        wait_until(lambda: all(camera.processed > 0 for camera in found.values()), "no frame goes through")
        rates = shares(found, 2)
        assert [service._cameras[name].processed for name in "cd"] == [0, 0]
        assert service.stats().service.restarts == 0
    assert min(rates.values()) > 6, rates
    told = [record.getMessage() for record in caplog.records if "fails" in record.getMessage()]
    assert told[0].startswith("detector bad (camera")  # the first frame may be of one camera alone
    assert all("RuntimeError: no kernel for this device" in line and "--debug" not in line for line in told), told
    assert len(told) == 1  # once in a while


def test_a_picture_that_cannot_be_converted_costs_its_camera_alone(
    cameras: Cameras,
    tmp_path: Path,
    models_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cameras(dict.fromkeys("abc", 10.0))
    take = LiveCamera.take

    def fail(self: LiveCamera) -> Any:
        work = take(self)
        if self.name == "c" and work is not None:
            raise ValueError("odd strides")
        return work

    monkeypatch.setattr(LiveCamera, "take", fail)
    with (
        caplog.at_level(logging.ERROR),
        in_this_process(site(tmp_path, list("abc")), lambda planned: Boxes()) as service,
    ):
        wait_until(lambda: service.health()[0], "it does not start")
        found = {name: camera for name, camera in service._cameras.items() if name in "ab"}
        wait_until(lambda: all(camera.processed > 0 for camera in found.values()), "no frame goes through")
        rates = shares(found, 2)
    assert min(rates.values()) > 6, rates  # a second after each picture of the other would make it 1
    assert "camera c: a picture cannot be taken: ValueError: odd strides" in caplog.messages


def test_a_detector_that_is_well_again_goes_on_within_seconds(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    flaky = Boxes()
    detect, ill = flaky.detect, [True]

    def fail(images: Any) -> Any:
        if ill[0]:
            raise RuntimeError("out of memory")
        return detect(images)

    flaky.detect = fail  # type: ignore[method-assign]
    cameras({"a": 10.0})
    with in_this_process(site(tmp_path, ["a"]), lambda planned: flaky) as service:
        wait_until(lambda: service.health()[0], "it does not start")
        ill[0] = False
        found = started(service, 1)
        assert shares(found, 2)["a"] > 6  # a second after each frame would make it 1


def test_nobody_is_in_sight_of_a_degraded_camera(
    cameras: Cameras, tmp_path: Path, models_dir: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing goes out any more: what was there a while ago is not there for ever."""
    failing = threading.Event()
    step = Analysis.step

    def fail(self: Analysis, *rest: Any) -> Any:
        if failing.is_set():
            raise ZeroDivisionError("a rule")
        return step(self, *rest)

    monkeypatch.setattr(Analysis, "step", fail)
    cameras({"a": 10.0})
    each = {"zones": {"all": WHOLE}, "rules": [{"kind": "zone_count", "zone": "all", "labels": ["person"]}]}
    path = site(tmp_path, ["a"], each, mqtt={"port": broker.port})
    with Subscriber(broker.address) as seen, in_this_process(path, lambda planned: Boxes()) as service:
        service._watchdog.limit_s = 1.0
        started(service, 1)
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        kinds = lambda: [m.json["type"] for m in seen.of("sightline/events") if m.json["type"] != "update"]  # noqa: E731
        failing.set()
        seen.wait_for("sightline/a/status", "degraded")
        seen.wait_for("sightline/a/occupancy/all/person", "0")
        wait_until(lambda: kinds() == ["new", "end"], "it does not end")
        failing.clear()
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        topics = ("sightline/a/status", "sightline/a/occupancy/all/person")
        told = [m.text for m in seen.messages if m.topic in topics]
        assert told[-4:] == ["degraded", "0", "online", "1"]
        wait_until(lambda: kinds() == ["new", "end", "new"], "nobody is in sight again")


def test_a_load_that_hangs_after_a_restart_ends_the_service(
    cameras: Cameras, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is analysed meanwhile: systemd begins anew with a process that can load."""
    monkeypatch.setattr(watchdog, "LOAD_AGAIN_S", 0.7)
    cameras({"a": 10.0})
    made: list[Boxes] = []
    go_on = threading.Event()

    def load(planned: Any) -> Boxes:
        if made:
            go_on.wait(60)
        made.append(Boxes())
        return made[-1]

    errors: list[BaseException] = []
    with in_this_process(site(tmp_path, ["a"]), load, ends_with=errors) as service:
        service._watchdog.limit_s = 1.0
        started(service, 1)
        made[0].hang.set()
        wait_until(lambda: errors, "it goes on without models", 15)
        made[0].go_on.set()
        go_on.set()
    assert isinstance(errors[0], SightlineError) and errors[0].exit_code == 1
    assert "could not be loaded again within" in str(errors[0])


def test_a_service_whose_threads_hang_again_and_again_ends(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    """Each restart leaves a thread and a model behind; more than three within ten minutes are too many."""
    cameras({"a": 20.0})
    made: list[Boxes] = []

    def load(planned: Any) -> Boxes:
        made.append(Boxes())
        made[-1].hang.set()
        return made[-1]

    errors: list[BaseException] = []
    with in_this_process(site(tmp_path, ["a"]), load, ends_with=errors) as service:
        service._watchdog.limit_s = 0.5
        wait_until(lambda: errors, "it goes on for ever", 30)
        assert service.stats().service.restarts == 4
        for model in made:
            model.go_on.set()
    assert isinstance(errors[0], SightlineError) and errors[0].exit_code == 1
    assert "hang again and again" in str(errors[0])


def test_a_load_may_take_ten_times_as_long_the_second_time() -> None:
    assert load_again_s(3.0) == 120.0
    assert load_again_s(40.0) == 400.0
