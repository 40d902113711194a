"""Two processes that want the same export at the same time; what makes it is a stand-in that takes a while."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cli import ROOT

if sys.platform == "win32":
    pytest.skip("there are no such locks", allow_module_level=True)

MAKER = """
import sys, time
from pathlib import Path
from detectors.export import store
from detectors.export.facts import FORMAT, ExportFacts, write_facts
from detectors.model_files import ResolvedModel

seconds = float(sys.argv[1])

def make(model, want, precision, folder):
    print("making", flush=True)
    time.sleep(seconds)
    (folder / "model.onnx").write_bytes(b"network")
    facts = ExportFacts(format=FORMAT, target="onnx", precision="fp32", family="yolo", source="m",
                        source_sha256="0" * 64, labels=("car",), stride=32)
    return write_facts(folder, facts)

store._make = make
model = ResolvedModel("m", Path("m.pt"), "yolo", None, (), "0" * 64)
export = store.exported(model, store.Wanted("onnx", "fp32"), lambda line: print(line, flush=True))
print("made" if export.made else "found", export.facts.source)
"""


def start(cache: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MAKER, str(seconds)], cwd=ROOT, env={"SIGHTLINE_CACHE": str(cache)},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def first_lines(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline().strip() for _ in range(count)]


def test_the_second_waits_and_takes_what_the_first_made(tmp_path: Path) -> None:
    with start(tmp_path, 5) as first:
        assert first_lines(first, 2)[1] == "making"
        with start(tmp_path, 5) as second:
            assert second.communicate(timeout=30)[0].splitlines() == [
                "waiting for another process that exports m to onnx fp32, any size",
                "found m",
            ]
        assert first.communicate(timeout=30)[0].splitlines() == ["made m"]


def test_whoever_is_killed_holds_nobody_up_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with start(tmp_path, 60) as first:
        first_lines(first, 2)
        with start(tmp_path, 0) as second:
            assert first_lines(second, 1)[0].startswith("waiting for another process")
            time.sleep(0.1)
            assert second.poll() is None
            first.kill()
            assert second.communicate(timeout=30)[0].splitlines()[-2:] == ["making", "made m"]
    (export,) = (path for path in (tmp_path / "exports").iterdir() if not path.name.endswith(".lock"))
    assert {path.name for path in export.iterdir()} == {"model.onnx", "sightline.json"}
