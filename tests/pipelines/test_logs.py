"""The log: what a line looks like, that it rotates, that no password is in it, and that a full disk ends nothing."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.site import Log
from pipelines.logs import ROOMS, LogHandler, Redactor, set_up
from streams.errors import OutputError

feed = logging.getLogger("streams.feed")
SECRET = "p@ss w/ö:rd?%'\"\\"  # noqa: S105 - made up


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Put the levels back, and take our handlers away."""
    loggers = [logging.getLogger(), *map(logging.getLogger, ROOMS)]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)
    for handler in loggers[0].handlers[:]:
        if isinstance(handler, LogHandler):
            loggers[0].removeHandler(handler)
            handler.close()


def begin(config: Log, path: Path | None = None, debug: bool = False, secrets: Collection[str] = ()) -> LogHandler:
    """Set up, without pytest's own handlers, which raise on a wrong call; it adds them anew for the next test."""
    handler = set_up(config, path, debug, secrets)
    logging.getLogger().handlers[:] = [handler]
    return handler


def failure(text: str) -> None:
    """Log an exception with a chain and this text."""
    try:
        try:
            raise OSError(f"inner {text}")
        except OSError as error:
            raise ValueError(f"outer {text}") from error
    except ValueError:
        feed.exception("it failed: %s", text)


def test_a_text_line(capsys: pytest.CaptureFixture[str]) -> None:
    begin(Log())
    feed.handle(logging.makeLogRecord({
        "name": "streams.feed", "levelname": "WARNING", "levelno": 30, "msg": "no frame for %d s", "args": (3,),
        "created": 1795615200.9,
    }))  # fmt: skip
    assert capsys.readouterr().err == "2026-11-25 14:00:00 WARNING streams.feed: no frame for 3 s\n"


def test_a_message_is_one_line_and_a_traceback_follows_it(capsys: pytest.CaptureFixture[str]) -> None:
    begin(Log())
    feed.warning("a\nfake 2026-11-25 CRITICAL line\x1b[2J\r\u2028end")
    failure("x")
    first, second, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith("WARNING streams.feed: a fake 2026-11-25 CRITICAL line [2J end")
    assert second.endswith("ERROR streams.feed: it failed: x")
    assert rest[0] == "Traceback (most recent call last):"
    assert rest[-1] == "ValueError: outer x"
    assert "OSError: inner x" in rest


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_journal_gets_priorities_and_no_second_time(
    form: Literal["text", "json"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "journal").open("w+") as journal:
        there = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
        monkeypatch.setattr(sys, "stderr", journal)
        begin(Log(format=form))
        feed.warning("no frame\n<0>really")
        failure("x")
        journal.seek(0)
        first, *rest = journal.read().splitlines()
    if form == "text":
        assert first == "<4>WARNING streams.feed: no frame <0>really"
        assert rest[0] == "<3>ERROR streams.feed: it failed: x"
        assert all(line.startswith("<3>") for line in rest)
        assert rest[-1] == "<3>ValueError: outer x"
    else:
        assert first.startswith("<4>")
        assert set(json.loads(first.removeprefix("<4>"))) == {"time", "level", "logger", "message"}
        assert json.loads(rest[0].removeprefix("<3>"))["message"] == "it failed: x"


def test_a_stream_led_elsewhere_and_a_file_get_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "journal").open("w") as journal, (tmp_path / "elsewhere").open("w+") as elsewhere:
        there = os.fstat(journal.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
        monkeypatch.setattr(sys, "stderr", elsewhere)
        begin(Log())
        feed.warning("one")
        monkeypatch.setattr(sys, "stderr", journal)
        begin(Log(), tmp_path / "log")
        feed.warning("two")
        elsewhere.seek(0)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:]{8} WARNING streams.feed: one\n", elsewhere.read())
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:]{8} WARNING streams.feed: two\n", (tmp_path / "log").read_text())


