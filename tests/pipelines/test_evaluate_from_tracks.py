"""From true tracks to the truth of events, and the way through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from config.errors import ConfigError
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
