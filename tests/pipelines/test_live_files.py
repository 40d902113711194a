"""``run`` on files: it ends by itself, and fails where one could not be read to its end."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.cli import run_app
from tests.support.live import write_site


def test_run_fails_in_the_end_where_a_file_breaks_off_or_is_no_video(
    data_dir: Path, light_runtime: str, cache_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    shutil.copy(data_dir / "truncated-workers.mp4", tmp_path / "cut.mp4")
    names = ("cut", "empty", "text")
    cameras = {name: {"source": f"{name}.mp4"} for name in names}
    cameras["whole"] = {"source": str(data_dir / "people-detection.mp4")}
    detectors = {"main": {"runtime": light_runtime, "imgsz": 320}}
    site = write_site(tmp_path / "site.yaml", cameras, detectors=detectors, outputs={"jsonl": {"path": "out"}})
    done = run_app("run", site, cwd=tmp_path, env={"SIGHTLINE_CACHE": str(cache_dir)})
    assert done.code == 1, done.err
    told = done.err[done.err.index("error: ") :].splitlines()
    assert [line.removeprefix("error: ").split(" ")[:3] for line in told] == [
        ["camera", f"{name}:", str(tmp_path / f"{name}.mp4")] for name in names
    ]
    assert "breaks off after" in told[0] and "is empty" in told[1]
    (lines,) = (tmp_path / "out" / "whole").glob("detections-*")
    assert len(lines.read_text().splitlines()) == 23  # the other camera was done to its end
