"""Pictures and events as they come, from a camera that the test plays, over real sockets."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from config.site import Camera as CameraConfig
from dashboard import views as the_views
from dashboard.server import Server
from dashboard.views import Views
from pipelines.live.face import CameraFace
from tests.support.dashboard import client_of, decoded, messages, page, parts, served, until
from tests.support.face import STATS, ScriptedFace, camera_face, event_of, result_of


class Camera:
    """Shows a picture 50 times a second, each a little brighter, until the end of the ``with`` statement."""

    def __init__(self, face: ScriptedFace, name: str = "gate", fps: float = 50, **changes: Any) -> None:
        self.shown = 0
        self._face, self._name, self._fps, self._changes = face, name, fps, changes
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Camera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(1 / self._fps):
            self.shown += 1
            result = result_of(self._name, self.shown, grey=20 + self.shown % 200, pts_s=self.shown / self._fps)
            self._face.show(replace(result, **self._changes))


@contextmanager
def watched(face: ScriptedFace | None = None, **more: Any) -> Iterator[tuple[ScriptedFace, Server, httpx.Client]]:
    face = face or ScriptedFace()
    with served(face, **more) as server, client_of(server) as client:
        yield face, server, client


def views_of(server: Server) -> Views:
    views: Views = server._app.state.views
    return views


def test_a_still_is_the_next_picture_with_its_layers() -> None:
    face = ScriptedFace()
    with page(face) as client, Camera(face):
        answer = client.get("/api/cameras/gate/still", params={"layers": "none", "width": 160})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
        assert answer.headers["cache-control"] == "no-store"
        plain = decoded(answer.content)
        assert plain.shape == (90, 160, 3)
        assert plain.std() < 2
        drawn = decoded(client.get("/api/cameras/gate/still", params={"layers": "lines,zones"}).content)
        assert drawn.shape == (180, 320, 3)
        assert drawn.std() > 5


def test_sizes_rates_and_layers_are_bounded() -> None:
    with page() as client:
        for query in (
            "layers=boxes,nonsense", "width=100000", "width=10", "width=x", "fps=0", "fps=1000", "fps=nan",
            "layers=" + "boxes," * 50,
        ):  # fmt: skip
            assert client.get(f"/api/cameras/gate/live?{query}").status_code == 422, query
        assert client.get("/api/cameras/nobody/live").status_code == 404
        assert client.get("/api/cameras/..%2f..%2fetc/still").status_code == 404


@pytest.mark.parametrize(
    ("camera", "why"),
    [
        (
            camera_face(status="offline", reason="refused"),
            "there is no picture of camera gate now: it is offline (refused)",
        ),
        (camera_face(status="disabled", enabled=False), "camera gate is switched off, so there is no picture"),
    ],
)
def test_without_a_picture_a_still_says_why(camera: CameraFace, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.api.stream.STILL_S", 0.1)
    with page(ScriptedFace(camera)) as client:
        answer = client.get("/api/cameras/gate/still")
        assert (answer.status_code, answer.json()["detail"]) == (503, why)


def test_of_a_slow_camera_the_last_picture_is_kept_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks too early is told when to come back, and finds it then, though nobody has watched meanwhile."""
    monkeypatch.setattr("dashboard.api.stream.STILL_S", 0.1)
    monkeypatch.setattr("dashboard.api.stream.LONGEST_STILL_S", 0.3)
    monkeypatch.setattr(the_views, "LINGER_S", 0.1)
    slow = camera_face(config=CameraConfig(source="rtsp://camera/stream", detect_fps=0.02))
    with watched(ScriptedFace(slow)) as (face, _, client):
        early = client.get("/api/cameras/gate/still")
        assert (early.status_code, early.headers["retry-after"]) == (503, "50")
        assert early.json()["detail"] == "camera gate is analysed every 50 s; its next picture is not there yet"
        face.show(result_of(grey=90))
        for _ in range(2):
            time.sleep(0.3)
            assert client.get("/api/cameras/gate/still").status_code == 200
        face.known = {"gate": replace(slow, status="offline", reason="gone")}
        assert client.get("/api/cameras/gate/still").status_code == 503


