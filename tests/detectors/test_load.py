"""The TensorFlow twin of a checkpoint in the user's cache: made once, made again when it is not whole."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from config.site import Detector
from detectors.errors import ModelError
from detectors.export.make import sample_pictures
from detectors.load import load_detector
from detectors.model_files import resolve

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed (extra 'tensorflow')", allow_module_level=True)


def test_what_is_not_whole_is_made_again(models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path))
    model, config = resolve("yolov8n"), Detector(runtime="tensorflow", device="cpu")
    said: list[str] = []
    load_detector(model, config, said.append).close()
    assert [line.split()[0] for line in said] == ["exporting", "yolov8n"]
    (folder,) = (path for path in (tmp_path / "exports").iterdir() if path.is_dir())  # beside its lock
    load_detector(model, config, said.append).close()
    assert len(said) == 2  # kept
    (folder / "saved_model.pb").write_bytes(b"half")
    load_detector(model, config, said.append).close()
    assert "made again" in said[2]
    assert str(folder) in said[2]


def test_own_labels_stand_for_those_in_the_file_and_must_be_as_many(models_dir: Path) -> None:
    names = tuple(f"thing {number}" for number in range(80))
    detector = load_detector(resolve("yolov8n"), Detector(device="cpu", labels=names))
    assert detector.labels == names
    (found,) = detector.detect([sample_pictures()[0]])
    assert {found.label(row) for row in range(len(found))} == {"thing 0", "thing 5"}
    detector.close()
    with pytest.raises(ModelError, match="yolov8n has 80 classes, and 'labels' names 2"):
        load_detector(resolve("yolov8n"), Detector(device="cpu", labels=("a", "b")))
