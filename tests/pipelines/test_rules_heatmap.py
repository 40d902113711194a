"""``heatmap``: seconds on a grid, and the picture of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detectors.detections import Detections
from pipelines.heat_picture import draw_heat
from pipelines.rules.heatmap import Heatmap, HeatmapConfig
from pipelines.sinks.heatmap import HeatmapSink
from pipelines.values import FrameResult, Timings
from streams.frame import Frame
from tests.support.tracks import Row, play, steps, surroundings


def heat(**keys: Any) -> Heatmap:
    config = HeatmapConfig.model_validate({"kind": "heatmap", "cols": 8, "rows": 4, **keys})
    return Heatmap(config, surroundings(size=(800, 400)))


@pytest.mark.parametrize("fps", [5, 10, 25])
def test_seconds_where_somebody_stood(fps: float) -> None:
    rule = heat()
    rows = steps([(150, 250)] * round(10 * fps) + [(750, 50)] * round(5 * fps), fps=fps)
    assert play(rule, rows, fps=fps) == []
    assert rule.grid[2, 1] == pytest.approx(10, abs=0.25)
    assert rule.grid[0, 7] == pytest.approx(5, abs=0.25)
    assert rule.grid.sum() == pytest.approx(15 - 1 / fps)
    assert rule.counters() == {}


def test_two_at_once_count_twice_and_only_the_labels_asked_for() -> None:
    rule = heat(labels=["person"])
    still = [(150.0, 250.0)] * 11
    play(rule, steps(still, id=1) + steps(still, id=2) + steps(still, id=3, label="car"))
    assert rule.grid[2, 1] == pytest.approx(2.0)


def test_edges_and_beyond_belong_to_the_outermost_cells() -> None:
    rule = heat()
    corners = [(0, 0), (800, 0), (-9, 409), (800, 400)]
    play(rule, [row for n, corner in enumerate(corners) for row in steps([corner] * 2, id=n)])
    assert [rule.grid[row, col] for row, col in ((0, 0), (0, 7), (3, 0), (3, 7))] == pytest.approx([0.1] * 4)


def test_the_centre_where_asked_for() -> None:
    rule = heat(anchor="centre")
    play(rule, steps([(150, 250)] * 11))
    assert rule.grid[2, 1] == pytest.approx(1.0)
    rule = heat(anchor="centre")
    play(rule, steps([(150, 240)] * 11))
    assert rule.grid[1, 1] == pytest.approx(1.0)


def test_old_seconds_fade() -> None:
    rule = heat(half_life_s=10)
    play(rule, steps([(150, 250)] * 11 + [(750, 50)] * 100))
    assert rule.grid[2, 1] == pytest.approx(0.5, abs=0.02)
    for number in range(1, 3000):
        play(rule, [Row(11 + number, 1, "person", 150, 250)])
    assert rule.grid[2, 1] == pytest.approx(1 / (1 - 0.5**0.1), rel=0.01)  # a second each second, for ever


def test_an_hour_away_is_not_an_hour_there() -> None:
    rule = heat()
    for t in (0.0, 3600.0):
        rule.update([], t)
    play(rule, [Row(7200, 1, "person", 150, 250)])
    assert (rule.grid.sum(), rule.state()["watched_s"]) == (5.0, 10.0)


def test_state_is_compact() -> None:
    rule = heat()
    assert rule.state()["max_s"] == 0
    play(rule, steps([(150, 250)] * 1237))
    state = rule.state()
    assert (state["cols"], state["rows"], state["max_s"]) == (8, 4, 123.6)
    assert "grid" not in state  # it is made when it is asked for
    assert rule.rows() == ["0 0 0 0 0 0 0 0", "0 0 0 0 0 0 0 0", "0 123.6 0 0 0 0 0 0", "0 0 0 0 0 0 0 0"]


def test_a_picture_of_it() -> None:
    grey = np.full((400, 800, 3), 128, np.uint8)
    grid = np.zeros((4, 8))
    assert (draw_heat(grey, grid) == grey).all()
    grid[2, 1] = 40.0
    drawn = draw_heat(grey, grid)
    assert drawn.shape == grey.shape and drawn.dtype == np.uint8
    blue, _, red = drawn[250, 150].tolist()
    assert red > blue + 60
    assert (drawn[50, 600] == 128).all()
    assert (grey == 128).all()


def result(picture: np.ndarray[Any, Any]) -> FrameResult:
    frame = Frame("cam", 0, picture, 0.0, 0.0)
    timings = Timings(0, 0, 0, 0, 0, 0, 0)
    return FrameResult(frame, Detections.empty(()), np.empty(0, np.int64), (), (), {}, timings)


def test_the_sink_writes_a_picture_for_each_rule(tmp_path: Path) -> None:
    rules = [heat(name="people"), heat(name="cars")]
    play(rules[0], steps([(150, 250)] * 11))
    sink = HeatmapSink(tmp_path, rules)
    sink.write(result(np.zeros((400, 800, 3), np.uint8)))
    sink.write(result(np.full((400, 800, 3), 90, np.uint8)))
    sink.close("done")
    sink.close("done")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heatmap-cars.png", "heatmap-people.png"]
    people, cars = (cv2.imread(str(tmp_path / f"heatmap-{name}.png")) for name in ("people", "cars"))
    assert cars is not None and (cars == 90).all()
    assert people is not None and people[250, 150, 2] > 90


def test_no_frame_no_picture(tmp_path: Path) -> None:
    HeatmapSink(tmp_path, [heat()]).close("failed")
    assert list(tmp_path.iterdir()) == []
