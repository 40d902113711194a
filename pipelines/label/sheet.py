"""The rows of a truth file that is being made; what is shown is on disk."""

from __future__ import annotations

import threading
from pathlib import Path

from config.errors import ConfigError
from pipelines.evaluate.event_truth import events_csv, read_events
from pipelines.evaluate.happening import Happening
from pipelines.evaluate.names import Names
from pipelines.label.keys import Meaning
from streams.files import write_text_atomic


class Sheet:
    """Rows in the order in which they were added; saved whole at each change. Used by several threads."""

    def __init__(self, file: Path) -> None:
        """Go on with a file where there is one.

        Raises:
            ConfigError: It is there and is no events CSV, or is a folder.
            OutputError: It cannot be written.
        """
        self.file = file
        self._lock = threading.Lock()
        if file.is_dir():
            raise ConfigError(f"--out: {file} is a folder; name a file, truth.csv say")
        truth = read_events(file, Names(), option="--out") if file.exists() and file.stat().st_size else None
        self._rows: list[Happening] = list(truth.happenings) if truth else []
        self._watched = truth.watched if truth else frozenset[tuple[str, str]]()
        self._sought = truth.sought if truth else frozenset[tuple[str, str, str]]()
        self._save(self._rows)

    def rows(self) -> list[Happening]:
        """All rows, the newest last."""
        with self._lock:
            return list(self._rows)

    def add(self, meaning: Meaning, label: str, time_s: float) -> Happening:
        """Add and save a row.

        Args:
            meaning: What the key says.
            label: For a key that tells none; not taken where the event has no label.
            time_s: Media time, seconds.

        Raises:
            OutputError: It cannot be saved; then it is not added.
        """
        who = (meaning.label or label) if meaning.has_label else ""
        row = Happening(meaning.kind, meaning.name, who, meaning.direction, round(time_s, 3))
        with self._lock:
            self._save([*self._rows, row])
            self._rows.append(row)
        return row

    def remove(self, number: int | None = None) -> Happening | None:
        """Take a row out, and save; ``None`` where there is none.

        Args:
            number: Which one, from 0; default: the one that was added last.

        Raises:
            OutputError: It cannot be saved; then it stays.
        """
        with self._lock:
            place = len(self._rows) - 1 if number is None else number
            if not 0 <= place < len(self._rows):
                return None
            left = [row for at, row in enumerate(self._rows) if at != place]
            self._save(left)
            gone, self._rows = self._rows[place], left
            return gone

    def _save(self, rows: list[Happening]) -> None:
        write_text_atomic(self.file, events_csv(rows, self._watched, self._sought))
