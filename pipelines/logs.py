"""What the service says of itself: text or JSON lines, to stderr or a file that rotates, without anyone's password."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import re
import sys
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.paths import kind_of
from config.site import Log
from pipelines.log_tail import LogTail
from pipelines.systemd import is_journal, with_priority
from streams.errors import OutputError
from streams.files import LineFile, cannot_write_to
from streams.rotating import Pruner, time_name

ROOMS = ("config", "streams", "detectors", "pipelines", "dashboard", "app")
HIDDEN = "***"
_LEAST_SECRET = 4
_SAME_SECOND = 1000
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]{0,31}://)(?P<rest>\S+)", re.IGNORECASE)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")
_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")
_RESERVED = ("time", "level", "logger", "message", "exception")


class Redactor:
    """Takes logins out of text: ``user:password@`` of any address, and every secret that is known."""

    def __init__(self, secrets: Collection[str]) -> None:
        """Take the secrets.

        Args:
            secrets: As they are used; shorter ones than 4 characters would hide innocent text and are left alone.
        """
        long = sorted((secret for secret in secrets if len(secret) >= _LEAST_SECRET), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(_pattern, long))) if long else None

    def __call__(self, text: str) -> str:
        """The text with ``***`` instead of what nobody should read."""
        if self._secrets is not None:
            text = self._secrets.sub(HIDDEN, text)
        return _ADDRESS.sub(_without_login, text) if "://" in text else text

    def plain(self, value: Any) -> Any:
        """A value as JSON can hold it, redacted to its leaves; what JSON does not know becomes text."""
        if isinstance(value, Mapping):
            return {self(str(key)): self.plain(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.plain(item) for item in value]
        text = self(str(value))
        known = value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
        return value if known and text == str(value) else text


class TextFormatter(logging.Formatter):
    """``2026-11-25 14:00:00 WARNING streams.feed: text``, in UTC; a message is one line, a traceback follows it."""

    def __init__(self, redact: Redactor, has_time: bool = True) -> None:
        """Take what hides secrets.

        Args:
            redact: It.
            has_time: Whether lines begin with the time.
        """
        super().__init__()
        self._redact = redact
        self._time = "%Y-%m-%d %H:%M:%S " if has_time else ""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a newline at its end."""
        now = datetime.fromtimestamp(record.created, UTC)
        message = _BREAKS.sub(" ", self._redact(_message(record)))
        line = f"{now.strftime(self._time)}{record.levelname} {record.name}: {message}"
        error = _CONTROL.sub(" ", self._redact(_exception(record)))
        return f"{line}\n{error}" if error else line


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (ISO, UTC), ``level``, ``logger``, ``message``, fields, ``exception``.

    Fields are what ``extra={"fields": {...}}`` gives; they cannot replace the others.
    """

    def __init__(self, redact: Redactor) -> None:
        """Take what hides secrets."""
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """The line, without a newline at its end."""
        now = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, Any] = {
            "time": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": self._redact(_message(record)),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, Mapping):
            said.update((key, item) for key, item in self._redact.plain(fields).items() if key not in _RESERVED)
        if error := self._redact(_exception(record)):
            said["exception"] = error
        return json.dumps(said, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class JournalFormatter(logging.Formatter):
    """Lines of another formatter as systemd's journal wants them: each begins with its priority."""

    def __init__(self, lines: logging.Formatter) -> None:
        """Take the other formatter."""
        super().__init__()
        self._lines = lines

    def format(self, record: logging.LogRecord) -> str:
        """The line, and those of a traceback."""
        return with_priority(self._lines.format(record), record.levelno)


class LogHandler(logging.Handler):
    """Writes lines to stderr. Never raises: what cannot be written is counted, and one line on stderr says so.

    Attributes:
        lost: Records that were not written since the start.
    """

    def __init__(self) -> None:
        """Begin with nothing lost."""
        super().__init__()
        self.lost = 0
        self._lost_now = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            line = self.format(record)
            if self._lost_now:
                line = f"{self.format(_loss(self._lost_now))}\n{line}"
            self._write(f"{line}\n")
        except Exception as error:  # a log must not end what it reports on
            self.lost += 1
            self._lost_now += 1
            if self._lost_now == 1:
                what = str(error) if isinstance(error, OutputError) else f"a record cannot be written ({type(error)})"
                _last_resort(f"log: {what}; what it says is lost until this is mended")
        else:
            self._lost_now = 0

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()


