"""The arithmetic of `compare`: agreement, rows, recommendation, page."""

from __future__ import annotations

import csv
import io
import re
import shutil
import struct
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from config.errors import ConfigError
from detectors.detections import Detections
from detectors.model_files import chosen
from pipelines.compare.agreement import closeness
from pipelines.compare.combination import Combination, combinations, word_for
from pipelines.compare.compare import CompareWishes, compare
from pipelines.compare.counts import beside
from pipelines.compare.html import frontier, page
from pipelines.compare.markdown import as_markdown
from pipelines.compare.recommend import recommendation
from pipelines.compare.rows import Extras, Row, as_csv, failed_row, rows_of
from pipelines.compare.tensorboard import write_events
from tests.support.videos import encode

LABELS = ("car", "truck")


def found(*boxes: tuple[float, float, float, float, float, int]) -> Detections:
    values = np.array(boxes, np.float64).reshape(-1, 6)
    return Detections(
        values[:, :4].astype(np.float32), values[:, 4].astype(np.float32), values[:, 5].astype(np.int64), LABELS
    )


def test_closeness_tells_overlap_class_and_score_apart() -> None:
    reference = [
        found((0, 0, 10, 10, 0.9, 0), (20, 0, 30, 10, 0.8, 0), (40, 0, 50, 10, 0.7, 1), (0, 50, 9, 59, 0.3, 0))
    ]
    actual = [found((0, 0, 10, 10, 0.8, 0), (20, 0, 30, 6, 0.8, 0), (40, 0, 50, 10, 0.7, 0))]
    near = closeness(reference, actual)
    assert (near.boxes, near.iou50, near.iou75, near.class_flips) == (3, 0.6667, 0.3333, 1)
    assert (near.score_mean, near.score_max) == (pytest.approx(0.05, abs=1e-4), pytest.approx(0.1, abs=1e-4))


def test_closeness_without_boxes_claims_nothing() -> None:
    near = closeness([found(), found((0, 0, 5, 5, 0.1, 0))], [found(), found()])
    assert (near.boxes, near.iou50, near.iou75) == (0, None, None)
    missed = closeness([found((0, 0, 5, 5, 0.9, 0))], [found()])
    assert (missed.iou50, missed.iou75, missed.class_flips) == (0, 0, 0)


def answer(ms: list[float], rss: float = 100.0) -> dict[str, Any]:
    stages = {"preprocess": [1.0] * len(ms), "inference": ms, "postprocess": [1.0] * len(ms), "total": ms}
    memory = {"rss_mb": rss, "gpu_mb": None}
    return {
        "device": "cpu",
        "input": [384, 640],
        "start_s": 1.0,
        "placement": {"XNNPACK": 0.9958},
        "batches": {"1": {"ms": stages, "frames": len(ms), "cpu_s": 0.02, "energy_j": None, **memory}},
    }


def row(runtime: str, precision: str, ms: float, share: float | None = 1.0, rss: float = 100.0) -> Row:
    agreement = {
        "reference": "torch fp32", "boxes": 50, "iou50": share, "iou75": share, "class_flips": 0,
        "score_mean": 0.0, "score_max": 0.0,
    }  # fmt: skip
    return rows_of(Combination("yolov8n", runtime, precision, 640), 6.5, [answer([ms] * 10, rss)], agreement)[0]


def test_a_row_pools_the_calls_and_takes_the_median_of_rounds() -> None:
    combination = Combination("yolov8n", "torch", "fp32", 640)
    rounds = [answer([10.0] * 99 + [50.0]), answer([20.0] * 100, rss=120), answer([20.0] * 100, rss=110)]
    (one,) = rows_of(combination, 6.5, rounds, {})
    assert one["fps"] == 50.0
    assert one["fps_rounds"] == [96.15, 50.0, 50.0]
    assert one["ms"]["total"] == {"p50": 20.0, "p95": 20.0, "p99": 20.0}
    assert (one["rss_mb"], one["batch"], one["gpu_mb"], one["error"]) == (110, 1, None, None)


