"""History: cells, looks at counters, events, and what is asked of them."""

from __future__ import annotations

import itertools
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from dashboard.history import recorder as recording
from dashboard.history import store as storing
from dashboard.history.cells import (
    MOST_POINTS,
    WIDTHS,
    Counter,
    RangeError,
    Steps,
    cell_of,
    increase,
    seconds_in,
    series_of,
    steps,
)
from dashboard.history.pictures import HEIGHT, MOST_BYTES, WIDTH, thumbnail
from dashboard.history.reader import CountFilter, EventFilter, Reader
from dashboard.history.recorder import MOST_PICTURES, MOST_WAITING, Recorder
from dashboard.history.sampler import Sampler, add_figures, figures_of
from dashboard.history.store import Batch, EventRow, HistoryError, Store
from pipelines.live.face import CannotBeAsked
from pipelines.values import CounterKey
from tests.support.face import STATS, ScriptedFace, camera_face, event_of, result_of

NOW = 1_700_000_010.0
IN: CounterKey = ("counts", "road", "in", "car")
YARD: CounterKey = ("occupancy", "yard", "person")
ROAD = Counter("gate", "counts", "road", "in", "car")


def until(happened: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for it."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def moving_clock() -> Callable[[], float]:
    """A clock that stands at NOW when it is made: events of the scripted site are not old then."""
    begun = time.monotonic()
    return lambda: NOW + time.monotonic() - begun


def event_row(number: int = 0, **changes: object) -> EventRow:
    row = EventRow(NOW + number, "gate", "line_crossing", "road", "car", 7, 1.5, '{"direction":"in"}')
    return replace(row, **changes)  # type: ignore[arg-type]


# -- arithmetic --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "now", "expected"), [(None, 500, 0), (3, 5, 2), (5, 5, 0), (100, 4, 4)])
def test_what_a_total_has_grown_by(before: int | None, now: int, expected: int) -> None:
    assert increase(before, now) == expected


def test_a_chart_without_wishes_is_the_last_hour() -> None:
    chart = steps(None, None, None, NOW)
    assert chart.step * chart.count >= 3600
    assert chart.end >= NOW
    assert chart.step == 20 and chart.width == 10
    assert chart.times[0] <= NOW - 3600 < chart.times[1]


@pytest.mark.parametrize(
    ("since", "step", "expected"),
    [
        (NOW - 600, 10, Steps(1_699_999_410, 10, 60, 10)),
        (NOW - 600, 1, Steps(1_699_999_410, 10, 60, 10)),  # finer than there are cells
        (NOW - 600, 15, Steps(1_699_999_410, 20, 30, 10)),
        (NOW - 3 * 86_400, 300, Steps(1_699_740_780, 300, 865, 60)),
        (NOW - 3 * 86_400, 30, None),  # 4,320 points of a minute each: finer ones are not kept
        (NOW - 20 * 86_400, 60, Steps(1_698_271_200, 900, 1921, 900)),  # only the coarsest are so old
        (NOW - 20 * 86_400, 86_400, Steps(1_698_271_200, 86_400, 21, 900)),
    ],
)
def test_points_lie_on_cells_that_are_kept(since: float, step: float, expected: Steps | None) -> None:
    if expected is None:
        with pytest.raises(RangeError, match=f"{MOST_POINTS} are the most; ask for a 'step' of 130 or more"):
            steps(since, NOW, step, NOW)
    else:
        assert steps(since, NOW, step, NOW) == expected


@pytest.mark.parametrize(
    ("since", "to", "step"),
    [(NOW, NOW, 10), (NOW, NOW - 1, 10), (0, NOW, 60), (NOW - 10, NOW, 0), (NOW - 10, NOW, -5), (math.nan, NOW, 10),
     (NOW - 10, math.nan, 10), (NOW - 10, NOW, math.inf), (-5, NOW, 86_400)],
)  # fmt: skip
def test_ranges_that_nobody_can_show(since: float, to: float, step: float) -> None:
    with pytest.raises(RangeError):
        steps(since, to, step, NOW)


def test_seconds_of_each_step() -> None:
    chart = Steps(100, 10, 3, 10)
    assert seconds_in([(95, 104), (108, 125)], chart) == [6, 10, 5]
    assert seconds_in([(0, 100), (130, 200)], chart) == [0, 0, 0]
    assert sum(seconds_in([(0, 1000)], chart)) == 30


def test_nothing_is_known_where_nobody_watched() -> None:
    assert series_of("counts", {1: 3.0}, [10, 10, 0]) == [0, 3, None]
    assert series_of("occupancy", {0: 25.0, 2: 4.0}, [10, 10, 0]) == [2.5, 0, None]


# -- looks -------------------------------------------------------------------------------------------------------------


def looks(*seen: tuple[float, float | None, dict[CounterKey, int], str]) -> Batch:
    """Looks at one camera: when, seconds since the last, counters, status."""
    sampler, batch = Sampler(), Batch()
    for now, seconds, counters, status in seen:
        sampler.look(batch, {"gate": camera_face(status=status)}, {"gate": counters}, now, seconds)
    return batch


def test_growth_is_summed_up_in_cells_of_each_width() -> None:
    batch = looks(
        (NOW, None, {IN: 100}, "online"), (NOW + 5, 5, {IN: 103}, "online"), (NOW + 10, 5, {IN: 104}, "online")
    )
    assert {key[1]: value[0] for key, value in batch.cells.items() if key[0] == ROAD} == dict.fromkeys(WIDTHS, 4.0)
    assert {key[2] for key in batch.cells if key[1] == 60} == {cell_of(NOW, 60)}
    assert batch.watched == {("gate", NOW): NOW + 10}


def test_what_is_there_counts_by_the_time_it_stays() -> None:
    batch = looks(
        (NOW, None, {YARD: 2}, "online"), (NOW + 4, 4, {YARD: 3}, "online"), (NOW + 8, 4, {YARD: 0}, "online")
    )
    (amount, peak) = batch.cells[Counter("gate", "occupancy", "yard", "", "person"), 10, cell_of(NOW, 10)]
    assert (amount, peak) == (12.0, 3.0)


def test_an_outage_is_no_watching_and_a_new_begin_no_growth() -> None:
    batch = looks(
        (NOW, None, {IN: 5}, "online"), (NOW + 5, 5, {IN: 6}, "online"), (NOW + 10, 5, {IN: 6}, "offline"),
        (NOW + 15, 5, {IN: 0}, "online"), (NOW + 20, 5, {IN: 2}, "online"),
    )  # fmt: skip
    assert batch.watched == {("gate", NOW): NOW + 5, ("gate", NOW + 15): NOW + 20}
    assert sum(amount for (_, width, _), (amount, _) in batch.cells.items() if width == 900) == 3


def test_a_counter_that_comes_later_has_begun_at_zero() -> None:
    batch = looks((NOW, None, {}, "online"), (NOW + 5, 5, {IN: 2}, "online"), (NOW + 10, 5, {}, "online"),
                  (NOW + 15, 5, {IN: 3}, "online"))  # fmt: skip
    assert batch.cells[ROAD, 900, cell_of(NOW, 900)] == (3.0, 0.0)


@pytest.mark.parametrize("looks_until_it_comes", [0, 1])
def test_a_line_that_is_drawn_again_brings_no_crossings_of_before(looks_until_it_comes: int) -> None:
    """It goes on from the total that was kept; its counters may come a look later than its plan."""
    sampler, batch = Sampler(), Batch()
    drawn = camera_face()
    without = camera_face(plan=replace(drawn.plan, lines={}))
    seen: list[dict[CounterKey, int]] = [*looks_until_it_comes * [{}], {IN: 12_000}, {IN: 12_003}]
    sampler.look(batch, {"gate": without}, {"gate": {}}, NOW, None)
    sampler.look(batch, {"gate": without}, {"gate": {}}, NOW + 5, 5)
    for number, counters in enumerate(seen, 2):
        sampler.look(batch, {"gate": drawn}, {"gate": counters}, NOW + 5 * number, 5)
    assert sum(amount for (_, width, _), (amount, _) in batch.cells.items() if width == 900) == 3
    truck: CounterKey = ("counts", "road", "in", "truck")  # a label that is new since: it begins with its first
    sampler.look(batch, {"gate": drawn}, {"gate": {IN: 12_003, truck: 1}}, NOW + 30, 5)
    assert sum(amount for (_, width, _), (amount, _) in batch.cells.items() if width == 900) == 4


def test_after_a_long_sleep_nobody_knows_what_was() -> None:
    batch = looks((NOW, None, {YARD: 2}, "online"), (NOW + 7200, 7200, {YARD: 2}, "online"))
    assert batch.cells == {}
    assert batch.watched == {}


def test_a_clock_that_was_set_back_begins_another_interval() -> None:
    batch = looks(
        (NOW, None, {}, "online"), (NOW + 5, 5, {}, "online"), (NOW - 3600, 5, {}, "online"),
        (NOW - 3595, 5, {}, "online"),
    )  # fmt: skip
    assert batch.watched == {("gate", NOW): NOW + 5, ("gate", NOW - 3600): NOW - 3595}


def test_figures_are_those_of_detectors_that_work() -> None:
    assert figures_of(STATS) == {}  # it has had no frames
    working = STATS.model_copy(update={"detectors": {"main": STATS.detectors["main"].model_copy(update={"frames": 9})}})
    ((key, figures),) = figures_of(working).items()
    assert (key.name, key.framework, key.model, key.precision) == ("main", "torch", "yolov8n", "fp32")
    assert (figures.fps, figures.p50, figures.p99, figures.rss_mb) == (10, 30, 60, 512.5)
    idle = working.detectors["main"].model_copy(update={"fps": 0.0, "inference_ms": {"p50": 0, "p95": 0, "p99": 0}})
    assert figures_of(working.model_copy(update={"detectors": {"main": idle}})) == {}  # none of late: a gap, not 0 ms


# -- the file ----------------------------------------------------------------------------------------------------------


def store_at(path: Path, thumbnails: int = 100, now: float = NOW) -> Store:
    return Store(path, 30, thumbnails, lambda: now)


def test_counts_come_back_in_the_steps_that_were_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "var" / "history.sqlite"
    store = store_at(path)
    for number in range(0, 120, 10):
        batch = Batch()
        for width in WIDTHS:
            batch.add(ROAD, width, cell_of(NOW + number, width), 1.0, 0.0)
        batch.watched["gate", NOW] = NOW + number + 10
        store.write(batch)
    chart = steps(NOW - 60, NOW + 180, 60, NOW + 180)
    (series,) = Reader(path).counts(CountFilter(), chart)
    assert chart.times[1] == cell_of(NOW, 60)
    assert series["values"] == [None, 3, 6, 3, None]
    assert series["peaks"] is None
    assert Reader(path).counts(CountFilter(camera="other"), chart) == []
    assert len(Reader(path).counts(CountFilter(camera="gate", place="road", label="car", head="counts"), chart)) == 1
    store.close()


def test_counters_that_stand_still_are_shown_while_they_are_there(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    store = store_at(path)
    batch = looks((NOW, None, {IN: 0}, "online"), (NOW + 5, 5, {IN: 0}, "online"))
    assert batch.cells == {}
    store.write(batch)
    reader = Reader(path)
    (series,) = reader.counts(CountFilter(), steps(NOW - 60, NOW + 20, 10, NOW + 20))
    assert series["values"] == [None, None, None, None, None, None, 0, None]
    assert reader.counts(CountFilter(), steps(NOW + 900, NOW + 1800, 10, NOW + 1800)) == []
    store.close()


def test_a_day_of_ten_counters_is_small(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    store = store_at(path)
    batch = Batch()
    begin = cell_of(NOW - 86_400, 900)
    for number, width in itertools.product(range(10), WIDTHS):
        counter = replace(ROAD, label=f"l{number}")
        for start in range(begin, int(NOW), width):
            batch.add(counter, width, start, float(width) / 10, 0.0)
    batch.watched["gate", float(begin)] = NOW
    store.write(batch)
    store.close()
    assert path.stat().st_size < 8_000_000
    found = Reader(path).counts(CountFilter(), steps(NOW - 80_000, NOW, 300, NOW))
    assert [series["values"][5] for series in found] == [30] * 10


def test_old_and_many_things_go(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    now = [NOW]
    store = Store(path, 30, 3, lambda: now[0])
    batch = Batch()
    for width in WIDTHS:
        batch.add(ROAD, width, cell_of(NOW, width), 1.0, 0.0)
    batch.watched["gate", NOW - 5] = NOW
    add_figures(batch, figures_of(STATS.model_copy(deep=True)), NOW)
    batch.events = [event_row(number, jpeg=b"x") for number in range(5)]
    store.write(batch)
    store.prune()
    reader = Reader(path)
    assert [event["thumbnail"] for event in reader.events(EventFilter(), 10)[0]] == [True, True, True, False, False]

    def widths() -> list[int]:
        with closing(sqlite3.connect(path)) as db:
            return [row[0] for row in db.execute("SELECT DISTINCT width FROM cell ORDER BY width")]

    for after_days, expected in ((0.1, [10, 60, 900]), (2, [60, 900]), (9, [900]), (31, [])):
        now[0] = NOW + after_days * 86_400
        store.prune()
        assert widths() == expected, after_days
    assert reader.events(EventFilter(), 10) == ([], None)
    store.close()


def test_events_are_bounded_in_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing, "MOST_EVENTS", 10)
    store = store_at(tmp_path / "h.sqlite")
    store.write(Batch(events=[event_row(number) for number in range(25)]))
    store.prune()
    found, more = Reader(tmp_path / "h.sqlite").events(EventFilter(), 500)
    assert [event["at"] for event in found] == [NOW + number for number in range(24, 14, -1)]
    assert more is None
    store.close()


def test_events_page_by_page(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    store = store_at(path)
    rows = [event_row(number, rule=("road", "other")[number % 2], label=None) for number in range(7)]
    store.write(Batch(events=rows))
    reader = Reader(path)
    seen, before = [], None
    while True:
        page, before = reader.events(EventFilter(rule="road", before=before), 3)
        seen += [event["at"] - NOW for event in page]
        if before is None:
            break
    assert seen == [6, 4, 2, 0]
    assert [e["at"] - NOW for e in reader.events(EventFilter(since=NOW + 2, until=NOW + 5), 9)[0]] == [4, 3, 2]
    assert reader.events(EventFilter(kind="dwell"), 9) == ([], None)
    first = reader.events(EventFilter(), 1)[0][0]
    assert (first["data"], first["label"], first["track_id"]) == ({"direction": "in"}, None, 7)
    store.close()


def test_a_file_that_is_not_there_yet_is_an_empty_history(tmp_path: Path) -> None:
    reader = Reader(tmp_path / "none.sqlite")
    chart = steps(None, None, None, NOW)
    assert reader.counts(CountFilter(), chart) == []
    assert reader.detectors(chart) == []
    assert reader.events(EventFilter(), 5) == ([], None)
    assert reader.thumbnail(1) is None


def test_a_stranger_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE messages (id INTEGER)")
        db.commit()
    before = path.read_bytes()
    with pytest.raises(HistoryError, match=r"server\.history\.path: .* is not a history of this version"):
        store_at(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    store = store_at(path)
    store.write(Batch(events=[event_row(number) for number in range(500)]))
    store.close()
    damage(path)
    data = path.read_bytes()
    store_at(path).close()
    assert (tmp_path / f"h.sqlite.damaged-{int(NOW)}").read_bytes() == data
    assert Reader(path).events(EventFilter(), 5) == ([], None)


# -- the thread --------------------------------------------------------------------------------------------------------


def test_what_happens_is_in_the_file_a_moment_later(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    face = ScriptedFace()
    kept = Recorder(path, 30, 100, moving_clock(), tick_s=0.05)
    kept.start(face)
    until(lambda: path.exists())
    time.sleep(0.1)
    face.counted[IN] += 4
    face.show(result_of(boxes={7: (100, 50, 140, 130)}, events=(event_of(track_id=7),)))
    reader = Reader(path)
    until(lambda: kept.written == 1)
    kept.stop()
    ((event,), more) = reader.events(EventFilter(), 5)
    assert (event["camera"], event["kind"], event["data"]["direction"], more) == ("gate", "line_crossing", "in", None)
    jpeg = reader.thumbnail(event["id"])
    assert jpeg is not None and len(jpeg) <= MOST_BYTES
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape[0] <= HEIGHT and picture.shape[1] <= WIDTH
    found = reader.counts(CountFilter(head="counts"), steps(None, None, None, NOW + 60))
    assert sum(value or 0 for value in found[0]["values"]) == 4
    assert kept.fault is None and kept.lost == 0
    assert not face.spectators.any


def test_totals_that_are_read_a_moment_after_the_start_were_not_counted_in_it(tmp_path: Path) -> None:
    class Starting(ScriptedFace):
        def counters(self, camera: str) -> Mapping[CounterKey, int]:
            if not self.counted:
                raise CannotBeAsked("not read yet")
            return super().counters(camera)

    face = Starting()
    kept = Recorder(tmp_path / "h.sqlite", 30, 0, moving_clock())
    for number, counted in enumerate(({}, {IN: 12_000}, {IN: 12_002}, {IN: 12_002, ("counts", "x", "in", "y"): 1})):
        face.counted = dict(counted)
        kept._look(face, None if number == 0 else 5.0 * number - 5, 5.0 * number)
    assert sum(amount for (_, width, _), (amount, _) in kept._batch.cells.items() if width == 900) == 3


def test_the_thread_of_results_never_waits_nor_keeps_many_pictures(tmp_path: Path) -> None:
    kept = Recorder(tmp_path / "h.sqlite", 30, 100)  # its thread does not run: nothing is taken from it
    for number in range(MOST_WAITING + 100):
        kept._picture_at = 0.0
        kept.take("gate", result_of(index=number, boxes={7: (1, 1, 9, 9)}, events=(event_of(),)))
    assert kept.lost == 100
    waiting = [kept._queue.get_nowait() for _ in range(MOST_WAITING)]
    assert sum(one.image is not None for one in waiting) == MOST_PICTURES


def test_pictures_that_nobody_wants_are_not_made(tmp_path: Path) -> None:
    kept = Recorder(tmp_path / "h.sqlite", 30, thumbnails=0)
    kept.take("gate", result_of(boxes={7: (1, 1, 9, 9)}, events=(event_of(),)))
    assert kept._queue.get_nowait().image is None


def test_a_full_disk_is_told_and_loses_nothing(small_disk: Path) -> None:
    path = small_disk / "h.sqlite"
    filler = small_disk / "filler"

    def fill() -> None:
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * 4096)
            except OSError:
                pass

    face = ScriptedFace()
    kept = Recorder(path, 30, 100, moving_clock(), tick_s=0.05)
    kept.start(face)
    until(lambda: path.exists() and Reader(path).events(EventFilter(), 1) == ([], None))
    fill()
    recording_retry, recording.RETRY_S = recording.RETRY_S, 0.05
    try:
        for number in range(20):
            face.show(result_of(index=number, events=(event_of(pts_s=number),)))
        until(lambda: kept.fault is not None)
        assert kept.fault is not None and "full" in kept.fault
        filler.unlink()
        until(lambda: kept.fault is None and kept.written == 20)
    finally:
        recording.RETRY_S = recording_retry
        kept.stop()
    assert [event["pts_s"] for event in Reader(path).events(EventFilter(), 50)[0]] == [*range(19, -1, -1)]
    assert kept.lost == 0


def test_what_a_full_disk_holds_back_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_UNWRITTEN", 10)
    monkeypatch.setattr(recording, "_MOST_UNWRITTEN_JPEGS", 3)
    monkeypatch.setattr(recording, "MOST_UNWRITTEN_CELLS", 5)
    kept = Recorder(tmp_path / "h.sqlite", 30, 100)
    kept._batch.events = [event_row(number, jpeg=b"x") for number in range(25)]
    for number in range(9):
        kept._batch.add(ROAD, 10, number, 1.0, 0.0)
    kept._keep_bounds()
    assert [event.at - NOW for event in kept._batch.events] == [*range(15, 25)]
    assert sum(event.jpeg is not None for event in kept._batch.events) == 3
    assert len(kept._batch.cells) == 5
    assert kept.lost == 15


def test_a_history_that_cannot_be_opened_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "RETRY_S", 0.05)
    path = tmp_path / "h.sqlite"
    path.mkdir()
    kept = Recorder(path, 30, 100, moving_clock(), tick_s=0.02)
    face = ScriptedFace()
    kept.start(face)
    until(lambda: kept.fault is not None)
    assert kept.fault is not None and "is a folder" in kept.fault
    face.show(result_of(events=(event_of(),)))
    path.rmdir()
    until(lambda: kept.written == 1)
    kept.stop()


def damage(path: Path) -> None:
    """Make the rows of a history unreadable; its head stays."""
    data = bytearray(path.read_bytes())
    for place in range(4096, len(data), 512):
        data[place : place + 64] = b"\xff" * 64
    path.write_bytes(data)


def test_a_file_that_is_damaged_while_it_is_written_is_moved_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "RETRY_S", 0.02)
    path = tmp_path / "h.sqlite"
    store = store_at(path)
    store.write(Batch(events=[event_row(number) for number in range(500)]))
    store.close()
    kept = Recorder(path, 30, 100, moving_clock(), tick_s=0.02)
    face = ScriptedFace()
    kept.start(face)
    face.show(result_of(events=(event_of(),)))
    until(lambda: kept.written == 1)
    real = Store._event

    def malformed(self: Store, event: EventRow) -> None:
        monkeypatch.setattr(Store, "_event", real)
        damage(path)
        raise sqlite3.DatabaseError("database disk image is malformed")  # SQLite may have the pages in memory

    monkeypatch.setattr(Store, "_event", malformed)
    face.show(result_of(events=(event_of(),)))
    until(lambda: kept.written == 2)
    kept.stop()
    assert kept.fault is None
    assert len([file for file in tmp_path.glob("*.damaged-*") if not file.name.endswith(("-wal", "-shm"))]) == 1
    assert len(Reader(path).events(EventFilter(), 5)[0]) == 1  # the one that could not be written


def test_a_file_that_is_deleted_while_it_is_written_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    kept = Recorder(path, 30, 100, moving_clock(), tick_s=0.02)
    face = ScriptedFace()
    kept.start(face)
    for number in (1, 2):
        face.show(result_of(events=(event_of(),)))
        until(lambda number=number: kept.written == number)
        for suffix in ("", "-wal", "-shm") if number == 1 else ():
            Path(f"{path}{suffix}").unlink()
    kept.stop()
    assert kept.fault is None
    assert len(Reader(path).events(EventFilter(), 5)[0]) == 1


@pytest.mark.parametrize("wrong", [{"track_id": 2**70}, {"label": "\ud800"}, {"data": {"share": math.nan}}])
def test_an_event_that_can_never_be_kept_costs_only_itself_and_its_neighbours(
    wrong: dict[str, Any], tmp_path: Path
) -> None:
    kept = Recorder(tmp_path / "h.sqlite", 30, 100, moving_clock(), tick_s=0.02)
    face = ScriptedFace()
    kept.start(face)
    face.show(result_of(events=(event_of(**wrong),)))
    until(lambda: kept.lost == 1)
    face.show(result_of(events=(event_of(),)))
    until(lambda: kept.written == 1)
    kept.stop()
    assert kept.fault is None
    assert len(Reader(tmp_path / "h.sqlite").events(EventFilter(), 5)[0]) == 1


def test_stopping_writes_what_waits_and_ends_the_thread(tmp_path: Path) -> None:
    path = tmp_path / "h.sqlite"
    face = ScriptedFace()
    kept = Recorder(path, 30, 100, moving_clock())
    kept.start(face)
    for number in range(50):
        face.show(result_of(index=number, events=(event_of(),)))
    kept.stop()
    assert len(Reader(path).events(EventFilter(), 100)[0]) == 50
    assert "history" not in {thread.name for thread in threading.enumerate()}
    kept.stop()


@pytest.mark.parametrize(
    "box",
    [None, (0, 0, 1, 1), (-50, -50, 9999, 9999), (639, 359, 640, 360), (300, 100, 310, 340), (5000, 5000, 6000, 6000)],
)
def test_any_box_makes_a_small_picture(box: tuple[float, float, float, float] | None) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (360, 640, 3), np.uint8)
    jpeg = thumbnail(noise, box)
    assert jpeg is not None and 0 < len(jpeg) <= MOST_BYTES
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None and picture.shape[0] <= HEIGHT and picture.shape[1] <= WIDTH
