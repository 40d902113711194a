"""What the command line says of itself, and that it is quiet."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cli import ROOT, call_app, run_app

COMMANDS = [
    "",
    "analyze",
    "demo",
    "init",
    "check",
    "models",
    "models list",
    "models pull",
    "models verify",
    "models trust",
    "evaluate",
    "truth",
    "truth from-tracks",
    "label",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_no_markup_debris_and_names_the_exit_codes(capfd: pytest.CaptureFixture[str], command: str) -> None:
    done = call_app(capfd, [*command.split(), "--help"])
    assert (done.code, done.err) == (0, "")
    text = " ".join(line.strip("│ ") for line in done.out.splitlines())
    assert "Exit codes: 0 done, or stopped by a signal; 1 failed at run time; 2 wrong usage or configuration." in text
    assert not re.search(r"\[/|\[bold|\[dim|\*\*|``|\x1b", done.out)
    for option in re.findall(r"--[a-z-]+", done.out):
        assert option == "--help" or len(option) > 4


def test_help_of_analyze_names_every_option(capfd: pytest.CaptureFixture[str]) -> None:
    out = call_app(capfd, ["analyze", "--help"]).out
    for option in (
        "config", "camera", "scenario", "model", "runtime", "device", "precision", "imgsz", "confidence", "backend",
        "out", "annotate", "mqtt",
    ):  # fmt: skip
        assert f"--{option} " in out
    for runtime in ("torch", "tensorflow", "litert", "onnxruntime", "openvino", "tensorrt"):
        assert runtime in out
    assert "mqtt://host:port" in out


def test_without_a_command_there_is_help_and_exit_code_2(capfd: pytest.CaptureFixture[str]) -> None:
    done = call_app(capfd, [])
    assert done.code == 2
    assert "analyze" in done.out + done.err


def test_quiet_without_a_terminal(data_dir: Path, models_dir: Path, tmp_path: Path) -> None:
    done = run_app("analyze", data_dir / "people-detection.mp4", "--model", "yolov8n", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    assert "\r" not in done.out
    assert max(len(line) for line in done.out.splitlines()) <= 80


def test_a_progress_bar_on_a_terminal_for_what_takes_long(data_dir: Path, models_dir: Path, tmp_path: Path) -> None:
    """At most 4 s of a long video in a real (pseudo) terminal, then Ctrl-C."""
    controller, terminal = pty.openpty()
    video = data_dir / "one-by-one-person-detection.mp4"
    link = tmp_path / "[x] long.mp4"
    link.symlink_to(video)
    command = [sys.executable, str(ROOT / "app.py"), "analyze", str(link), "--imgsz", "320", "--out", str(tmp_path)]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=env, close_fds=True)
    os.close(terminal)
    seen, stopped, end = b"", False, time.monotonic() + 90
    try:
        while time.monotonic() < end:
            if select.select([controller], [], [], 0.1)[0]:
                try:
                    seen += os.read(controller, 65536)
                except OSError:  # the other side is closed
                    break
            if not stopped and re.search(rb"[1-9][0-9]*/1394", seen) and b"FPS" in seen:
                stopped = True
                process.send_signal(2)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        os.close(controller)
    text = seen.decode(errors="replace")
    assert stopped, text[-500:]
    assert "[x] long.mp4" in text
    assert re.search(r"\d+\.\d FPS", text)
    assert "Traceback" not in text
    assert "Results" in text
