"""What a page asks of the history: charts and events. Each question has a connection of its own, which only reads."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.history.cells import Interval, Steps, seconds_in, series_of
from dashboard.history.store import HistoryError, only_reading

MOST_SERIES = 500
MOST_EVENTS = 500
"""On one page."""
SeriesKey = tuple[int, str, str, str, str, str]
"""A counter: its number in the file, camera, head, place, direction, label."""
_SERIES = "id, camera, head, place, direction, label"
_LIMIT_S = 5.0
_TURNS = 20_000
"""Steps of SQLite's machine between two looks at the clock."""


class TooMuchError(HistoryError):
    """A question about more counters than are read at once."""


class TooLongError(HistoryError):
    """A question that takes too long to answer."""


@dataclass(frozen=True, slots=True)
class CountFilter:
    """Which counters; ``None``: all."""

    camera: str | None = None
    place: str | None = None
    label: str | None = None
    head: str | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events; ``None``: all. Times are Unix seconds, ``before`` is an event's id."""

    camera: str | None = None
    kind: str | None = None
    rule: str | None = None
    label: str | None = None
    since: float | None = None
    until: float | None = None
    before: int | None = None


class Reader:
    """Answers questions; any thread may ask."""

    def __init__(self, path: Path) -> None:
        """Remember the file, which need not be there yet."""
        self._path = path

    def counts(self, wanted: CountFilter, chart: Steps) -> list[dict[str, Any]]:
        """A series for each counter: ``camera, head, place, direction, label, values`` and, of present ones, ``peaks``.

        Those that were gone before the chart begins are left out.

        Args:
            wanted: Which counters.
            chart: Which points.

        Raises:
            HistoryError: It cannot be read, there are too many counters, or it takes too long.
        """
        return self.values(self.series(wanted, chart), chart)

    def series(self, wanted: CountFilter, chart: Steps) -> list[SeriesKey]:
        """The counters of ``counts``, in its order: they are few beside their values.

        Raises:
            HistoryError: It cannot be read, there are too many counters, or it takes too long.
        """
        with self._asked() as db:
            if db is None:
                return []
            where, values = _where(wanted, ("camera", "place", "label", "head"))
            rows = db.execute(
                f"SELECT {_SERIES} FROM series WHERE {where} AND (seen >= ? OR EXISTS "  # noqa: S608
                "(SELECT 1 FROM cell WHERE series = id AND width = ? AND t >= ? AND t < ?)) "
                "ORDER BY camera, head, place, direction, label LIMIT ?",
                (*values, chart.start, chart.width, chart.start, chart.end, MOST_SERIES + 1),
            ).fetchall()
        if len(rows) > MOST_SERIES:
            raise TooMuchError(f"that is more than {MOST_SERIES} series; ask for one camera, place or label")
        return [tuple(row) for row in rows]

    def values(self, series: Sequence[SeriesKey], chart: Steps) -> list[dict[str, Any]]:
        """What ``counts`` says of these counters; those that are gone by now are left out.

        Raises:
            HistoryError: It cannot be read, or it takes too long.
        """
        with self._asked() as db:
            if db is None:
                return []
            watched: dict[str, list[float]] = {}
            found = []
            for key in series:
                number, camera, head, place, direction, label = key
                if db.execute(f"SELECT {_SERIES} FROM series WHERE id = ?", (number,)).fetchone() != key:  # noqa: S608
                    continue  # the history was begun anew
                if camera not in watched:
                    watched[camera] = seconds_in(_watched(db, camera, chart), chart)
                amounts, peaks = _cells(db, number, chart)
                values_of = series_of(head, amounts, watched[camera])
                one = {"camera": camera, "head": head, "place": place, "direction": direction, "label": label}
                top = [None if value is None else peaks.get(at, 0) for at, value in enumerate(values_of)]
                found.append({**one, "values": values_of, "peaks": None if head in ("counts", "totals") else top})
            return found

    def detectors(self, chart: Steps) -> list[dict[str, Any]]:
        """Figures of each detector: means of ``fps``, ``p50`` and ``rss_mb``, and the greatest ``p95`` and ``p99``.

        Raises:
            HistoryError: It cannot be read, or it takes too long.
        """
        names = ("name", "framework", "model", "precision", "device")
        with self._asked() as db:
            if db is None:
                return []
            rows = db.execute(
                f"SELECT {', '.join(names)}, (t - ?) / ? AS step, SUM(n), SUM(fps), SUM(p50), MAX(p95), MAX(p99), "  # noqa: S608
                f"SUM(rss_mb) FROM figure WHERE width = ? AND t >= ? AND t < ? GROUP BY {', '.join(names)}, step",
                (chart.start, chart.step, chart.width, chart.start, chart.end),
            ).fetchall()
        series: dict[tuple[str, ...], dict[str, Any]] = {}
        keys = ("fps", "p50", "p95", "p99", "rss_mb")
        for row in rows:
            which, at, n = tuple(row[:5]), row[5], row[6]
            one = series.setdefault(
                which, {**dict(zip(names, which, strict=True)), **{key: [None] * chart.count for key in keys}}
            )
            figures = (row[7] / n, row[8] / n, row[9], row[10], row[11] / n)
            for key, value in zip(keys, figures, strict=True):
                one[key][at] = round(value, 3)
        return [series[which] for which in sorted(series)]

    def events(self, wanted: EventFilter, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """The newest events first, and the ``before`` of the next page, if there is one.

        Args:
            wanted: Which events.
            limit: So many at most.

        Raises:
            HistoryError: It cannot be read, or it takes too long.
        """
        limit = max(1, min(limit, MOST_EVENTS))
        with self._asked() as db:
            if db is None:
                return [], None
            where, values = _where(wanted, ("camera", "kind", "rule", "label"))
            for text, value in (
                ("at >= ?", wanted.since),
                ("at < ?", wanted.until),
                ("event.id < ?", wanted.before),
            ):
                if value is not None:
                    where, values = f"{where} AND {text}", [*values, value]
            rows = db.execute(
                "SELECT event.id, camera, kind, rule, label, track_id, at, pts_s, data, thumbnail.event IS NOT NULL "  # noqa: S608
                f"FROM event LEFT JOIN thumbnail ON thumbnail.event = event.id WHERE {where} "
                "ORDER BY event.id DESC LIMIT ?",
                (*values, limit + 1),
            ).fetchall()
        page = rows[:limit]
        return [_event(row) for row in page], page[-1][0] if len(rows) > limit else None

    def thumbnail(self, event: int) -> bytes | None:
        """The JPEG of an event; ``None`` where there is none.

        Raises:
            HistoryError: It cannot be read.
        """
        with self._asked() as db:
            if db is None:
                return None
            row = db.execute("SELECT jpeg FROM thumbnail WHERE event = ?", (event,)).fetchone()
            return None if row is None else bytes(row[0])

    @contextmanager
    def _asked(self) -> Iterator[sqlite3.Connection | None]:
        """A connection that reads, and gives up after some seconds; ``None`` while there is no file."""
        if not self._path.exists():
            yield None
            return
        end = time.monotonic() + _LIMIT_S
        try:
            with closing(only_reading(self._path)) as db:
                db.set_progress_handler(lambda: time.monotonic() > end, _TURNS)
                if db.execute("SELECT 1 FROM sqlite_master WHERE name = 'event'").fetchone() is None:
                    yield None  # it is just being made
                    return
                yield db
        except sqlite3.Error as error:
            if time.monotonic() > end:
                raise TooLongError("that takes too long; ask for less time, or for one camera") from error
            raise HistoryError(f"the history {self._path} cannot be read ({error})") from error


def _where(wanted: CountFilter | EventFilter, keys: Sequence[str]) -> tuple[str, list[Any]]:
    found = [(key, getattr(wanted, key)) for key in keys if getattr(wanted, key) is not None]
    return " AND ".join(["1", *(f"{key} = ?" for key, _ in found)]), [value for _, value in found]


def _watched(db: sqlite3.Connection, camera: str, chart: Steps) -> list[Interval]:
    return [
        (since, until)
        for since, until in db.execute(
            "SELECT since, until FROM watched WHERE camera = ? AND since < ? AND until > ? ORDER BY since",
            (camera, chart.end, chart.start),
        )
    ]


def _cells(db: sqlite3.Connection, series: int, chart: Steps) -> tuple[dict[int, float], dict[int, float]]:
    """Amounts and greatest values by the number of the step."""
    rows = db.execute(
        "SELECT (t - ?) / ? AS step, SUM(amount), MAX(peak) FROM cell "
        "WHERE series = ? AND width = ? AND t >= ? AND t < ? GROUP BY step",
        (chart.start, chart.step, series, chart.width, chart.start, chart.end),
    ).fetchall()
    return {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows}


def _event(row: Sequence[Any]) -> dict[str, Any]:
    keys = ("id", "camera", "kind", "rule", "label", "track_id", "at", "pts_s")
    at = dict(zip(keys, row[:8], strict=True))
    return {**at, "data": json.loads(row[8]), "thumbnail": bool(row[9])}
