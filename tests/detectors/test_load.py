"""The TensorFlow twin of a checkpoint in the user's cache: made once, made again when it is not whole."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from config.site import Detector
from detectors.errors import ModelError
from detectors.export.make import export_model, sample_pictures
from detectors.export.store import Wanted, cached_folder
from detectors.load import load_detector
from detectors.model_files import resolve

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed (extra 'tensorflow')", allow_module_level=True)


def test_what_is_not_whole_is_made_again(
    models_dir: Path, cache_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, config = resolve("yolov8n"), Detector(runtime="tensorflow", device="cpu")
    want = Wanted("saved_model", "fp32")
    monkeypatch.setenv("SIGHTLINE_CACHE", str(cache_dir))
    whole = export_model(model, want, lambda line: None).folder  # by whichever test comes first
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path))
    folder = cached_folder(model, want)
    shutil.copytree(whole, folder)
    said: list[str] = []
    load_detector(model, config, said.append).close()
    assert said == []  # kept
    (folder / "saved_model.pb").write_bytes(b"half")
    load_detector(model, config, said.append).close()
    assert [line.split()[0] for line in said[1:]] == ["exporting", "yolov8n"]
    assert "made again" in said[0]
    assert str(folder) in said[0]


def test_own_labels_stand_for_those_in_the_file_and_must_be_as_many(models_dir: Path) -> None:
    names = tuple(f"thing {number}" for number in range(80))
    detector = load_detector(resolve("yolov8n"), Detector(device="cpu", labels=names))
    assert detector.labels == names
    (found,) = detector.detect([sample_pictures()[0]])
    assert {found.label(row) for row in range(len(found))} == {"thing 0", "thing 5"}
    detector.close()
    with pytest.raises(ModelError, match="yolov8n has 80 classes, and 'labels' names 2"):
        load_detector(resolve("yolov8n"), Detector(device="cpu", labels=("a", "b")))
