"""A process of Sightline's own, beside this one."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NEWS = "news: "
"""What a child prints behind this at the start of a line of stdout is told while it runs."""
_LAST_WORDS = 300


def run_child(*words: str, say: Callable[[str], None] = lambda line: None) -> tuple[int, str]:
    """Run Python in a process of its own, from the same folder, with Sightline's rooms to import.

    Args:
        words: What stands behind the interpreter.
        say: Told the child's news as they come.

    Returns:
        The exit code, and the end of what it said on stderr, in one line.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
            [sys.executable, "-P", *words], env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE, stderr=said, text=True, errors="replace",
        )  # fmt: skip
        try:
            for line in process.stdout or ():
                if line.startswith(NEWS):
                    say(line.removeprefix(NEWS).rstrip("\n"))
            code = process.wait()
        except BaseException:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
        said.seek(0)
        last = said.read().decode(errors="replace").strip()[-_LAST_WORDS:].replace("\n", " ")
    return code, last or "it said nothing"
