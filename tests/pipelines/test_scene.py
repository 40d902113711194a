from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from config.errors import SightlineError
from pipelines.scene import HEIGHT, PICTURE, WIDTH, make_scene, pan

pytest.importorskip("ultralytics", reason="the scene's pictures lie in the ultralytics package")


def frames(path: Path) -> Iterator[NDArray[np.uint8]]:
    capture = cv2.VideoCapture(str(path))
    while (read := capture.read())[0]:
        yield np.asarray(read[1], np.uint8)
    capture.release()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_scene(tmp_path_factory.mktemp("scene") / "scene.mp4", seconds=20, fps=5)


def test_size_length_and_rate(scene: Path) -> None:
    capture = cv2.VideoCapture(str(scene))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(5, abs=0.01)
    capture.release()
    pictures = list(frames(scene))
    assert len(pictures) == 100 and pictures[0].shape == (HEIGHT, WIDTH, 3)


def test_it_goes_out_and_comes_back(scene: Path) -> None:
    pictures = [picture[:PICTURE].astype(int) for picture in frames(scene)]
    assert np.abs(pictures[10] - pictures[90]).mean() < 6, "the way back shows the same places"
    assert np.abs(pictures[10] - pictures[50]).mean() > 30


def test_the_same_pixels_every_time(tmp_path: Path) -> None:
    once, again = (list(frames(make_scene(tmp_path / name, seconds=1))) for name in ("a.mp4", "b.mp4"))
    assert len(once) == len(again) == 15 and all(map(np.array_equal, once, again))


def test_the_pan_is_smooth_and_bounded() -> None:
    path = np.array([pan(index / 15, 1300) for index in range(301)])
    assert path[0] == path[-1] == 0 and path.max() == path[150] == 1300 and path.min() == 0
    assert np.abs(np.diff(path)).max() <= 15


def test_real_weights_see_people_all_along(scene: Path, models_dir: Path) -> None:
    from ultralytics import YOLO

    model = YOLO(models_dir / "yolov8n.pt")
    pictures = list(frames(scene))[::5]
    found = [int((model(picture, verbose=False)[0].boxes.cls == 0).sum()) for picture in pictures]
    assert min(found) >= 1 and sum(found) / len(found) >= 2.5


def test_ultralytics_is_not_imported(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from pipelines.scene import make_scene; "
        "make_scene(pathlib.Path(sys.argv[1]), seconds=0.2); assert not {'ultralytics', 'torch'} & set(sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s.mp4")], cwd=root, check=True)


def test_without_the_package_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "ultralytics", raising=False)
    monkeypatch.setattr(sys, "path_importer_cache", {})
    with pytest.raises(SightlineError, match="not installed"):
        make_scene(tmp_path / "scene.mp4", seconds=0.2)


def test_missing_pictures_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ultralytics" / "assets").mkdir(parents=True)
    (tmp_path / "ultralytics" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "ultralytics", raising=False)
    with pytest.raises(SightlineError, match=r"bus\.jpg"):
        make_scene(tmp_path / "scene.mp4", seconds=0.2)
