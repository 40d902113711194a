"""Text files that stay readable whatever ends the program: JSON lines, CSV, and JSON written whole."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from streams.errors import OutputError, cannot_write

Mode = Literal["w", "a", "x"]
"""``w``: an older file is replaced; ``a``: it is continued; ``x``: there must be none."""
Fault = Callable[[Path, OSError], OutputError]
"""The sentence for a file that cannot be written."""


def cannot_write_to(setting: str) -> Fault:
    """A sentence as of ``cannot_write``, for files whose folder is chosen elsewhere than with ``--out``.

    Args:
        setting: The option or YAML path that chooses the folder.
    """

    def fault(path: Path, error: OSError) -> OutputError:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        way_out = "free some space or choose another folder" if is_full else "choose another folder"
        return OutputError(f"cannot write {path}: {error.strerror or error}; {way_out} with {setting}")

    return fault


class LineFile:
    """A file to which whole lines are handed at once, unbuffered; it exists from the start."""

    def __init__(self, path: Path, mode: Mode = "w", fault: Fault = cannot_write) -> None:
        """Open the file.

        Args:
            path: The file.
            mode: What happens to an older one; when it is continued, a torn last line is ended, not cut.
            fault: Makes the error to raise.

        Raises:
            OutputError: It cannot be opened, or is there and must not be (``__cause__`` is the FileExistsError).
        """
        self.path = path
        self._fault = fault
        self._size = 0
        self._torn = False
        try:
            self._file = path.open("a+b" if mode == "a" else "wb" if mode == "w" else "xb", buffering=0)
            if mode == "a" and (size := self._file.seek(0, os.SEEK_END)):
                self._size = size
                self._file.seek(size - 1)
                self._torn = self._file.read(1) != b"\n"
        except OSError as error:
            raise fault(path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return self._size

    def close(self) -> None:
        """Close the file; safe to call twice.

        Raises:
            OutputError: The operating system could not keep what was written.
        """
        try:
            self._file.close()
        except OSError as error:
            raise self._fault(self.path, error) from error

    def append(self, data: bytes) -> None:
        """Add bytes, all or none of them.

        Raises:
            OutputError: The disk is full or the file cannot be written.
        """
        if self._torn:
            data = b"\n" + data
        try:
            written = self._file.write(data)
            while written < len(data):  # a nearly full disk takes a part and refuses the rest
                written += self._file.write(data[written:])
        except OSError as error:
            with contextlib.suppress(OSError):  # /dev/full and pipes cannot be cut; the error to raise is the first
                self._file.truncate(self._size)
                self._file.seek(self._size)
            raise self._fault(self.path, error) from error
        self._size += len(data)
        self._torn = False


class JsonLinesWriter(LineFile):
    """One compact JSON object a line, each with the operating system as soon as it is written.

    A kill leaves at most one torn line; a full disk leaves whole lines only.
    """

    def write(self, obj: dict[str, Any]) -> None:
        """Add one object as a line, keys in the order given.

        Args:
            obj: What JSON can hold; floats are rounded already.

        Raises:
            OutputError: The disk is full or the file cannot be written.
            ValueError: A number is NaN or infinite, which JSON does not have.
            TypeError: JSON cannot hold a value.
        """
        line = json.dumps(obj, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
        self.append(line.encode())


class CsvWriter(LineFile):
    """A CSV file with a header, each row with the operating system as soon as it is written."""

    def __init__(self, path: Path, header: Iterable[str], mode: Mode = "w", fault: Fault = cannot_write) -> None:
        """Create the file with its header, or continue an older one with the same header.

        Args:
            path: The file.
            header: Names of the columns.
            mode: What happens to an older file.
            fault: Makes the error to raise.

        Raises:
            OutputError: It cannot be created, or the older file has another header.
        """
        super().__init__(path, mode, fault)
        self._columns = tuple(header)
        first = _csv_line(self._columns).encode()
        if not self.size:
            self.append(first)
            return
        self._file.seek(0)
        if self._file.read(len(first)) != first:
            self.close()
            raise OutputError(f"{path} has other columns than {', '.join(self._columns)}; move it away")

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
            raise ValueError(f"a row of {self.path} has {len(self._columns)} values, got {len(values)}")
        self.append(_csv_line(values).encode())


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
    write_bytes_atomic(path, text.encode())


def write_bytes_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: The disk is full or the file cannot be written; an older file stays as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
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
