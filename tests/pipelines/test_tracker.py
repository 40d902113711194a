"""The tracker on scripted boxes: ids, labels, gaps, memory."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.site import Tracker as TrackerConfig
from detectors.detections import Detections
from pipelines.tracker import Tracker
from pipelines.values import Track
from tests.support.tracks import LABELS, LOST_S, Row, detections, walk

ROOT = Path(__file__).resolve().parents[2]
EMPTY = Detections.empty(LABELS)


def tracker(fps: float = 10, **keys: float) -> Tracker:
    return Tracker(TrackerConfig.model_validate(keys), fps)


def follow(
    rows: list[Row], target: Tracker | None = None, times: list[float] | None = None, score: float = 0.9
) -> dict[float, list[tuple[int, Row]]]:
    """The track id of each row, by frame."""
    target = target or tracker()
    seen: dict[float, list[tuple[int, Row]]] = {}
    for t in times or [round(index / 10, 6) for index in range(round(max(row.t for row in rows) * 10) + 1)]:
        present = [row for row in rows if row.t == t]
        ids, tracks = target.update(detections(present, score), t)
        assert sorted(track.id for track in tracks) == sorted(ids[ids > 0].tolist())
        seen[t] = list(zip(ids.tolist(), present, strict=True))
    return seen


def ids_of(seen: dict[float, list[tuple[int, Row]]], row_id: int = 1) -> list[int]:
    return [number for entries in seen.values() for number, row in entries if row.id == row_id]


def test_first_box_is_untracked_and_the_second_gets_id_1() -> None:
    assert ids_of(follow(walk(lambda t: (300, 200 + 20 * t), end=1))) == [-1] + [1] * 10


def test_ids_are_unique_and_count_from_1() -> None:
    rows = [
        row
        for n in range(6)
        for row in walk(lambda t, n=n: (100 + 150 * n, 300 + 10 * t), start=n / 2, end=4, id=n + 1)
    ]
    seen = follow(rows)
    own = {n: set(ids_of(seen, n)) - {-1} for n in range(1, 7)}
    assert all(len(ids) == 1 for ids in own.values())
    assert set().union(*own.values()) == set(range(1, 7))


@pytest.mark.parametrize("gap_s", [0.1, 0.5, 1.0, 1.4])
def test_a_gap_shorter_than_lost_s_keeps_the_id(gap_s: float) -> None:
    rows = [row for row in walk(lambda t: (300, 200 + 10 * t), end=5) if not 2 < row.t < 2 + gap_s]
    assert ids_of(follow(rows))[1:] == [1] * (len(rows) - 1)


def test_a_gap_longer_than_lost_s_makes_a_new_id() -> None:
    rows = [row for row in walk(lambda t: (300, 200), end=6) if not 2 < row.t < 2 + LOST_S + 0.3]
    ids = ids_of(follow(rows))
    assert set(ids) == {-1, 1, 2}
    assert ids.count(-1) == 2
    assert ids[-1] == 2


@pytest.mark.parametrize("lost_s", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("fps", [5, 10, 25, 30])
def test_lost_s_is_media_time_at_any_frame_rate(fps: float, lost_s: float) -> None:
    def last_id(gap: float) -> int:
        target = tracker(fps, lost_s=lost_s)
        times = [index / fps for index in range(round(fps))]
        times += [times[-1] + gap + index / fps for index in range(5)]
        return [int(target.update(detections([Row(t, 1, "car", 300, 200)]), t)[0][0]) for t in times][-1]

    assert last_id(0.8 * lost_s) == 1
    assert last_id(1.2 * lost_s + 1 / fps) == 2


def test_a_track_outlives_a_frame_however_few_there_are() -> None:
    """With a picture every four seconds a memory of 1.5 s would end every track at once."""
    assert ids_of(
        follow(walk(lambda t: (300, 200), end=40, fps=0.25), tracker(0.25), times=[4.0 * n for n in range(11)])
    ) == ([-1] + [1] * 10)


def test_irregular_times_keep_the_id() -> None:
    times = [round(float(t), 4) for t in np.cumsum(np.random.default_rng(1).uniform(0.01, 0.3, 80))]
    rows = [Row(t, 1, "car", 100 + 60 * t, 300) for t in times]
    rows += [Row(t, 2, "person", 900 - 60 * t, 600) for t in times]
    seen = follow(rows, times=times)
    assert len({*ids_of(seen, 1)} - {-1}) == len({*ids_of(seen, 2)} - {-1}) == 1
    assert ids_of(seen, 1).count(-1) == 1


def test_weak_boxes_start_no_track_but_keep_one_alive() -> None:
    path = walk(lambda t: (300, 200 + 10 * t), end=2)
    assert set(ids_of(follow(path, score=0.3))) == {-1}
    target = tracker()
    ids = [
        int(target.update(detections([row], 0.9 if index < 5 else 0.3), row.t)[0][0]) for index, row in enumerate(path)
    ]
    assert ids == [-1] + [1] * 20


def test_min_frames_is_how_long_a_track_stays_unconfirmed() -> None:
    for frames in (2, 3, 5):
        ids = ids_of(follow(walk(lambda t: (300, 200), end=1), tracker(min_frames=frames)))
        assert ids == [-1] * (frames - 1) + [1] * (12 - frames)


def test_a_gap_starts_the_confirmation_again() -> None:
    rows = [Row(t, 1, "person", 300, 200) for t in (0.0, 0.2, 0.4, 0.6)]
    assert set(ids_of(follow(rows))) == {-1}


def test_ids_belong_to_the_rows_they_stand_at() -> None:
    """However the detector orders its boxes."""
    random = np.random.default_rng(2)
    target = tracker()
    owner: dict[int, int] = {}
    for frame in range(30):
        rows = [Row(frame / 10, n, "person", 100 + 150 * n, 300 + frame) for n in random.permutation(6).tolist()]
        score = random.uniform(0.5, 1, 6).astype(np.float32)
        found = detections(rows, score)
        ids, tracks = target.update(found, frame / 10)
        assert (ids.dtype, ids.shape) == (np.int64, (6,))
        for row, track_id in zip(rows, ids.tolist(), strict=True):
            if track_id > 0:
                assert owner.setdefault(track_id, row.id) == row.id
        by_id = {track.id: track for track in tracks}
        for index, track_id in enumerate(ids.tolist()):
            if track_id > 0:
                assert by_id[track_id].xyxy == pytest.approx(found.xyxy[index].tolist())
                assert by_id[track_id].score == pytest.approx(score[index])
    assert sorted(owner) == [1, 2, 3, 4, 5, 6]


def test_label_is_the_majority_by_score() -> None:
    target = tracker()
    seen: list[Track] = []
    script = [("car", 0.9), ("car", 0.5), ("truck", 0.6), ("truck", 0.6), ("car", 0.45), ("truck", 0.8)]
    for frame, (label, score) in enumerate(script):
        seen += target.update(detections([Row(frame / 10, 1, label, 300, 200)], score), frame / 10)[1]
    assert [track.id for track in seen] == [1] * 5
    assert [track.label for track in seen] == ["car", "truck", "truck", "truck", "truck"]
    assert [round(track.score, 2) for track in seen] == [0.5, 0.6, 0.6, 0.45, 0.8]


def test_first_and_last_seen() -> None:
    target = tracker()
    tracks = [target.update(detections([Row(t, 1, "car", 300, 200)]), t)[1] for t in (0.0, 0.1, 0.2, 0.9)]
    assert [(track.first_seen_s, track.last_seen_s) for (track,) in tracks[1:]] == [(0.1, 0.1), (0.1, 0.2), (0.1, 0.9)]


def test_two_names_for_one_object_are_one_track() -> None:
    target = tracker()
    for frame in range(10):
        rows = [Row(frame / 10, 1, "car", 300, 200), Row(frame / 10, 1, "truck", 302, 201), Row(0, 2, "car", 500, 200)]
        ids, tracks = target.update(detections(rows, [0.6, 0.7, 0.8]), frame / 10)
    assert ids[0] == -1
    assert sorted(ids[1:].tolist()) == [1, 2]
    assert sorted(track.label for track in tracks) == ["car", "truck"]


def test_close_objects_stay_two_tracks() -> None:
    """Two of different labels that overlap by half, two of one label that overlap by 0.7."""
    target = tracker()
    for frame in range(5):
        rows = [
            Row(frame / 10, 1, "person", 300, 200), Row(frame / 10, 2, "bus", 312, 210),
            Row(frame / 10, 3, "person", 600, 200), Row(frame / 10, 4, "person", 606, 204),
        ]  # fmt: skip
        ids, _ = target.update(detections(rows, [0.9, 0.8, 0.9, 0.8]), frame / 10)
    assert sorted(ids.tolist()) == [1, 2, 3, 4]


def test_empty_frames() -> None:
    target = tracker()
    for frame in range(5):
        ids, tracks = target.update(EMPTY, frame / 10)
        assert (ids.tolist(), ids.dtype, tracks) == ([], np.int64, ())
    for frame in range(5, 10):
        ids, _ = target.update(detections([Row(frame / 10, 1, "car", 300, 200)]), frame / 10)
    assert ids.tolist() == [1]
    for frame in range(10, 60):
        assert target.update(EMPTY, frame / 10)[1] == ()
    ids, _ = target.update(detections([Row(6.0, 1, "car", 300, 200)]), 6.0)
    assert ids.tolist() == [-1]


def test_reset_starts_again_at_1() -> None:
    target = tracker()
    assert follow(walk(lambda t: (300, 200), end=1), target)[1.0][0][0] == 1
    target.reset()
    assert ids_of(follow(walk(lambda t: (300, 200), end=1), target)) == [-1] + [1] * 10


def test_two_trackers_do_not_share_ids() -> None:
    first, second = tracker(), tracker()
    for frame in range(5):
        a = first.update(detections([Row(frame / 10, 1, "car", 300, 200)]), frame / 10)[0]
        b = second.update(detections([Row(frame / 10, 1, "car", 600, 400)]), frame / 10)[0]
    assert (a.tolist(), b.tolist()) == ([1], [1])


def test_same_boxes_give_the_same_tracks() -> None:
    random = np.random.default_rng(3)
    script = [
        (frame / 10, [Row(frame / 10, n, LABELS[n % 4], *random.uniform(100, 900, 2)) for n in range(8)])
        for frame in range(60)
    ]
    first, second = tracker(), tracker()
    for t, rows in script:
        found = detections(rows, 0.8)
        (ids_a, tracks_a), (ids_b, tracks_b) = first.update(found, t), second.update(found, t)
        assert ids_a.tolist() == ids_b.tolist()
        assert tracks_a == tracks_b


def test_memory_is_bounded() -> None:
    target = tracker()
    most, ids = 0, Counter[int]()
    for frame in range(2_000):
        number, t = frame // 3, frame / 10
        rows = [Row(t, number, "person", 100 + 300 * lane, 150 + 97 * number % 800) for lane in range(3)]
        ids.update(track.id for track in target.update(detections(rows), t)[1])
        most = max(most, len(target._lives) + len(target._tracker))
    assert len(ids) > 1_500
    assert sorted(ids) == list(range(1, len(ids) + 1))
    assert most <= 3 * (3 * LOST_S * 10)


def test_torch_is_not_imported() -> None:
    code = (
        "import sys\nfrom config.site import Tracker as Config\nfrom pipelines.tracker import Tracker\n"
        "from detectors.detections import Detections\n"
        "Tracker(Config(), 25).update(Detections.empty(('a',)), 0.0)\n"
        "print(sorted({'torch', 'tensorflow', 'keras', 'ultralytics', 'gi'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


boxes = st.tuples(
    st.floats(0, 900, width=32), st.floats(100, 900, width=32), st.floats(20, 100, width=32), st.sampled_from(LABELS)
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(boxes, max_size=8), min_size=1, max_size=15), st.sampled_from([0.0, 10.0, 29.97]))
def test_whatever_comes_ids_are_unique_in_a_frame_and_fit_the_rows(
    script: list[list[tuple[float, float, float, str]]], fps: float
) -> None:
    target = tracker(fps)
    highest = 0
    for frame, entries in enumerate(script):
        t = frame * (1 / (fps or 25))
        rows = [Row(t, 0, label, x, y, height) for x, y, height, label in entries]
        ids, tracks = target.update(detections(rows, 0.8), t)
        assert ids.shape == (len(rows),)
        real = ids[ids != -1].tolist()
        assert len(set(real)) == len(real)
        assert all(number >= 1 for number in real)
        assert [track.id for track in tracks] == real
        assert all(math.isfinite(value) for track in tracks for value in track.xyxy)
        highest = max([highest, *real])
    assert highest <= sum(map(len, script))


def test_a_track_tells_what_it_is_called_now_beside_its_majority() -> None:
    target = tracker()
    for index in range(20):
        row = Row(index / 10, 1, "car" if index < 15 else "truck", 300, 300)
        (track,) = target.update(detections([row]), row.t)[1] or (None,)
        if track is not None:
            assert (track.label, track.seen_as, track.labels_now) == ("car", (row.label,), (row.label,))


def test_the_labels_of_twins_are_told_with_the_box_they_lie_on() -> None:
    target = tracker()
    here = [Row(0, 1, label, 300 + shift, 300) for label, shift in (("bus", 1), ("car", 0), ("truck", 2))]
    there = Row(0, 2, "person", 600, 300)
    for t in (0.0, 0.1):
        tracks = target.update(detections([*here, there], [0.6, 0.9, 0.8, 0.7]), t)[1]
    assert {track.seen_as for track in tracks} == {("car", "truck", "bus"), ("person",)}
    assert Track(1, "car", (0, 0, 1, 1), 0.9, 0, 0).labels_now == ("car",)