def test_live_pictures_change_at_the_rate_asked_for() -> None:
    with watched() as (face, server, client), Camera(face):
        with client.stream("GET", "/api/cameras/gate/live?layers=none&fps=10") as stream:
            assert stream.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
            pictures = parts(stream.iter_raw())
            next(pictures)
            begin, greys = time.monotonic(), []
            for _ in range(10):
                greys.append(float(decoded(next(pictures)).mean()))
            took = time.monotonic() - begin
        assert all(later > earlier for earlier, later in itertools.pairwise(greys))
        assert took > 0.7  # ten pictures at ten a second, less what was made good
        until(lambda: views_of(server).watchers == 0, "who has left is still there")
        until(lambda: not face.spectators.any, "somebody still looks", 10)


def test_nobody_watches_nothing_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    real = the_views._Drawing.draw
    monkeypatch.setattr(the_views._Drawing, "draw", lambda self, result: drawn.append(0) or real(self, result))
    monkeypatch.setattr(the_views, "LINGER_S", 0.3)
    with watched() as (face, _, client), Camera(face) as camera:
        until(lambda: camera.shown > 20, "no picture")
        assert (drawn, face.spectators.any) == ([], False)
        assert client.get("/api/cameras/gate/still").status_code == 200
        assert 1 <= len(drawn) <= 2
        until(lambda: not face.spectators.any, "somebody still looks")
        count = len(drawn)
        until(lambda: camera.shown > 60, "no picture")
        assert len(drawn) == count


def test_who_watch_the_same_share_one_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[float] = []
    real = the_views._Drawing.draw
    monkeypatch.setattr(the_views._Drawing, "draw", lambda self, result: drawn.append(0) or real(self, result))
    with watched() as (face, server, client), Camera(face):
        query = "/api/cameras/gate/live?fps=15&layers="
        seen: list[int] = []

        def look(layers: str) -> None:
            with client.stream("GET", query + layers) as stream:
                pictures = parts(stream.iter_raw())
                seen.append(sum(1 for _, picture in zip(range(15), pictures, strict=False) if picture))

        threads = [threading.Thread(target=look, args=(layers,)) for layers in 6 * ["boxes,lines", "lines,boxes"]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert seen == 12 * [15]
        assert len(views_of(server)._views) == 1
        assert len(drawn) < 40  # not 180


def test_a_slow_client_gets_the_newest_picture_and_costs_nobody_one() -> None:
    face = ScriptedFace(camera_face(size=(1280, 720)))
    noise = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)  # large as a JPEG
    number = {"now": 0}

    def play(over: threading.Event) -> None:
        while not over.wait(0.03):
            number["now"] += 1
            result = result_of(index=number["now"], size=(1280, 720), pts_s=number["now"] / 30)
            image = noise.copy()
            image[:90] = number["now"] % 250
            face.show(replace(result, frame=replace(result.frame, image=image)))

    over = threading.Event()
    player = threading.Thread(target=play, args=(over,), daemon=True)
    with watched(face) as (_, _, client):
        player.start()
        query = "/api/cameras/gate/live?layers=none&width=1280&fps=15"
        with client.stream("GET", query) as slow:
            pictures = parts(slow.iter_raw())
            next(pictures)
            time.sleep(1)
            with client.stream("GET", query) as quick:
                others = parts(quick.iter_raw())
                begin = time.monotonic()
                for _ in range(5):
                    next(others)
                assert time.monotonic() - begin < 30  # it does not wait for the slow one
            time.sleep(2)
            backlog = 0
            while True:  # what lay in the buffers on the way
                grey = float(decoded(next(pictures))[:60].mean())
                if abs(grey - number["now"] % 250) <= 25:
                    break
                backlog += 1
            assert backlog <= 6
        over.set()
        player.join()


def test_geometry_that_changes_is_drawn_without_a_new_connection() -> None:
    with watched() as (face, _, client), Camera(face):
        query = "/api/cameras/gate/live?layers=lines&fps=15"
        with client.stream("GET", query) as stream:
            pictures = parts(stream.iter_raw())
            assert decoded(next(pictures)).std() > 5
            plan = replace(face.known["gate"].plan, lines={})
            face.known = {"gate": camera_face(plan=plan)}
            end = time.monotonic() + 10
            while decoded(next(pictures)).std() > 2:
                assert time.monotonic() < end, "the old line is still there"