def test_a_json_line(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "sightline.jsonl"
    begin(Log(format="json"), path, False, ("topsecret",))
    fields = {"camera": "gate", "fps": 9.5, "bad": float("nan"), "time": "mine", "where": Path("x"), "n": None,
              "deep": [{"url": "rtsp://a:b@cam/1"}, "topsecret", ("topsecret",)]}  # fmt: skip
    feed.info("lost after %d", 3, extra={"fields": fields})
    failure("rtsp://user:hunter2@cam/x")
    feed.info("a\nb")
    first, second, third = [json.loads(line) for line in path.read_text().splitlines()]
    assert list(first)[:4] == ["time", "level", "logger", "message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "INFO", "logger": "streams.feed", "message": "lost after 3", "camera": "gate", "fps": 9.5,
        "bad": "nan", "where": "x", "n": None, "deep": [{"url": "rtsp://***@cam/1"}, "***", ["***"]],
    }  # fmt: skip
    assert second["exception"].startswith("Traceback")
    assert "hunter2" not in json.dumps(second)
    assert third["message"] == "a\nb"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("open rtsp://admin:pw@10.0.0.1:554/s?x=1 failed", "open rtsp://***@10.0.0.1:554/s?x=1 failed"),
        ("MQTTS://u:p@[::1]:8883", "MQTTS://***@[::1]:8883"),
        ("onvif+x://only-user@cam", "onvif+x://***@cam"),
        ("rtsp://u:a@b@cam/1", "rtsp://***@cam/1"),
        ("rtsp://u:a/b?c#d@cam/1", "rtsp://***@cam/1"),
        ("'rtsp://u:it's@cam/1'", "'rtsp://***@cam/1'"),
        ("rtsp://a:b@one/1,rtsp://c:d@two/2", "rtsp://***@one/1,rtsp://***@two/2"),
        ("http://cam:80/u@v and a@b.de", "http://cam:80/u@v and a@b.de"),
        ("nothing ://here", "nothing ://here"),
        ("key=topsecret;TOPSECRET", "key=***;TOPSECRET"),
    ],
)
def test_logins_are_taken_out(text: str, expected: str) -> None:
    assert Redactor(("topsecret", "abc", ""))(text) == expected


@given(st.text(min_size=4, max_size=20))
def test_a_secret_is_hidden_in_every_form(secret: str) -> None:
    redact = Redactor(("other secret", secret))
    encoded = [quote(secret, safe=safe, errors="surrogatepass") for safe in ("", "/", "!$&'()*+,;=:@")]
    encoded += [re.sub("%..", lambda found: found[0].lower(), text) for text in encoded]
    encoded.append(quote_plus(secret, errors="surrogatepass"))
    quoted = [repr(secret), json.dumps(secret), repr([repr(secret)]), json.dumps([repr(secret)])]
    for form in (secret, *encoded, *quoted):
        assert re.fullmatch(r"[\[\]'\"\\|*]*", redact(f"|{form}|")), form


