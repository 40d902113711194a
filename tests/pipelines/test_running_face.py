"""What a page is told of a running site: a real service on cameras in memory, with a detector that finds one box."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.live.face import CannotBeAsked
from pipelines.live.plan import plan_site
from pipelines.live.running_face import RunningFace
from tests.support.live import WHOLE, Boxes, in_this_process, wait_until
from tests.support.memory_site import Cameras, site, started

RULES = {
    "zones": {"all": WHOLE},
    "lines": {"middle": [[0.5, 0.0], [0.5, 1.0]]},
    "rules": [
        {"kind": "zone_count", "zone": "all", "labels": ["person"]},
        {"kind": "line_crossing", "line": "middle", "labels": ["person"]},
        {"kind": "heatmap", "name": "heat", "cols": 8, "rows": 4},
    ],
}
HERE = ("occupancy", "all", "person")


@contextmanager
def running(folder: Path, *names: str, each: dict[str, Any] | None = None) -> Iterator[tuple[Any, RunningFace]]:
    path = site(folder, list(names), RULES if each is None else each)
    with in_this_process(path, lambda planned: Boxes()) as service:
        face = RunningFace(service)
        yield service, face


def test_a_camera_is_told_from_before_its_models_are_loaded(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        early = face.cameras()["a"]
        if early.labels == ():  # else it was quick
            assert (early.status, early.reason, early.size) == ("offline", "it is being started", (0, 0))
            assert face.counters("a")[HERE] == 0
        started(service, 1)
        wait_until(lambda: face.cameras()["a"].status == "online", "it does not come online")
        camera = face.cameras()["a"]
        assert (camera.labels, camera.size, camera.detectors) == (("person", "car"), (64, 48), ("main",))
        assert (camera.enabled, camera.detecting, camera.reason) == (True, True, None)
        assert list(camera.plan.lines) == ["middle"]
        assert face.site_file == tmp_path / "site.yaml"
        plan = face.plan()
        assert plan is not None
        assert list(plan.cameras) == ["a"]
        assert face.health()[0]
        assert list(face.stats().cameras) == ["a"]


def test_totals_that_are_not_read_yet_are_not_said_to_be_zero(tmp_path: Path, models_dir: Path) -> None:
    """The page is served before the outbox is opened, and while a reload brings a camera."""
    plan = plan_site(site(tmp_path, ["a"], RULES, mqtt={"port": 1}), False, False, lambda line: None)
    service = SimpleNamespace(plan=plan, live=dict, topics=lambda camera: None)
    with pytest.raises(CannotBeAsked, match="the totals of camera a are not read yet"):
        RunningFace(service).counters("a")  # type: ignore[arg-type]


def test_counters_and_rules_are_told_without_a_broker(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        started(service, 1)
        wait_until(lambda: face.counters("a")[HERE] == 1, "nobody is counted")
        assert face.counters("a")["counts", "middle", "in", "person"] == 0
        states = face.states("a")
        assert {name: state["kind"] for name, state in states.items()} == {
            "zone_count_all": "zone_count", "line_crossing_middle": "line_crossing", "heat": "heatmap",
        }  # fmt: skip
        wait_until(lambda: (heat := face.heat("a")) is not None and heat.sum() > 0.2, "it does not get warm")
        heat = face.heat("a")
        assert heat is not None
        assert heat.shape == (4, 8)
        heat[:] = -1  # a copy
        again = face.heat("a")
        assert again is not None
        assert again.min() >= 0


def test_nobody_is_there_while_nothing_is_looked_for(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        started(service, 1)
        wait_until(lambda: face.counters("a")[HERE] == 1, "nobody is counted")
        face.command("detect", "a", False)
        wait_until(lambda: not face.cameras()["a"].detecting, "it goes on")
        assert face.counters("a")[HERE] == 0
        face.command("detect", "a", True)
        wait_until(lambda: face.counters("a")[HERE] == 1, "nobody is counted any more")
        face.command("enabled", "a", False)
        wait_until(lambda: face.cameras()["a"].status == "disabled", "it is not switched off")
        wait_until(lambda: face.counters("a")[HERE] == 0, "somebody is said to be there")


def test_who_watches_gets_the_newest_result_and_nothing_is_kept_for_nobody(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    cameras({"a": 30.0, "b": 30.0})
    with running(tmp_path, "a", "b") as (service, face):
        found = started(service, 2)
        assert not service.spectators.any
        with face.watch("a") as watch:
            first = watch.next(5)
            assert first is not None
            assert first.frame.source_id == "a"
            assert (first.frame.width, len(first.detections), first.is_bare) == (64, 1, False)
            count = found["a"].processed
            wait_until(lambda: found["a"].processed > count + 5, "no frames")
            late = watch.next(5)
            assert late is not None
            assert late.frame.index >= first.frame.index + 5  # none of those between
        assert not service.spectators.any
        assert watch.next(0.05) is None


def test_with_detection_off_there_are_pictures_for_who_looks(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    """Somebody may want to draw lines on them; nobody pays for pictures that nobody looks at."""
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        found = started(service, 1)
        face.command("detect", "a", False)
        wait_until(lambda: not found["a"].detecting, "it goes on")
        with face.watch("a") as watch:
            wait_until(lambda: (result := watch.next(1)) is not None and result.is_bare, "no bare picture")
            result = watch.next(5)
        assert result is not None
        assert (len(result.detections), result.tracks, result.frame.width) == (0, (), 64)


def test_a_camera_whose_geometry_does_not_fit_has_pictures_to_draw_on(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a", each={**RULES, "drawn_on": [1600, 200]}) as (_, face):
        wait_until(lambda: "aspect ratio" in (face.cameras()["a"].reason or ""), "it is not refused")
        with face.watch("a") as watch:
            result = watch.next(5)
        assert result is not None
        assert result.is_bare
        assert face.cameras()["a"].size == (64, 48)
        assert face.states("a") == {}
        assert face.heat("a") is None


def test_events_are_told_with_their_picture_and_a_listener_that_fails_costs_nothing(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        told: list[Any] = []

        def fail(camera: str, result: Any) -> None:
            raise ValueError("a page that fails")

        ends = [face.listen(fail), face.listen(lambda camera, result: told.append((camera, result)))]
        started(service, 1)
        wait_until(lambda: told, "no event is told")  # somebody is in the zone
        camera, result = told[0]
        assert camera == "a"
        assert [event.rule for event in result.events] == ["zone_count_all"]
        assert result.frame.image.shape == (48, 64, 3)
        for end in ends:
            end()
        assert not service.spectators.any


def test_a_rule_that_hangs_does_not_hold_up_who_asks(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        found = started(service, 1)
        with found["a"]._lock:  # as a rule that does not come back would hold it
            said: list[Any] = []
            asker = threading.Thread(target=lambda: said.extend([face.states("a"), face.heat("a"), face.counters("a")]))
            begin = time.monotonic()
            asker.start()
            asker.join(10)
            assert time.monotonic() - begin < 5
        assert said[:2] == [{}, None]
        assert HERE in said[2]


def test_who_watches_goes_on_over_a_reload(cameras: Cameras, tmp_path: Path, models_dir: Path) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        started(service, 1)
        with face.watch("a") as watch:
            assert watch.next(5) is not None
            before = face.plan()
            site(tmp_path, ["a"], {**RULES, "lines": {"other": [[0.5, 0.0], [0.5, 1.0]]}, "rules": []})
            face.command("reload", "", True)
            wait_until(lambda: face.plan() is not before, "it is not read again")
            wait_until(lambda: face.cameras()["a"].status == "online", "it does not come back")
            wait_until(lambda: watch.next(1) is not None, "nothing is seen any more")
        assert list(face.cameras()["a"].plan.lines) == ["other"]
        assert face.counters("a") == {}


def test_what_is_not_there_is_a_key_error_and_what_cannot_be_a_sentence(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    cameras({"a": 20.0})
    with running(tmp_path, "a") as (service, face):
        for ask in (face.counters, face.states, face.heat, face.watch):
            with pytest.raises(KeyError):
                ask("nobody")  # type: ignore[operator]
        with pytest.raises(KeyError):
            face.command("detect", "nobody", True)
        started(service, 1)
        live = service._cameras
        service._cameras = {}
        with pytest.raises(CannotBeAsked, match="not at work yet"):
            face.command("detect", "a", True)
        service._cameras = live
