"""The page that makes a truth file: keys, rows, and the server, asked by a real HTTP client."""

from __future__ import annotations

import http.client
import json
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from pipelines.evaluate.event_truth import read_events
from pipelines.evaluate.names import Names
from pipelines.label.keys import Meaning, parse_keys, usual_keys
from pipelines.label.label import LabelWishes, meanings
from pipelines.label.playable import is_playable, make_playable
from pipelines.label.server import LabelServer
from pipelines.label.sheet import Sheet
from streams.errors import OutputError
from tests.support.cli import finish, start_app
from tests.support.videos import encode

ROOT = Path(__file__).parents[2]
IN = Meaning("line_crossing", "road", "", "in")
JSON = {"Content-Type": "application/json"}
SITE = """
version: 1
cameras:
  gate:
    source: gate.mp4
    labels: [person, car]
    lines: {door: [[0.5, 1.0], [0.5, 0.0]], road: [[0.1, 1.0], [0.1, 0.0]]}
    zones: {hall: [[0.5, 0.3], [1.0, 0.3], [1.0, 0.6]]}
    rules:
      - {kind: line_crossing, line: "*", labels: [person]}
      - {kind: zone_count, zone: hall}
      - {kind: dwell, zone: hall, seconds: 60}
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabelServer]:
    video = encode(tmp_path / "gate.mp4", frames=40)
    keys = {"i": IN, "c": Meaning("line_crossing", "road", "car", "out")}
    with LabelServer(video, "gate.mp4", 10, keys, ("person", "car"), Sheet(tmp_path / "truth.csv")) as serving:
        thread = threading.Thread(target=serving.serve_forever, args=(0.01,))
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(
    server: LabelServer, path: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of an answer."""
    client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    try:
        text = None if body is None else json.dumps(body)
        client.request(method, path, text, {**(JSON if body is not None else {}), **(headers or {})})
        answer = client.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        client.close()


def press(server: LabelServer, **said: Any) -> tuple[int, dict[str, Any]]:
    status, _, body = ask(server, "/rows", "POST", said)
    return status, json.loads(body)


def test_a_key_press_is_a_row_on_disk_at_once(server: LabelServer) -> None:
    file = server.sheet.file
    assert file.read_text() == "kind,name,label,direction,time_s\n"
    assert press(server, key="i", time_s=1.23456, label="person")[0] == 200
    status, told = press(server, key="c", time_s=0.5, label="person")
    assert (status, [row["label"] for row in told["rows"]]) == (200, ["person", "car"])
    assert file.read_text().splitlines()[1:] == ["line_crossing,road,car,out,0.5", "line_crossing,road,person,in,1.235"]
    assert [one.time_s for one in read_events(file, Names()).happenings] == [0.5, 1.235]


def test_undo_takes_out_the_last_one_added_or_the_one_that_is_named(server: LabelServer) -> None:
    for time_s in (3, 1, 2):
        press(server, key="i", time_s=time_s)
    assert json.loads(ask(server, "/undo", "POST", {})[2])["rows"][-1]["time_s"] == 1
    left = json.loads(ask(server, "/undo", "POST", {"number": 0})[2])["rows"]
    assert [row["time_s"] for row in left] == [1]
    for _ in range(3):  # more than there are
        assert ask(server, "/undo", "POST", {})[0] == 200
    assert server.sheet.file.read_text() == "kind,name,label,direction,time_s\n"


@pytest.mark.parametrize(
    "said",
    [
        {"key": "x", "time_s": 1}, {"key": "i"}, {"key": "i", "time_s": -1}, {"key": "i", "time_s": "soon"},
        {"key": "i", "time_s": float("nan")}, {"key": "i", "time_s": 1, "label": "=cmd()"}, ["i"], 5,
    ],
)  # fmt: skip
def test_what_is_no_key_press_changes_nothing(server: LabelServer, said: Any) -> None:
    status, _, body = ask(server, "/rows", "POST", said)
    assert status == 400
    assert "not understood" in json.loads(body)["error"]
    assert server.sheet.rows() == []


