"""What a page is told of files that are being analysed: real files, a detector that finds one box."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from config.loader import load
from config.site import Site
from pipelines.analyze import Job, analyze
from pipelines.file_face import FileFace
from pipelines.live.face import CannotBeAsked
from pipelines.scenario import plan_camera
from pipelines.serving import served
from pipelines.stopping import Stop
from pipelines.values import DetectorInfo, FrameResult
from tests.support.live import Boxes

SITE = """\
version: 1
cameras:
  gate:
    source: unused
    zones: {all: [[0, 0], [1, 0], [1, 1], [0, 1]]}
    rules:
      - {kind: zone_count, zone: all, labels: [person]}
      - {kind: heatmap, name: heat, cols: 8, rows: 4}
"""


class Warm(Boxes):
    """What ``analyze`` wants of a detector."""

    def warmup(self, width: int, height: int) -> None: ...


def model_of(detector: Boxes) -> Any:
    info = DetectorInfo("main", "boxes", "boxes", "cpu", "fp32", (384, 640))
    config, resolved = SimpleNamespace(confidence=0.25), SimpleNamespace(sha256="0")
    return SimpleNamespace(detector=detector, config=config, resolved=resolved, info=lambda name: info)


class Analysed:
    """A video that is analysed in a thread, frame by frame as the test lets it."""

    def __init__(self, video: Path, folder: Path) -> None:
        (folder / "site.yaml").write_text(SITE)
        document = load(folder / "site.yaml", Site)
        plan = plan_camera(document, "gate")
        self.face = FileFace([("gate", video)], plan, document.value.cameras["gate"], "1.2")
        self.job = Job(video, folder / "out", "gate", plan)
        self.shown = 0
        self.go_on = threading.Semaphore(0)
        self._show, self.face.show = self.face.show, self._stepwise  # type: ignore[method-assign]
        self.thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        analyze(self.job, model_of(Warm()), threading.Event(), face=self.face)

    def _stepwise(self, result: FrameResult) -> None:
        self.go_on.acquire()
        self._show(result)
        self.shown += 1

    def finish(self) -> None:
        self.go_on.release(1000)
        self.thread.join(60)
        assert not self.thread.is_alive()


@pytest.fixture
def analysed(data_dir: Path, tmp_path: Path) -> Iterator[Analysed]:
    one = Analysed(data_dir / "worker-zone-detection.mp4", tmp_path)
    yield one
    one.go_on.release(1000)


def test_a_file_is_a_camera_before_while_and_after_it_is_analysed(analysed: Analysed) -> None:
    face = analysed.face
    waiting = face.cameras()["gate"]
    assert (waiting.status, waiting.reason, waiting.size) == (
        "offline",
        "it waits for its turn, or until the model is loaded",
        (0, 0),
    )
    assert face.stats().cameras["gate"].processed == 0
    assert face.counters("gate") == face.states("gate") == {}
    analysed.thread.start()
    with face.watch("gate") as watch:
        analysed.go_on.release(10)
        results = []
        while len(results) == 0 or results[-1].frame.index < 9:
            result = watch.next(20)
            assert result is not None
            results.append(result)
        camera = face.cameras()["gate"]
        assert (camera.status, camera.reason, camera.labels) == ("online", None, ("person", "car"))
        assert camera.size == (results[0].frame.width, results[0].frame.height)
        assert face.counters("gate")["occupancy", "all", "person"] == 1
        stats = face.stats()
        assert stats.detectors["main"].framework == "boxes"
        assert stats.cameras["gate"].status == "online"
        told: list[Any] = []
        asker = threading.Thread(target=lambda: told.append(face.states("gate")))
        asker.start()  # the thread that runs the rules answers, with its next frame
        analysed.go_on.release(5)
        asker.join(20)
        assert set(told[0]) == {"zone_count_all", "heat"}
    analysed.finish()
    over = face.cameras()["gate"]
    assert (over.status, over.reason) == ("offline", "worker-zone-detection.mp4 is over")
    assert face.stats().cameras["gate"].processed == analysed.shown == 71
    assert face.states("gate")["zone_count_all"]["visits"] == {"person": 1}
    heat = face.heat("gate")
    assert heat is not None
    assert heat.sum() > 1
    with face.watch("gate") as watch:  # who comes late sees its last picture
        last = watch.next(1)
        assert last is not None
        assert last.frame.index == 70


def test_a_file_that_fails_is_over_too(tmp_path: Path, analysed: Analysed) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "detections.jsonl").mkdir()
    with pytest.raises(Exception, match="detections"):
        analyze(analysed.job, model_of(Warm()), threading.Event(), face=analysed.face)
    assert analysed.face.cameras()["gate"].status == "offline"


def test_nothing_can_be_changed(analysed: Analysed) -> None:
    face = analysed.face
    assert face.site_file is None
    assert face.plan() is None
    assert face.health()[0]
    with pytest.raises(CannotBeAsked, match="nothing can be switched"):
        face.command("detect", "gate", False)
    with pytest.raises(KeyError):
        face.watch("nobody")


class Page:
    """A page that somebody closes after so many looks."""

    url = "http://127.0.0.1:1"

    def __init__(self, looks: int) -> None:
        self.looks, self.stopped = looks, 0

    @property
    def watched(self) -> bool:
        self.looks -= 1
        return self.looks >= 0

    def stop(self) -> None:
        self.stopped += 1


def said_of(page: Page, stop: Stop, monkeypatch: pytest.MonkeyPatch, face: Any) -> list[str]:
    monkeypatch.setattr("pipelines.serving.LEFT_S", 0.1)
    monkeypatch.setattr("pipelines.serving._POLL_S", 0.01)
    said: list[str] = []
    serve: Callable[..., Any] = lambda config, shown: page  # noqa: E731
    with served(serve, SimpleNamespace(), face, stop, said.append):  # type: ignore[arg-type]
        assert page.stopped == 0
    assert page.stopped == 1
    return said


def test_the_page_ends_with_the_analysis_unless_somebody_has_it_open(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = Stop()
    where = "the page is at http://127.0.0.1:1"
    assert said_of(Page(0), stop, monkeypatch, object()) == [where]
    page = Page(20)
    assert said_of(page, stop, monkeypatch, object()) == [where, "the page stays until it is closed; Ctrl-C ends it"]
    assert page.looks < 0
    threading.Timer(0.1, stop.set).start()
    assert len(said_of(Page(10**9), stop, monkeypatch, object())) == 2
    assert said_of(Page(10**9), stop, monkeypatch, object()) == [where]  # stopped before its end


def test_without_a_page_nothing_is_said() -> None:
    said: list[str] = []
    with served(None, SimpleNamespace(), None, Stop(), said.append):  # type: ignore[arg-type]
        pass
    assert said == []
