"""The TensorFlow twin of a checkpoint in the user's cache: made once, made again when it is not whole."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from config.site import Detector
from detectors.errors import ModelError
from detectors.load import FACTS, load_detector, saved_model_of
from detectors.model_files import resolve

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed (extra 'tensorflow')", allow_module_level=True)


def test_what_a_kill_left_half_written_is_made_again_and_a_damaged_one_says_what_to_do(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path))
    model = resolve("yolov8n")
    said: list[str] = []
    folder = tmp_path / "exports" / f"{model.sha256[:24]}-saved_model-1"
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"half")
    (folder / FACTS).write_text('{"source": "yolov8n", "lab')
    assert saved_model_of(model, said.append) == folder
    assert len(said) == 1
    assert saved_model_of(model, said.append) == folder
    assert len(said) == 1  # kept
    (folder / "saved_model.pb").write_bytes(b"half")
    with pytest.raises(ModelError, match="delete that folder, and it is rebuilt") as caught:
        load_detector(model, Detector(runtime="tensorflow", device="cpu"), said.append)
    assert str(folder) in str(caught.value)