def test_the_page_needs_nothing_from_elsewhere(server: LabelServer) -> None:
    status, headers, page = ask(server, "/")
    assert status == 200
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    for path in ("/", "/label.js", "/label.css"):
        text = ask(server, path)[2].decode()
        assert "http" not in text.replace("http-equiv", "")
    assert b'<video id="video" src="/video"' in page
    about = json.loads(ask(server, "/about")[2])
    assert about["keys"] == {"i": "line_crossing road in", "c": "line_crossing road out car"}
    assert ask(server, "/nothing")[0] == ask(server, "/nothing", "POST", {})[0] == 404


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-99", slice(0, 100)), ("bytes=100-", slice(100, None)), ("bytes=-50", slice(-50, None)),
        ("bytes=10-99999999", slice(10, None)),
    ],
)  # fmt: skip
def test_parts_of_the_video_can_be_asked_for(server: LabelServer, asked: str, part: slice) -> None:
    whole = server.video.read_bytes()
    status, headers, body = ask(server, "/video", headers={"Range": asked})
    assert (status, body) == (206, whole[part])
    start, stop, _ = part.indices(len(whole))
    assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


def test_the_whole_video_and_parts_that_are_not_there(server: LabelServer) -> None:
    whole = server.video.read_bytes()
    status, headers, body = ask(server, "/video")
    assert (status, headers["Accept-Ranges"], headers["Content-Type"]) == (200, "bytes", "video/mp4")
    assert body == whole
    assert ask(server, "/video", "HEAD")[1]["Content-Length"] == str(len(whole))
    for asked in (f"bytes={len(whole)}-", "bytes=9-3", "bytes=-", "frames=1-2"):
        status, headers, _ = ask(server, "/video", headers={"Range": asked})
        assert (status, headers["Content-Range"]) == (416, f"bytes */{len(whole)}")


def test_other_pages_of_the_browser_are_not_answered(server: LabelServer) -> None:
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}, {"Host": "127.0.0.1:1"}):
        assert ask(server, "/rows", "POST", {"key": "i", "time_s": 1}, headers)[0] == 403
        assert ask(server, "/about", headers=headers)[0] == 403
    plain = {"Content-Type": "text/plain"}  # what a form of another page could send
    assert ask(server, "/rows", "POST", {"key": "i", "time_s": 1}, plain)[0] == 400
    assert server.sheet.rows() == []
    own = {"Origin": f"http://127.0.0.1:{server.server_port}"}
    assert ask(server, "/rows", "POST", {"key": "i", "time_s": 1}, own)[0] == 200


def test_a_file_that_is_there_is_continued(tmp_path: Path) -> None:
    file = tmp_path / "truth.csv"
    file.write_text("kind,name,label,direction,time_s,seconds\nzone_count,hall,car,leave,4,2.5\ndwell,hall,,,,\n")
    sheet = Sheet(file)
    sheet.add(IN, "", 1.0)
    assert file.read_text().splitlines()[1:] == [
        "line_crossing,road,,in,1.0,", "zone_count,hall,car,leave,4.0,2.5", "dwell,hall,,,,",
    ]  # fmt: skip
    file.write_text("a letter, not a truth\n")
    with pytest.raises(ConfigError, match=r"--out: .*truth.csv, line 1"):
        Sheet(file)
    assert file.read_text() == "a letter, not a truth\n"


def test_what_cannot_be_saved_is_not_shown(small_disk: Path) -> None:
    sheet = Sheet(small_disk / "truth.csv")
    sheet.add(IN, "", 1.0)
    (small_disk / "full").write_bytes(b"0" * (256 * 1024 - 8192))
    with pytest.raises(OutputError):
        while len(sheet.rows()) < 500:
            sheet.add(IN, "", 2.0)
    assert len(read_events(sheet.file, Names()).happenings) == len(sheet.rows())


