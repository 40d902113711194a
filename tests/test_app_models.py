"""``models list | verify | trust | pull`` with folders of our own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import Done, call_app

Call = Callable[..., Done]


@pytest.fixture
def own(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models with the real YOLOv8n in it, and an empty cache and state."""
    folder = tmp_path / "my [models]"
    folder.mkdir()
    (folder / "yolov8n.pt").write_bytes((models_dir / "yolov8n.pt").read_bytes())
    monkeypatch.setenv("SIGHTLINE_MODELS", str(folder))
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SIGHTLINE_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    return lambda *arguments: call_app(capfd, arguments)


def test_list_says_where_each_model_is(call: Call, own: Path) -> None:
    done = call("models", "list")
    assert done.code == 0
    text = "".join(line for line in done.out.split())
    for part in ("yolov8n", "yolov8x", "pedestrian-ssdlite", "AGPL-3.0", "human-centernet"):
        assert part in text.replace("│", "").replace("┃", "")
    assert "Traceback" not in done.err


def test_verify_trust_and_a_change(call: Call, own: Path, data_dir: Path) -> None:
    model = own / "yolov8n.pt"
    done = call("models", "verify")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"unknown: {model} (")
    done = call("analyze", data_dir / "people-detection.mp4", "--model", "yolov8n")
    assert done.code == 0
    assert f"{model}: first use, checksum" in done.err.replace("\n", " ")
    assert call("models", "verify").out.startswith(f"ok: {model} (")
    model.write_bytes(model.read_bytes() + b"changed")
    done = call("models", "verify")
    assert (done.code, done.out.split()[0]) == (1, "changed:")
    call("analyze", data_dir / "people-detection.mp4", "--model", "yolov8n").failed(1, "has changed", "models trust")
    done = call("models", "trust", model)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"trusted: {model} (sha256 ")
    assert call("models", "verify").code == 0


def test_verify_without_any_model(call: Call, own: Path) -> None:
    (own / "yolov8n.pt").unlink()
    done = call("models", "verify")
    assert (done.code, done.err) == (0, "")
    assert "models pull" in done.out


def test_trust_of_what_is_not_there(call: Call, own: Path) -> None:
    (own / "empty.pt").touch()
    call("models", "trust", "no.pt").failed(1, "no.pt does not exist")
    call("models", "trust", own / "empty.pt").failed(1, "is empty")


def test_pull_of_an_unknown_model(call: Call, own: Path) -> None:
    call("models", "pull", "yolov9z").failed(2, "'yolov9z'", "yolov8n")


def test_a_model_in_the_cache_must_match_the_catalogue(call: Call, own: Path, data_dir: Path, tmp_path: Path) -> None:
    cached = tmp_path / "cache" / "models" / "yolov8s.pt"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"not what was asked for")
    done = call("analyze", data_dir / "people-detection.mp4", "--model", "yolov8s")
    done.failed(1, str(cached), "is not the yolov8s of the catalogue", "models pull yolov8s")
    assert call("models", "verify").code == 1


def test_a_state_that_cannot_be_read_is_one_sentence(call: Call, own: Path, data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    call("analyze", data_dir / "people-detection.mp4", "--model", "yolov8n").failed(1, str(tmp_path / "state"))
