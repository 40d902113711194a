"""The file of history: opened, written in one transaction at a time, and kept within bounds. One thread uses it."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, astuple, dataclass, field
from pathlib import Path
from urllib.parse import quote

from config.errors import SightlineError
from config.paths import write_fault
from dashboard.history.cells import KEPT_S, WIDTHS, Counter

log = logging.getLogger(__name__)
APPLICATION = 0x53_4C_48_31
"""``SLH1``: tells our files from others; another layout has another number."""
MOST_EVENTS = 200_000
_MANY_SERIES = 2_000
_RESERVE_BYTES = 20_000_000
"""What is left free for the outbox and others on the same disk."""
_VACUUM_PAGES = 1_000
_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY, camera TEXT NOT NULL, head TEXT NOT NULL, place TEXT NOT NULL, direction TEXT NOT NULL,
    label TEXT NOT NULL, seen REAL NOT NULL, UNIQUE (camera, head, place, direction, label));
CREATE TABLE IF NOT EXISTS cell (
    series INTEGER NOT NULL, width INTEGER NOT NULL, t INTEGER NOT NULL, amount REAL NOT NULL, peak REAL NOT NULL,
    PRIMARY KEY (series, width, t)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS watched (
    camera TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL, PRIMARY KEY (camera, since)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS figure (
    name TEXT NOT NULL, framework TEXT NOT NULL, model TEXT NOT NULL, precision TEXT NOT NULL, device TEXT NOT NULL,
    width INTEGER NOT NULL, t INTEGER NOT NULL, n INTEGER NOT NULL, fps REAL NOT NULL, p50 REAL NOT NULL,
    p95 REAL NOT NULL, p99 REAL NOT NULL, rss_mb REAL NOT NULL,
    PRIMARY KEY (width, t, name, framework, model, precision, device)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS event (
    id INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, camera TEXT NOT NULL, kind TEXT NOT NULL,
    rule TEXT NOT NULL, label TEXT, track_id INTEGER, pts_s REAL NOT NULL, data TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS event_at ON event (at);
CREATE TABLE IF NOT EXISTS thumbnail (event INTEGER PRIMARY KEY, jpeg BLOB NOT NULL);
"""


class HistoryError(SightlineError):
    """The history cannot be opened or read."""


class DamagedError(HistoryError):
    """The file is damaged: opened anew, it is moved aside."""


@dataclass(frozen=True, slots=True)
class DetectorKey:
    """What a detector's figures belong to."""

    name: str
    framework: str
    model: str
    precision: str
    device: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of a detector at one moment: rates a second, milliseconds of a forward pass, megabytes of the process."""

    fps: float
    p50: float
    p95: float
    p99: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event to be kept; ``data`` is JSON, ``jpeg`` its picture, if there is one."""

    at: float
    camera: str
    kind: str
    rule: str
    label: str | None
    track_id: int | None
    pts_s: float
    data: str
    jpeg: bytes | None = field(default=None, repr=False)


@dataclass(slots=True)
class Batch:
    """What is to be written next; it grows while the disk takes nothing.

    Attributes:
        cells: (counter, width, start of the cell) → amount and greatest value.
        seen: Counters that are there, and when they were seen: those that stand still have no cells.
        watched: (camera, since) → until.
        figures: (detector, width, start of the cell) → the figures taken.
        events: In the order in which they came.
    """

    cells: dict[tuple[Counter, int, int], tuple[float, float]] = field(default_factory=dict)
    seen: dict[Counter, float] = field(default_factory=dict)
    watched: dict[tuple[str, float], float] = field(default_factory=dict)
    figures: dict[tuple[DetectorKey, int, int], list[Figures]] = field(default_factory=dict)
    events: list[EventRow] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.cells or self.seen or self.watched or self.figures or self.events)

    def add(self, counter: Counter, width: int, start: int, amount: float, value: float) -> None:
        """Add to a cell."""
        before, peak = self.cells.get((counter, width, start), (0.0, 0.0))
        self.cells[counter, width, start] = (before + amount, max(peak, value))


