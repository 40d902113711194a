"""Many cameras, few models: who is served when, how old a frame gets, and what happens when something hangs."""

from __future__ import annotations

import itertools
import statistics
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.kept_file import revision_of
from pipelines.analysis import Analysis
from pipelines.live import camera as live_camera
from pipelines.live import service as live_service
from pipelines.live.camera import LiveCamera
from pipelines.live.face import Reloaded
from streams.frame import Frame
from tests.support.camera import Film, RtspCamera
from tests.support.live import WHOLE, Boxes, MemoryCamera, in_this_process, wait_until, write_site
from tests.support.memory_site import Cameras, shares, site, started
from tests.support.mosquitto import Mosquitto
from tests.support.subscriber import Subscriber


def test_each_camera_gets_the_rate_it_asks_for(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"a": 25, "b": 10, "c": 10})
    with in_this_process(site(tmp_path, ["a", "b", "c"]), lambda planned: Boxes()) as service:
        rates = shares(started(service, 3), 4)
    assert rates == {name: pytest.approx(10, abs=1.2) for name in "abc"}


def test_overload_is_shared_fairly_counted_and_keeps_frames_young(
    cameras: Cameras, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times more than can be done: five cameras of 25 fps, and a detector that takes 80 ms a picture."""
    slow = Boxes(0.08)
    ages: list[float] = []
    handle = LiveCamera.handle

    def watch(self: LiveCamera, work: Any, *rest: Any) -> None:
        ages.append(time.monotonic() - work.captured_s)
        handle(self, work, *rest)

    monkeypatch.setattr(LiveCamera, "handle", watch)
    names = list("abcde")
    cameras(dict.fromkeys(names, 25.0))
    path = site(tmp_path, names, {"detect_fps": 25}, detectors={"main": {"batch": 1}})
    with in_this_process(path, lambda planned: slow) as service:
        found = started(service, 5)
        ages.clear()
        rates = shares(found, 6)
        stats = service.stats().cameras
    assert statistics.quantiles(ages, n=20)[-1] < 2 * 0.08 + 0.04
    middle = statistics.mean(rates.values())
    assert middle == pytest.approx(12.5 / 5, rel=0.2)
    assert all(rate == pytest.approx(middle, abs=0.5) for rate in rates.values()), rates
    for camera in stats.values():  # each due frame was processed, skipped, or is on its way
        assert camera.skipped > 5 * camera.processed
        assert abs(camera.captured - camera.processed - camera.skipped) <= 3


def test_a_capture_thread_that_hangs_is_left_behind(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that never comes back: offline with a reason, and back over another connection."""
    hang, go = threading.Event(), threading.Event()

    class Stuck(MemoryCamera):
        def read(self, wait_s: float) -> Any:
            if hang.is_set():
                hang.clear()
                go.wait()
            return super().read(wait_s)

    monkeypatch.setattr("streams.feed._READ_S", 0.5)
    picture = np.full((48, 64, 3), 20, np.uint8)
    monkeypatch.setattr(live_camera, "live_source", lambda address, **_: Stuck([picture], 10.0))
    with in_this_process(site(tmp_path, ["a"], {"stall_s": 0.5}), lambda planned: Boxes()) as service:
        camera = started(service, 1)["a"]
        hang.set()
        wait_until(lambda: camera.status[0] == "offline", "it stays online", 10)
        assert camera.status[1] == "it hangs while reading and is left behind; check network and camera"
        wait_until(lambda: camera.status[0] == "online", "it does not come back", 10)
        assert service.stats().cameras["a"].reconnects == 1
        go.set()


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> list[Frame]:
    """The frames that were handled."""
    frames: list[Frame] = []
    handle = LiveCamera.handle

    def note(self: LiveCamera, work: Any, *rest: Any) -> None:
        frames.append(work.frame)
        handle(self, work, *rest)

    monkeypatch.setattr(LiveCamera, "handle", note)
    return frames


def test_a_camera_that_tells_its_time_is_believed(
    tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch, handled: list[Frame]
) -> None:
    """Its clock is 100 s ahead, but even; pictures arrive late now and then."""

    class Clocked(MemoryCamera):
        def read(self, wait_s: float) -> Any:
            shot = super().read(wait_s)
            if shot is None:
                return None
            late_s = 0.3 * (round(self._stamp_s / self._period_s) % 2)
            return replace(shot, captured_at=shot.captured_at + late_s, camera_time=shot.captured_at + 100)

    picture = np.full((48, 64, 3), 20, np.uint8)
    monkeypatch.setattr(live_camera, "live_source", lambda address, **_: Clocked([picture], 20.0))
    with in_this_process(site(tmp_path, ["a"], {"detect_fps": 20}), lambda planned: Boxes()) as service:
        started(service, 1)
        time.sleep(2.5)
        skew_s = service.stats().cameras["a"].clock_skew_s
    assert skew_s == pytest.approx(100 - 0.15, abs=0.15)
    late = [frame.captured_at - frame.pts_s for frame in handled[20:]]
    assert len(late) > 20
    assert max(late) - min(late) < 0.15, "when pictures arrived was taken for when they were made"
    assert handled[-1].captured_at == pytest.approx(time.time(), abs=2)


def test_the_skew_of_a_real_camera_is_told(tmp_path: Path, models_dir: Path, handled: list[Frame]) -> None:
    with RtspCamera(Film(width=320, height=240), clock="unix") as camera:
        path = write_site(tmp_path / "site.yaml", {"a": {"source": camera.url, "backend": "gstreamer"}})
        with in_this_process(path, lambda planned: Boxes()) as service:
            found = started(service, 1)["a"]
            wait_until(lambda: found.stats().clock_skew_s is not None, "its clock is not known")
            count = len(handled)
            wait_until(lambda: len(handled) > count + 3, "no more frames")
            assert found.stats().clock_skew_s == pytest.approx(-2_208_988_800, abs=1)
    assert handled[-1].captured_at == pytest.approx(time.time(), abs=3)


def test_a_batch_holds_cameras_of_one_size(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    slow = Boxes(0.03)
    shapes: list[set[tuple[int, ...]]] = []
    detect = slow.detect

    def watch(images: Any) -> Any:
        shapes.append({image.shape for image in images})
        return detect(images)

    slow.detect = watch  # type: ignore[method-assign]
    cameras(dict.fromkeys("abcd", 25.0), {"c": (80, 60), "d": (80, 60)})
    path = site(tmp_path, list("abcd"), {"detect_fps": 25}, detectors={"main": {"batch": 4}})
    with in_this_process(path, lambda planned: slow) as service:
        started(service, 4)
        shapes.clear()
        time.sleep(2)
    assert max(count for _, count in slow.calls) == 2
    assert all(len(found) == 1 for found in shapes)
    assert {next(iter(found)) for found in shapes} == {(48, 64, 3), (60, 80, 3)}


@pytest.mark.parametrize("wait_ms", [0, 150])
def test_frames_wait_for_those_of_other_cameras_where_they_may(
    cameras: Cameras, tmp_path: Path, models_dir: Path, wait_ms: float
) -> None:
    """Four cameras of 10 fps, which begin at different times, and one that is switched off: nobody waits for it."""
    boxes = Boxes()
    cameras(dict.fromkeys("abcd", 10.0))
    path = site(tmp_path, list("abcd"), {"detect_fps": 10}, detectors={"main": {"batch": 4, "batch_wait_ms": wait_ms}})
    with in_this_process(path, lambda planned: boxes) as service:
        found = started(service, 4)
        boxes.calls.clear()
        rates = shares(found, 3)
        frames = [count for _, count in boxes.calls]
        service._switch("enabled", "d", False)
        boxes.calls.clear()
        time.sleep(1)
        begin = found["a"].processed
        time.sleep(1)
        assert found["a"].processed - begin >= 7
    assert rates == {name: pytest.approx(10, abs=1.5) for name in "abcd"}
    assert max(frames) <= 4
    if wait_ms:
        assert statistics.mean(frames) > 2.5


def test_cameras_with_and_without_tiles_share_a_model(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    boxes = Boxes()
    batches: list[list[tuple[int, ...]]] = []
    detect = boxes.detect

    def watch(images: Any) -> Any:
        batches.append([image.shape for image in images])
        return detect(images)

    boxes.detect = watch  # type: ignore[method-assign]
    cameras(dict.fromkeys("abcd", 10.0))
    every = {name: {"source": f"rtsp://memory/{name}"} for name in "abcd"}
    for name in "ab":
        every[name]["tiles"] = {"rows": 1, "cols": 2, "overlap": 0.0}  # type: ignore[assignment]
    path = write_site(tmp_path / "site.yaml", every, detectors={"main": {"batch": 6}})
    with in_this_process(path, lambda planned: boxes) as service:
        rates = shares(started(service, 4), 2)
    assert all(rate > 5 for rate in rates.values()), rates
    tiled = [(48, 64, 3), (48, 32, 3), (48, 32, 3)]
    assert all(shapes == tiled * (len(shapes) // 3) or set(shapes) == {(48, 64, 3)} for shapes in batches)
    assert max(map(len, batches)) <= 6
    assert tiled in batches or tiled * 2 in batches


def test_a_camera_that_falls_silent_costs_the_others_nothing(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    silent = threading.Event()
    cameras(dict.fromkeys("abc", 10.0), c=silent)
    with in_this_process(site(tmp_path, list("abc")), lambda planned: Boxes(0.01)) as service:
        found = started(service, 3)
        silent.set()
        wait_until(lambda: found["c"].status[0] == "offline", "it is not seen", 10)
        rates = shares(found, 4)
    assert rates["c"] == 0
    assert rates["a"] == pytest.approx(10, abs=1.2) and rates["b"] == pytest.approx(10, abs=1.2)


def test_several_models_for_several_cameras(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    """One model for one camera, another for the next, both for the third, which gets one picture of it all."""
    made = {"people": Boxes(label="person"), "cars": Boxes(label="car")}
    cameras(dict.fromkeys("abc", 10.0))
    every = {
        "a": {"source": "rtsp://memory/a", "detector": "people"},
        "b": {"source": "rtsp://memory/b", "detector": "cars"},
        "c": {"source": "rtsp://memory/c", "detector": ["people", "cars"]},
    }
    for camera in every.values():
        camera |= {"zones": {"all": WHOLE}, "rules": [{"kind": "zone_count", "zone": "all"}]}
    path = write_site(tmp_path / "site.yaml", every, detectors={"people": {}, "cars": {"iou": 0.6}})
    with in_this_process(path, lambda planned: made[planned.name]) as service:
        found = started(service, 3)
        wait_until(lambda: all(len(camera._last) for camera in found.values()), "nothing is found")
        last = {name: [camera._last.label(row) for row in range(len(camera._last))] for name, camera in found.items()}
        assert set(service.stats().detectors) == {"people", "cars"}
    assert last == {"a": ["person"], "b": ["car"], "c": ["person", "car"]}


def test_a_detector_that_hangs_is_left_behind(
    cameras: Cameras, tmp_path: Path, models_dir: Path, broker: Mosquitto
) -> None:
    made: list[Boxes] = []

    def load(planned: Any) -> Boxes:
        made.append(Boxes())
        return made[-1]

    cameras({"a": 10.0})
    path = site(tmp_path, ["a"], mqtt={"port": broker.port})
    with Subscriber(broker.address) as seen, in_this_process(path, load) as service:
        service._watchdog.limit_s = 2.0
        found = started(service, 1)
        (hanging,) = service._engine.models.values()
        made[0].hang.set()
        seen.wait(lambda messages: [m for m in messages if m.text == "degraded"], "it is not told")
        wait_until(lambda: len(made) == 2, "nothing is started again")
        service._engine.retire([hanging])  # as a reload does
        seen.wait_for("sightline/a/status", "online")
        wait_until(lambda: found["a"].processed > 0 and made[1].calls, "no frame goes through")
        assert service.stats().service.restarts == 1
        assert made[0].closed == 0  # the old thread is in it
        made[0].go_on.set()  # the old thread comes back, and finds that it is no longer needed
        before = len(made[0].calls)
        time.sleep(1)
        assert len(made[0].calls) <= before + 1


def test_a_detector_that_fails_now_and_then_ends_nothing(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    flaky = Boxes()
    detect, failures = flaky.detect, [0]

    def fail(images: Any) -> Any:
        if len(flaky.calls) % 5 == 4 and failures[0] < 3:
            failures[0] += 1
            flaky.calls.append((time.monotonic(), 0))
            raise RuntimeError("out of memory")
        return detect(images)

    flaky.detect = fail  # type: ignore[method-assign]
    cameras({"a": 20.0})
    with in_this_process(site(tmp_path, ["a"], {"detect_fps": 20}), lambda planned: flaky) as service:
        found = started(service, 1)
        wait_until(lambda: failures[0] == 3, "it does not fail", 15)
        count = found["a"].processed
        wait_until(lambda: found["a"].processed > count + 10, "it does not go on")


def test_another_picture_size_keeps_the_totals(
    cameras: Cameras, tmp_path: Path, models_dir: Path, broker: Mosquitto
) -> None:
    sizes = {"a": (64, 48)}
    silent = threading.Event()
    cameras({"a": 10.0}, sizes, a=silent)
    each = {"zones": {"all": WHOLE}, "rules": [{"kind": "zone_count", "zone": "all", "labels": ["person"]}]}
    path = site(tmp_path, ["a"], each, mqtt={"port": broker.port})
    with Subscriber(broker.address) as seen, in_this_process(path, lambda planned: Boxes()) as service:
        started(service, 1)
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        silent.set()
        seen.wait_for("sightline/a/status", "offline")
        seen.wait_for("sightline/a/occupancy/all/person", "0")
        sizes["a"] = (96, 72)
        silent.clear()
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        widths = {m.json["width"] for m in seen.of("sightline/a/detections")}
    assert widths == {64, 96}


def test_geometry_of_another_shape_is_told_and_nothing_is_counted(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    cameras({"a": 10.0})
    path = site(tmp_path, ["a"], {"drawn_on": [1920, 1080], "zones": {"all": WHOLE}})
    with in_this_process(path, lambda planned: Boxes()) as service:
        wait_until(lambda: service.health()[1]["cameras"].get("a") == "degraded", "it is not told")
        assert "another aspect ratio" in str(service.stats().cameras["a"].reason)
        assert service.stats().cameras["a"].processed == 0


def test_a_camera_that_is_switched_off_and_on_goes_on(
    cameras: Cameras, tmp_path: Path, models_dir: Path, broker: Mosquitto
) -> None:
    """Media time, frame numbers, tracker and totals go on; nothing is watched twice or backwards."""
    cameras({"a": 10.0})
    each = {"zones": {"all": WHOLE}, "rules": [{"kind": "zone_count", "zone": "all", "labels": ["person"]}]}
    path = site(tmp_path, ["a"], each, mqtt={"port": broker.port})
    with Subscriber(broker.address) as seen, in_this_process(path, lambda planned: Boxes()) as service:
        started(service, 1)
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        seen.say("sightline/a/enabled/set", "OFF")
        seen.wait_for("sightline/a/status", "disabled")
        seen.wait_for("sightline/a/occupancy/all/person", "0")
        time.sleep(1)
        seen.say("sightline/a/enabled/set", "ON")
        seen.wait_for("sightline/a/status", "online")
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        count = len(seen.of("sightline/a/detections"))
        seen.wait(lambda messages: len([m for m in messages if m.topic.endswith("/detections")]) > count + 3, "no more")
        seconds = [message.json["pts_s"] for message in seen.of("sightline/a/detections")]
        details = [m.json["observed_s"] for m in seen.of("sightline/a/occupancy/all/person/detail") if m.text]
    assert seconds == sorted(set(seconds))
    assert max(after - before for before, after in itertools.pairwise(seconds)) > 1.0  # the pause
    assert details == sorted(details)


def test_a_reload_with_an_outbox_that_cannot_be_changes_nothing(
    cameras: Cameras, tmp_path: Path, models_dir: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras({"a": 10.0})
    told: list[str | None] = []  # beside the new plan
    close_all = live_service._close_all

    def noted(*rest: Any) -> None:
        told.append(service.health()[1]["reload_error"])
        close_all(*rest)

    monkeypatch.setattr(live_service, "_close_all", noted)
    path = site(tmp_path, ["a"], mqtt={"port": broker.port})
    with in_this_process(path, lambda planned: Boxes()) as service:
        found = started(service, 1)
        site(tmp_path, ["a"], mqtt={"port": broker.port, "outbox": {"path": "/proc/nowhere/outbox.sqlite"}})
        service.request_reload()
        wait_until(lambda: service.health()[1]["reload_error"], "it is not reported")
        assert "/proc/nowhere/outbox.sqlite" in service.health()[1]["reload_error"]
        wait_until(lambda: service.stats().service.reloads == 1, "it does not count")
        service.request_reload()
        wait_until(lambda: service.stats().service.reloads == 2, "the same fault does not count again")
        assert told == []
        count = found["a"].processed
        wait_until(lambda: found["a"].processed > count + 5, "the camera does not go on")
        assert service.health()[1]["broker"] == "connected"
        assert service._cameras["a"] is found["a"]
        site(tmp_path, ["a"], mqtt={"port": broker.port, "outbox": {"path": "elsewhere/outbox.sqlite"}})
        service.request_reload()
        wait_until(lambda: service.health()[1]["reload_error"] is None, "it is not taken over")
        wait_until(lambda: service.health()[1]["broker"] == "connected", "it does not connect")
        assert (tmp_path / "elsewhere" / "outbox.sqlite").exists()
        wait_until(lambda: service.stats().service.reloads == 3, "it does not count")
        assert told == [None]


def test_a_rule_that_hangs_costs_its_camera_only_for_a_while(
    cameras: Cameras, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The results thread hangs inside of a camera's lock; everything goes on without it."""
    cameras({"a": 10.0, "b": 10.0})
    hang, go_on = threading.Event(), threading.Event()
    step = Analysis.step

    def stuck(self: Analysis, frame: Any, *rest: Any) -> Any:
        if frame.source_id == "a" and hang.is_set():
            hang.clear()
            go_on.wait()
        return step(self, frame, *rest)

    monkeypatch.setattr(Analysis, "step", stuck)
    with in_this_process(site(tmp_path, ["a", "b"]), lambda planned: Boxes()) as service:
        service._watchdog.limit_s = 2.0
        found = started(service, 2)
        hang.set()
        wait_until(lambda: service.stats().service.restarts == 1, "nothing is started again")
        before = {name: camera.processed for name, camera in found.items()}
        more = lambda: all(camera.processed > before[name] + 5 for name, camera in found.items())  # noqa: E731
        wait_until(more, "it does not go on")
        assert service.health()[1]["cameras"] == {"a": "online", "b": "online"}
        go_on.set()


def test_a_camera_whose_rules_always_fail_restarts_nothing(
    cameras: Cameras, tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cameras({"a": 10.0, "b": 10.0})
    step = Analysis.step

    def fail(self: Analysis, frame: Any, *rest: Any) -> Any:
        if frame.source_id == "a":
            raise ZeroDivisionError("a rule")
        return step(self, frame, *rest)

    monkeypatch.setattr(Analysis, "step", fail)
    with in_this_process(site(tmp_path, ["a", "b"]), lambda planned: Boxes()) as service:
        service._watchdog.limit_s = 1.0
        wait_until(lambda: service.health()[1].get("cameras", {}).get("a") == "degraded", "it is not told")
        time.sleep(2)
        assert service.stats().service.restarts == 0
        assert service._cameras["b"].processed > 10


def test_a_detector_with_a_new_name_goes_on_and_the_old_one_is_released(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    cameras({"a": 10.0, "b": 10.0})
    path = site(tmp_path, ["a", "b"], detectors={"main": {}})
    loaded: list[Boxes] = []

    def load(planned: Any) -> Boxes:
        loaded.append(Boxes())
        return loaded[-1]

    with in_this_process(path, load) as service:
        old = started(service, 2)
        site(tmp_path, ["a", "b"], detectors={"core": {}})
        service.request_reload()
        wait_until(lambda: service._cameras.get("a", old["a"]) is not old["a"], "it is not taken over")
        wait_until(lambda: all(camera.processed > 5 for camera in service._cameras.values()), "no frame goes through")
        assert [model.closed for model in loaded] == [1, 0]


def test_what_a_reload_that_fails_has_loaded_is_released(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"a": 10.0})
    path = site(tmp_path, ["a"], detectors={"main": {}})
    loaded: list[Boxes] = []

    def load(planned: Any) -> Boxes:
        loaded.append(Boxes(label="car"))
        return loaded[-1]

    with in_this_process(path, load) as service:
        found = started(service, 1)
        before = revision_of(path.read_bytes())
        assert service.reloaded() == Reloaded(0, None, before)
        # the checkpoint knows dogs; the detector that is loaded in its place does not
        site(tmp_path, ["a"], {"labels": ["dog"]}, detectors={"core": {}})
        service.request_reload()
        wait_until(lambda: service.health()[1]["reload_error"], "it is not reported")
        assert "has no label 'dog'" in service.health()[1]["reload_error"]
        wait_until(lambda: service.reloaded().count, "it does not count")
        assert service.reloaded().revision == revision_of(path.read_bytes()) != before
        assert service._cameras == found
        assert [model.closed for model in loaded] == [0, 1]


def test_what_is_saved_during_a_reload_is_not_what_that_one_read(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    """Whoever waits for a change of theirs to be taken over is told by the revision that was read."""
    cameras({"a": 10.0})
    path = site(tmp_path, ["a"], detectors={"main": {}})
    loads, go_on = threading.Event(), threading.Event()

    def load(planned: Any) -> Boxes:
        if planned.name == "core":
            loads.set()
            go_on.wait(10)
        return Boxes()

    with in_this_process(path, load) as service:
        started(service, 1)
        site(tmp_path, ["a"], detectors={"core": {}})
        first = revision_of(path.read_bytes())
        service.request_reload()
        assert loads.wait(10)
        site(tmp_path, ["a"], {"labels": ["car"]}, detectors={"core": {}})
        service.request_reload()
        go_on.set()
        wait_until(lambda: service.reloaded().count == 1, "the first one does not end")
        assert service.reloaded().revision == first
        wait_until(lambda: service.reloaded().count == 2, "the second one does not end")
        assert service.reloaded().revision == revision_of(path.read_bytes()) != first


def test_a_camera_that_is_away_is_no_hung_thread(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    silent = threading.Event()
    cameras({"a": 10.0}, a=silent)
    with in_this_process(site(tmp_path, ["a"], {"motion": {"enabled": True}}), lambda planned: Boxes()) as service:
        service._watchdog.limit_s = 1.0
        started(service, 1)
        silent.set()
        time.sleep(7)
        assert service.stats().service.restarts == 0
        assert service.health()[1]["cameras"] == {"a": "offline"}


def test_another_rate_of_messages_leaves_cameras_alone(
    cameras: Cameras, tmp_path: Path, models_dir: Path, broker: Mosquitto
) -> None:
    """A change of the broker's block makes a new connection; cameras, objects and totals go on."""
    cameras({"a": 10.0})
    each = {"zones": {"all": WHOLE}, "rules": [{"kind": "zone_count", "zone": "all", "labels": ["person"]}]}
    path = site(tmp_path, ["a"], each, mqtt={"port": broker.port})
    with Subscriber(broker.address) as seen, in_this_process(path, lambda planned: Boxes()) as service:
        found = started(service, 1)
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        site(tmp_path, ["a"], each, mqtt={"port": broker.port, "detections": {"max_hz": 2}})
        old = service._publisher.publisher
        service.request_reload()
        wait_until(lambda: service._publisher.publisher is not old, "it is not taken over")
        count = len(seen.of("sightline/a/detections"))
        seen.wait(lambda messages: len([m for m in messages if m.topic.endswith("/detections")]) > count + 3, "no more")
        seen.wait_for("sightline/a/status", "online")
        seen.wait_for("sightline/a/occupancy/all/person", "1")
        assert service._cameras["a"] is found["a"]
        begun = [m.json["type"] for m in seen.of("sightline/events")]
        assert begun.count("new") == 1 and begun.count("end") == 0
        numbers: dict[str, list[int]] = {}
        for message in seen.of("sightline/events"):
            numbers.setdefault(message.json["boot_id"], []).append(message.json["seq"])
        assert all(found_ == sorted(set(found_)) for found_ in numbers.values())
