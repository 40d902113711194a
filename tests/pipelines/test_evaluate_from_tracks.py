"""From true tracks to the truth of events, and the way through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from config.errors import ConfigError
from pipelines.evaluate.evaluate import EvaluateWishes, evaluate
from pipelines.evaluate.event_truth import read_events
from pipelines.evaluate.from_tracks import TracksWishes, write_events_of_tracks
from pipelines.evaluate.names import Names
from pipelines.evaluate.truth_files import Reading
from tests.support.cli import Done
from tests.support.runs import Obj, crossing, walker, write_mot, write_run
from tests.support.videos import encode

SITE = """
version: 1
cameras:
  gate:
    source: gate.mp4
    labels: [person, car]
    masks: [[[0, 0], [1, 0], [1, 0.1], [0, 0.1]]]
    lines: {door: [[0.5, 1.0], [0.5, 0.0]]}
    zones: {hall: [[0.5, 0.3], [1.0, 0.3], [1.0, 0.6], [0.5, 0.6]]}
    rules:
      - {kind: line_crossing, line: door, labels: [person]}
      - {kind: zone_count, zone: hall}
      - {kind: dwell, zone: hall, seconds: 60}
"""
ACROSS = walker(1, range(60), 20, 40, 6)  # its middle passes x = 320 between frames 46 and 47, at 4.7 s


@pytest.fixture
def site(tmp_path: Path) -> Path:
    file = tmp_path / "site.yaml"
    file.write_text(SITE)
    return file


def test_crossings_and_visits_come_from_the_rules_themselves(tmp_path: Path, site: Path) -> None:
    truth = write_mot(tmp_path / "gt", [*ACROSS, *walker(2, range(60), 400, -75, 1)], count=60)  # 2: masked
    out = tmp_path / "events.csv"
    write_events_of_tracks(TracksWishes(truth, site, out=out))
    assert out.read_text().splitlines() == [
        "kind,name,label,direction,time_s,value",
        "line_crossing,door,person,out,4.7,",
        "zone_count,hall,person,enter,4.7,1",
        "dwell,hall,,,,",
    ]
    again = read_events(out, Names())
    assert again.watched == {("line_crossing", "door"), ("zone_count", "hall"), ("dwell", "hall")}


def test_ignored_boxes_and_labels_that_are_not_kept_do_nothing(tmp_path: Path, site: Path) -> None:
    truth = write_mot(tmp_path / "gt", ACROSS, count=60)
    file = truth / "gt" / "gt.txt"
    whole = file.read_text()
    out = tmp_path / "events.csv"
    file.write_text(whole.replace(",1,1,1\n", ",0,1,1\n") + "1,9,1,1,9,9,1,1,1\n")
    assert write_events_of_tracks(TracksWishes(truth, site, out=out)).happenings == ()
    file.write_text(whole)
    dog = Reading(Names.parse("person=dog"))
    assert write_events_of_tracks(TracksWishes(truth, site, out=out, reading=dog)).happenings == ()


def test_labels_of_which_nothing_happened_are_looked_for(tmp_path: Path, site: Path) -> None:
    truth = write_mot(tmp_path / "gt", [*ACROSS, *walker(2, range(60), 10, 200, 0, "car")], count=60)
    out = tmp_path / "events.csv"
    write_events_of_tracks(TracksWishes(truth, site, out=out))
    assert out.read_text().splitlines()[-1] == "zone_count,hall,car,,,"
    assert read_events(out, Names()).labels == {"person", "car"}


GEAR = """
      - {kind: missing_gear, name: helmet, gear: helmet, where: head, worn: [Hardhat], optional: true}
      - {kind: missing_gear, name: vest, gear: vest, worn: [vest], optional: true}
