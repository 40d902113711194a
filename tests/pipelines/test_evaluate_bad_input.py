"""What ``evaluate``, ``truth from-tracks`` and ``label`` say of files and numbers that are none: one sentence each."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from config.errors import ConfigError
from pipelines.evaluate.evaluate import EvaluateWishes, prepare
from pipelines.evaluate.event_truth import read_events
from pipelines.evaluate.from_tracks import TracksWishes, write_events_of_tracks
from pipelines.evaluate.names import Names
from pipelines.evaluate.settings import parse_sweep
from pipelines.label.keys import parse_keys
from pipelines.label.sheet import Sheet
from tests.support.runs import ROAD, SIZE, walker, write_mot, write_run

HEAD = "kind,name,label,direction,time_s\n"
ROW = "line_crossing,road,person,in,1\n"
BOX = "1,1,20,40,20,40,1,1,1\n"
INFO = f"[Sequence]\nframeRate=10\nseqLength=60\nimWidth={SIZE[0]}\nimHeight={SIZE[1]}\n"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("results") / "run", walker(1, range(60), 20, 40, 6), 60, rules=ROAD)


def refused(action: Callable[[], object]) -> str:
    """The one sentence; nothing may hang or show a traceback."""
    with pytest.raises(ConfigError) as caught:
        action()
    assert caught.value.exit_code == 2
    (sentence,) = caught.value.faults
    return str(sentence)


CSV: dict[str, tuple[str | bytes, str]] = {
    "nothing": ("", "line 1: no column 'kind'"),
    "a header alone": (HEAD, "has no row but the header"),
    "NaN": (HEAD + "line_crossing,road,person,in,nan\n", "line 2: time_s is 'nan'"),
    "Infinity": (HEAD + "line_crossing,road,person,in,Infinity\n", "line 2: time_s is 'Infinity'"),
    "before the start": (HEAD + "line_crossing,road,person,in,-1\n", "line 2: time_s is '-1'"),
    "after the end": (HEAD + "line_crossing,road,person,in,1e300\n", "behind the end of the video"),
    "a direction that is none": (
        HEAD + "line_crossing,road,person,left,1\n",
        "direction 'left' of line_crossing; allo",
    ),
    "a column twice": (HEAD.strip() + ",kind\n" + ROW, "the column 'kind' is there twice"),
    "a number too many": (HEAD + "line_crossing,road,person,in,1,2\n", "line 2: 6 values, but the header has 5"),
    "semicolons": ((HEAD + ROW).replace(",", ";"), "line 1: no column 'kind'"),
    "UTF-16": ((HEAD + ROW).encode("utf-16"), "cannot be read (it is no text with commas)"),
    "bytes": (bytes(range(256)) * 9, "cannot be read (it is no text with commas)"),
}


@pytest.mark.parametrize("name", CSV)
def test_a_csv_that_is_none(name: str, results: Path, tmp_path: Path) -> None:
    text, part = CSV[name]
    file = tmp_path / "truth.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    said = refused(lambda: prepare(EvaluateWishes(results, [file])))
    assert said.startswith(f"--truth: {file}")
    assert part in said


@pytest.mark.parametrize("text", ["\ufeff" + HEAD + ROW, (HEAD + ROW).replace("\n", "\r\n"), HEAD + "\n\n" + ROW])
def test_what_spreadsheets_write_is_read(text: str, results: Path, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_bytes(text.encode())
    events = prepare(EvaluateWishes(results, [tmp_path / "truth.csv"])).truths.events
    assert events is not None and len(events.happenings) == 1


BOXES = {
    "a frame that no video has": ("1000000000000,1,20,40,20,40\n", None, "is beyond every video"),
    "a number that no object has": ("1,1e30,20,40,20,40\n", None, "is beyond every video"),
    "a box without an end": ("1,1,20,40,inf,40\n", None, "with a width and height above 0"),
    "a box larger than all": ("1,1,20,40,1e300,1e300\n", None, "is much larger than the picture of 640x360"),
    "no frame rate": (BOX, INFO.replace("=10", "=0"), "numbers of a video (frameRate=0)"),
    "a frame rate that is no number": (BOX, INFO.replace("=10", "=nan"), "numbers of a video (frameRate=nan)"),
    "a length without end": (BOX, INFO.replace("=60", "=99999999999999"), "(seqLength=99999999999999)"),
    "a picture without a width": (BOX, INFO.replace("=640", "=-1"), "(imWidth=-1, imHeight=360)"),
}


@pytest.mark.parametrize("name", BOXES)
def test_boxes_that_are_none(name: str, results: Path, tmp_path: Path) -> None:
    rows, info, part = BOXES[name]
    (tmp_path / "gt.txt").write_text(rows)
    if info is not None:
        (tmp_path / "seqinfo.ini").write_text(info)
    assert part in refused(lambda: prepare(EvaluateWishes(results, [tmp_path])))


def test_a_list_of_classes_that_is_no_text(results: Path, tmp_path: Path) -> None:
    (tmp_path / "gt.txt").write_text(BOX)
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    said = refused(lambda: prepare(EvaluateWishes(results, [tmp_path])))
    assert "labels.txt cannot be read (it is not text)" in said


def coco(**changes: Any) -> dict[str, Any]:
    """One box in one picture; ``changes`` are those of the box."""
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [20, 40, 20, 40], "track_id": 1, **changes}
    images, categories = [{"id": 1, "file_name": "img_1.jpg"}], [{"id": 1, "name": "person"}]
    return {"images": images, "annotations": [box], "categories": categories}


COCO = {
    "NaN": json.dumps(coco(bbox=[20, float("nan"), 20, 40])),
    "Infinity": json.dumps(coco(bbox=[20, 40, float("inf"), 40])),
    "a width below 0": json.dumps(coco(bbox=[20, 40, -20, 40])),
    "half a track": json.dumps(coco(track_id=1.5)),
    "a number of 5000 digits": json.dumps(coco()).replace("img_1", "9" * 5000),
    "a list without end": "[" * 100_000,
}


@pytest.mark.parametrize("name", COCO)
def test_coco_that_is_none(name: str, results: Path, tmp_path: Path) -> None:
    file = tmp_path / "truth.json"
    file.write_text(COCO[name])
    assert refused(lambda: prepare(EvaluateWishes(results, [file]))).startswith(f"--truth: {file}")


FRAME = '{"frame": 0, "pts_s": 0, "objects": []}\n'
RESULTS = {
    "a size that is none": ("summary.json", '{"size": ["a", 3]}'),
    "a size of NaN": ("summary.json", '{"size": [NaN, 3]}'),
    "rules that are none": ("summary.json", '{"size": [640, 360], "rules": [1]}'),
    "a rule without a kind": ("summary.json", '{"size": [640, 360], "rules": {"a": {}}}'),
    "labels that are none": ("summary.json", '{"size": [640, 360], "labels": 5}'),
    "a confidence that is none": ("summary.json", '{"size": [640, 360], "confidence": "x"}'),
    "boxes that are none": ("detections.jsonl", '{"frame": 0, "pts_s": 0, "objects": 5}\n'),
    "a box that is none": ("detections.jsonl", '{"frame": 0, "pts_s": 0, "objects": [5]}\n'),
    "a time of NaN": ("detections.jsonl", '{"frame": 0, "pts_s": NaN, "objects": []}\n'),
    "a frame twice": ("detections.jsonl", FRAME + FRAME),
    "frames left out": ("detections.jsonl", FRAME.replace("0", "5", 1)),
    "an event at no time": (
        "events.jsonl", '{"kind": "dwell", "rule": "a", "label": null, "data": {"at_pts_s": NaN}, "pts_s": 1}\n',
    ),
    "a folder": ("events.jsonl", None),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_results_that_are_none(name: str, results: Path, tmp_path: Path) -> None:
    file, text = RESULTS[name]
    run = Path(shutil.copytree(results, tmp_path / "run"))
    (run / file).unlink()
    if text is None:
        (run / file).mkdir()
    else:
        (run / file).write_text(text)
    (tmp_path / "truth.csv").write_text(HEAD + ROW)
    assert str(run / file) in refused(lambda: prepare(EvaluateWishes(run, [tmp_path / "truth.csv"])))


def test_numbers_of_the_command_line(results: Path, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text(HEAD + ROW)
    for seconds in (float("nan"), float("inf"), -1.0):
        wishes = EvaluateWishes(results, [tmp_path / "truth.csv"], tolerance_s=seconds)
        assert refused(lambda wishes=wishes: prepare(wishes)).startswith("--tolerance is ")  # type: ignore[misc]
    mot = write_mot(tmp_path / "gt", walker(1, range(60), 20, 40, 6), 60)
    seen = EvaluateWishes(results, [mot], min_visibility=float("nan"))
    assert refused(lambda: prepare(seen)).startswith("--min-visibility is nan")
    for fps in (float("nan"), float("inf"), -1.0, 0.0):
        tracks = TracksWishes(mot, tmp_path / "site.yaml", fps=fps)
        assert refused(lambda tracks=tracks: write_events_of_tracks(tracks)).startswith("--fps is ")  # type: ignore[misc]
    assert "named twice" in refused(lambda: parse_sweep("confidence=0.3,confidence=0.4", 0.25))
    assert "a whole number" in refused(lambda: parse_sweep("min_frames=2.5", None))
    assert "unknown direction 'left'" in refused(lambda: parse_keys(["i=line_crossing,road,car,left"]))


def test_an_empty_file_is_begun_and_another_one_left_as_it_is(tmp_path: Path) -> None:
    empty, other = tmp_path / "truth.csv", tmp_path / "notes.csv"
    empty.touch()
    other.write_text("a,b\n1,2\n")
    Sheet(empty).add(parse_keys(["i=line_crossing,road,car,in"])["i"], "", 1.25)
    assert [one.time_s for one in read_events(empty, Names()).happenings] == [1.25]
    assert "no column 'kind'" in refused(lambda: Sheet(other))
    assert other.read_text() == "a,b\n1,2\n"
