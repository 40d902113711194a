"""The long form: memory of ``analyze`` stays flat over thousands of frames."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "tensorflow"])
def test_memory_is_flat_over_five_thousand_frames(runtime: str, data_dir: Path, models_dir: Path) -> None:
    video = data_dir / "person-bicycle-car-detection.mp4"
    command = [sys.executable, "-m", "benchmarks.memory", str(video), "--frames", "5000", "--runtime", runtime]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    change = re.search(r"at the end, ([+-][\d.]+) %", done.stdout)
    assert change is not None, done.stdout
    assert abs(float(change.group(1))) <= 5, done.stdout