class Store:
    """The open file."""

    def __init__(
        self,
        path: Path,
        keep_days: float,
        thumbnails: int,
        clock: Callable[[], float] = time.time,
        is_suspected: bool = False,
    ) -> None:
        """Open the file, or make it with its folder. A damaged one is moved aside, and a new one begun.

        Args:
            path: The database.
            keep_days: Days after which what is in it is deleted.
            thumbnails: How many pictures are kept, the newest.
            clock: Unix seconds.
            is_suspected: Whether it was found to be damaged while it was written: all of it is looked through.

        Raises:
            HistoryError: It is no history, or cannot be opened.
        """
        self.path = path
        self._keep_s, self._thumbnails, self._clock = keep_days * 86_400.0, thumbnails, clock
        self._series: dict[Counter, int] = {}
        if fault := write_fault(path):
            raise HistoryError(f"server.history.path: {fault}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists():
                self._look(is_suspected)
            self._db = _connect(path)
            self._db.executescript(f"PRAGMA application_id = {APPLICATION};{_SCHEMA}")
            self._file = _identity(path)
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(f"the history {path} cannot be opened ({error}); see server.history.path") from error

    def close(self) -> None:
        """Close the file; what is in its log is moved into it."""
        with suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._db.close()

    @property
    def is_in_place(self) -> bool:
        """Whether the file that is open is still the one of this name."""
        try:
            return _identity(self.path) == self._file
        except OSError:
            return False

    def write(self, batch: Batch) -> None:
        """Write all of it, or nothing.

        Raises:
            HistoryError: The disk is full, or does not take it now.
            DamagedError: The file is damaged.
            Exception: SQLite will never take it: a number is too large or none, a text is no Unicode.
        """
        try:
            disk = shutil.disk_usage(self.path.parent)
            if disk.free < min(_RESERVE_BYTES, disk.total // 20):
                raise HistoryError(f"the disk of {self.path} is full; the history goes on when there is room again")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for counter, moment in batch.seen.items():
                    self._db.execute("UPDATE series SET seen = ? WHERE id = ?", (moment, self._id(counter)))
                self._cells(batch.cells)
                self._db.executemany(
                    "INSERT INTO watched VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET until = excluded.until",
                    [(camera, since, until) for (camera, since), until in batch.watched.items()],
                )
                self._figures(batch.figures)
                for event in batch.events:
                    self._event(event)
                self._db.execute("COMMIT")
            except BaseException:
                self._series.clear()  # some of them may have been of this transaction
                with suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
                raise
        except (sqlite3.DatabaseError, OSError) as error:
            if (fault := self._fault("written", error)) is None:
                raise
            raise fault from error

    def prune(self) -> None:
        """Delete what is too old or too much.

        Raises:
            HistoryError: The disk does not take it.
            DamagedError: The file is damaged.
        """
        now = self._clock()
        try:
            for width in WIDTHS:
                before = now - min(self._keep_s, KEPT_S.get(width, self._keep_s))
                for (series,) in self._db.execute("SELECT id FROM series").fetchall():  # the key begins with it
                    self._db.execute(
                        "DELETE FROM cell WHERE series = ? AND width = ? AND t < ?", (series, width, before)
                    )
                self._db.execute("DELETE FROM figure WHERE width = ? AND t < ?", (width, before))
            self._db.execute("DELETE FROM watched WHERE until < ?", (now - self._keep_s,))
            self._db.execute("DELETE FROM event WHERE at < ?", (now - self._keep_s,))
            self._beyond("event", "id", MOST_EVENTS)
            self._beyond("thumbnail", "event", self._thumbnails)
            self._db.execute("DELETE FROM thumbnail WHERE event < (SELECT COALESCE(MIN(id), 0) FROM event)")
            self._forget_series()
            self._db.execute(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})").fetchall()
        except sqlite3.DatabaseError as error:
            if (fault := self._fault("cleaned up", error)) is None:
                raise
            raise fault from error

    def _fault(self, what: str, error: sqlite3.DatabaseError | OSError) -> HistoryError | None:
        """Whether the file or the disk is at fault; ``None``: it is what was to be written."""
        text = f"the history {self.path} is not {what} ({error})"
        if type(error) is sqlite3.DatabaseError:  # malformed, or no database any more
            return DamagedError(text)
        return HistoryError(text) if isinstance(error, sqlite3.OperationalError | OSError) else None

    def _beyond(self, table: str, key: str, most: int) -> None:
        """Delete all rows but the newest."""
        newest = f"SELECT {key} FROM {table} ORDER BY {key} DESC LIMIT 1 OFFSET ?"  # noqa: S608
        self._db.execute(f"DELETE FROM {table} WHERE {key} <= ({newest})", (most,))  # noqa: S608

    def _forget_series(self) -> None:
        (count,) = self._db.execute("SELECT COUNT(*) FROM series").fetchone()
        if count > _MANY_SERIES:
            old = self._clock() - KEPT_S[WIDTHS[1]]
            gone = "DELETE FROM series WHERE seen < ? AND id NOT IN (SELECT DISTINCT series FROM cell)"
            self._db.execute(gone, (old,))
            self._series.clear()

    def _cells(self, cells: Mapping[tuple[Counter, int, int], tuple[float, float]]) -> None:
        self._db.executemany(
            "INSERT INTO cell VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "amount = amount + excluded.amount, peak = max(peak, excluded.peak)",
            [(self._id(counter), width, start, *values) for (counter, width, start), values in cells.items()],
        )

    def _id(self, counter: Counter) -> int:
        found = self._series.get(counter)
        if found is None:
            self._db.execute("INSERT OR IGNORE INTO series VALUES (NULL, ?, ?, ?, ?, ?, 0)", astuple(counter))
            where = " AND ".join(f"{key} = ?" for key in asdict(counter))
            row = self._db.execute(f"SELECT id FROM series WHERE {where}", astuple(counter)).fetchone()  # noqa: S608
            found = self._series[counter] = int(row[0])
        return found

    def _figures(self, figures: Mapping[tuple[DetectorKey, int, int], list[Figures]]) -> None:
        self._db.executemany(
            "INSERT INTO figure VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "n = n + excluded.n, fps = fps + excluded.fps, p50 = p50 + excluded.p50, "
            "p95 = max(p95, excluded.p95), p99 = max(p99, excluded.p99), rss_mb = rss_mb + excluded.rss_mb",
            [
                (
                    *astuple(key), width, start, len(found), sum(one.fps for one in found),
                    sum(one.p50 for one in found), max(one.p95 for one in found), max(one.p99 for one in found),
                    sum(one.rss_mb for one in found),
                )
                for (key, width, start), found in figures.items()
            ],
        )  # fmt: skip

    def _event(self, event: EventRow) -> None:
        made = self._db.execute(
            "INSERT INTO event VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)",
            (event.at, event.camera, event.kind, event.rule, event.label, event.track_id, event.pts_s, event.data),
        )
        if event.jpeg is not None and self._thumbnails > 0:
            self._db.execute("INSERT INTO thumbnail VALUES (?, ?)", (made.lastrowid, event.jpeg))

    def _look(self, is_suspected: bool) -> None:
        """Move a damaged file aside, and refuse what is not ours."""
        try:
            with closing(only_reading(self.path)) as db:
                (number,) = db.execute("PRAGMA application_id").fetchone()
                (tables,) = db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
                if tables and number != APPLICATION:
                    raise HistoryError(
                        f"server.history.path: {self.path} is not a history of this version of Sightline; name another"
                    )
                how = "integrity_check" if is_suspected else "quick_check"
                found = str(db.execute(f"PRAGMA {how}(1)").fetchone()[0])
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            found = str(error)
        if found == "ok":
            return
        aside = self.path.with_name(f"{self.path.name}.damaged-{int(self._clock())}")
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{self.path}{suffix}").replace(f"{aside}{suffix}")
        log.warning("the history %s is damaged (%s); it is kept as %s, and a new one begun", self.path, found, aside)


def _identity(path: Path) -> tuple[int, int]:
    about = path.stat()
    return about.st_dev, about.st_ino


def only_reading(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing; the file must be there.

    Raises:
        sqlite3.Error: It cannot be opened.
    """
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=2.0, isolation_level=None, check_same_thread=False)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    try:
        db.executescript(
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
            "PRAGMA journal_size_limit = 8000000;"
        )
    except BaseException:
        db.close()
        raise
    return db
