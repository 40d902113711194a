"""The API of configuration, history, events, comparisons and the system, over the real server."""

from __future__ import annotations

import csv
import io
import json
import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.site import Site
from dashboard.csv_text import csv_chunks
from dashboard.gate import Gate
from dashboard.history.cells import WIDTHS, Counter, cell_of
from dashboard.history.reader import Reader
from dashboard.history.store import Batch, EventRow, Store
from dashboard.refusal import Refusal
from pipelines.live.plan import plan_site
from tests.support.dashboard import until
from tests.support.face import ScriptedFace, camera_face
from tests.support.page_client import PageClient

SITE = """\
version: 1
detectors:
  main: {runtime: torch}
cameras:
  gate:   # the front
    source: rtsp://viewer:s3cret-word@10.0.0.7/s
    lines:
      road: [[0.1, 0.5], [0.9, 0.5]]   # the road
    rules:
      - {kind: line_crossing, line: road}
  yard:
    source: rtsp://10.0.0.8/s
server: {port: 0}
"""


@pytest.fixture
def face(tmp_path: Path) -> ScriptedFace:
    """Two cameras, and the file they are said to come from."""
    scripted = ScriptedFace(camera_face("gate"), camera_face("yard"))
    scripted.file = tmp_path / "site.yaml"
    scripted.file.write_text(SITE)
    return scripted


@pytest.fixture
def planned(face: ScriptedFace, models_dir: Path) -> ScriptedFace:
    """The same with the file's plan in force; models are there to check a change against."""
    assert face.file is not None
    face.in_force = plan_site(face.file, False, False, lambda line: None)
    return face


def config_of(page: PageClient) -> dict[str, Any]:
    found: dict[str, Any] = page.get("/api/config").json
    return found


def test_the_configuration_is_shown_without_secrets(planned: ScriptedFace) -> None:
    with PageClient(planned) as page:
        answer = page.get("/api/config")
    assert answer.status == 200
    assert b"s3cret" not in answer.body
    found = answer.json
    assert "# the front" in found["text"]
    assert found["in_force"]["cameras"]["gate"]["source"] == "rtsp://***@10.0.0.7/s"
    assert found["in_force"]["cameras"]["gate"]["detect_fps"] == 10
    assert "traffic" in found["scenarios"]
    assert found["read_only_reason"] is None


def test_cameras_are_told_as_they_are_in_the_file(planned: ScriptedFace) -> None:
    """Not as they are in force: an editor that began with that would take away what is not taken over yet."""
    assert planned.file is not None
    with PageClient(planned) as page:
        planned.file.write_text(SITE.replace("# the road", "# the road\n      new: [[0, 0], [1, 1]]"))
        found = config_of(page)
        assert found["in_force"]["cameras"]["gate"]["lines"].keys() == {"road"}
        assert found["cameras"]["gate"]["lines"] == {"road": [[0.1, 0.5], [0.9, 0.5]], "new": [[0, 0], [1, 1]]}
        assert found["cameras"]["gate"]["rules"] == [{"kind": "line_crossing", "line": "road"}]
        planned.file.write_text(SITE.replace("version: 1", "version: 9"))
        found = config_of(page)
        assert found["cameras"] is None and "expected 1, not 9" in found["cameras_fault"]


def test_a_line_is_drawn_into_the_file_and_taken_over(planned: ScriptedFace) -> None:
    assert planned.file is not None
    lines = {"road": [[0.1, 0.5], [0.9, 0.5]], "drive": [[0.25, 0.1], [0.25, 0.9]]}
    with PageClient(planned) as page:
        body = {"revision": config_of(page)["revision"], "lines": lines, "zones": {}}
        answer = page.send("PUT", "/api/cameras/gate/geometry", body)
        assert answer.status == 200, answer.body
        assert planned.asked == [("reload", "", True)]
        text = planned.file.read_text()
        assert text == SITE.replace("# the road\n", "# the road\n      drive: [[0.25, 0.1], [0.25, 0.9]]\n")
        after = config_of(page)
        assert (after["revision"], after["can_undo"]) == (answer.json["revision"], True)
        assert [backup["kind"] for backup in after["backups"]] == ["saved"]
        assert page.send("POST", "/api/config/undo", {"revision": after["revision"]}).status == 200
        assert planned.file.read_text() == SITE
        assert page.send("POST", "/api/config/undo", {"revision": after["revision"]}).status == 409


