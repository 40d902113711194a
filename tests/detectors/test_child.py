"""Processes of Sightline's own."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import psutil

from detectors.child import ROOT, how_it_ended, run_child
from tests.support.live import wait_until

WRITE_PID = "import os, time; from pathlib import Path; Path({!r}).write_text(str(os.getpid())); time.sleep(60)"


def test_a_childs_lines_are_heard_and_its_last_words_kept() -> None:
    heard: list[str] = []
    script = "import sys; print('one'); print('two'); sys.exit('what went\\nwrong')"
    assert run_child("-c", script, on_line=heard.append) == (1, "what went wrong")
    assert heard == ["one", "two"]
    assert run_child("-c", "pass") == (0, "it said nothing")


def test_how_it_ended_is_told_in_words() -> None:
    code, words = run_child("-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert code == -signal.SIGKILL
    assert how_it_ended(code, words) == (
        "ended with SIGKILL (the system may be out of memory), last words: it said nothing"
    )
    assert how_it_ended(3, "x") == "ended with exit code 3, last words: x"


def test_a_child_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    inner = f"from detectors.child import end_with_parent; end_with_parent(); {WRITE_PID.format(str(pid))}"
    outer = f"from detectors.child import run_child; run_child('-c', {inner!r})"
    with subprocess.Popen([sys.executable, "-c", outer], cwd=ROOT) as parent:
        wait_until(lambda: pid.exists() and pid.read_text(), "no child")
        parent.kill()
    wait_until(lambda: not psutil.pid_exists(int(pid.read_text())), "the child goes on")


def test_its_temporary_files_lie_where_they_are_wanted(tmp_path: Path) -> None:
    heard: list[str] = []
    run_child("-c", "import tempfile; print(tempfile.gettempdir())", on_line=heard.append, scratch=tmp_path)
    assert heard == [str(tmp_path)]