def test_keys_are_read() -> None:
    assert parse_keys(["i=line_crossing,road", "2=zone_count, hall, car, enter"]) == {
        "i": Meaning("line_crossing", "road"), "2": Meaning("zone_count", "hall", "car", "enter"),
    }  # fmt: skip
    for text, words in (
        ("road", "is not KEY="), ("I=line_crossing,road", "is not KEY="), ("i=line_crossing", "is not KEY="),
        ("i=crossing,road", "unknown kind 'crossing'"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=words):
            parse_keys([text])
    with pytest.raises(ConfigError, match="two meanings"):
        parse_keys(["i=line_crossing,a", "i=line_crossing,b"])


def test_a_site_file_gives_keys_for_each_of_its_rules(tmp_path: Path) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    keys, labels = meanings(LabelWishes(Path("gate.mp4"), config=tmp_path / "site.yaml"))
    assert {key: str(meaning) for key, meaning in keys.items()} == {
        "i": "line_crossing door in person", "o": "line_crossing door out person",
        "k": "line_crossing road in person", "l": "line_crossing road out person",
        "n": "zone_count hall enter", "m": "zone_count hall leave", "q": "dwell hall",
    }  # fmt: skip
    assert labels == ("person", "car")
    assert meanings(LabelWishes(Path("gate.mp4"))) == (usual_keys(), ())


EVENTS = """
version: 1
detectors:
  main: {}
  ppe: {}
cameras:
  yard:
    source: yard.mp4
    detector: [main, ppe]
    labels: [person, car]
    lines: {near: [[0.1, 0.8], [0.9, 0.8]], far: [[0.2, 0.5], [0.8, 0.5]]}
    zones:
      hall: [[0.1, 0.3], [0.9, 0.3], [0.9, 0.9], [0.1, 0.9]]
      door: [[0, 0], [0.1, 0], [0.1, 0.1]]
    rules:
"""


@pytest.mark.parametrize(
    ("rules", "meant"),
    [
        ("{kind: stopped, zone: hall, seconds: 5, labels: [car]}", ["stopped hall stop car", "stopped hall go car"]),
        ("{kind: crowding, zone: hall, limit: 3}", ["crowding hall begin", "crowding hall end"]),
        (
            "{kind: table_state, zone: hall}",
            ["table_state hall occupied", "table_state hall to_clear", "table_state hall free"],
        ),
        (
            "{kind: queue, zone: hall, alert_length: 3, alert_wait_s: 9}",
            [
                "queue hall leave person", "queue hall long_wait person", "queue hall long_queue",
                "queue hall long_queue_over",
            ],
        ),
        ("{kind: queue, zone: hall}", ["queue hall leave person"]),
        (
            "{kind: flow_matrix, name: ways, zones: [hall, door], labels: [car]}",
            ["flow_matrix ways hall>door car", "flow_matrix ways door>hall car"],
        ),
        ("{kind: heatmap, name: heat}\n      - {kind: dwell, zone: hall, seconds: 5}", ["dwell hall"]),
        (
            "{kind: speed, lines: [near, far], metres: 20, limit_kmh: 50, labels: [car]}",
            ["speed speed_near_far near>far car", "speed speed_near_far far>near car"],
        ),
        (
            "{kind: dwell, zone: hall, seconds: 5}\n      - {kind: dwell, name: long, zone: hall, seconds: 50}",
            ["dwell dwell_hall", "dwell long"],
        ),
        ("{kind: person_down, fall_labels: [Fall]}", ["person_down person_down down", "person_down person_down up"]),
    ],
)  # fmt: skip
def test_each_event_of_a_rule_has_its_key(tmp_path: Path, rules: str, meant: list[str]) -> None:
    """With the direction that it will have, and a label only where it will have one; with any number of detectors."""
    (tmp_path / "site.yaml").write_text(f"{EVENTS}      - {rules}\n")
    keys, labels = meanings(LabelWishes(Path("yard.mp4"), config=tmp_path / "site.yaml"))
    assert sorted(map(str, keys.values())) == sorted(meant)
    assert set(labels) >= {"person", "car"} and ("Fall" in labels) == ("Fall" in rules)


@pytest.mark.parametrize("file", sorted((ROOT / "config" / "examples").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_has_enough_keys(file: Path) -> None:
    for camera, config in load(file, Site).value.cameras.items():
        if config.scenario or config.rules:
            keys, _ = meanings(LabelWishes(Path("x.mp4"), config=file, camera=camera))
            assert len(set(map(str, keys.values()))) == len(keys) > 0


def test_letters_with_shift_come_last_and_then_it_is_enough(tmp_path: Path) -> None:
    rules = [f"{{kind: stopped, name: s{number}, zone: hall, seconds: 5}}" for number in range(31)]
    site = tmp_path / "site.yaml"

    def keys(count: int) -> list[str]:
        site.write_text(EVENTS + "".join(f"      - {rule}\n" for rule in rules[:count]))
        return list(meanings(LabelWishes(Path("yard.mp4"), config=site))[0])

    assert "".join(keys(14)) == "ioklnmwesdxcrtfgvb1234567890"
    assert "".join(keys(15)[-2:]) == "IO"
    assert len(set(keys(31))) == 62
    rules.append("{kind: stopped, name: last, zone: hall, seconds: 5}")
    with pytest.raises(ConfigError, match="more events than there are keys"):
        keys(32)


def test_what_happens_at_a_place_takes_no_label(tmp_path: Path) -> None:
    sheet = Sheet(tmp_path / "truth.csv")
    sheet.add(Meaning("crowding", "hall", "", "begin"), "person", 1.0)
    sheet.add(Meaning("queue", "bar", "", "long_queue"), "person", 2.0)
    sheet.add(Meaning("queue", "bar", "", "leave"), "person", 3.0)
    assert [row.label for row in sheet.rows()] == ["", "", "person"]
    with pytest.raises(ConfigError, match=r"this event of crowding has no label; leave 'person' out"):
        parse_keys(["c=crowding,hall,person,begin"])
    with pytest.raises(ConfigError, match="heatmap has no events"):
        parse_keys(["h=heatmap,heat"])


def test_what_browsers_do_not_play_is_copied_with_its_media_times(tmp_path: Path) -> None:
    plain = encode(tmp_path / "plain.mp4", 64, 48, 12)
    assert make_playable(plain, tmp_path, threading.Event()) == plain
    other = encode(tmp_path / "other.mkv", 64, 48, 12, codec="mpeg4")
    assert not is_playable(other)
    copied: list[int] = []
    copy = make_playable(other, tmp_path, threading.Event(), lambda number, of: copied.append(number))
    assert copied == list(range(12))
    assert is_playable(copy)
    with av.open(str(copy)) as container:
        times = [float(frame.time or 0) for frame in container.decode(video=0)]
    assert times == pytest.approx([number / 10 for number in range(12)], abs=1e-4)


def test_the_command_serves_until_it_is_stopped(tmp_path: Path) -> None:
    video = encode(tmp_path / "gate.mp4", frames=10)
    process = start_app("label", video, "--out", tmp_path / "truth.csv", "--keys", "i=line_crossing,road,car,in")
    assert process.stdout is not None
    port = int(process.stdout.readline().split(b":")[2].split(b"/")[0])
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("POST", "/rows", json.dumps({"key": "i", "time_s": 0.4}), JSON)
    assert client.getresponse().status == 200
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    done = finish(process, 20)
    assert (done.code, done.out.strip(), done.err) == (0, f"{tmp_path / 'truth.csv'}: 1 rows", "")
    assert time.monotonic() - start < 10
    assert "line_crossing,road,car,in,0.4" in (tmp_path / "truth.csv").read_text()
