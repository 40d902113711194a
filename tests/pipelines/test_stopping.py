from __future__ import annotations

import subprocess
import sys
import time

from tests.support.cli import ROOT

HANGS = """
import threading, time
from pipelines.stopping import ended_within
stop = threading.Event()
with ended_within(stop, 0.5):
    {before}
    time.sleep({work})
print("ended")
"""


def run(before: str, work: float) -> tuple[int, str, float]:
    start = time.monotonic()
    code = HANGS.format(before=before, work=work)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - start


def test_what_hangs_after_a_signal_is_left() -> None:
    code, said, seconds = run("stop.set()", 20)
    assert (code, seconds < 10) == (0, True)
    assert "does not end within 0.5 s" in said and "ended\n" not in said


def test_what_ends_by_itself_is_waited_for() -> None:
    assert run("stop.set()", 0.1)[:2] == (0, "ended\n")
    assert run("pass", 1.0)[:2] == (0, "ended\n")  # no signal: it takes as long as it takes