DRAWN_WRONG: list[tuple[object, object, str, str]] = [
    ({}, {"bow": [[0, 0], [1, 1], [1, 0], [0, 1]]}, "cameras.gate.zones.bow", "crosses or touches itself"),
    ({"road": [[0.1, 0.5], [0.9, 0.5]]}, {"road": [[0, 0], [1, 0], [1, 1]]}, "cameras.gate.zones.road",
     "called like a line of the camera; choose another name"),
    ({"yard": [[0.1, 0.5], [0.9, 0.5]]}, {}, "cameras.gate.lines.yard", "called like a camera"),
    ({"Not Good": [[0.1, 0.5], [0.9, 0.5]]}, {}, "cameras.gate.lines.Not Good", "characters that are not allowed"),
    ({"road": [[0.1, 0.5], [0.1, 0.5]]}, {}, "cameras.gate.lines.road", "starts and ends at the same point"),
    ({"road": [[0.1, 0.5]]}, {}, "cameras.gate.lines.road", "exactly 2 points"),
    ({}, {}, "cameras.gate.rules[0].line", "unknown line 'road'"),
]  # fmt: skip


def test_what_is_drawn_wrong_is_told_at_its_place(face: ScriptedFace, models_dir: Path) -> None:
    assert face.file is not None
    with PageClient(face) as page:
        revision = config_of(page)["revision"]
        for lines, zones, path, words in DRAWN_WRONG:
            body = {"revision": revision, "lines": lines, "zones": zones}
            answer = page.send("PUT", "/api/cameras/gate/geometry", body)
            assert answer.status == 422, (path, answer.body)
            faults = answer.json["faults"]
            assert (answer.json["path"], answer.json["detail"]) == (faults[0]["path"], faults[0]["message"])
            assert any(fault["path"] == path and words in fault["message"] for fault in faults), faults
    assert face.file.read_text() == SITE
    assert face.asked == []


def test_a_conflict_shows_what_was_changed(face: ScriptedFace) -> None:
    assert face.file is not None
    with PageClient(face) as page:
        seen = config_of(page)
        face.file.write_text(SITE.replace("# the road", "# their road"))
        for method, path, more in (
            ("PUT", "/api/config", {"text": seen["text"]}),
            ("PUT", "/api/cameras/gate/geometry", {"lines": {}, "zones": {}}),
            ("PUT", "/api/cameras/gate/scenario", {"scenario": None, "rules": []}),
            ("PUT", "/api/cameras/gate/detector", {"runtime": "openvino"}),
            ("POST", "/api/config/undo", {}),
        ):
            answer = page.send(method, path, {"revision": seen["revision"], **more})
            assert answer.status == 409, (path, answer.body)
            assert "+      road: [[0.1, 0.5], [0.9, 0.5]]   # their road" in answer.json["changes"]
            assert answer.json["revision"] == config_of(page)["revision"]
    assert "# their road" in face.file.read_text()


def test_a_text_is_checked_and_saved(planned: ScriptedFace) -> None:
    assert planned.file is not None
    with PageClient(planned) as page:
        seen = config_of(page)
        wrong = {"revision": seen["revision"], "text": seen["text"].replace("version: 1", "version: 9")}
        checked = page.send("POST", "/api/config/validate", wrong).json
        assert checked == {"ok": False, "faults": [{"path": "version", "line": 1, "message": "expected 1, not 9"}]}
        assert page.send("PUT", "/api/config", wrong).status == 422
        assert planned.file.read_text() == SITE
        right = {"revision": seen["revision"], "text": seen["text"].replace("# the front", "# the back")}
        assert page.send("POST", "/api/config/validate", right).json == {"ok": True, "faults": []}
        assert page.send("PUT", "/api/config", right).status == 200
        assert planned.file.read_text() == SITE.replace("# the front", "# the back")