@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_secret_reaches_the_file_by_any_way(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "log"
    begin(Log.model_validate({"format": kind}), path, True, (SECRET,))
    encoded = quote(SECRET, safe="")
    for text in (SECRET, encoded, encoded.lower(), quote(SECRET), repr(SECRET), f"mqtt://me:{encoded}@host"):
        failure(text)
        feed.info("%r %s %s", [text], {"k": text}, text, extra={"fields": {text: [text]}})
        feed.info(text, stack_info=True)
    feed.info("%d", SECRET)
    logging.getLogger("urllib3.x").warning(SECRET)
    written = path.read_text()
    assert written.count("***") > 30
    for part in ("p@ss", "p%40ss", "p%40SS", "%3Ard", "%3ard"):
        assert part not in written


@pytest.mark.parametrize(
    ("debug", "expected"),
    [(False, ["INFO ours", "WARNING theirs"]), (True, ["DEBUG ours", "INFO ours", "INFO theirs", "WARNING theirs"])],
)
def test_our_rooms_say_more_than_others(debug: bool, expected: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    begin(Log(), None, debug, ())
    for name, word in (("pipelines.live", "ours"), ("paho", "theirs")):
        for level in (logging.DEBUG, logging.INFO, logging.WARNING):
            if word == "theirs" or level < logging.WARNING:
                logging.getLogger(name).log(level, word)
    said = [re.sub(r".* (\w+) \S+: (\w+)", r"\1 \2", line) for line in capsys.readouterr().err.splitlines()]
    assert said == expected


def test_setting_up_again_replaces_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(Log(), tmp_path / "one")
    feed.info("first")
    with pytest.raises(OutputError, match=r"choose another folder with log\.path"):
        begin(Log(), tmp_path)
    feed.info("second")
    begin(Log())
    feed.info("third")
    assert [line.rsplit(" ", 1)[1] for line in (tmp_path / "one").read_text().splitlines()] == ["first", "second"]
    assert capsys.readouterr().err.endswith("INFO streams.feed: third\n")


def test_files_rotate_by_size_and_old_ones_go(tmp_path: Path) -> None:
    path = tmp_path / "sightline.log"
    old, foreign = tmp_path / "sightline-20200101T000000.log", tmp_path / "sightline-old.log"
    young = tmp_path / "sightline-20200102T000000-3.log"
    for file in (old, foreign, young):
        file.write_text("x\n")
    for file in (old, foreign):
        os.utime(file, (time.time() - 3 * 86400,) * 2)
    path.write_text("torn")
    begin(Log(rotate_mb=0.001, keep_days=2), path)
    assert not old.exists()
    for number in range(60):
        feed.info("line %d", number)
    renamed = sorted(set(tmp_path.iterdir()) - {path, foreign, young}, key=_number)
    assert all(re.fullmatch(r"sightline-\d{8}T\d{6}(-\d+)?\.log", file.name) for file in renamed)
    assert len(renamed) >= 2
    assert foreign.exists()
    assert young.exists()
    files = [*renamed, path]
    assert all(file.stat().st_size <= 1000 for file in files)
    lines = [line for file in files for line in file.read_text().splitlines()]
    assert lines.pop(0) == "torn"
    assert [line.split()[-1] for line in lines] == [str(number) for number in range(60)]


def test_a_file_that_somebody_took_away_is_begun_anew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "sightline.log"
    begin(Log(rotate_mb=0.001), path)
    feed.info("line 0")
    path.rename(tmp_path / "taken")  # logrotate does so
    for number in range(1, 60):
        feed.info("line %d", number)
    numbers = [int(line.split()[-1]) for file in (tmp_path / "taken", *_in_order(path)) for line in _lines(file)]
    assert numbers == list(range(60))
    assert all(file.stat().st_size <= 1000 for file in tmp_path.iterdir())
    assert capsys.readouterr().err == ""


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def _in_order(path: Path) -> list[Path]:
    return [*sorted(path.parent.glob(f"{path.stem}-*"), key=_number), path]


def _number(path: Path) -> tuple[str, int]:
    stem, _, number = path.stem.removeprefix("sightline-").partition("-")
    return stem, int(number or 0)


def test_threads_write_whole_lines(tmp_path: Path) -> None:
    handler = begin(Log(format="json", rotate_mb=0.01), tmp_path / "log")

    def speak(name: str) -> None:
        for number in range(200):
            feed.info("%s %d", name, number)

    threads = [threading.Thread(target=speak, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line)["message"] for file in tmp_path.iterdir() for line in file.read_text().splitlines()]
    assert sorted(lines) == sorted(f"{name} {n}" for name in "abcd" for n in range(200))
    assert handler.lost == 0


def test_a_full_disk_is_one_line_and_a_count(small_disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_disk / "log"
    handler = begin(Log(), path)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space"), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    while not handler.lost:  # what is left of the log's own page
        feed.info("x" * 200)
    failure("disk")
    feed.info("gone")
    assert handler.lost == 3
    assert capsys.readouterr().err == (
        f"log: cannot write {path}: No space left on device; free some space or choose another folder with log.path; "
        "what it says is lost until this is mended\n"
    )
    ballast.unlink()
    feed.info("back")
    *_, note, last = path.read_text().splitlines()
    assert note.endswith("WARNING pipelines.logs: 3 records before this were lost")
    assert last.endswith("INFO streams.feed: back")
    feed.info("and on")
    assert path.read_text().count("were lost") == 1
    assert handler.lost == 3


def test_a_wrong_call_is_a_line_and_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    handler = begin(Log())
    feed.info("%d frames", "many")
    feed.info(BadText())
    assert handler.lost == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("%d frames (TypeError: its arguments do not fit)")
    assert second.startswith("log: a record cannot be written")


class BadText:
    """A message that cannot be text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def test_a_device_is_never_renamed() -> None:
    begin(Log(rotate_mb=1e-6), Path("/dev/null"))
    for _ in range(10):
        feed.info("nothing")
    assert Path("/dev/null").is_char_device()
    assert not list(Path("/dev").glob("null-*"))
