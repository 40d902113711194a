"""Text outputs: whole lines at once, there from the start, one sentence when they cannot be written."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import OutputError
from streams.files import CsvWriter, JsonLinesWriter, exclusive, write_json_atomic

ROOT = Path(__file__).resolve().parents[2]
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
FULL = "No space left on device; free some space or choose another folder with --out"
WRITE_FOREVER = """
import sys
from pathlib import Path
from streams.files import JsonLinesWriter
writer = JsonLinesWriter(Path(sys.argv[1]))
for number in range(10_000_000):
    writer.write({"frame": number, "text": "x" * 500})
    if number % 100 == 0:
        print(number, flush=True)
"""


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(objects=st.lists(st.dictionaries(st.text(), SCALARS | st.lists(SCALARS, max_size=3), max_size=5), max_size=5))
def test_json_lines_come_back_as_they_were(tmp_path: Path, objects: list[dict[str, object]]) -> None:
    path = tmp_path / "out.jsonl"
    with JsonLinesWriter(path) as writer:
        for obj in objects:
            writer.write(obj)
    lines = path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines] == objects
    assert [list(json.loads(line)) for line in lines] == [list(obj) for obj in objects]


def test_a_line_is_compact_and_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    writer = JsonLinesWriter(path)
    assert path.read_bytes() == b""
    writer.write({"b": 1, "a": [0.5, None], "name": "Käthe"})
    assert path.read_text(encoding="utf-8") == '{"b":1,"a":[0.5,null],"name":"Käthe"}\n'
    writer.close()
    writer.close()


@pytest.mark.parametrize(("value", "error"), [(float("nan"), ValueError), (object(), TypeError)])
def test_what_json_cannot_hold_leaves_no_half_line(tmp_path: Path, value: object, error: type[Exception]) -> None:
    path = tmp_path / "out.jsonl"
    with JsonLinesWriter(path) as writer:
        with pytest.raises(error):
            writer.write({"ok": 1, "bad": value})
        writer.write({"ok": 2})
    assert path.read_text() == '{"ok":2}\n'


def test_a_kill_leaves_at_most_one_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    command = [sys.executable, "-c", WRITE_FOREVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        reported = 0
        while reported < 2000:
            reported = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            reported = int(line)
    *lines, _torn = path.read_bytes().split(b"\n")
    assert [json.loads(line)["frame"] for line in lines] == list(range(len(lines)))
    assert len(lines) > reported


def test_csv_has_its_header_from_the_start_and_quotes_what_needs_it(tmp_path: Path) -> None:
    path = tmp_path / "fps.csv"
    with CsvWriter(path, ["t_s", "note"]) as writer:
        assert path.read_text() == "t_s,note\n"
        writer.write([1.5, 'said "hi", left'])
        with pytest.raises(ValueError, match="has 2 values, got 1"):
            writer.write([1])
    with path.open(newline="") as file:
        assert list(csv.reader(file)) == [["t_s", "note"], ["1.5", 'said "hi", left']]


def test_json_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    write_json_atomic(path, {"fps": 10.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_atomic(path, {"fps": float("inf")})
    assert json.loads(path.read_text()) == {"fps": 10.5}
    write_json_atomic(path, {"fps": 12})
    assert json.loads(path.read_text()) == {"fps": 12}
    assert [entry.name for entry in tmp_path.iterdir()] == ["summary.json"]


def test_a_full_device_is_one_sentence() -> None:
    path = Path("/dev/full")
    with pytest.raises(OutputError) as caught, JsonLinesWriter(path) as writer:
        writer.write({"a": 1})
    assert str(caught.value) == f"cannot write {path}: {FULL}"
    with pytest.raises(OutputError, match="No space left"):
        CsvWriter(path, ["a"])


def test_a_full_disk_keeps_whole_lines_only(small_disk: Path) -> None:
    path = small_disk / "out.jsonl"
    with JsonLinesWriter(path) as writer:
        with pytest.raises(OutputError, match="No space left on device; free some space"):
            for number in range(10_000):
                writer.write({"frame": number, "text": "x" * 3000})
        data = path.read_bytes()
        assert data.endswith(b"\n")
        count = data.count(b"\n")
        assert [json.loads(line)["frame"] for line in data.splitlines()] == list(range(count))
        with pytest.raises(OutputError, match="No space left"):
            write_json_atomic(small_disk / "summary.json", {"text": "x" * 100_000})
    assert [entry.name for entry in small_disk.iterdir()] == ["out.jsonl"]


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_paths_that_cannot_be_written(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "nowhere" / "out.jsonl"
    with pytest.raises(OutputError, match=r"cannot write .*choose another folder with --out"):
        JsonLinesWriter(path)
    with pytest.raises(OutputError, match="cannot write"):
        CsvWriter(path, ["a"])
    if kind == "missing":
        with pytest.raises(OutputError, match="cannot write"):
            write_json_atomic(path, {})


def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    with exclusive(tmp_path), pytest.raises(OutputError, match="another run writes into"), exclusive(tmp_path):
        raise AssertionError("both got in")
    with exclusive(tmp_path):
        assert list(tmp_path.iterdir()) == []