def test_scenario_and_runtime_of_one_camera(planned: ScriptedFace) -> None:
    with PageClient(planned) as page:
        rules = [{"kind": "line_crossing", "line": "road", "labels": ["car"]}]
        body: dict[str, Any] = {"revision": config_of(page)["revision"], "scenario": "traffic", "rules": rules}
        answer = page.send("PUT", "/api/cameras/gate/scenario", body)
        assert answer.status == 200, answer.body
        wrong = {**body, "revision": answer.json["revision"], "scenario": "nonsense"}
        refused = page.send("PUT", "/api/cameras/gate/scenario", wrong)
        assert (refused.status, refused.json["path"]) == (422, "cameras.gate.scenario")
        wrong = {**body, "revision": answer.json["revision"], "rules": [{"kind": "dwell", "zone": "z", "seconds": -1}]}
        refused = page.send("PUT", "/api/cameras/gate/scenario", wrong)
        assert [fault["path"] for fault in refused.json["faults"]] == ["cameras.gate.rules[0].seconds"]
        change = {"revision": answer.json["revision"], "runtime": "torch", "precision": "int8"}
        refused = page.send("PUT", "/api/cameras/yard/detector", change)
        assert (refused.status, refused.json["path"]) == (422, "detectors.main.precision")
        assert refused.json["detail"] == "runtime 'torch' does not compute in int8; it knows fp32, bf16, fp16"
        missing = page.send("PUT", "/api/cameras/nobody/detector", change)
        assert missing.status == 404
        assert planned.file is not None
        planned.file.write_text(SITE.replace("main: {", "other: {confidence: 0.4}\n  main: {"))
        revision = config_of(page)["revision"]
        answer = page.send("PUT", "/api/cameras/yard/detector", {"revision": revision, "detector": "main"})
        assert answer.status == 200, answer.body
    site = Site.model_validate(yaml.safe_load(planned.file.read_text()))
    assert site.detector_names(site.cameras["yard"]) == ("main",)
    assert site.detector_names(site.cameras["gate"]) == ("other",)


def test_without_a_file_nothing_can_be_changed(face: ScriptedFace) -> None:
    face.file = None
    with PageClient(face) as page:
        for method, path, body in (
            ("GET", "/api/config", None),
            ("PUT", "/api/config", {"revision": "0" * 64, "text": "x"}),
            ("POST", "/api/config/validate", {"revision": "0" * 64, "text": "x"}),
        ):
            answer = page.send(method, path, body)
            assert (answer.status, answer.json["path"]) == (409, None)
            assert "no site file" in answer.json["detail"]


def test_a_change_needs_the_token_of_the_session(face: ScriptedFace) -> None:
    assert face.file is not None
    with PageClient(face) as page:
        body = {"revision": config_of(page)["revision"], "lines": {}, "zones": {}}
        assert page.send("PUT", "/api/cameras/gate/geometry", body, csrf="").status == 403
        assert page.send("POST", "/api/config/validate", {**body, "text": ""}, csrf="wrong").status == 403
    assert face.file.read_text() == SITE


def test_choices(planned: ScriptedFace) -> None:
    """What may be chosen is what the model knows, not what the camera keeps; a rule says what it looks at."""
    assert planned.in_force is not None
    plan = planned.in_force.cameras["gate"].plan
    planned.known["gate"] = camera_face("gate", plan=replace(plan, labels=("car",)))
    face = planned
    with PageClient(face) as page:
        schemas = page.get("/api/schema/rules").json
        assert schemas["dwell"]["properties"]["seconds"]["exclusiveMinimum"] == 0
        assert schemas["dwell"]["description"]
        scenarios = {one["name"]: one for one in page.get("/api/schema/scenarios").json}
        assert scenarios["traffic"]["missing_labels"]["gate"] == ["truck", "bus", "motorcycle", "bicycle"]
        assert scenarios["traffic"]["rules"][0]["kind"] == "line_crossing"
        runtimes = {one["name"]: one for one in page.get("/api/runtimes").json}
        assert runtimes["torch"]["precisions"] == ["fp32", "bf16", "fp16"]
        camera = page.get("/api/cameras/gate").json
        assert (camera["labels"], camera["model_labels"]) == (["car"], ["person", "car"])
        assert page.get("/api/cameras/gate/rules").json["rules"][0]["labels"] == ["car"]
        assert runtimes["tensorrt"]["installed"] or "pip install tensorrt" in runtimes["tensorrt"]["reason"]