def test_who_is_blurred_stays_so_over_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks behind it, before the camera has shown anything new, must not see the last picture in the clear."""
    monkeypatch.setattr(the_views, "_RENEW_S", 0.2)
    seen = result_of(boxes={1: (40, 20, 280, 160)})
    image = np.random.default_rng(1).integers(0, 255, (180, 320, 3), np.uint8)
    changes = {
        "frame": replace(seen.frame, image=image), "detections": seen.detections, "track_ids": seen.track_ids,
    }  # fmt: skip

    def contrast(client: httpx.Client) -> float:
        answer = client.get("/api/cameras/gate/still?layers=blur")
        assert answer.status_code == 200, answer.text
        return float(decoded(answer.content)[60:120, 120:200].std())

    with watched() as (face, _, client):
        with Camera(face, **changes) as camera:
            assert contrast(client) < 15
            count = camera.shown
            until(lambda: camera.shown > count + 5, "no result is left that nobody asked for")
        plan = replace(face.known["gate"].plan, lines={})
        face.known = {"gate": camera_face(plan=plan)}
        time.sleep(0.6)
        assert contrast(client) < 15


def test_a_camera_without_new_pictures_is_still_heard_until_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a slow camera, or a file that is over: clients take a silent stream for a fault."""
    monkeypatch.setattr("dashboard.api.stream._LOOK_UP_S", 0.1)
    with (
        watched() as (face, server, client),
        client.stream("GET", "/api/cameras/gate/live?layers=none&fps=15") as stream,
    ):
        chunks = stream.iter_raw()
        assert next(chunks) == b"\r\n"
        until(lambda: face.spectators.any, "nobody looks")
        face.show(result_of(grey=90))
        pictures = parts(chunks)
        first = next(pictures)
        assert [next(pictures) for _ in range(3)] == 3 * [first]
        face.show(result_of(grey=200))
        until(lambda: decoded(next(pictures)).mean() > 180, "the new picture does not come")
        face.known = {"gate": camera_face(status="offline", reason="gone")}
        time.sleep(0.8)
        server.stop()
        assert len(list(pictures)) <= 2  # who looks is told that it is away, and not shown what was


def test_a_camera_that_is_taken_away_ends_its_stream() -> None:
    with watched(ScriptedFace(camera_face("gate"), camera_face("yard"))) as (face, _, client), Camera(face):
        with client.stream("GET", "/api/cameras/gate/live?fps=15") as stream:
            pictures = parts(stream.iter_raw())
            next(pictures)
            face.known = {"yard": face.known["yard"]}
            assert len(list(pictures)) < 60
        assert client.get("/api/cameras/gate/still").status_code == 404


def test_watchers_and_different_pictures_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_views, "MOST_VIEWS", 2)
    monkeypatch.setattr(the_views, "MOST_WATCHERS", 3)
    with watched() as (face, _, client), Camera(face):
        with (
            client.stream("GET", "/api/cameras/gate/live?width=160") as one,
            client.stream("GET", "/api/cameras/gate/live?width=320") as two,
        ):
            held = [one.iter_raw(), two.iter_raw()]  # a stream ends with its iterator
            for chunks in held:
                next(chunks)
            third = client.get("/api/cameras/gate/live?width=640")
            assert third.status_code == 503
            assert third.json()["detail"].startswith("2 different pictures are drawn already")
            assert third.headers["retry-after"] == "10"
            with client.stream("GET", "/api/cameras/gate/live?width=320") as three:
                held.append(three.iter_raw())
                next(held[-1])
                fourth = client.get("/api/cameras/gate/live?width=320")
                assert fourth.json()["detail"].startswith("3 pictures are watched already")


def test_the_heat_is_that_of_the_rule_or_else_what_was_seen() -> None:
    face = ScriptedFace()
    face.grid = np.zeros((4, 4))
    face.grid[0, 0] = 9.0
    with page(face) as client, Camera(face):
        picture = decoded(client.get("/api/cameras/gate/still?layers=heatmap").content)
        assert picture[:20, :40].std() > 5
        assert picture[120:, 160:].std() < 2
    face = ScriptedFace()
    boxes = result_of(boxes={1: (150, 100, 170, 170)})
    with (
        page(face) as client,
        Camera(face, detections=boxes.detections, tracks=boxes.tracks, track_ids=boxes.track_ids),
    ):
        query = "/api/cameras/gate/still?layers=heatmap"
        assert client.get(query).status_code == 200  # from now on somebody looks
        time.sleep(0.5)
        picture = decoded(client.get(query).content)
        assert picture[150:, 140:180].std() > 5
        assert picture[:60, :60].std() < 2


