"""The outbox: order, limits, notes, and what happens to its file."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from streams.errors import OutputError
from streams.message import Message
from streams.outbox import Outbox, foreign_file
from tests.support.cli import ROOT

TARGET = "host:1883/p"


class Clock:
    """Unix seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def event(number: int, size: int = 0) -> Message:
    return Message("p/events", b'{"number":%d,"fill":"%s"}' % (number, b"x" * size), qos=1)


def put(outbox: Outbox, *messages: Message, **notes: str | None) -> None:
    outbox.put(messages)
    outbox.note(notes)
    assert outbox.commit()


def waiting(outbox: Outbox) -> list[int]:
    return [int(row.message.payload.split(b":")[1].split(b",")[0]) for row in outbox.after(0, 100_000)]


def test_messages_come_in_order_until_they_are_deleted_and_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "outbox.sqlite"
    outbox = Outbox(path, TARGET)
    put(outbox, event(1), event(2))
    put(outbox, event(3))
    assert (waiting(outbox), outbox.depth) == ([1, 2, 3], 3)
    first = outbox.after(0, 1)[0]
    assert first.message == event(1)
    assert [row.id for row in outbox.after(first.id, 1)] == [first.id + 1]
    assert outbox.delete(first)
    assert not outbox.delete(first)
    assert (waiting(outbox), outbox.depth) == ([2, 3], 2)  # before it is written, and after
    assert outbox.commit()
    assert (waiting(outbox), outbox.depth) == ([2, 3], 2)
    outbox.close()
    outbox.close()
    assert sorted(file.name for file in path.parent.iterdir()) == ["outbox.sqlite", "outbox.sqlite.lock"]
    with closing(Outbox(path, TARGET)) as again:
        assert (waiting(again), again.depth) == ([2, 3], 2)
        put(again, event(4))
        assert waiting(again) == [2, 3, 4]


def test_ids_are_never_used_twice(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "o", TARGET)) as outbox:
        put(outbox, event(1), event(2))
        last = outbox.last_id
        for row in outbox.after(0, 10):
            outbox.delete(row)
    with closing(Outbox(tmp_path / "o", TARGET)) as again:
        assert again.depth == 0
        put(again, event(3))
        assert again.after(0, 1)[0].id > last


def test_targets_do_not_see_each_other(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "o", TARGET)) as outbox:
        put(outbox, event(1))
        outbox.remember(["p/a"])
    with closing(Outbox(tmp_path / "o", "other:1883/p")) as other:
        assert (other.depth, waiting(other), other.topics) == (0, [], set())
        put(other, event(2))
        assert (other.depth, waiting(other)) == (1, [2])
    with closing(Outbox(tmp_path / "o", TARGET)) as outbox:
        assert (outbox.depth, waiting(outbox), outbox.topics) == (1, [1], {"p/a"})


def test_notes_are_kept_changed_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "o"
    with closing(Outbox(path, TARGET)) as outbox:
        outbox.note({"total/a": "1", "total/b": "2", "switch/a": "on", "total_": "x"})
        outbox.note({"total/a": "3", "switch/a": None})
        assert outbox.commit()
        assert outbox.read_notes("") == {"total/a": "3", "total/b": "2", "total_": "x"}
    with closing(Outbox(path, "other:1/")) as again:  # notes belong to the file
        assert again.read_notes("total/") == {"total/a": "3", "total/b": "2"}
        again.note({"total/b": None})
    with closing(Outbox(path, TARGET)) as third:
        assert third.read_notes("total/") == {"total/a": "3"}


def test_retained_topics_are_remembered_until_they_are_forgotten(tmp_path: Path) -> None:
    with closing(Outbox(tmp_path / "o", TARGET)) as outbox:
        outbox.remember(["p/a", "p/b", "p/c"])
        assert outbox.commit()
        outbox.forget("p/a")
        outbox.forget("p/b")
        outbox.remember(["p/b"])
    with closing(Outbox(tmp_path / "o", TARGET)) as again:
        assert again.topics == {"p/b", "p/c"}


def test_the_size_limit_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    path = tmp_path / "o"
    with closing(Outbox(path, TARGET, max_mb=1)) as outbox:
        for number in range(300):
            put(outbox, event(number, size=10_000))
        left = waiting(outbox)
        assert left == list(range(300 - len(left), 300))
        assert 90 <= len(left) <= 100
        assert (outbox.depth, outbox.dropped) == (len(left), 300 - len(left))
    assert path.stat().st_size < 1.5e6
    with closing(Outbox(path, TARGET, max_mb=0.5)) as smaller:
        put(smaller, event(300, size=10_000))
        assert 40 <= smaller.depth <= 50
        assert waiting(smaller)[-1] == 300