def test_what_only_some_comparisons_measure_is_in_the_row_the_csv_and_the_page() -> None:
    combination = Combination("yolov8n", "torch", "fp32", 640)
    told = answer([20.0] * 10)
    told["batches"]["1"] |= {"energy_j": 0.25, "gpu_mb": 300.0}
    near = row("torch", "fp32", 20)["agreement"]
    accuracy = {"map50_95": 0.3712, "map50": 0.5, "pictures": 8, "objects": 40, "classes": 2}
    steady = {"minutes": 10.0, "fps": 45.0, "first_fps": 50.0, "last_fps": 41.5, "watts": 12.5}
    (one,) = rows_of(combination, 6.5, [told, told], near, Extras(None, accuracy, steady))
    assert (one["energy_j"], one["gpu_mb"], one["cameras"]) == (0.25, 300.0, 5)
    (line,) = csv.DictReader(io.StringIO(as_csv([one])))
    assert (line["map_map50_95"], line["sustained_last_fps"], line["energy_j"]) == ("0.3712", "41.5", "0.25")
    html = page(whole([one]))
    assert "<td>0.3712</td>" in html and "<td>45.0, 50.0, 41.5</td>" in html
    assert "Not measured: counts." in html
    without = page(whole([row("torch", "fp32", 20)]))
    assert "Not measured: GPU memory, energy, mAP, counts, sustained speed." in without


def whole(rows: list[Row]) -> dict[str, Any]:
    machine = {"cpu": "a & b", "cores": 2, "threads": 2, "cpu_flags": ["avx2"]}
    return {
        "videos": ["a<b>.mp4"], "frames": 10, "rounds": 1, "nms": "outside", "machine": machine, "rows": rows,
        "recommendation": recommendation(rows),
    }  # fmt: skip


def test_csv_has_a_column_for_every_figure_and_a_line_for_what_failed() -> None:
    broken = failed_row(Combination("yolov8n", "tensorrt", "fp32", 640), "is not installed, sorry")
    lines = list(csv.DictReader(io.StringIO(as_csv([row("torch", "fp32", 20), broken]))))
    assert lines[0]["ms_total_p95"] == "20.0"
    assert lines[0]["placement"] == "XNNPACK 100 %"
    assert (lines[0]["input"], lines[0]["agreement_iou75"], lines[0]["error"]) == ("384x640", "1.0", "")
    assert (lines[1]["runtime"], lines[1]["fps"], lines[1]["error"]) == ("tensorrt", "", "is not installed, sorry")


def test_markdown_has_a_line_for_each_row_whatever_is_in_it() -> None:
    broken = failed_row(Combination("a|b.pt", "tensorrt", "fp32", 640), "is not\ninstalled | sorry")
    result = whole([row("torch", "fp32", 20), broken]) | {"reference": "torch fp32"}
    about, table, advice = as_markdown(result).split("\n\n")
    assert "a<b>.mp4: 10 frames, 1 rounds; a & b, 2 threads, avx2" in about
    head, rule, good, bad = table.splitlines()
    assert head.count("|") == rule.count("|") == good.count("|") == bad.replace("\\|", "").count("|")
    assert "| torch fp32 640 | 1 | 50.0 | 20.0 |" in good and "| 100.0 % |" in good
    assert "a\\|b.pt" in bad and "failed: is not installed \\| sorry" in bad
    assert advice.startswith("- ")


def test_the_recommendation_follows_from_the_figures() -> None:
    rows = [
        row("torch", "fp32", 40, rss=700),
        row("openvino", "fp32", 20, rss=250),
        row("openvino", "int8", 10, share=0.97, rss=240),
        row("litert", "int8", 5, share=0.5, rss=90),
    ]
    equal, fastest, small, poor = recommendation(rows)
    assert "equal precision: openvino fp32 at 640 is fastest with 50.0 FPS, 2.0 times torch fp32" in equal
    assert "take openvino int8 at 640 with 100.0 FPS, 2.0 times the fastest fp32; it matches 97.0 %" in fastest
    assert "openvino int8 at 640 takes 240 MB" in small
    assert "do not use litert int8 at 640 as it is: it matches 50.0 % of the reference's 50 boxes" in poor


def test_the_recommendation_does_not_make_a_winner_of_noise_or_of_nothing() -> None:
    assert (
        "within 5% of it, which is the same here"
        in recommendation([row("torch", "fp32", 20), row("a", "fp32", 20.5)])[0]
    )
    unknown = recommendation([row("torch", "fp32", 20), row("openvino", "int8", 10, share=None)])
    assert "do not use openvino int8 at 640 as it is: its agreement is not known" in unknown[-1]
    assert not any("take openvino" in line for line in unknown)
    assert recommendation([]) == ["Nothing could be measured, so nothing is recommended."]