def test_a_page_is_told_of_everything_at_once_and_then_of_what_changes() -> None:
    with watched() as (face, _, client), client.stream("GET", "/api/stream") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        told = messages(stream.iter_raw())
        first = dict(next(told) for _ in range(4))
        assert set(first) == {"stats", "status", "config", "counts"}
        assert first["stats"] == STATS.model_dump(mode="json")
        assert first["status"]["cameras"][0] == {
            "name": "gate", "status": "online", "reason": None, "enabled": True, "detecting": True, "size": [320, 180],
        }  # fmt: skip
        assert first["config"] == {"reload_error": None, "reloads": 0, "read_revision": None}
        assert first["counts"]["counts"][0] == {
            "camera": "gate", "head": "counts", "place": "road", "direction": "in", "label": "car", "value": 3,
        }  # fmt: skip
        face.counted["counts", "road", "in", "car"] = 4
        face.show(result_of(events=(event_of(),)))
        face.known = {"gate": camera_face(status="offline", reason="gone")}
        found: dict[str, Any] = {}
        while not {"counts", "event", "status"} <= set(found):
            kind, data = next(told)
            found[kind] = data
        assert found["counts"]["counts"][0]["value"] == 4
        assert found["status"]["cameras"][0]["reason"] == "gone"
        assert found["event"] == {
            "camera": "gate", "kind": "line_crossing", "rule": "road", "label": "car", "track_id": 7,
            "at": 1_700_000_001.5, "pts_s": 1.5, "data": {"line": "road", "direction": "in"},
        }  # fmt: skip


def test_a_reload_that_fails_is_told() -> None:
    with watched() as (face, _, client), client.stream("GET", "/api/stream") as stream:
        told = messages(stream.iter_raw())
        while next(told)[0] != "config":
            pass
        for number in (1, 2):  # the second time with the same sentence
            result = {"reload_error": "site.yaml:3: wrong", "reloads": number}
            service = STATS.service.model_copy(update=result)
            face.stats_now = STATS.model_copy(update={"service": service})
            assert next(data for kind, data in told if kind == "config") == {**result, "read_revision": None}


def test_while_no_page_is_open_the_site_is_not_asked() -> None:
    asked: list[int] = []
    with watched() as (face, _, client):
        real = face.stats
        face.stats = lambda: asked.append(1) or real()  # type: ignore[method-assign, func-returns-value]
        with client.stream("GET", "/api/stream") as one, client.stream("GET", "/api/stream") as two:
            for stream in (one, two):
                told = messages(stream.iter_raw())
                assert "stats" in {next(told)[0] for _ in range(4)}
            assert face.spectators.any
        until(lambda: not face.spectators.any, "somebody still listens")
        count = len(asked)
        assert count <= 6  # twice a second, for both together
        time.sleep(1.2)
        assert len(asked) == count


def test_a_burst_of_events_is_cut_for_a_slow_page() -> None:
    from dashboard.news import Listener, message

    async def burst() -> list[tuple[str, Any]]:
        listener = Listener()
        for number in range(1000):
            listener.tell("event", message("event", str(number)))
            listener.tell("stats", message("stats", str(number)))
        return list(messages(iter([await listener.next(1)])))

    import asyncio

    told = asyncio.run(burst())
    assert told[0] == ("stats", 999)
    assert [data for kind, data in told if kind == "event"] == list(range(800, 1000))


def test_streams_end_at_once_when_the_server_stops() -> None:
    face = ScriptedFace()
    with served(face) as server, client_of(server) as client, Camera(face):
        with (
            client.stream("GET", "/api/stream") as events,
            client.stream("GET", "/api/cameras/gate/live") as pictures,
        ):
            told, seen = events.iter_raw(), pictures.iter_raw()
            next(told)
            next(seen)
            begin = time.monotonic()
            server.stop()
            took = time.monotonic() - begin
            for rest in (told, seen):
                assert sum(1 for _ in rest) < 50
        assert took < 1.5
    until(lambda: not face.spectators.any, "somebody still looks")


def test_many_watchers_share_what_is_sent() -> None:
    face = ScriptedFace()
    views = Views(face)
    view = the_views.View.__new__(the_views.View)
    view.watchers = {number: 8.0 for number in range(10)}
    views._views = {the_views.Wanted("gate", frozenset(), 960): view}
    assert (views.share(8.0), views.share(60.0), views.share(0.5)) == (8.0, 10.0, 0.5)
    view.watchers = {number: 8.0 for number in range(50)}
    assert (views.share(8.0), views.share(1.0)) == (2.0, 1.0)
    view.rate(views.share)
    assert view._fps == 2.0