def test_what_the_limit_dropped_can_be_confirmed_late() -> None:
    outbox = Outbox.memory(max_rows=3)
    put(outbox, *map(event, range(3)))
    rows = outbox.after(0, 10)
    put(outbox, event(3), event(4))
    assert (waiting(outbox), outbox.dropped) == ([2, 3, 4], 2)
    assert [outbox.delete(row) for row in rows] == [False, False, True]
    assert outbox.commit()
    assert (waiting(outbox), outbox.depth, outbox.dropped) == ([3, 4], 2, 2)


def test_what_is_too_old_is_dropped_and_counted_also_at_opening(tmp_path: Path) -> None:
    clock = Clock()
    outbox = Outbox(tmp_path / "o", TARGET, expiry_s=60, clock=clock)
    put(outbox, event(1))
    clock.now += 50
    put(outbox, event(2))
    outbox.expire()
    assert waiting(outbox) == [1, 2]
    clock.now += 11
    outbox.expire()
    assert (waiting(outbox), outbox.depth, outbox.dropped) == ([2], 1, 1)
    outbox.close()
    clock.now += 50
    with closing(Outbox(tmp_path / "o", TARGET, expiry_s=60, clock=clock)) as again:
        assert (waiting(again), again.depth, again.dropped) == ([], 0, 1)


def test_the_file_shrinks_after_a_long_outage(tmp_path: Path) -> None:
    path = tmp_path / "o"
    with closing(Outbox(path, TARGET)) as outbox:
        for number in range(20):
            put(outbox, *(event(number, size=1000) for _ in range(1000)))
        assert path.stat().st_size > 18e6
        while rows := outbox.after(0, 100):
            for row in rows:
                outbox.delete(row)
            outbox.commit()
        assert outbox.depth == 0
        grown = sum(file.stat().st_size for file in tmp_path.iterdir())
        assert grown < 6e6  # while it runs: a megabyte of free pages, and the log
    assert path.stat().st_size < 200_000


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "o"
    code = "import sys; from pathlib import Path; from streams.outbox import Outbox; Outbox(Path(sys.argv[1]), 't')"
    with closing(Outbox(path, TARGET)) as outbox:
        with pytest.raises(
            OutputError, match=rf"^the outbox {path} is in use by another process; .*mqtt\.outbox\.path"
        ):
            Outbox(path, TARGET)
        other = subprocess.run(
            [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert "is in use by another process" in other.stderr
        put(outbox, event(1))
    Outbox(path, TARGET).close()


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot open the outbox .*/file/o .*mqtt\.outbox\.path"):
        Outbox(tmp_path / "file" / "o", TARGET)
    (tmp_path / "o").mkdir()
    with pytest.raises(
        OutputError, match=rf"^{tmp_path}/o is a folder, not an outbox; give the outbox another place \("
    ):
        Outbox(tmp_path / "o", TARGET)
    for odd in ("a\0b", "x" * 300):
        with pytest.raises(
            OutputError, match=r"^cannot open the outbox .*\); give it another place \(mqtt\.outbox\.path"
        ):
            Outbox(tmp_path / odd, TARGET)
    if os.geteuid():
        tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
        with pytest.raises(OutputError, match="Permission denied"):
            Outbox(tmp_path / "other", TARGET)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_database_of_someone_else_is_left_alone(tmp_path: Path, version: int) -> None:
    path = tmp_path / "photos.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE photos (id)")
        db.execute(f"PRAGMA user_version = {version}")
        db.commit()
    before = path.read_bytes()
    for _ in range(2):  # the lock is given back, too
        with pytest.raises(OutputError) as error:
            Outbox(path, TARGET)
        assert str(error.value) == (
            f"{path} is not an outbox of this version of Sightline; give the outbox another place (mqtt.outbox.path)"
        )
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "content",
    [b"version: 1\n", b"x", b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" * 99, bytes(4096), b"SQLite format 2\0"],
    ids=["site file", "letter", "picture", "zeros", "nearly"],
)
def test_a_file_of_another_kind_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine"
    path.write_bytes(content)
    with pytest.raises(OutputError) as error:
        Outbox(path, TARGET)
    assert str(error.value) == (
        f"{path} is a file of another kind, not an outbox; give the outbox another place (mqtt.outbox.path)"
    )
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("device", "kind"), [("/dev/null", "device"), ("/dev/zero", "device"), ("pipe", "pipe")])
def test_a_device_is_refused_and_nothing_stays_beside_it(tmp_path: Path, device: str, kind: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / device
    beside = sorted(path.parent.glob(f"{path.name}*"))
    with pytest.raises(OutputError, match=rf"^{path} is a {kind}, not an outbox; give the outbox another place \(mqtt"):
        Outbox(path, TARGET)
    assert sorted(path.parent.glob(f"{path.name}*")) == beside


def test_an_empty_file_becomes_an_outbox(tmp_path: Path) -> None:
    (tmp_path / "o").touch()
    with closing(Outbox(tmp_path / "o", TARGET)) as outbox:
        put(outbox, event(1))
    assert foreign_file(tmp_path / "o") is None
    assert not list(tmp_path.glob("*damaged*"))


def test_a_database_that_breaks_off_is_moved_aside_without_a_lock_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "o"
    path.write_bytes(b"SQLite format 3\0")
    with closing(Outbox(path, TARGET, clock=Clock())) as outbox:
        put(outbox, event(1))
    assert (tmp_path / "o.damaged-1000000").read_bytes() == b"SQLite format 3\0"


def test_an_outbox_in_use_is_not_opened_to_look_at_it(tmp_path: Path) -> None:
    """Closing the file would take SQLite's locks of this process away, and a reader's end the log with it."""
    path = tmp_path / "o.sqlite"
    with closing(Outbox(path, TARGET)) as outbox:
        put(outbox, event(1))
        assert foreign_file(path) is None
        reader = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM notes')"
        subprocess.run([sys.executable, "-c", reader, str(path)], check=True)
        assert (tmp_path / "o.sqlite-wal").exists()
        put(outbox, event(2))
    with closing(Outbox(path, TARGET)) as again:
        assert waiting(again) == [1, 2]


def scribble(path: Path) -> None:
    path.write_bytes(b"this is no database " * 1000)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def overwrite_pages(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))


