"""What waits for the broker, and small notes beside it, in one SQLite file that outlives the process.

Changes are collected and written by ``commit`` in one transaction. What a failing disk does not take stays in memory,
bounded, and is tried again: a full disk costs no event while the broker is there.
"""

from __future__ import annotations

import itertools
import logging
import os
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from config.paths import kind_of
from streams.errors import OutputError
from streams.message import Message

log = logging.getLogger(__name__)
_VERSION = 1
_ROW_BYTES = 64
"""What SQLite needs for a row besides topic and payload, roughly."""
_RETRY_S = 2.0
_MAX_UNSAVED = 20_000
_CHUNK = 500
_VACUUM_PAGES = 256
_RESERVE_BYTES = 4_000_000
_LEAST_FREE = 200_000
"""Bytes that a new file needs, roughly."""
_MAGIC = b"SQLite format 3\0"
_TABLES = frozenset({"messages", "retained", "notes"})
_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, topic TEXT NOT NULL, payload BLOB NOT NULL,
    qos INTEGER NOT NULL, queued_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS retained (target TEXT NOT NULL, topic TEXT NOT NULL, PRIMARY KEY (target, topic))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A message that waits.

    Attributes:
        id: Grows with each message of the file; never used twice.
        message: What is to be sent.
        queued_at: Unix seconds.
    """

    id: int
    message: Message
    queued_at: float

    @property
    def size(self) -> int:
        """Bytes that count for the limit."""
        return len(self.message.topic) + len(self.message.payload) + _ROW_BYTES


class Outbox:
    """Messages in order, topics that are retained at the broker, and notes; all of them used by one thread at a time.

    Messages and topics belong to a target, ``host:port/prefix``. Messages of other targets stay for a process that
    publishes there; topics of the same broker under another prefix are taken over, to be cleared there: they are no
    longer ours. Limits hold for the file as a whole.
    """

    def __init__(
        self,
        path: Path | None,
        target: str,
        *,
        max_mb: float = 256.0,
        expiry_s: float = 3600.0,
        max_rows: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the file, or make it with its folder; what has expired is dropped.

        A damaged file is moved aside to ``<name>.damaged-<unix time>`` and a new one begun.

        Args:
            path: Database file; ``None`` keeps everything in memory.
            target: ``host:port/prefix`` of the broker that the messages are for.
            max_mb: Megabytes of messages; beyond, the oldest are dropped and counted.
            expiry_s: Seconds after which a waiting message is dropped and counted.
            max_rows: Messages that may wait; default: any number.
            clock: Unix seconds.

        Raises:
            OutputError: Another process uses the file, it cannot be written, or it is not an outbox.
        """
        self.path = path
        self.target = target
        self.dropped = 0
        """Messages lost to the limits, to a damaged file, or to a disk that takes nothing for too long."""
        self.failing = False
        """Whether the disk refused the last change."""
        self._max_bytes = max_mb * 1e6
        self._max_rows = max_rows
        self._expiry_s = expiry_s
        self._clock = clock
        self._closed = False
        self._retry_at = 0.0
        self._floor = 0  # rows up to this id are gone
        self._new: dict[int, Row] = {}
        self._confirmed: dict[int, Row] = {}
        self._new_topics: set[str] = set()
        self._forgotten: set[str] = set()
        self._changed_notes: dict[str, str | None] = {}
        self._lock = None if path is None else _Lock(path)
        try:
            self._db = self._open()
        except BaseException:
            if self._lock is not None:
                self._lock.undo()
            raise
        self.last_id = 0
        """Id of the newest message, of this process or an earlier one."""
        self._load()
        self._take_over_topics()
        self.topics = {topic for (topic,) in self._db.execute("SELECT topic FROM retained WHERE target = ?", (target,))}
        """Topics of this broker that have a retained value of ours, under this prefix or an earlier one."""
        self._notes = dict(self._db.execute("SELECT key, value FROM notes"))
        self.expire()

    @classmethod
    def memory(cls, max_rows: int) -> Self:
        """An outbox that ends with the process."""
        return cls(None, "", max_rows=max_rows, expiry_s=float("inf"), max_mb=float("inf"))

    # Opening

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return _prepare(_connect(":memory:"))
        try:
            if self.path.exists():
                self._look(self.path)
            return _prepare(_connect(str(self.path)))
        except OutputError:
            raise
        except (sqlite3.OperationalError, OSError) as error:
            raise _cannot_open(self.path, error) from error

    def _look(self, path: Path) -> None:
        """Move a damaged file aside, and refuse what is not ours."""
        try:
            with closing(_connect(str(path))) as db:
                if _is_foreign(db):
                    raise OutputError(
                        f"{path} is not an outbox of this version of Sightline; give the outbox another place "
                        "(mqtt.outbox.path)"
                    )
                found = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found != "ok":
            self._move_aside(path, found)

    def _move_aside(self, path: Path, why: str) -> None:
        name = f"{path.name}.damaged-{int(self._clock())}"
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(1)))
        aside = next(other for other in map(path.with_name, names) if not other.exists())
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{aside}{suffix}")
        log.warning("the outbox %s is damaged (%s); it is kept as %s, and a new one begun", path, why, aside.name)

    def _load(self) -> None:
        """Count what waits."""
        size = f"SUM(length(topic) + length(payload) + {_ROW_BYTES})"
        self._rows, stored = self._db.execute(f"SELECT COUNT(*), {size} FROM messages").fetchone()  # noqa: S608
        self._bytes = stored or 0
        (self._own,) = self._db.execute("SELECT COUNT(*) FROM messages WHERE target = ?", (self.target,)).fetchone()
        newest = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'messages'").fetchone()
        self.last_id = max(self.last_id, newest[0] if newest else 0)

    def _take_over_topics(self) -> None:
        broker = f"{self.target.partition('/')[0]}/"
        with suppress(sqlite3.Error):  # a full disk: they are cleared by another start
            self._db.execute(
                "UPDATE OR REPLACE retained SET target = ? WHERE target <> ? AND substr(target, 1, ?) = ?",
                (self.target, self.target, len(broker), broker),
            )

    # Changes: kept in memory until the next commit

    @property
    def depth(self) -> int:
        """Messages of this target that wait or are not confirmed."""
        depth: int = self._own + len(self._new) - len(self._confirmed)
        return depth

    def put(self, messages: Iterable[Message]) -> None:
        """Add messages behind all others."""
        now = self._clock()
        for message in messages:
            self.last_id += 1
            self._new[self.last_id] = Row(self.last_id, message, now)
        while len(self._new) > _MAX_UNSAVED and self.failing:
            del self._new[next(iter(self._new))]
            self.dropped += 1

    def delete(self, row: Row) -> bool:
        """Forget a message that the broker has taken; ``False`` when a limit had dropped it already."""
        if self._new.pop(row.id, None):
            return True
        if row.id <= self._floor or row.id in self._confirmed:
            return False
        self._confirmed[row.id] = row
        return True

    def note(self, notes: Mapping[str, str | None]) -> None:
        """Change notes; ``None`` removes one."""
        self._changed_notes.update(notes)

    def remember(self, topics: Iterable[str]) -> None:
        """Note topics that get a retained value."""
        new = set(topics) - self.topics
        self.topics |= new
        self._new_topics |= new
        self._forgotten -= new

    def forget(self, topic: str) -> None:
        """Note that the retained value of a topic was cleared."""
        self.topics.discard(topic)
        self._new_topics.discard(topic)
        self._forgotten.add(topic)

    def read_notes(self, prefix: str) -> dict[str, str]:
        """The notes whose key begins so."""
        return {key: value for key, value in self._notes.items() if key.startswith(prefix)}

    def commit(self, at_once: bool = False) -> bool:
        """Write all changes in one transaction, and keep the limits.

        Args:
            at_once: Also when the disk failed a moment ago.

        Returns:
            Whether all is written; otherwise it stays in memory, and is tried again.
        """
        waits = self._new or self._confirmed or self._changed_notes or self._new_topics or self._forgotten
        if not (waits or self.failing):
            return True
        if self.failing and not at_once and time.monotonic() < self._retry_at:
            return False
        try:
            has_room = self._has_room()
            self._write(has_room)
            if not has_room:
                raise sqlite3.OperationalError("database or disk is full")
            self._keep_bounds()
        except sqlite3.Error as error:
            self._failed(error)
            return False
        if self.failing:
            self.failing = False
            log.info("the outbox %s is written again", self.path)
        return True

    def _has_room(self) -> bool:
        """Whether the disk is so free that what is confirmed can still be deleted after the new messages are written.

        Deleting needs some room, too: without it a disk that only this file fills would stay full for ever.
        """
        if self.path is None or not (self._new or self.failing):
            return True
        wanted = 3 * sum(row.size for row in self._new.values())  # in the log, and then in the file
        for _ in range(2):
            try:
                disk = shutil.disk_usage(self.path.parent)
            except OSError:  # the folder has gone; writing says what is wrong
                return True
            if disk.free >= wanted + min(_RESERVE_BYTES, disk.total // 2):
                return True
            self._db.executescript(f"PRAGMA incremental_vacuum({4 * _VACUUM_PAGES})")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return False

    def _write(self, with_messages: bool) -> None:
        """Write in one transaction; without the new messages also without the notes that belong to them."""
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        db.executemany("DELETE FROM messages WHERE id = ?", [(id_,) for id_ in self._confirmed])
        db.executemany("DELETE FROM retained WHERE target = ? AND topic = ?", self._of_target(self._forgotten))
        if with_messages:
            self._write_new()
        db.execute("COMMIT")
        self._rows -= len(self._confirmed)
        self._own -= len(self._confirmed)
        self._bytes -= sum(row.size for row in self._confirmed.values())
        had_confirmed = bool(self._confirmed)
        self._confirmed.clear()
        self._forgotten.clear()
        if with_messages:
            self._count_new()
        if had_confirmed:
            self._shrink()

    def _write_new(self) -> None:
        db = self._db
        db.executemany(
            "INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)",
            [
                (row.id, self.target, row.message.topic, row.message.payload, row.message.qos, row.queued_at)
                for row in self._new.values()
            ],
        )
        if self._changed_notes:
            changed = self._changed_notes.items()
            db.executemany("DELETE FROM notes WHERE key = ?", [(key,) for key, value in changed if value is None])
            db.executemany(
                "INSERT OR REPLACE INTO notes VALUES (?, ?)", [(k, value) for k, value in changed if value is not None]
            )
        db.executemany("INSERT OR IGNORE INTO retained VALUES (?, ?)", self._of_target(self._new_topics))

    def _count_new(self) -> None:
        self._rows += len(self._new)
        self._own += len(self._new)
        self._bytes += sum(row.size for row in self._new.values())
        self._notes.update((key, value) for key, value in self._changed_notes.items() if value is not None)
        for key in [key for key, value in self._changed_notes.items() if value is None]:
            self._notes.pop(key, None)
        self._new.clear()
        self._changed_notes.clear()
        self._new_topics.clear()

    def _of_target(self, topics: Iterable[str]) -> list[tuple[str, str]]:
        return [(self.target, topic) for topic in topics]

    def _shrink(self) -> None:
        """Give a part of the file back after a long outage; a little each time, so that nothing waits for it."""
        if self.path is not None and self._db.execute("PRAGMA freelist_count").fetchone()[0] > _VACUUM_PAGES:
            self._db.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")  # ``execute`` gives one page back

    # Limits

    def _keep_bounds(self) -> None:
        while self._bytes > self._max_bytes or (self._max_rows is not None and self._rows > self._max_rows):
            too_many = self._rows - (self._rows if self._max_rows is None else self._max_rows)
            too_big = self._bytes - self._max_bytes
            if not (oldest := self._oldest()):
                self._rows = self._bytes = 0
                return
            last, found = oldest[0][0], 0
            for id_, _, size, _ in oldest:
                if too_many <= 0 and too_big <= 0:
                    break
                last, too_many, too_big, found = id_, too_many - 1, too_big - size, found + 1
            self._drop(oldest[:found], last)

    def expire(self) -> None:
        """Drop what has waited for too long."""
        before = self._clock() - self._expiry_s
        for row in [row for row in self._new.values() if row.queued_at < before]:
            del self._new[row.id]
            self.dropped += 1
        if self.failing:
            return
        try:
            while oldest := self._oldest():
                expired = list(itertools.takewhile(lambda found: found[3] < before, oldest))
                if not expired:
                    break
                self._drop(expired, expired[-1][0])
        except sqlite3.Error as error:
            self._failed(error)

    def _oldest(self) -> list[tuple[int, str, int, float]]:
        """Id, target, bytes and Unix seconds of the oldest messages of the file."""
        size = f"length(topic) + length(payload) + {_ROW_BYTES}"
        query = f"SELECT id, target, {size}, queued_at FROM messages ORDER BY id LIMIT {_CHUNK}"  # noqa: S608
        return self._db.execute(query).fetchall()

    def _drop(self, rows: Sequence[tuple[int, str, int, float]], last: int) -> None:
        self._db.execute("DELETE FROM messages WHERE id <= ?", (last,))
        self._floor = last
        self._rows -= len(rows)
        self._bytes -= sum(size for _, _, size, _ in rows)
        self._own -= sum(1 for _, target, _, _ in rows if target == self.target)
        confirmed = [id_ for id_ in self._confirmed if id_ <= last]
        for id_ in confirmed:
            del self._confirmed[id_]
        self.dropped += len(rows) - len(confirmed)
        self._shrink()

    # Reading

    def after(self, id_: int, limit: int) -> list[Row]:
        """The oldest messages of this target with a larger id, in order."""
        rows = list(itertools.islice((row for row in self._new.values() if row.id > id_), limit))
        if self._own <= len(self._confirmed):
            return rows
        query = (
            "SELECT id, topic, payload, qos, queued_at FROM messages WHERE target = ? AND id > ? ORDER BY id LIMIT ?"
        )
        try:
            found = self._db.execute(query, (self.target, id_, limit + len(self._confirmed))).fetchall()
        except sqlite3.Error as error:
            self._failed(error)
            return rows
        stored = [Row(i, Message(topic, payload, qos), at) for i, topic, payload, qos, at in found]
        stored = [row for row in stored if row.id not in self._confirmed]
        return sorted([*stored, *rows], key=lambda row: row.id)[:limit]

    # Trouble

    def _failed(self, error: sqlite3.Error) -> None:
        with suppress(sqlite3.Error):  # SQLite itself may have ended the transaction
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        self._retry_at = time.monotonic() + _RETRY_S
        if self.path is not None and type(error) is sqlite3.DatabaseError:  # malformed, or no database
            self._begin_anew(self.path, error)
        if not self.failing:
            self.failing = True
            log.warning(
                "the outbox %s cannot be written (%s); until it can, events wait in memory only", self.path, error
            )
        with suppress(sqlite3.Error):  # a log that is written back makes room
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _begin_anew(self, path: Path, error: sqlite3.Error) -> None:
        """Go on with a new file after the old one turned out to be damaged."""
        with suppress(sqlite3.Error):
            self._db.close()
        try:
            self._move_aside(path, str(error))
            self._db = self._open()
        except (OSError, sqlite3.Error) as problem:  # OutputError is an OSError
            log.warning("no new outbox (%s); until the next start events wait in memory only", problem)
            self._db = _prepare(_connect(":memory:"))
        self.dropped += self._own - len(self._confirmed)
        self._floor = min(self._new, default=self.last_id + 1) - 1
        self._confirmed.clear()
        self._forgotten.clear()
        self._new_topics = set(self.topics)
        self._changed_notes = {**self._notes, **self._changed_notes}
        self._load()

    def close(self) -> None:
        """Write what is left, fold the log into the file, and let other processes have it; safe to call twice."""
        if self._closed:
            return
        self._closed = True
        if not self.commit(at_once=True) and self._new:
            log.warning("the outbox %s: %d events could not be written and are lost", self.path, len(self._new))
        with suppress(sqlite3.Error):  # the log stays beside the file then, which loses nothing
            self._db.executescript("PRAGMA incremental_vacuum")
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.close()
        if self._lock is not None:
            self._lock.release()


def foreign_file(path: Path) -> str | None:
    """What is there that is no outbox and never was one, in a sentence; ``None`` where an outbox is or can be.

    An outbox is an SQLite file. One that no longer begins as such is damaged where its lock lies beside it, and may be
    moved aside; otherwise it is a file of someone else.
    """
    if (kind := kind_of(path)) is not None:
        return f"{path} is {kind}, not an outbox"
    if _lock_of(path).exists():  # ours; SQLite, if it has the file open here, would lose its locks by our closing it
        return None
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except FileNotFoundError:
        return None
    return None if start in (b"", _MAGIC) else f"{path} is a file of another kind, not an outbox"


def _lock_of(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < _LEAST_FREE
    except (OSError, ValueError):  # it is not there
        return False


class _Lock:
    """Keeps other processes out of an outbox until it is released; a system without such locks goes without.

    Its file stays: where it lies, there is or was an outbox.
    """

    def __init__(self, path: Path) -> None:
        """Take it.

        Raises:
            OutputError: Another process has it, the folder cannot be written, or the file is someone else's.
        """
        self._handle: int | None = None
        try:
            if fault := foreign_file(path):
                raise OutputError(f"{fault}; give the outbox another place (mqtt.outbox.path)")
            self._file = _lock_of(path)
            self._is_new = not self._file.exists()
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        except OutputError:
            raise
        except (OSError, ValueError) as error:
            raise _cannot_open(path, error) from error
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                self.release()
                raise OutputError(
                    f"the outbox {path} is in use by another process; end that one, or give this one a path of its own "
                    "(mqtt.outbox.path)"
                ) from error

    def release(self) -> None:
        """Let others have it; safe to call twice."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def undo(self) -> None:
        """Release it; beside what turned out to be no outbox of ours nothing stays."""
        if self._is_new:
            with suppress(OSError):
                self._file.unlink()
        self.release()


def _cannot_open(path: Path, error: Exception) -> OutputError:
    """The sentence for an outbox that cannot be opened, with the way out."""
    way_out = "free some space, or give" if _is_full(path.parent) else "give"
    reason = getattr(error, "strerror", None) or error
    return OutputError(f"cannot open the outbox {path} ({reason}); {way_out} it another place (mqtt.outbox.path)")


def _connect(name: str) -> sqlite3.Connection:
    return sqlite3.connect(name, timeout=2.0, isolation_level=None, check_same_thread=False)


def _prepare(db: sqlite3.Connection) -> sqlite3.Connection:
    """Set up the file; each statement leaves a file as it is that has been set up before."""
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA wal_autocheckpoint = 250")
        db.execute("PRAGMA journal_size_limit = 1000000")
        db.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.strip().rstrip(";").split(";"):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {_VERSION}")
        db.execute("COMMIT")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _is_foreign(db: sqlite3.Connection) -> bool:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return not tables >= _TABLES if version == _VERSION else bool(version or tables)
