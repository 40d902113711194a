"""The last of the log, in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from config.site import Log
from pipelines import logs
from pipelines.log_tail import MOST_CHARACTERS, MOST_LINES, LogTail
from pipelines.logs import Redactor, TextFormatter, log_tail


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, put back as it was."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    for handler in [one for one in logger.handlers if one not in handlers]:
        logger.removeHandler(handler)
    for handler in [one for one in handlers if one not in logger.handlers]:
        logger.addHandler(handler)
    logger.setLevel(level)


def record(message: str, *arguments: object) -> logging.LogRecord:
    return logging.LogRecord("streams.feed", logging.WARNING, __file__, 1, message, arguments, None)


def tail() -> LogTail:
    return LogTail(TextFormatter(Redactor({"s3cret"}), has_time=False), before=0)


def test_only_the_newest_are_kept() -> None:
    kept = tail()
    for number in range(MOST_LINES + 10):
        kept.handle(record("line %d", number))
    lines = kept.after(0, 5000)
    assert len(lines) == MOST_LINES
    assert (lines[0]["id"], lines[-1]["id"], lines[-1]["message"]) == (11, MOST_LINES + 10, f"line {MOST_LINES + 9}")
    assert [line["id"] for line in kept.after(MOST_LINES + 7, 2)] == [MOST_LINES + 9, MOST_LINES + 10]
    assert kept.after(MOST_LINES + 10, 5) == []
    assert kept.after(0, 0) == []


def test_who_asks_for_what_is_new_since_another_process_gets_all() -> None:
    first = LogTail(TextFormatter(Redactor(()), has_time=False))
    for number in range(50):
        first.handle(record("line %d", number))
    seen = first.newest
    assert seen == first.after(0, 1)[0]["id"] > 1e12
    second = LogTail(TextFormatter(Redactor(()), has_time=False), before=seen + 1)  # made a moment later
    second.handle(record("begun"))
    assert [line["message"] for line in second.after(seen, 9)] == ["begun"]
    set_back = LogTail(TextFormatter(Redactor(()), has_time=False), before=0)
    set_back.handle(record("the clock was set back"))
    assert len(set_back.after(seen, 9)) == 1


def test_a_record_is_redacted_cut_and_its_trace_apart() -> None:
    kept = tail()
    kept.handle(record("the word is s3cret, at rtsp://a:b@h/x %s", "y" * 9000))
    try:
        raise ValueError("s3cret")
    except ValueError as error:
        failed = record("failed")
        failed.exc_info = (ValueError, error, error.__traceback__)
    kept.handle(failed)
    kept.handle(record("wrong %d", "word"))
    first, second, third = kept.after(0, 9)
    assert first["message"].startswith("the word is ***, at rtsp://***@h/x y")
    assert len(first["message"]) == MOST_CHARACTERS
    assert second["message"] == "failed"
    assert second["trace"].startswith("Traceback") and second["trace"].endswith("ValueError: ***")
    assert third["message"].startswith("wrong %d (TypeError")


def test_it_has_the_secrets_of_the_log_as_soon_as_the_log_has(root: logging.Logger) -> None:
    begun = log_tail()
    assert log_tail() is begun
    handler = logs.set_up(Log(), None, False, {"first-secret"})
    try:
        logging.getLogger("streams.x").warning("first-secret second-secret")
        logs.set_up(Log(), None, False, {"first-secret", "second-secret"})
        logging.getLogger("streams.x").warning("first-secret second-secret")
    finally:
        handler.close()
    assert [line["message"] for line in begun.after(0, 2)] == ["*** second-secret", "*** ***"]