@pytest.mark.parametrize("damage", [scribble, cut, overwrite_pages])
def test_a_damaged_file_is_moved_aside(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "o.sqlite"
    clock = Clock()
    with closing(Outbox(path, TARGET)) as outbox:
        put(outbox, *(event(number, size=500) for number in range(100)))
    damage(path)
    damaged = path.read_bytes()
    with closing(Outbox(path, TARGET, clock=clock)) as again:
        assert again.depth == 0
        put(again, event(1))
        assert waiting(again) == [1]
    assert (tmp_path / "o.sqlite.damaged-1000000").read_bytes() == damaged
    assert "is damaged (" in caplog.text
    damage(path)
    Outbox(path, TARGET, clock=clock).close()
    assert (tmp_path / "o.sqlite.damaged-1000000-1").exists()


def test_a_file_that_is_damaged_while_it_is_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "o.sqlite"
    outbox = Outbox(path, TARGET)
    put(outbox, *(event(number, size=500) for number in range(500)), total="500")
    outbox.remember(["p/a"])
    assert outbox.commit()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    overwrite_pages(path)
    outbox.put([event(500)])
    outbox.note({"open": "1"})
    assert not outbox.commit(at_once=True)
    assert (waiting(outbox), outbox.depth, outbox.dropped) == ([500], 1, 500)
    assert outbox.commit(at_once=True)
    put(outbox, event(501))
    outbox.close()
    assert "is damaged (" in caplog.text
    with closing(Outbox(path, TARGET)) as again:
        assert waiting(again) == [500, 501]
        assert again.read_notes("") == {"total": "500", "open": "1"}
        assert again.topics == {"p/a"}


def test_a_full_disk_loses_nothing_while_there_is_memory(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outbox = Outbox(small_disk / "o.sqlite", TARGET)
    for number in range(400):
        outbox.put([event(number, size=1000)])
        outbox.note({"total": str(number)})
        outbox.commit()
    assert outbox.failing
    assert (waiting(outbox), outbox.depth, outbox.dropped) == (list(range(400)), 400, 0)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "cannot be written (database or disk is full); until it can, events wait in memory only" in warnings[0]
    for _ in range(20):  # what is confirmed makes room
        for row in outbox.after(0, 20):
            assert outbox.delete(row)
        outbox.commit(at_once=True)
    assert (outbox.failing, outbox.depth, outbox.dropped) == (False, 0, 0)
    assert [record.message for record in caplog.records if record.levelno == logging.INFO][-1].endswith("written again")
    put(outbox, event(400))
    outbox.close()
    with closing(Outbox(small_disk / "o.sqlite", TARGET)) as again:
        assert waiting(again) == [400]
        assert again.read_notes("") == {"total": "399"}


def test_what_a_full_disk_cannot_take_at_the_end_is_said(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(small_disk / "o.sqlite", TARGET)
    outbox.put(event(number, size=1000) for number in range(400))
    assert not outbox.commit()
    outbox.close()
    assert "400 events could not be written and are lost" in caplog.text
    with closing(sqlite3.connect(small_disk / "o.sqlite")) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_disk_that_is_full_at_the_start_is_one_sentence(small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space"), (small_disk / "fill").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    with pytest.raises(OutputError, match=r"cannot open the outbox .* free some space"):
        Outbox(small_disk / "o.sqlite", TARGET)


def test_another_reader_does_not_disturb(tmp_path: Path) -> None:
    path = tmp_path / "o.sqlite"
    with closing(Outbox(path, TARGET)) as outbox, closing(sqlite3.connect(path)) as reader:
        put(outbox, event(1))
        reader.execute("BEGIN")
        assert reader.execute("SELECT COUNT(*) FROM messages").fetchone() == (1,)
        put(outbox, event(2))
        assert reader.execute("SELECT COUNT(*) FROM messages").fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT COUNT(*) FROM messages").fetchone() == (2,)
