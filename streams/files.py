"""Text files that stay readable whatever ends the program: JSON lines, CSV, and JSON written whole."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.errors import OutputError, cannot_write


class _LineFile:
    """A file to which whole lines are handed at once, unbuffered; it exists from the start."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._size = 0
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise cannot_write(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def _append(self, line: str) -> None:
        data = line.encode()
        try:
            written = self._file.write(data)
            while written < len(data):  # a nearly full disk takes a part and refuses the rest
                written += self._file.write(data[written:])
        except OSError as error:
            with contextlib.suppress(OSError):  # /dev/full and pipes cannot be cut; the error to raise is the first
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise cannot_write(self._path, error) from error
        self._size += len(data)


class JsonLinesWriter(_LineFile):
    """One compact JSON object a line, each with the operating system as soon as it is written.

    A kill leaves at most one torn line; a full disk leaves whole lines only.
    """

    def __init__(self, path: Path) -> None:
        """Create the file, empty; an older one is replaced.

        Raises:
            OutputError: It cannot be created.
        """
        super().__init__(path)

    def write(self, obj: dict[str, Any]) -> None:
        """Add one object as a line, keys in the order given.

        Args:
            obj: What JSON can hold; floats are rounded already.

        Raises:
            OutputError: The disk is full or the file cannot be written.
            ValueError: A number is NaN or infinite, which JSON does not have.
            TypeError: JSON cannot hold a value.
        """
        self._append(json.dumps(obj, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n")


class CsvWriter(_LineFile):
    """A CSV file with a header, each row with the operating system as soon as it is written."""

    def __init__(self, path: Path, header: Iterable[str]) -> None:
        """Create the file with its header; an older one is replaced.

        Args:
            path: The file.
            header: Names of the columns.

        Raises:
            OutputError: It cannot be created.
        """
        super().__init__(path)
        self._columns = tuple(header)
        self._append(_csv_line(self._columns))

    def write(self, row: Iterable[object]) -> None:
        """Add one row.

        Args:
            row: As many values as the header has names.

        Raises:
            OutputError: The disk is full or the file cannot be written.
            ValueError: There are more or fewer values.
        """
        values = tuple(row)
        if len(values) != len(self._columns):
            raise ValueError(f"a row of {self._path} has {len(self._columns)} values, got {len(values)}")
        self._append(_csv_line(values))


def write_json_atomic(path: Path, obj: object) -> None:
    """Write a JSON file whole or not at all: a reader sees the old one or the new one.

    Args:
        path: The file.
        obj: What JSON can hold; keys keep their order.

    Raises:
        OutputError: The disk is full or the file cannot be written; an older file stays as it was.
        ValueError: A number is NaN or infinite.
        TypeError: JSON cannot hold a value.
    """
    write_text_atomic(path, json.dumps(obj, ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def write_text_atomic(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all.

    Raises:
        OutputError: The disk is full or the file cannot be written; an older file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def _csv_line(values: Iterable[object]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(values)
    return line.getvalue()


@contextlib.contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Keep other runs out of an output folder; a system without such locks goes without.

    Raises:
        OutputError: Another run writes there.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"another run writes into {folder}; choose another folder with --out") from error
        yield
    finally:
        os.close(handle)
