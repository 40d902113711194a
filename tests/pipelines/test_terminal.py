"""The table of models: what it says of files, and that looking leaves no trace."""

from __future__ import annotations

import io
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from detectors.checksum import sha256_of
from pipelines.compare.combination import Combination
from pipelines.compare.step import Step
from pipelines.terminal import busy, models_table, step_bar
from tests.support.cli import ROOT


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file called as one of the catalogue, in a folder that is named, with empty cache and state."""
    for name in ("state", "cache", "models"):
        monkeypatch.setenv(f"SIGHTLINE_{name.upper()}", str(tmp_path / name))
    path = tmp_path / "models" / "yolov8n.pt"
    path.parent.mkdir()
    path.write_bytes(b"weights")
    return path


def row(name: str) -> str:
    """What the table says of a model."""
    console = Console(width=400, color_system=None)
    with console.capture() as seen:
        console.print(models_table())
    return next(line for line in seen.get().splitlines() if line.split()[:1] == [name])


def test_listing_records_nothing(model: Path, tmp_path: Path) -> None:
    assert f"{model} (not used yet (checksum " in row("yolov8n")
    assert not (tmp_path / "state").exists()


def test_a_changed_file_is_said_to_have_changed(model: Path) -> None:
    sums = model.with_name("SHA256SUMS")
    sums.write_text(f"{sha256_of(model)}  {model.name}\n")
    assert row("yolov8n").rstrip().endswith(str(model))
    model.write_bytes(b"other weights")
    assert f"changed: {model} (expected " in row("yolov8n")
    model.write_bytes(b"")
    assert f"changed: {model} ({model} is empty" in row("yolov8n")


def test_a_changed_download_is_said_to_have_changed_and_the_others_can_be_pulled(model: Path, tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "models" / "yolov8s.pt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"half a download")
    assert f"changed: {cached} (expected " in row("yolov8s")
    assert "not here; models pull yolov8m" in row("yolov8m")


def test_the_table_needs_no_pipeline() -> None:
    code = "import sys, pipelines.terminal; sys.exit('pipelines.analyze' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=False).returncode == 0


def test_a_spinner_shows_on_a_terminal_only() -> None:
    for terminal in (True, False):
        shown = io.StringIO()
        with busy(Console(file=shown, force_terminal=terminal), "getting the model ready"):
            time.sleep(0.2)
        assert ("getting the model ready" in shown.getvalue()) is terminal


STEP = Step("round 1 of 3", 2, 4, Combination("yolov8n", "torch", "fp32", 640))


def test_steps_of_a_comparison_are_a_bar_on_a_terminal() -> None:
    text, said = io.StringIO(), list[str]()
    with step_bar(Console(file=text, force_terminal=True, width=120), said.append) as on_step:
        on_step(STEP)
    assert "round 1 of 3: yolov8n on torch fp32 at 640" in text.getvalue()
    assert "1/4" in text.getvalue()
    assert said == []


def test_steps_of_a_comparison_are_lines_elsewhere() -> None:
    text, said = io.StringIO(), list[str]()
    with step_bar(Console(file=text), said.append) as on_step:
        on_step(STEP)
    assert text.getvalue() == ""
    assert said == ["round 1 of 3, 2 of 4: yolov8n on torch fp32 at 640"]
