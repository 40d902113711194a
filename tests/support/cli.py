"""The real command line: in a process of its own, or in this one where the process is not the point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The sentences on stderr that say what went wrong."""
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]

    def failed(self, code: int, *parts: str) -> str:
        """Check that the command failed with one clear sentence, and return it.

        Args:
            code: The exit code it must have.
            parts: Texts that must be in the sentence.
        """
        assert self.code == code, self
        assert "Traceback" not in self.out + self.err
        assert len(self.errors) == 1, self.err
        sentence = self.errors[0]
        assert [line for line in self.err.splitlines() if line] == [f"error: {sentence}"]
        assert "unexpected" not in sentence
        for part in parts:
            assert part in sentence
        return sentence


Argument = str | bytes | Path


def start_app(
    *arguments: Argument, cwd: Path | None = None, env: dict[str, str] | None = None, new_group: bool = False
) -> subprocess.Popen[bytes]:
    """Start ``app.py``; the caller ends it."""
    command = [sys.executable, str(ROOT / "app.py"), *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL, start_new_session=new_group,
    )  # fmt: skip


def finish(process: subprocess.Popen[bytes], timeout_s: float = _SECONDS) -> Done:
    """Wait for a started ``app.py``."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    return Done(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def run_app(*arguments: Argument, cwd: Path | None = None, env: dict[str, str] | None = None) -> Done:
    """Run ``app.py`` in a process of its own."""
    return finish(start_app(*arguments, cwd=cwd, env=env))


def call_app(capture: pytest.CaptureFixture[str], arguments: Sequence[str | Path]) -> Done:
    """Run the command line in this process, with its signals, errors and exit code.

    Args:
        capture: The ``capfd`` fixture, which also sees what libraries write.
        arguments: What stands behind ``app.py``.
    """
    import app

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    argv, sys.argv = sys.argv, ["app.py", *(str(argument) for argument in arguments)]
    capture.readouterr()
    code: object = None
    try:
        app.main()
    except SystemExit as end:
        code = end.code
    finally:
        sys.argv = argv
        app.stop.clear()
        for number, handler in before.items():
            signal.signal(number, handler)
    seen = capture.readouterr()
    return Done(code if isinstance(code, int) else 0 if code is None else 1, seen.out, seen.err)