class FileHandler(LogHandler):
    """Writes lines to a file. When it is large, it is renamed after the time (UTC), and a new one begins."""

    def __init__(self, path: Path, rotate_mb: float, keep_days: float) -> None:
        """Open the file; an older one is continued.

        Args:
            path: The file; its folder is made. Of a device or pipe nothing is rotated.
            rotate_mb: Megabytes (10⁶ bytes) after which a new file begins.
            keep_days: Days after which a renamed file is deleted.

        Raises:
            OutputError: It cannot be opened.
        """
        super().__init__()
        self._path = path
        self._fault = cannot_write_to("log.path")
        self._pruner = Pruner(path.parent, path.stem, path.suffix, keep_days)
        self._rotate_bytes = self._limit = rotate_mb * 1e6
        self._file: LineFile | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._fault(path, error) from error
        self._open()
        self._pruner.prune()

    def close(self) -> None:
        """Close the file."""
        with self.lock or contextlib.nullcontext():
            opened, self._file = self._file, None
            if opened is not None:
                with contextlib.suppress(OutputError):  # each line was with the operating system already
                    opened.close()
        super().close()

    def _write(self, text: str) -> None:
        data = text.encode(errors="backslashreplace")
        opened = self._file or self._open()
        if opened.size and opened.size + len(data) > self._limit and kind_of(self._path) is None:
            opened = self._rotate(opened)
        opened.append(data)
        if self._pruner.due():
            self._pruner.prune()

    def _open(self) -> LineFile:
        self._file = LineFile(self._path, "a", self._fault)
        return self._file

    def _rotate(self, opened: LineFile) -> LineFile:
        """Rename the file and begin a new one; where that fails, go on with it and try again when it has grown."""
        self._file = None
        opened.close()
        try:
            self._path.rename(self._free_name())
            self._limit = self._rotate_bytes
        except FileNotFoundError:  # somebody has taken it away, and we wrote on where nobody sees it
            self._limit = self._rotate_bytes
        except OSError as error:
            self._limit += self._rotate_bytes
            _last_resort(f"log: {self._path} cannot be renamed ({error.strerror or error}); it grows on")
        opened = self._open()
        self._pruner.prune()
        return opened

    def _free_name(self) -> Path:
        names = (time_name(self._path.stem, self._path.suffix, number) for number in range(_SAME_SECOND))
        free = (path for name in names if not (path := self._path.with_name(name)).exists())
        return next(free, self._path)


def set_up(config: Log, path: Path | None, debug: bool, secrets: Collection[str]) -> LogHandler:
    """Let everything that is logged from now on go one way; called again, it replaces what it set up before.

    Our own rooms speak from INFO on and all others from WARNING on; with ``debug`` it is DEBUG and INFO.

    Args:
        config: What the site file says; its ``path`` is not read.
        path: The file, resolved; None for stderr.
        debug: Whether to say more.
        secrets: Passwords and tokens that no line may show.

    Returns:
        What writes; its ``lost`` says how many records could not be written.

    Raises:
        OutputError: The file cannot be opened; nothing has changed then.
    """
    handler = LogHandler() if path is None else FileHandler(path, config.rotate_mb, config.keep_days)
    redact = Redactor(secrets)
    in_journal = path is None and is_journal(sys.stderr)  # which has the time already
    lines = JsonFormatter(redact) if config.format == "json" else TextFormatter(redact, has_time=not in_journal)
    handler.setFormatter(JournalFormatter(lines) if in_journal else lines)
    root = logging.getLogger()
    before = [old for old in root.handlers if isinstance(old, LogHandler)]
    root.addHandler(handler)
    log_tail().setFormatter(TextFormatter(redact, has_time=False))
    for old in before:
        root.removeHandler(old)
        old.close()
    root.setLevel(logging.INFO if debug else logging.WARNING)
    for room in ROOMS:
        logging.getLogger(room).setLevel(logging.DEBUG if debug else logging.INFO)
    return handler


def log_tail() -> LogTail:
    """The newest of all that is logged in this process; it begins with the first call, or with ``set_up``."""
    root = logging.getLogger()
    tails = [handler for handler in root.handlers if isinstance(handler, LogTail)]
    if not tails:
        tails = [LogTail(TextFormatter(Redactor(()), has_time=False))]
        root.addHandler(tails[0])
    return tails[0]


def _without_login(found: re.Match[str]) -> str:
    """An address, and what is stuck to it, without logins; a password may have a bare ``/``, ``?`` or ``@`` in it."""
    rest = found["rest"]
    end = re.search(r"[/?#]", rest)
    host, path = (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])
    if "@" in host:
        host = f"{HIDDEN}@{host.rpartition('@')[2]}"
    elif not _HOST.fullmatch(host) and "@" in path:
        host, path = f"{HIDDEN}@", path.rpartition("@")[2]
    return found["scheme"] + host + (_ADDRESS.sub(_without_login, path) if "://" in path else path)


def _pattern(secret: str) -> str:
    """Finds a secret as it is, percent-encoded as a whole or in part, and as Python and JSON quote it."""
    return "".join(char if char.isascii() and char.isalnum() else f"(?:{'|'.join(_forms(char))})" for char in secret)


def _forms(char: str) -> Iterator[str]:
    """Patterns of one character, the plain one last; a quotation in a quotation has more backslashes."""
    yield "(?i:" + "".join(f"%{byte:02x}" for byte in char.encode(errors="surrogatepass")) + ")"
    if char == " ":
        yield r"\+"
    for quoted in {repr(char)[1:-1], json.dumps(char)[1:-1]} - {char, "\\\\", '\\"'}:
        yield re.escape(quoted).replace(r"\\", r"\\+")
    yield r"\\+" if char == "\\" else r"\\*" + char if char in "'\"" else re.escape(char)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:  # a wrong call of a log method is reported, not raised
        return f"{record.msg} ({type(error).__name__}: its arguments do not fit)"


def _exception(record: logging.LogRecord) -> str:
    """Traceback and stack as text; empty without."""
    said = []
    if record.exc_info and record.exc_info[0] is not None:
        said.append(logging.Formatter().formatException(record.exc_info))
    elif record.exc_text:
        said.append(record.exc_text)
    if record.stack_info:
        said.append(record.stack_info)
    return "\n".join(said)


def _loss(count: int) -> logging.LogRecord:
    return logging.LogRecord(__name__, logging.WARNING, __file__, 0, "%d records before this were lost", (count,), None)


def _last_resort(line: str) -> None:
    """One line on stderr, if it takes one."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed, full or none at all
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
