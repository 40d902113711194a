"""The benchmarks of trackers do what they say, on a few seconds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.page_open import Sample, growth, has_grown
from benchmarks.pseudo_truth import main as pseudo_truth
from benchmarks.pseudo_truth import ways
from benchmarks.tracking import TRACKERS, followed, made_up, recorded
from pipelines.evaluate.names import Names
from pipelines.evaluate.results import read_run
from tests.support.runs import Obj, walker, write_run

WAY = walker(1, range(60), 20, 40, 6)


def test_a_made_up_street_is_followed_by_trackers() -> None:
    """By all of them but Ultralytics', which loads torch."""
    sequence = made_up(3, 4)
    for name, make in ((name, make) for name, make in TRACKERS.items() if "Ultralytics" not in name):
        row = followed(sequence, make, 12)
        assert row["objects"] > 3, name
        assert 0.3 < row["idf1"] <= 1, name


def test_pseudo_truth_fills_gaps_and_leaves_doubts_out(tmp_path: Path) -> None:
    gap = [one for one in WAY if not 20 <= one.frame < 32]
    doubt = [Obj(frame, 2, 500, 20, score=0.55) for frame in range(40)]
    short = [Obj(frame, 3, 300, 200) for frame in range(5)]
    weak_end = [one._replace(score=0.15) if one.frame > 50 else one for one in gap]
    found = ways(read_run(write_run(tmp_path / "run", weak_end + doubt + short, 60), Names()))
    ((_, rows),) = found.items()
    assert [frame for frame, _, _ in rows] == list(range(1, 51))  # from its second frame, with 20 to 31
    for frame, box, _ in rows:
        assert box[0] == pytest.approx(20 + 6 * frame, abs=0.1)


def test_a_recorded_sequence_is_scored_against_its_pseudo_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "run", WAY, 60)
    monkeypatch.setattr("sys.argv", ["pseudo_truth", str(run), str(tmp_path / "gt"), "--labels", "person"])
    pseudo_truth()
    assert "1 objects, 59 boxes in 60 frames" in capsys.readouterr().out
    row = followed(recorded(f"{run}={tmp_path / 'gt'}"), TRACKERS["Sightline"], 10)
    assert (row["misses"], row["false_positives"], row["idf1"]) == (0, 0, 1.0)


def test_a_page_that_grows_is_told_from_one_that_breathes() -> None:
    def held(heap: Callable[[float], float]) -> list[Sample]:
        return [Sample(at, "cameras", heap(at), 900, 40, 120) for at in range(0, 1800, 12)]

    breathing = held(lambda at: 6 + (at % 60) / 20 + min(at, 900) / 300)  # what is kept of 15 minutes fills first
    assert not has_grown(*growth(breathing))
    assert has_grown(*growth(held(lambda at: 6 + at / 100)))
    assert growth(held(lambda at: at)) == (672, 1566)
