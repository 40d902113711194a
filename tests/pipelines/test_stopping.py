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


SIGNALS = """
import faulthandler, random, signal, time
from pipelines.stopping import Stop
faulthandler.dump_traceback_later(20, exit=True)
stops, end = [], time.monotonic() + 1.5
signal.signal(signal.SIGALRM, lambda *_: stops[-1].set())
while time.monotonic() < end:
    stops = [Stop()]
    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 2e-4))
    while not stops[-1].wait(1e-6):
        pass
print("ended")
"""


def test_a_signal_in_the_middle_of_a_wait_does_not_hang() -> None:
    """The lock of threading's own Event would be held by the code that the handler has interrupted."""
    done = subprocess.run([sys.executable, "-c", SIGNALS], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr


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
