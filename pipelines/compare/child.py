"""A process of Sightline's own, beside this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LAST_WORDS = 300


def run_child(*words: str) -> tuple[int, str]:
    """Run Python in a process of its own, from the same folder, with Sightline's rooms to import.

    Args:
        words: What stands behind the interpreter.

    Returns:
        The exit code, and the end of what it said on stderr, in one line.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(  # noqa: S603 (our own program, no shell)
        [sys.executable, "-P", *words], env={**os.environ, "PYTHONPATH": path},
        capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.strip()[-_LAST_WORDS:].replace("\n", " ") or "it said nothing"