# -- history -----------------------------------------------------------------------------------------------------------


def fill(path: Path, now: float) -> None:
    store = Store(path, 30, 100)
    batch = Batch()
    counter = Counter("gate", "counts", "road", "in", "car")
    for width in WIDTHS:
        batch.add(counter, width, cell_of(now - 30, width), 5.0, 0.0)
    batch.watched["gate", now - 60] = now
    for number in range(5):
        data = json.dumps({"direction": "in", "word": "=1+1"})
        label = ("car", "=cmd()")[number % 2]
        batch.events.append(
            EventRow(now - 30 + number, "gate", "line_crossing", "road", label, number, 1.5, data, b"\xff\xd8jpeg")
        )
    store.write(batch)
    store.close()


def test_charts_and_events(face: ScriptedFace, tmp_path: Path) -> None:
    now = time.time()
    fill(tmp_path / "var" / "history.sqlite", now)
    with PageClient(face) as page:
        assert page.get("/api/session").json["dashboard"]["history"] is True
        found = page.get(f"/api/history/counts?since={now - 600}&until={now}&step=60&camera=gate").json
        (series,) = [one for one in found["series"] if one["head"] == "counts"]
        assert sum(value or 0 for value in series["values"]) == 5
        assert series["values"][0] is None
        assert len(found["times"]) == len(series["values"])
        rows = list(csv.DictReader(io.StringIO(page.get("/api/history/counts.csv?step=600").body.decode())))
        assert sum(float(row["value"] or 0) for row in rows if row["place"] == "road") == 5
        page1 = page.get("/api/events?limit=2&label=car").json
        page2 = page.get(f"/api/events?limit=2&label=car&before={page1['next']}").json
        assert [event["track_id"] for event in page1["events"] + page2["events"]] == [4, 2, 0]
        assert page2["next"] is None
        event = page1["events"][0]
        assert event["thumbnail"] and event["data"]["direction"] == "in"
        picture = page.get(f"/api/events/{event['id']}/thumbnail")
        assert (picture.status, picture.headers["content-type"], picture.body) == (200, "image/jpeg", b"\xff\xd8jpeg")
        known = page.get(f"/api/events/{event['id']}/thumbnail", If_None_Match=picture.headers["etag"])
        assert (known.status, known.body) == (304, b"")
        other = page.get(f"/api/events/{event['id']}/thumbnail", If_None_Match='"of another history"')
        assert (other.status, other.headers["cache-control"]) == (200, "private, no-cache")
        table = page.get("/api/events.csv")
        assert table.headers["content-disposition"] == 'attachment; filename="events.csv"'
        listed = list(csv.DictReader(io.StringIO(table.body.decode())))
        assert len(listed) == 5
        assert {row["label"] for row in listed} == {"car", "'=cmd()"}


def test_a_table_of_many_pages_is_sent_in_few_pieces(face: ScriptedFace, tmp_path: Path) -> None:
    now = time.time()
    store = Store(tmp_path / "var" / "history.sqlite", 30, 0)
    rows = [EventRow(now - 9 + number / 1000, "gate", "dwell", "x", None, number, 1.5, "{}") for number in range(1100)]
    store.write(Batch(events=rows))
    store.close()
    with PageClient(face) as page:
        listed = list(csv.DictReader(io.StringIO(page.get("/api/events.csv").body.decode())))
    assert [int(row["track_id"]) for row in listed] == [*range(1099, -1, -1)]
    pieces = list(csv_chunks(("a", "b"), ((number, None) for number in range(50_000))))
    assert "".join(pieces).split("\r\n") == ["a,b", *(f"{number}," for number in range(50_000)), ""]
    assert all(len(piece) >= 65_536 for piece in pieces[:-1])
    assert len(pieces) < 8