"""


def coco(file: Path, objects: Iterable[Obj], frames: Iterable[int]) -> Path:
    """Objects with their tracks in the frames that were looked at."""
    wanted, labels = list(frames), ["person", "Hardhat"]
    content = {
        "images": [{"id": n, "file_name": f"f_{n:06d}.jpg", "width": 640, "height": 360} for n in wanted],
        "categories": [{"id": number, "name": label} for number, label in enumerate(labels)],
        "annotations": [
            {
                "id": number, "image_id": one.frame, "category_id": labels.index(one.label),
                "bbox": [one.x, one.y, one.w, one.h], "area": one.w * one.h, "iscrowd": 0, "track_id": one.id,
            }
            for number, one in enumerate(objects, 1)
            if one.frame in wanted
        ],
    }  # fmt: skip
    file.write_text(json.dumps(content))
    return file


def test_optional_rules_fit_the_labels_of_the_truth(tmp_path: Path, site: Path) -> None:
    """Who wears a true helmet does not lack it, though the camera does not keep helmets; nobody knows of vests."""
    site.write_text(SITE.rstrip() + GEAR)
    worn = walker(1, range(60), 20, 40, 6)
    bare = walker(2, range(60), 400, 200, -2)
    hats = [one._replace(id=3, label="Hardhat", x=one.x + 10, w=20, h=16) for one in worn]
    truth = coco(tmp_path / "gt.json", [*worn, *bare, *hats], range(60))
    encode(video := tmp_path / "gate.mp4", 640, 360, frames=60, fps=10)
    said: list[str] = []
    out = tmp_path / "events.csv"
    found = write_events_of_tracks(TracksWishes(truth, site, video=video, out=out), said.append)
    assert [(one.name, one.direction) for one in found.happenings if one.kind == "missing_gear"] == [
        ("helmet", "missing")
    ]
    assert ("missing_gear", "vest") not in found.watched
    (sentence,) = said
    assert sentence.startswith("rule vest is off: ") and "gt.json has no object" in sentence


def test_a_plain_model_can_be_held_against_the_truth_of_a_preset(tmp_path: Path, site: Path) -> None:
    """Its run has the optional rules off that a richer truth says nothing of."""
    run = write_run(
        tmp_path / "run", ACROSS, 60, [crossing(4.7, "door", "out")],
        {"line_crossing_door": {"kind": "line_crossing", "line": "door"}},
        rules_off={"helmet": "the model has no label 'Hardhat'"},
    )  # fmt: skip
    file = tmp_path / "events.csv"
    file.write_text("kind,name,label,direction,time_s\nline_crossing,door,person,out,4.7\nmissing_gear,helmet,,,\n")
    result = evaluate(EvaluateWishes(run, [file]), lambda line: None)
    assert [row["kind"] for row in result["events"]] == ["line_crossing"]
    assert result["events_total"]["f1"] == 1.0


def test_frames_that_nobody_looked_at_are_no_empty_ones(tmp_path: Path, site: Path) -> None:
    """Every fourth frame of somebody who stays, and two who walk through; MOTChallenge lists those that are empty."""
    stays = walker(1, range(120), 400, 60, 0)
    encode(video := tmp_path / "gate.mp4", 640, 360, frames=120, fps=10)
    site.write_text(SITE.replace("zone: hall}", "zone: hall, grace_s: 0.2}"))
    out = tmp_path / "events.csv"

    def told(truth: Path) -> list[tuple[str, str]]:
        found = write_events_of_tracks(TracksWishes(truth, site, video=video, out=out))
        return [(one.kind, one.direction) for one in found.happenings]

    every_20th = coco(tmp_path / "gt.json", stays, range(0, 120, 20))
    assert told(every_20th) == [("zone_count", "enter")]
    gone = [one for one in stays if one.frame < 60]
    assert told(write_mot(tmp_path / "gt", gone, count=120)) == [("zone_count", "enter"), ("zone_count", "leave")]
    (tmp_path / "gt" / "seqinfo.ini").unlink()  # the video says how long nobody was there
    assert told(tmp_path / "gt") == [("zone_count", "enter"), ("zone_count", "leave")]


def test_a_schedule_asks_for_the_time_of_the_recording(tmp_path: Path, site: Path) -> None:
    night = "      - {kind: zone_intrusion, zone: hall, seconds: 0.3, schedule: 'mon-sun 22:00-23:00'}\n"
    site.write_text("timezone: Europe/Berlin\n" + SITE.lstrip() + night)
    truth = write_mot(tmp_path / "gt", ACROSS, count=60)
    out = tmp_path / "events.csv"

    def intrusions(start: str | None) -> int:
        found = write_events_of_tracks(TracksWishes(truth, site, start_time=start, out=out))
        return sum(one.kind == "zone_intrusion" for one in found.happenings)

    assert intrusions("2026-11-26T22:30") == intrusions("2026-11-26T21:30Z") == 1
    assert intrusions("2026-11-26T12:00") == 0
    with pytest.raises(ConfigError, match=r"site\.yaml:\d+: .*recorded is not known.*--start-time"):
        intrusions(None)
    with pytest.raises(ConfigError, match="--start-time: 'soon' is no time"):
        intrusions("soon")


def test_rules_of_a_kind_in_one_zone_and_between_lines_keep_their_names(tmp_path: Path, site: Path) -> None:
    """As a run of the same site file has them."""
    more = """
      - {kind: dwell, name: glance, zone: hall, seconds: 0.5}
      - {kind: speed, lines: [door, kerb], metres: 20, passages: true}
      - {kind: heatmap, name: heat}