def test_counts_are_the_same_or_not_or_not_known() -> None:
    one, other = {"v": {"counts": {"line": {"in": {"car": 3}}}, "events": 3}}, {"v": {"counts": {}, "events": 0}}
    assert beside(one, one)["same"] is True
    assert beside(one, other) == {"same": False, "differs": ["lines", "events"], **other}
    assert beside(one, {"error": "no"}) == {"same": None, "differs": None, "error": "no"}
    fast = row("openvino", "int8", 10) | {"counts": beside(one, other)}
    lines = recommendation([row("torch", "fp32", 20), fast])
    assert "yolov8n: openvino int8 at 640 counts other line crossings than the reference." in lines
    assert not any("take openvino" in line for line in lines)
    assert beside(one, {"v": {**one["v"], "totals": {"speed_road": {"measured": 1}}}})["differs"] == ["totals"]
    near = {"v": {**one["v"], "events": 4}}
    fast = row("openvino", "int8", 10) | {"counts": beside(one, near)}
    assert fast["counts"]["differs"] == ["events"]
    (_, take, *_) = recommendation([row("torch", "fp32", 20), fast])
    assert take.startswith("yolov8n, any precision: take openvino int8 at 640")
    assert take.endswith("its line counts are the reference's, its events are not quite.")


def test_the_frontier_holds_what_nothing_beats() -> None:
    fast, exact, slow = row("a", "int8", 5, 0.95), row("b", "fp32", 10, 1.0), row("c", "fp32", 20, 0.99)
    assert frontier([slow, exact, fast]) == [fast, exact]


def test_the_page_is_self_contained_and_whole() -> None:
    broken = failed_row(Combination("yolov8n", "tensorrt", "fp32", 640), "no <engine>")
    rows = [row("torch", "fp32", 20), row("openvino", "int8", 10, 0.95), broken]
    html = page(whole(rows))
    tree = ElementTree.fromstring(html.partition("\n")[2].replace('<meta charset="utf-8">', ""))  # noqa: S314 - our own
    assert len(list(tree.iter("svg"))) == 3
    assert "no &lt;engine&gt;" in html
    assert "a&lt;b&gt;.mp4" in html
    assert not re.search(r"https?:|<script|<img|<link|@import|url\(", html)


def test_combinations_are_ordered_by_precision_and_refuse_unknown_words() -> None:
    some = combinations(["m"], ["openvino", "torch"], ["int8", "fp32"], [640, 320], "auto")
    assert [(one.imgsz, one.precision, one.runtime) for one in some[:4]] == [
        (640, "fp32", "torch"), (640, "fp32", "openvino"), (640, "int8", "torch"), (640, "int8", "openvino"),
    ]  # fmt: skip
    assert len(some) == 8
    with pytest.raises(ConfigError, match="--runtimes: unknown: pytorch; allowed: torch"):
        combinations(["m"], ["pytorch"], [], [640], "auto")
    with pytest.raises(ConfigError, match="--precisions: unknown: int4; allowed: fp32"):
        combinations(["m"], [], ["int4"], [640], "auto")


def test_counts_of_several_detectors_are_not_compared(models_dir: Path, tmp_path: Path) -> None:
    """What one runtime misses the other detector may find."""
    site = tmp_path / "site.yaml"
    site.write_text(
        "version: 1\ndetectors: {people: {}, gear: {}}\n"
        "cameras: {gate: {source: a.mp4, detector: [people, gear], scenario: pedestrian}}\n"
    )
    wishes = CompareWishes([encode(tmp_path / "v.mp4")], out=tmp_path / "out", config=site)
    with pytest.raises(ConfigError, match=r"site\.yaml: camera gate has several detectors \(people, gear\), and what"):
        compare(wishes, print, lambda step: None)
    assert not (tmp_path / "out").exists()


def test_tensorboard_has_a_run_per_combination_and_a_step_per_batch(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="tensorboardX is not installed (extra 'tensorboard')")
    broken = failed_row(Combination("yolov8n", "tensorrt", "fp32", 640), "no")
    one = row("torch", "fp32", 20) | {"model": "/models/yolov8n.pt"}
    for _ in range(2):
        assert write_events([one, one | {"batch": 4, "fps": 60.0}, broken], tmp_path)
    (run,) = (tmp_path / "tensorboard").iterdir()
    assert run.name == "yolov8n-torch-fp32-640"
    (file,) = run.iterdir()
    found = event_scalars(file)
    assert found["fps"] == [(1, 50.0), (4, 60.0)]
    assert found["ms/total_p95"] == [(1, 20.0), (4, 20.0)]
    assert "gpu_mb" not in found


def event_scalars(file: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboardX.proto.event_pb2 import Event

    data, found = file.read_bytes(), dict[str, list[tuple[int, float]]]()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        event = Event.FromString(data[12 : 12 + length])
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
        data = data[16 + length :]
    return found


def test_a_model_named_by_its_path_is_that_file_also_where_the_catalogue_knows_it(
    models_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.pt"
    shutil.copy(models_dir / "yolov8n.pt", file)
    assert word_for(chosen(str(file)), str(file)) == str(file)
    assert word_for(chosen("yolov8n"), "yolov8n") == "yolov8n"
