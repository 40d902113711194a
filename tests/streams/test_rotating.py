"""Rotating JSON lines: whole lines, new files by size and process, old ones deleted, others' files left alone."""

from __future__ import annotations

import json
import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from streams.errors import OutputError
from streams.rotating import Pruner, RotatingCsv, RotatingJsonLines

NAME = re.compile(r"events-(\d{8}T\d{6})(?:-(\d+))?\.jsonl")


def files(folder: Path) -> list[Path]:
    """The files of ``events`` in the order in which they began."""

    def key(path: Path) -> tuple[str, int]:
        found = NAME.fullmatch(path.name)
        assert found is not None
        return found[1], int(found[2] or 0)

    return sorted(folder.glob("events-2*"), key=key)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in files(folder) for line in path.read_text().splitlines()]


def days_ago(path: Path, days: float) -> Path:
    path.write_text("{}\n")
    os.utime(path, (time.time() - days * 86_400,) * 2)
    return path


def test_nothing_is_made_before_the_first_line_which_is_on_disk_at_once(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "gate"
    writer = RotatingJsonLines(folder, "events", 1, 1)
    assert not folder.exists()
    writer.write({"b": 1, "a": "ö"})
    (path,) = files(folder)
    assert path.read_text(encoding="utf-8") == '{"b":1,"a":"ö"}\n'
    began = time.strptime(path.name[7:22], "%Y%m%dT%H%M%S")
    assert abs(time.mktime(began) - time.mktime(time.gmtime())) < 5
    writer.close()
    writer.close()


def test_a_large_file_is_followed_by_a_new_one_and_no_line_is_lost_or_split(tmp_path: Path) -> None:
    writer = RotatingJsonLines(tmp_path, "events", 0.001, 1)
    for number in range(100):  # within a second or two: names get a number
        writer.write({"number": number, "text": "x" * 50})
    writer.close()
    assert 6 <= len(files(tmp_path)) <= 9
    assert all(1000 <= path.stat().st_size < 1100 for path in files(tmp_path)[:-1])
    assert any(NAME.fullmatch(path.name)[2] for path in files(tmp_path))  # type: ignore[index]
    assert [line["number"] for line in lines(tmp_path)] == list(range(100))


def test_a_new_process_begins_a_new_file_and_replaces_none(tmp_path: Path) -> None:
    for number in range(3):
        writer = RotatingJsonLines(tmp_path, "events", 1, 1)
        writer.write({"number": number})
        writer.close()
    assert len(files(tmp_path)) == 3
    assert [line["number"] for line in lines(tmp_path)] == [0, 1, 2]


def test_old_files_of_this_stem_are_deleted_and_no_others(tmp_path: Path) -> None:
    old = [days_ago(tmp_path / name, 3) for name in ("events-20250101T000000.jsonl", "events-20250101T000000-12.jsonl")]
    young = days_ago(tmp_path / "events-20250102T000000.jsonl", 1)
    foreign = [
        days_ago(tmp_path / name, 300)
        for name in (
            "detections-20250101T000000.jsonl", "events-20250101T000000.jsonl.gz", "events-mine.jsonl", "events.jsonl",
            "my-events-20250101T000000.jsonl", "events-20250101T000000-a.jsonl", "events-2025.jsonl",
        )
    ]  # fmt: skip
    folder = tmp_path / "events-20240101T000000.jsonl"
    folder.mkdir()
    os.utime(folder, (0, 0))
    link = tmp_path / "events-20240102T000000.jsonl"
    link.symlink_to(foreign[0])
    os.utime(link, (0, 0), follow_symlinks=False)
    writer = RotatingJsonLines(tmp_path, "events", 1, 2)
    writer.write({})
    writer.close()
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in (young, folder, link, *foreign))


def test_old_files_go_once_an_hour_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = RotatingJsonLines(tmp_path, "events", 1, 2)
    writer.write({})
    old = days_ago(tmp_path / "events-20250101T000000.jsonl", 3)
    writer.write({})
    assert old.exists()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 3601)
    writer.write({})
    assert not old.exists()
    assert len(files(tmp_path)) == 1
    writer.close()


def test_the_file_in_use_is_never_deleted(tmp_path: Path) -> None:
    current = days_ago(tmp_path / "events-20250101T000000.jsonl", 3)
    pruner = Pruner(tmp_path, "events", ".jsonl", 1)
    pruner.prune(current)
    assert current.exists()
    pruner.prune()
    assert not current.exists()
    Pruner(tmp_path / "nowhere", "events", ".jsonl", 1).prune()


@pytest.mark.parametrize("bad", [float("nan"), object()])
def test_what_json_cannot_hold_leaves_no_half_line(tmp_path: Path, bad: object) -> None:
    writer = RotatingJsonLines(tmp_path, "events", 1, 1)
    with pytest.raises((ValueError, TypeError)):
        writer.write({"bad": bad})
    writer.write({"ok": 1})
    writer.close()
    assert lines(tmp_path) == [{"ok": 1}]


def test_a_full_disk_is_one_sentence_and_the_next_line_is_tried_again(small_disk: Path) -> None:
    writer = RotatingJsonLines(small_disk, "events", 0.05, 1)
    written = 0
    with pytest.raises(OutputError) as caught:
        for _ in range(10_000):
            writer.write({"number": written, "text": "x" * 3000})
            written += 1
    assert re.fullmatch(
        rf"cannot write {small_disk}/events-\S+\.jsonl: No space left on device; free some space or choose another "
        r"folder with outputs\.jsonl\.path",
        str(caught.value),
    )
    assert [line["number"] for line in lines(small_disk)] == list(range(written))
    files(small_disk)[0].unlink()
    writer.write({"number": written, "text": "x" * 3000})
    writer.close()
    assert lines(small_disk)[-1]["number"] == written


def test_a_table_begins_a_new_file_each_day_each_with_its_header(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock:
        day = 26

        @classmethod
        def now(cls, zone: Any) -> datetime:
            return datetime(2026, 11, cls.day, 23, 45, tzinfo=zone)

    monkeypatch.setattr("streams.rotating.datetime", Clock)
    old = days_ago(tmp_path / "bins-20250101T000000.csv", 3)
    other = days_ago(tmp_path / "bins-20250101T000000.jsonl", 3)
    table = RotatingCsv(tmp_path, "bins", ("start", "count"), 1, 2)
    table.write(("a", 1))
    table.write(("b", None))
    Clock.day = 27
    table.write(("c", 3))
    table.close()
    table.close()
    assert {path.name: path.read_text() for path in tmp_path.glob("bins-2026*")} == {
        "bins-20261126T234500.csv": "start,count\na,1\nb,\n",
        "bins-20261127T234500.csv": "start,count\nc,3\n",
    }
    assert not old.exists() and other.exists()
    with pytest.raises(ValueError, match="2 values, got 1"):
        table.write(("d",))


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    writer = RotatingJsonLines(tmp_path / "file" / "gate", "events", 1, 1)
    with pytest.raises(
        OutputError, match=r"cannot write \S+/file/gate: Not a directory; choose another folder with ou"
    ):
        writer.write({})