def test_counts_are_sent_some_counters_at_a_time(
    face: ScriptedFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large table is never in memory; and it is the same as the chart."""
    now = time.time()
    store, batch = Store(tmp_path / "var" / "history.sqlite", 30, 0), Batch()
    for number in range(7):
        for width in WIDTHS:
            counter = Counter("gate", "counts", f"line{number}", "in", "tram")
            batch.add(counter, width, cell_of(now, width), 1.0 + number, 0.0)
    batch.watched["gate", now - 600] = now
    store.write(batch)
    store.close()
    values, asked = Reader.values, list[int]()

    def noted(self: Reader, series: Any, chart: Any) -> Any:
        asked.append(len(series))
        return values(self, series, chart)

    query = f"since={now - 600}&until={now}&step=60&label=tram"
    with PageClient(face) as page:
        chart = page.get(f"/api/history/counts?{query}").json
        monkeypatch.setattr("dashboard.api.history.VALUES_AT_ONCE", 3 * len(chart["times"]))
        monkeypatch.setattr(Reader, "values", noted)
        rows = list(csv.DictReader(io.StringIO(page.get(f"/api/history/counts.csv?{query}").body.decode())))
    assert asked == [3, 3, 1]
    expected = [(one["place"], value) for one in chart["series"] for value in one["values"]]
    assert [(row["place"], float(row["value"]) if row["value"] else None) for row in rows] == expected
    assert len(chart["series"]) == 7


def test_few_read_at_once_and_the_others_are_told_to_come_back(
    face: ScriptedFace, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(most=1, most_wait=1, wait_s=0.05)
    monkeypatch.setattr("dashboard.application.Gate", lambda: gate)
    asked = ("/api/history/counts", "/api/history/counts.csv", "/api/history/detectors", "/api/events",
             "/api/events.csv", "/api/compares")  # fmt: skip
    with PageClient(face) as page:
        for path in asked:
            with gate:
                answer = page.get(path)
            assert (path, answer.status, answer.headers["retry-after"]) == (path, 503, "5")
            assert page.get(path).status == 200


def test_of_those_who_wait_only_some_do() -> None:
    gate = Gate(most=1, most_wait=1, wait_s=30)
    come_in = threading.Event()

    def wait() -> None:
        with gate:
            come_in.set()

    with gate:
        waiting = threading.Thread(target=wait)
        waiting.start()
        until(lambda: gate._places._value == 0, "it does not wait")
        begin = time.monotonic()
        with pytest.raises(Refusal, match="at once; try again soon"), gate:
            pass
        assert time.monotonic() - begin < 5
        assert not come_in.is_set()
    waiting.join(10)
    assert come_in.is_set()


NONSENSE = (
    "/api/history/counts?since=5&until=1", "/api/history/counts?step=0", "/api/history/counts?since=nan",
    "/api/history/detectors?since=1e300",
    "/api/events?limit=100000", "/api/events?before=99999999999999999999", "/api/events?before=0",
    "/api/events/0/thumbnail", "/api/events/x/thumbnail", "/api/events/99999999999999999999/thumbnail",
    "/api/log?limit=0", "/api/events?camera=" + "x" * 200,
)  # fmt: skip


def test_questions_that_make_no_sense(face: ScriptedFace) -> None:
    with PageClient(face) as page:
        for path in NONSENSE:
            answer = page.get(path)
            assert answer.status == 422, (path, answer.body)
            assert answer.json["detail"]


def test_without_a_history(face: ScriptedFace) -> None:
    with PageClient(face, history={"enabled": False}) as page:
        assert page.get("/api/session").json["dashboard"]["history"] is False
        for path in ("/api/history/counts", "/api/history/detectors", "/api/events", "/api/events/1/thumbnail",
                     "/api/events.csv", "/api/history/counts.csv"):  # fmt: skip
            answer = page.get(path)
            assert (answer.status, answer.json["path"]) == (404, "server.history.enabled")
        assert page.get("/api/system").json["history"] is None


# -- comparisons, system, log ------------------------------------------------------------------------------------------


def test_comparisons_are_found_and_shown(face: ScriptedFace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "compare"
    folder.mkdir(parents=True)
    row = {"runtime": "openvino", "precision": "fp32", "imgsz": 640, "fps": 41.5, "error": None}
    slow = {**row, "runtime": "torch", "fps": 20.0}
    result = {"made": "2026-11-25T10:00:00+00:00", "videos": ["a.mp4"], "machine": {"cpu": "CPU"},
              "rows": [slow, row, {"runtime": "litert", "error": "no"}]}  # fmt: skip
    (folder / "compare.json").write_text(json.dumps(result))
    (folder / "compare.html").write_text("<!doctype html><script>alert(1)</script>")
    broken = tmp_path / "results" / "old"
    broken.mkdir()
    (broken / "train.json").write_text("{")
    foreign = tmp_path / "results" / "foreign"
    foreign.mkdir()
    (foreign / "compare.json").write_text('{"rows": [{"fps": NaN}], "videos": 3, "machine": 4}')
    elsewhere = tmp_path / "secret"
    elsewhere.mkdir()
    (elsewhere / "compare.json").write_text(json.dumps(result))
    (tmp_path / "results" / "link").symlink_to(elsewhere)
    with PageClient(face) as page:
        found = {one["folder"]: one for one in page.get("/api/compares").json["compares"]}
        assert set(found) == {"compare", "old", "foreign"}
        assert (found["foreign"]["rows"], found["foreign"]["fastest"], found["foreign"]["videos"]) == (1, None, [])
        one = found["compare"]
        assert (one["kind"], one["rows"], one["failed"], one["fastest"]["runtime"]) == ("compare", 3, 1, "openvino")
        assert "is no JSON" in found["old"]["fault"]
        assert page.get(f"/api/compares/{one['id']}").json == result
        report = page.get(f"/api/compares/{one['id']}/report")
        assert report.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert report.headers["x-frame-options"] == "SAMEORIGIN"
        assert page.get(f"/api/compares/{found['old']['id']}").status == 404
        for key in ("0" * 16, "..%2f..%2fetc", "compare", "x" * 500):
            assert page.get(f"/api/compares/{key}").status == 404
            assert page.get(f"/api/compares/{key}/report").status == 404


def test_how_the_machine_is(face: ScriptedFace) -> None:
    with PageClient(face) as page:
        found = page.get("/api/system").json
    assert found["uptime"] == 61.5
    assert found["memory"]["rss_mb"] == 512.5 and found["memory"]["total_mb"] > found["memory"]["available_mb"] > 0
    assert {word for disk in found["disks"] for word in disk["holds"]} >= {"site file", "history"}
    assert found["versions"]["python"].startswith("3.")
    assert found["broker"] is None and found["outbox"] is None


def test_the_log_has_no_password_and_goes_on_where_it_was(face: ScriptedFace) -> None:
    log = logging.getLogger("dashboard.test")
    log.setLevel(logging.INFO)
    with PageClient(face) as page:
        log.warning("cannot open rtsp://viewer:s3cret-word@10.0.0.7/s")
        first = page.get("/api/log").json
        assert first["lines"][-1]["message"] == "cannot open rtsp://***@10.0.0.7/s"
        assert (first["lines"][-1]["level"], first["lines"][-1]["logger"]) == ("WARNING", "dashboard.test")
        log.info("another")
        more = page.get(f"/api/log?after={first['last']}").json
        assert [line["message"] for line in more["lines"] if line["logger"] == "dashboard.test"] == ["another"]
        assert page.get(f"/api/log?after={more['last']}").json["last"] >= more["last"]
        restarted = page.get(f"/api/log?after={more['last'] + 10**6}").json  # of a process whose clock was ahead
        assert restarted["lines"] and restarted["last"] == restarted["lines"][-1]["id"]
