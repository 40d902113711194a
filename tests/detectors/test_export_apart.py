"""Exports in a process of their own: how they end, whoever ends first. Stand-ins for Ultralytics crash or wait."""

from __future__ import annotations

import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import psutil
import pytest

from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.export.apart import export_apart
from detectors.export.store import Wanted
from detectors.model_files import ResolvedModel
from tests.support.cli import finish, start_app
from tests.support.live import wait_until

if sys.platform == "win32":
    pytest.skip("a process is told to end in another way there", allow_module_level=True)

WAITS = "import os, pathlib, time; pathlib.Path(os.environ['PID']).write_text(str(os.getpid())); time.sleep(60)"


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResolvedModel:
    """A checkpoint that nothing reads, and a cache of its own."""
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "own.pt").write_bytes(b"weights")
    return ResolvedModel("own", tmp_path / "own.pt", "yolo", None, ("person",), "0" * 64)


def stand_in(folder: Path, code: str) -> str:
    """A package that is found before Ultralytics and runs this when it is imported; returns the path to name."""
    (folder / "first" / "ultralytics").mkdir(parents=True)
    (folder / "first" / "ultralytics" / "__init__.py").write_text(code)
    return str(folder / "first")


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("import os; os.kill(os.getpid(), 11)", ["ended with SIGSEGV", "last words"]),
        ("import os; os.kill(os.getpid(), 9)", ["ended with SIGKILL", "out of memory"]),
        ("import os, sys; print('no more', file=sys.stderr, flush=True); os._exit(7)", ["exit code 7", "no more"]),
        ("raise MemoryError", ["needs more memory than there is"]),
        ("print('chatter'); raise ValueError('odd')", ["failed: unexpected ValueError: odd"]),
    ],
    ids=["crash", "kill", "exit", "memory", "error"],
)
def test_whatever_ends_it_is_one_sentence(
    model: ResolvedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, parts: list[str]
) -> None:
    monkeypatch.setenv("PYTHONPATH", stand_in(tmp_path, code))
    said: list[str] = []
    with pytest.raises(ModelError) as caught:
        export_apart(model, Wanted("onnx", "fp32"), said.append)
    text = str(caught.value)
    assert "the export of own to onnx fp32" in text
    assert "\n" not in text
    for part in parts:
        assert part in text
    assert len(said) == 1 and said[0].startswith("exporting own to onnx fp32")


def test_what_is_missing_keeps_its_exit_code(
    model: ResolvedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", stand_in(tmp_path, "raise ImportError('gone')"))
    with pytest.raises(RuntimeUnavailableError, match=r"gone.*pip install 'sightline\[torch\]'"):
        export_apart(model, Wanted("onnx", "fp32"), lambda line: None)
    with pytest.raises(RuntimeUnavailableError, match="int8 needs frames"):
        export_apart(model, Wanted("litert", "int8"), lambda line: None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_ends_with_the_application(model: ResolvedModel, tmp_path: Path, number: signal.Signals) -> None:
    pid = tmp_path / "pid"
    env = {"PYTHONPATH": stand_in(tmp_path, WAITS), "PID": str(pid)}
    process = start_app("export", model.path, "--to", "onnx", cwd=tmp_path, env=env, new_group=True)
    try:
        wait_until(lambda: pid.is_file() and pid.read_text() != "", "the child", 60)
        child = psutil.Process(int(pid.read_text()))
        os.kill(process.pid, number)
        done = finish(process, 30)
    finally:
        process.kill()
    assert done.code == (0 if number != signal.SIGKILL else -9), done.err
    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "the child's end", 10)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("case", ["stopped", "stopped as a terminal and systemd do", "crash"])
def test_run_ends_while_it_exports_and_where_that_crashes(model: ResolvedModel, tmp_path: Path, case: str) -> None:
    if find_spec("onnxruntime") is None:
        pytest.skip("onnxruntime is not installed (extra 'onnxruntime')")
    pid, site = tmp_path / "pid", tmp_path / "site.yaml"
    site.write_text(
        "version: 1\ncameras: {a: {source: 'rtsp://127.0.0.1:9/a'}}\n"
        f"detectors: {{main: {{model: {model.path}, runtime: onnxruntime}}}}\n"
    )
    code = "import os; os.kill(os.getpid(), 11)" if case == "crash" else WAITS
    env = {"PYTHONPATH": stand_in(tmp_path, code), "PID": str(pid)}
    process = start_app("run", site, cwd=tmp_path, env=env, new_group=True)
    try:
        if case != "crash":
            wait_until(lambda: pid.is_file() and pid.read_text() != "", "the child", 60)
            if case == "stopped":
                process.terminate()
            else:  # all processes at once
                os.killpg(process.pid, signal.SIGINT)
        done = finish(process, 30)
    finally:
        process.kill()
    if case != "crash":
        assert done.code == 0, done.err
        assert not done.errors
        wait_until(lambda: not psutil.pid_exists(int(pid.read_text())), "the child's end", 10)
    else:
        assert done.code == 1
        assert [error for error in done.errors if "the export of own to onnx fp32 broke off" in error], done.err
