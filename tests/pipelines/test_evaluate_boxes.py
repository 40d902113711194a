"""Boxes and tracks against the truth: scores of scripted runs, and truths that do not fit."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.errors import ConfigError
from pipelines.evaluate.evaluate import EvaluateWishes, evaluated, prepare
from pipelines.evaluate.mot import read_mot
from pipelines.evaluate.names import Names
from pipelines.evaluate.results import read_run
from pipelines.evaluate.truth_files import Reading, Truths, read_truths
from tests.support.runs import SIZE, Obj, walker, write_mot, write_run

TWO = [*walker(1, range(30), 20, 40, 6), *walker(2, range(30), 400, 220, -6)]


def scores(tmp_path: Path, found: list[Obj], truth: list[Obj] = TWO, **keys: object) -> dict[str, dict[str, float]]:
    """Detection and tracking of all labels."""
    run = read_run(write_run(tmp_path / "run", found), Names())
    mot = write_mot(tmp_path / "gt", truth)
    result = evaluated(run, read_truths([mot], run, replace(Reading(), **keys)), 1.0)  # type: ignore[arg-type]
    return {"detection": result["detection"]["all"], "tracking": result["tracking"]["all"]}


def test_perfect_results_score_one(tmp_path: Path) -> None:
    both = scores(tmp_path, TWO)
    assert both["detection"] == {
        "map50": 1.0, "map50_95": 1.0, "precision": 1.0, "recall": 1.0, "objects": 60, "found": 60, "matched": 60,
    }  # fmt: skip
    assert both["tracking"] == {
        "mota": 1.0, "motp": 1.0, "idf1": 1.0, "hota": 1.0, "deta": 1.0, "assa": 1.0, "id_switches": 0,
        "fragments": 0, "false_positives": 0, "misses": 0, "objects": 2, "tracks": 2,
    }  # fmt: skip


def test_a_label_of_which_nothing_was_found_has_a_recall_where_it_has_objects(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", []), Names())
    late = [one._replace(label="car") for one in TWO]
    mot = read_mot(write_mot(tmp_path / "gt", [*TWO[:20], *late[-10:]]) / "gt" / "gt.txt", Names())
    whole = evaluated(run, Truths(mot), 1.0)["detection"]["labels"]
    assert (whole["person"]["recall"], whole["car"]["recall"], whole["car"]["precision"]) == (0.0, 0.0, None)
    begun = evaluated(replace(run, frames=run.frames[:15]), Truths(mot), 1.0)["detection"]["labels"]
    assert (begun["person"]["recall"], begun["car"]["objects"], begun["car"]["recall"]) == (0.0, 0, None)


def test_swapped_ids_cost_identity_alone(tmp_path: Path) -> None:
    swapped = [one._replace(id=3 - (one.id or 0)) if one.frame >= 20 else one for one in TWO]
    both = scores(tmp_path, swapped)
    assert both["detection"]["map50"] == 1.0
    assert both["tracking"]["id_switches"] == 2
    assert both["tracking"]["mota"] == round(1 - 2 / 60, 4)
    assert both["tracking"]["idf1"] == round(2 / 3, 4)  # 20 of 30 frames of each stay with one number
    assert both["tracking"]["hota"] < 0.8


@given(
    lost=st.sets(st.integers(0, 59), max_size=30),
    extra=st.lists(st.tuples(st.integers(0, 29), st.floats(0, 600)), max_size=10),
)
@settings(max_examples=15, deadline=None)
def test_misses_and_false_ones_are_counted(
    tmp_path_factory: pytest.TempPathFactory, lost: set[int], extra: list[tuple[int, float]]
) -> None:
    """MOTA is what its definition says, precision and recall are what is counted."""
    found = [one for number, one in enumerate(TWO) if number not in lost]
    false = [Obj(frame, 9 + number, x, 130, h=20) for number, (frame, x) in enumerate(extra)]  # between the two ways
    both = scores(tmp_path_factory.mktemp("case"), found + false)
    row = both["tracking"]
    assert (row["misses"], row["false_positives"], row["id_switches"]) == (len(lost), len(extra), 0)
    assert row["mota"] == pytest.approx(1 - (len(lost) + len(extra)) / 60, abs=1e-4)
    assert both["detection"]["recall"] == pytest.approx(1 - len(lost) / 60, abs=1e-4)
    assert both["detection"]["precision"] == pytest.approx(len(found) / (len(found) + len(extra)), abs=1e-4)


def test_boxes_without_a_track_are_detections_alone(tmp_path: Path) -> None:
    found = [one._replace(id=None) if one.frame < 3 else one for one in TWO]
    both = scores(tmp_path, found)
    assert (both["detection"]["recall"], both["tracking"]["misses"]) == (1.0, 6)


def test_a_track_has_the_label_it_had_most(tmp_path: Path) -> None:
    """A car that is called truck in a few frames is one car for the tracks, and a miss for the boxes."""
    truth = walker(1, range(30), 20, 40, 6, "car")
    found = [one._replace(label="truck", score=0.5) if one.frame % 3 == 0 else one for one in truth]
    both = scores(tmp_path, found, truth)
    assert both["tracking"]["mota"] == 1.0
    assert both["detection"]["recall"] == pytest.approx(2 / 3, abs=1e-4)
    run = read_run(tmp_path / "run", Names.parse("truck=car"))
    result = evaluated(run, read_truths([tmp_path / "gt"], run, Reading()), 1.0)
    assert result["detection"]["all"]["recall"] == 1.0


def test_what_mot_ignores_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    """Rows that are not to be considered, people on vehicles, boxes that cannot be seen."""
    write_mot(tmp_path / "gt", TWO)
    file = tmp_path / "gt" / "gt" / "gt.txt"
    with file.open("a") as out:
        for frame in range(1, 31):
            out.write(f"{frame},7,500,30,40,80,0,1,1\n{frame},8,560,30,40,80,1,2,1\n{frame},9,440,30,40,80,1,1,0.1\n")
    ghosts = [Obj(frame, number, x, 30) for frame in range(30) for number, x in ((7, 500), (8, 560), (9, 440))]
    run = read_run(write_run(tmp_path / "run", TWO + ghosts), Names())
    hidden = evaluated(run, read_truths([tmp_path / "gt"], run, Reading(min_visibility=0.3)), 1.0)
    assert hidden["tracking"]["all"]["false_positives"] == 0
    assert hidden["detection"]["all"]["precision"] == hidden["detection"]["all"]["recall"] == 1.0
    all_seen = evaluated(run, read_truths([tmp_path / "gt"], run, Reading()), 1.0)
    assert all_seen["tracking"]["all"]["objects"] == 3  # the third ghost counts as soon as it may be seen


def test_labels_file_and_numbers_name_classes(tmp_path: Path) -> None:
    file = tmp_path / "gt.txt"
    file.write_text("1,1,10,10,40,80,1,2,1\n")
    assert read_mot(file, Names()).labels == ()
    assert read_mot(file, Names.parse("2=tram")).labels == ()  # still on a vehicle, which is ignored
    (tmp_path / "labels.txt").write_text("person\nvan\n")
    assert read_mot(file, Names()).labels == ("van",)
    assert read_mot(file, Names.parse("van=car")).labels == ("car",)
    assert read_mot(file, Names.parse("2=truck")).labels == ("truck",)


def coco(objects: list[Obj], first: int, **image: object) -> dict[str, object]:
    frames = sorted({one.frame for one in objects})
    return {
        "images": [
            {"id": n, "file_name": f"v/img_{n + first:04d}.jpg", "width": SIZE[0], "height": SIZE[1], **image}
            for n in frames
        ],
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
        "annotations": [
            {
                "image_id": one.frame, "category_id": 1 if one.label == "person" else 2, "track_id": one.id,
                "bbox": [one.x, one.y, one.w, one.h],
            }
            for one in objects
        ],
    }  # fmt: skip


@pytest.mark.parametrize("first", [0, 1])
def test_coco_with_track_ids_is_a_truth_of_tracks(tmp_path: Path, first: int) -> None:
    (tmp_path / "truth.json").write_text(json.dumps(coco(TWO, first)))
    run = read_run(write_run(tmp_path / "run", TWO), Names())
    result = evaluated(run, read_truths([tmp_path / "truth.json"], run, Reading()), 1.0)
    assert result["tracking"]["all"]["hota"] == result["detection"]["all"]["map50_95"] == 1.0


def test_yolo_labels_are_those_of_the_frames_that_have_a_file(tmp_path: Path) -> None:
    labels = tmp_path / "labels"
    labels.mkdir()
    (labels / "classes.txt").write_text("car\nperson\n")
    for frame in range(0, 30, 10):
        rows = [
            f"1 {(one.x + one.w / 2) / SIZE[0]} {(one.y + one.h / 2) / SIZE[1]} {one.w / SIZE[0]} {one.h / SIZE[1]}"
            for one in TWO
            if one.frame == frame
        ]
        (labels / f"video_{frame}.txt").write_text("\n".join(rows))
    run = read_run(write_run(tmp_path / "run", TWO), Names())
    result = evaluated(run, read_truths([labels], run, Reading()), 1.0)
    assert result["tracking"] is None  # there are no numbers over time
    assert (result["detection"]["frames"], result["detection"]["all"]["map50"]) == (3, 1.0)


def broken(tmp_path: Path, row: str) -> Path:
    folder = write_mot(tmp_path / "gt", TWO)
    with (folder / "gt" / "gt.txt").open("a") as out:
        out.write(row + "\n")
    return folder


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (lambda p: write_mot(p / "gt", TWO, imWidth=1920), ["1920x360", "640x360"]),
        (lambda p: write_mot(p / "gt", TWO, fps=25), ["25 frames a second", "10.00"]),
        (lambda p: write_mot(p / "gt", TWO, count=31), ["31 frames", "30"]),
        (lambda p: write_mot(p / "gt", TWO, count=20), ["gt.txt, line 21: frame 21", "seqLength=20"]),
        (lambda p: broken(p, "3,1,9,9,9,9,1,1,1"), ["gt.txt, line 61", "frame 3 twice", "line 3"]),
        (lambda p: broken(p, "3,9,900,9,9,9,1,1,1"), ["gt.txt, line 61", "outside of the picture", "640x360"]),
        (lambda p: broken(p, "3,9,x,9,9,9,1,1,1"), ["gt.txt, line 61", "'3,9,x,9,9,9,1,1,1'"]),
        (lambda p: broken(p, "3,9,9,9,0,9,1,1,1"), ["gt.txt, line 61", "above 0"]),
        (lambda p: broken(p, "0,9,9,9,9,9,1,1,1"), ["gt.txt, line 61", "--first-frame"]),
        (lambda p: broken(p, "3,9,9,9,9,9,1,4,1"), ["'bicycle'", "person, car, truck", "--map bicycle="]),
        (lambda p: p / "nothing", ["does not exist", "MOTChallenge"]),
        (lambda p: p, ["is no truth"]),
    ],
    ids=["size", "rate", "count", "after end", "twice", "outside", "word", "flat", "early", "label", "none", "other"],
)  # fmt: skip
def test_a_truth_that_does_not_fit_is_refused(tmp_path: Path, make: Callable[[Path], Path], parts: list[str]) -> None:
    run = read_run(write_run(tmp_path / "run", TWO), Names())
    with pytest.raises(ConfigError) as caught:
        read_truths([make(tmp_path)], run, Reading())
    (sentence,) = caught.value.faults
    for part in ("--truth", *parts):
        assert part in sentence


def test_pictures_of_another_size_or_without_numbers_are_refused(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", TWO), Names())
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(coco(TWO, 0, width=1280)))
    with pytest.raises(ConfigError, match=r"img_0000\.jpg is 1280x360, but the video is 640x360"):
        read_truths([file], run, Reading())
    file.write_text(json.dumps(coco(TWO, 0, file_name="picture.jpg")))
    with pytest.raises(ConfigError, match="a picture twice"):
        read_truths([file], run, Reading())
    file.write_text(json.dumps(coco(TWO[:1], 0, file_name="picture.jpg")))
    with pytest.raises(ConfigError, match=r"picture\.jpg has no number"):
        read_truths([file], run, Reading())


def test_results_that_are_none_are_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "results" / "street", TWO)
    with pytest.raises(ConfigError, match="inside of it are street"):
        read_run(tmp_path / "results", Names())
    file = tmp_path / "results" / "street" / "detections.jsonl"
    file.write_text('{"frame": 0, "pts_s": 0.0, "objects": []}\n{"frame"\n')
    with pytest.raises(ConfigError, match=r"detections.jsonl, line 2: .* is not JSON"):
        read_run(file.parent, Names())
    file.write_text('{"frame": 0, "pts_s": 0.0, "objects": []}\n{"frame": 1, "pts')
    assert len(read_run(file.parent, Names()).frames) == 1  # what a kill tore is left out


@pytest.mark.parametrize("text", ["person", "=person"])
def test_a_map_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--map"):
        Names.parse(text)


def test_two_truths_of_boxes_are_refused(tmp_path: Path) -> None:
    mot = write_mot(tmp_path / "gt", TWO)
    wishes = EvaluateWishes(write_run(tmp_path / "run", TWO), [mot, mot / "gt" / "gt.txt"])
    with pytest.raises(ConfigError, match="tell the same"):
        prepare(wishes)


def test_without_a_truth_there_are_no_scores(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", TWO), Names())
    result = evaluated(run, Truths(), 1.0)
    assert (result["detection"], result["tracking"], result["events"]) == (None, None, None)
