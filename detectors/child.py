"""A process of Sightline's own, beside this one, which ends with it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_LAST_WORDS = 300
_END_S = 2.0
_PR_SET_PDEATHSIG = 1


def run_child(
    *words: str,
    on_line: Callable[[str], None] = lambda line: None,
    show_stderr: bool = False,
    scratch: Path | None = None,
) -> tuple[int, str]:
    """Run Python in a process of its own, from the same folder, with Sightline's rooms to import.

    Whatever ends the wait for it, a signal too, ends the child. Its stdin is a pipe that closes with this process:
    ``end_with_parent`` there ends it where this process is killed.

    Args:
        words: What stands behind the interpreter.
        on_line: Called with each line of its stdout.
        show_stderr: Let its stderr be this process's.
        scratch: Folder for its temporary files; default: the system's.

    Returns:
        The exit code, and the end of what it said on stderr, in one line.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    temporary = {} if scratch is None else {"TMPDIR": str(scratch)}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 (our own program, no shell)
            [sys.executable, "-P", *words], env={**os.environ, "PYTHONPATH": path, **temporary}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=None if show_stderr else said, text=True, errors="replace",
        )  # fmt: skip
        try:
            assert process.stdout is not None  # noqa: S101 (it is a pipe)
            for line in process.stdout:
                on_line(line.rstrip("\n"))
            process.wait()
        finally:
            _end(process)
        said.seek(max(0, said.seek(0, os.SEEK_END) - 4 * _LAST_WORDS))
        last = said.read().decode(errors="replace").strip()[-_LAST_WORDS:].replace("\n", " ")
    return process.returncode, last or "it said nothing"


def _end(process: subprocess.Popen[str]) -> None:
    """End a child that still runs, first with the chance to clean up."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def how_it_ended(code: int, words: str) -> str:
    """What to tell of a child that ended without an answer, as in ``ended with SIGSEGV, last words: …``.

    Args:
        code: Of ``run_child``.
        words: Likewise.
    """
    try:
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    except ValueError:
        name = f"signal {-code}"
    why = " (the system may be out of memory)" if name == "SIGKILL" else ""
    return f"ended with {name}{why}, last words: {words}"


def end_with_parent() -> None:
    """End when the process that started this one has ended, however it did.

    Linux kills us then, even in the middle of a converter; elsewhere the end of stdin tells.
    """
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    def watch() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
