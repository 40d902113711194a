"""Old result files go once an hour, whoever wrote them, and only those."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from pipelines.live.expiry import prune
from tests.support.live import Boxes, in_this_process, wait_until
from tests.support.memory_site import Cameras, site, started

DAY_S = 86_400.0


def aged(path: Path, days: float) -> Path:
    """Make a file, if there is none, and say that it was changed so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.open("a").close()
    os.utime(path, (time.time() - days * DAY_S,) * 2)
    return path


def test_old_files_of_cameras_that_are_gone_go_and_nothing_else(tmp_path: Path) -> None:
    gone = [
        aged(tmp_path / "old" / "detections-20250101T000000.jsonl", 3),
        aged(tmp_path / "old" / "events-20250101T000000-12.jsonl", 3),
    ]
    kept = [
        aged(tmp_path / "old" / "detections-20250102T000000.jsonl", 1),
        aged(tmp_path / "old" / "notes.jsonl", 99),
        aged(tmp_path / "old" / "detections-20250101T000000.jsonl.gz", 99),
        aged(tmp_path / "old" / "below" / "detections-20250101T000000.jsonl", 99),
        aged(tmp_path / "detections-20250101T000000.jsonl", 99),
    ]
    prune(tmp_path, 2, {})
    assert not any(path.exists() for path in gone)
    assert all(path.exists() for path in kept)
    prune(tmp_path / "nowhere", 2, {})


def test_files_of_silent_cameras_expire_and_the_next_result_begins_a_new_one(
    cameras: Cameras, tmp_path: Path, models_dir: Path
) -> None:
    silent = threading.Event()
    cameras({"a": 10.0, "b": 10.0}, b=silent)
    path = site(tmp_path, ["a", "b"], outputs={"jsonl": {"path": "results", "keep_days": 2}})
    left = [aged(tmp_path / "results" / name / "events-20250101T000000.jsonl", 3) for name in ("a", "gone")]
    with in_this_process(path, lambda planned: Boxes()) as service:
        found = started(service, 2)
        wait_until(lambda: not any(file.exists() for file in left), "what was left is not deleted")
        files = lambda: sorted((tmp_path / "results" / "b").glob("detections-*.jsonl"))  # noqa: E731
        wait_until(files, "nothing is written")
        silent.set()
        wait_until(lambda: found["b"].status[0] == "offline", "it is not offline", 15)
        [old] = files()
        aged(old, 3)
        service._expiry._due_s = 0.0  # an hour is over
        wait_until(lambda: not old.exists(), "a silent camera's file does not expire")
        silent.clear()
        wait_until(files, "nothing is written after the silence")
        assert files()[0].stat().st_size > 0
        assert (tmp_path / "results" / "a").exists()