"""
    site.write_text(SITE.replace("lines: {", "lines: {kerb: [[0.3, 1.0], [0.3, 0.0]], ").rstrip() + more)
    truth = write_mot(tmp_path / "gt", ACROSS, count=60)
    found = write_events_of_tracks(TracksWishes(truth, site, out=tmp_path / "events.csv"))
    assert found.watched == {
        ("line_crossing", "door"), ("zone_count", "hall"), ("dwell", "dwell_hall"), ("dwell", "glance"),
        ("speed", "speed_door_kerb"),
    }  # fmt: skip
    named = {(one.kind, one.name, one.direction) for one in found.happenings}
    assert named >= {("dwell", "glance", ""), ("speed", "speed_door_kerb", "kerb>door")}
    rules = {
        "line_crossing_door": {"kind": "line_crossing", "line": "door"},
        "zone_count_hall": {"kind": "zone_count", "zone": "hall"}, "dwell_hall": {"kind": "dwell", "zone": "hall"},
        "glance": {"kind": "dwell", "zone": "hall"},
        "speed_door_kerb": {"kind": "speed", "zone": None, "lines": ["door", "kerb"]},
    }  # fmt: skip
    run = write_run(tmp_path / "run", ACROSS, 60, rules=rules)
    assert evaluate(EvaluateWishes(run, [tmp_path / "events.csv"]), lambda line: None)["events_total"]["found"] == 0


def test_times_come_from_seqinfo_a_number_or_the_video(tmp_path: Path, site: Path) -> None:
    truth = write_mot(tmp_path / "gt", ACROSS, count=60)
    out = tmp_path / "events.csv"
    encode(video := tmp_path / "gate.mp4", 640, 360, frames=60, fps=10)
    told = [write_events_of_tracks(TracksWishes(truth, site, out=out))]
    told.append(write_events_of_tracks(TracksWishes(truth, site, video=video, out=out)))
    (truth / "seqinfo.ini").unlink()
    told.append(write_events_of_tracks(TracksWishes(truth, site, video=video, out=out)))
    assert len({one.happenings for one in told}) == 1
    with pytest.raises(ConfigError, match="name the video with --video"):
        write_events_of_tracks(TracksWishes(truth, site, fps=10, out=out))  # nor a size
    with pytest.raises(ConfigError, match=r"60 frames at 25 a second, but .*gate\.mp4 has 60 at 10\.00"):
        write_events_of_tracks(TracksWishes(truth, site, video=video, fps=25, out=out))


def test_what_does_not_fit_is_refused(tmp_path: Path, site: Path) -> None:
    out = tmp_path / "events.csv"
    square = write_mot(tmp_path / "square", ACROSS, count=60, imHeight=640)
    site.write_text(SITE.replace("source: gate.mp4", "source: gate.mp4\n    drawn_on: [640, 360]"))
    with pytest.raises(ConfigError, match="another aspect ratio"):
        write_events_of_tracks(TracksWishes(square, site, out=out))
    site.write_text(SITE.replace("[person]}", "[car], optional: true}").split("      - {kind: zone_count")[0])
    people = write_mot(tmp_path / "gt", ACROSS, count=60)
    with pytest.raises(ConfigError, match="no object of a label that a rule of camera gate looks at"):
        write_events_of_tracks(TracksWishes(people, site, out=out))
    site.write_text(SITE.split("    rules:")[0])
    with pytest.raises(ConfigError, match="no rules"):
        write_events_of_tracks(TracksWishes(square, site, out=out))
    assert not out.exists()


def test_one_annotation_serves_tracks_and_rules(call: Callable[..., Done], tmp_path: Path, site: Path) -> None:
    """The whole way: boxes, derived events, and a run that saw the crossing late and someone who was not there."""
    gt = write_mot(tmp_path / "gt", ACROSS, count=60)
    done = call("truth", "from-tracks", gt, "--config", site, "--out", "events.csv")
    assert (done.code, done.out) == (0, "events.csv: 2 events at 3 rules\n"), done.err
    rules = {
        "a": {"kind": "line_crossing", "line": "door"}, "b": {"kind": "zone_count", "zone": "hall"},
        "c": {"kind": "dwell", "zone": "hall"},
    }  # fmt: skip
    ghost = [Obj(frame, 2, 500, 20) for frame in range(10)]
    events = [crossing(4.9, "door", "out"), crossing(1.0, "door", "in")]
    run = write_run(tmp_path / "run", ACROSS + ghost, 60, events, rules)
    done = call("evaluate", run, "--truth", gt, "--truth", "events.csv")
    assert done.code == 0, done.err
    for part in ("mAP50-95", "MOTA", "HOTA", "line_crossing", "door", "+0.20", "evaluation.md"):
        assert part in done.out
    result = json.loads((run / "evaluation.json").read_text())
    assert result["detection"]["all"]["found"] - result["detection"]["all"]["matched"] == 10
    assert result["tracking"]["all"]["false_positives"] == 10
    rows = {(row["kind"], row["direction"]): row for row in result["events"]}
    assert (rows["line_crossing", "out"]["matched"], rows["line_crossing", "in"]["error"]) == (1, 1)
    assert rows["zone_count", "enter"]["recall"] == 0.0


def test_the_command_line_refuses_in_one_sentence(call: Callable[..., Done], tmp_path: Path, site: Path) -> None:
    run = write_run(tmp_path / "run", ACROSS, 60)
    call("evaluate", run, "--truth", "nowhere.txt").failed(2, "--truth: nowhere.txt does not exist")
    call("evaluate", tmp_path, "--truth", "x.csv").failed(2, "summary.json", "inside of it are run")
    (tmp_path / "truth.csv").write_text("kind,name,label,direction,time_s\nline_crossing,door,person,in,1\n")
    call("evaluate", run, "--truth", "truth.csv").failed(2, "no rule line_crossing at 'door'", "none")
    call("truth", "from-tracks", run, "--config", site).failed(2, "is no truth")
