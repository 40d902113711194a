"""File names that people really have."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.support.cli import call_app, run_app
from tests.support.results import frames_of, summary
from tests.support.videos import encode

NAMES = [
    "[bold]x[red].mp4",
    "12:30:00.mp4",
    "Straße mit Ärger.mp4",
    "-dash.mp4",
    "...mp4",
    "n" * 250 + ".mp4",
    "%d\n{}.mp4",
]


def test_names_with_brackets_colons_umlauts_dashes_and_line_breaks(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    video = encode(tmp_path / "small.mp4", frames=4)
    for name in NAMES:
        shutil.copy(video, name)
    video.unlink()
    done = call_app(
        capfd, ["analyze", "--model", "yolov8n", "--imgsz", "64", "--annotate", "--out", "my out", "--", *NAMES]
    )
    assert (done.code, done.err) == (0, "")
    folders = [name.removesuffix(".mp4") for name in NAMES]
    folders[4] = "video"  # the stem of this one is '..'
    assert sorted(path.name for path in (tmp_path / "my out").iterdir()) == sorted(folders)
    for name, folder in zip(NAMES, folders, strict=True):
        assert f"my out/{folder}\n" in done.out  # whole, so that it can be copied
        found = summary(tmp_path / "my out" / folder)
        assert (found["video"], found["frames"], found["result"]) == (name, 4, "done")
        assert len(frames_of(tmp_path / "my out" / folder / "annotated.mp4")) == 4
    assert "[bold]x[red]" in done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*NAMES, "my out"])


def test_a_name_that_is_not_utf8_and_a_terminal_that_is_not(data_dir: Path, models_dir: Path, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9"
    os.mkdir(odd)
    shutil.copy(data_dir / "people-detection.mp4", tmp_path / "ä.mp4")
    shutil.copy(os.fsencode(data_dir / "people-detection.mp4"), odd + b".mp4")
    done = run_app(
        "analyze", odd + b".mp4", tmp_path / "ä.mp4", "--out", odd, "--imgsz", "64",
        env={"PYTHONIOENCODING": "ascii", "LC_ALL": "C"},
    )  # fmt: skip
    assert done.code == 1
    assert len(done.errors) == 1
    assert "has a name that is not UTF-8" in done.errors[0]
    assert os.listdir(odd) == ["ä".encode()]


def test_the_same_name_twice_gets_two_folders_in_any_order(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a/x.mp4", "x-2.mp4", "b/x.mp4"):
        Path(name).parent.mkdir(exist_ok=True)
        encode(Path(name), frames=4)
    done = call_app(capfd, ["analyze", "--imgsz", "64", "a/x.mp4", "x-2.mp4", "b/x.mp4", "a/x.mp4"])
    assert done.code == 0
    videos = {path.name: summary(path)["video"] for path in Path("results").iterdir()}
    assert videos == {"x": "a/x.mp4", "x-2": "x-2.mp4", "x-3": "b/x.mp4", "x-4": "a/x.mp4"}
