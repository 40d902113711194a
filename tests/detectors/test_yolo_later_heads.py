"""YOLO heads after YOLOv8's, of random weights: Ultralytics' own boxes on torch, torch's elsewhere, or a clear no."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from config.errors import SightlineError
from config.site import Detector as DetectorConfig
from detectors.checkpoint import read_checkpoint
from detectors.detections import Detections
from detectors.errors import ModelError
from detectors.export.make import sample_pictures
from detectors.export.store import Wanted, exported
from detectors.families.yolo import MAX_DETECTIONS, YoloFamily
from detectors.load import load_detector
from detectors.load_export import PACKAGES, load_export
from detectors.model_files import ResolvedModel, resolve

NEEDED = ("torch", "ultralytics")
if missing := [name for name in NEEDED if find_spec(name) is None]:
    pytest.skip(f"{', '.join(missing)} is not installed (extra 'torch')", allow_module_level=True)

SIZE = 160
TINY = 96
"""Less than the 300 anchors that the end of an end-to-end head asks for."""
KINDS = ("", "one2one_")
END2END = ("yolov10n", "yolo26n")
LAYOUTS = ("yolov8n", "yolov9t", "yolo11n", "yolo12n", *END2END)
OTHER_TASKS = {"yolo11n-seg": "segment", "yolo26n-pose": "pose", "yolov8n-cls": "classify", "yolo11n-obb": "obb"}
BOX_PX, SCORE = 0.05, 1e-4
LABELS = ("car", "person", "dog")
GREY = np.full((96, 160, 3), 114, np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder for checkpoints, and a cache of this module alone."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("later")
        patch.setenv("SIGHTLINE_CACHE", str(folder / "cache"))
        yield folder
    random_checkpoint.cache_clear()


def pictures() -> list[np.ndarray[Any, Any]]:
    """A photograph, and what a mirror shows of it: of one size, so that one batch of both is what each is alone."""
    bus = sample_pictures()[0]
    return [bus, np.ascontiguousarray(bus[:, ::-1])]


@cache
def random_checkpoint(folder: Path, layout: str, size: int = SIZE) -> Path:
    """A checkpoint of random weights that sees at a size: its scores differ with the place, and a few are high."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    model = YOLO(f"{layout}.yaml", verbose=False)
    if layout in LAYOUTS:
        batch, _ = YoloFamily(("",), size).preprocess(pictures())
        with torch.no_grad():
            light = batch[..., ::-1].astype(np.float32) / 255
            enliven(model.model, torch.from_numpy(light).permute(0, 3, 1, 2))
    path = folder / f"{layout}-{size}.pt"
    model.save(path)
    return path


def enliven(network: Any, batch: Any) -> None:
    """Normalise each layer to what it gives for these pictures, and spread the logits of the head."""
    import torch

    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum, part.eps = 1.0, 0.1  # channels that hardly vary would amplify rounding
    network.train()(batch)
    head = network.model[-1]
    hooks = []
    for name, mean, wide in [(f"{kind}cv2", 1.5, 0.5) for kind in KINDS] + [
        (f"{kind}cv3", -5.3, 1.2) for kind in KINDS
    ]:
        for branch in getattr(head, name, None) or ():

            def spread(layer: Any, _: Any, output: Any, mean: float = mean, wide: float = wide) -> None:
                scale = wide / output.std((0, 2, 3))
                layer.weight.mul_(scale[:, None, None, None])
                layer.bias.copy_((layer.bias - output.mean((0, 2, 3))) * scale + mean)

            hooks.append(branch[-1].register_forward_hook(spread))
    network.eval()(batch)
    for hook in hooks:
        hook.remove()


def model_of(folder: Path, layout: str, size: int = SIZE) -> ResolvedModel:
    return resolve(str(random_checkpoint(folder, layout, size)))


def config(runtime: str = "torch", **wishes: Any) -> DetectorConfig:
    return DetectorConfig.model_validate({"runtime": runtime, "device": "cpu", "imgsz": SIZE, **wishes})


def by_torch(model: ResolvedModel, **wishes: Any) -> list[Detections]:
    detector = load_detector(model, config(**wishes))
    try:
        return [detector.detect([picture])[0] for picture in pictures()]
    finally:
        detector.close()


def check(one: Detections, other: Detections, threshold: float, box_px: float, score: float) -> None:
    """Each box of one that does not stand at the threshold has its like in the other."""
    for row in np.flatnonzero(one.score > threshold + score):
        likes = (
            (np.abs(other.xyxy - one.xyxy[row]).max(axis=1) <= box_px)
            & (np.abs(other.score - one.score[row]) <= score)
            & (other.class_id == one.class_id[row])
        )
        assert likes.any(), f"{one.label(row)} {one.score[row]:.4f} at {one.xyxy[row]} has no like"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_torch_finds_what_ultralytics_predicts(folder: Path, layout: str) -> None:
    from ultralytics import YOLO

    model = model_of(folder, layout)
    ours = by_torch(model)
    nms = {"nms": False} if layout in END2END else {}
    settings = {"imgsz": SIZE, "conf": 0.25, "iou": 0.7, "device": "cpu", "verbose": False, **nms}
    yolo = YOLO(model.path)
    assert sum(map(len, ours)) > 4
    for picture, found in zip(pictures(), ours, strict=True):
        boxes = yolo.predict(picture, **settings)[0].boxes
        arrays = (boxes.xyxy.numpy(), boxes.conf.numpy(), boxes.cls.numpy().astype(np.int64))
        theirs = Detections(*arrays, found.labels)
        assert len(theirs) == len(found) < MAX_DETECTIONS
        box_px = BOX_PX * max(picture.shape) / SIZE
        check(theirs, found, 0.25, box_px, SCORE)
        check(found, theirs, 0.25, box_px, SCORE)


@pytest.mark.parametrize(
    ("layout", "size", "runtime"),
    [
        ("yolo11n", SIZE, "onnxruntime"),
        ("yolov10n", SIZE, "onnxruntime"),
        ("yolo26n", SIZE, "onnxruntime"),
        pytest.param("yolo11n", SIZE, "openvino", marks=pytest.mark.slow),
        pytest.param("yolov10n", SIZE, "openvino", marks=pytest.mark.slow),
        pytest.param("yolo26n", SIZE, "openvino", marks=pytest.mark.slow),
        ("yolo26n", TINY, "onnxruntime"),
        pytest.param("yolov10n", TINY, "openvino", marks=pytest.mark.slow),
    ],
)
def test_exports_find_what_torch_finds(folder: Path, layout: str, size: int, runtime: str) -> None:
    if find_spec("onnx") is None or find_spec(PACKAGES[runtime]) is None:
        pytest.skip(f"onnx or {runtime} is not installed (extras 'export', {runtime!r})")
    model = model_of(folder, layout, size)
    target = "onnx" if runtime == "onnxruntime" else "openvino"
    export = exported(model, Wanted(target, "fp32"), lambda line: None)
    assert export.facts.end2end == (layout in END2END)
    detector = load_export(export.folder, export.facts, config(runtime, imgsz=size), model.name)
    expected = by_torch(model, imgsz=size)
    alone = [detector.detect([picture])[0] for picture in pictures()]
    batch = detector.detect(pictures()) if runtime == "onnxruntime" else alone
    detector.close()
    assert [len(found) for found in batch] == [len(found) for found in alone]
    for picture, found, reference in zip(pictures(), alone, expected, strict=True):
        box_px = BOX_PX * max(picture.shape) / size
        check(reference, found, 0.25, box_px, SCORE)
        check(found, reference, 0.25, box_px, SCORE)


@pytest.mark.parametrize("layout", ["yolov8n", *END2END])
def test_the_parts_of_the_head_decide_and_not_the_name(folder: Path, tmp_path: Path, layout: str) -> None:
    other = tmp_path / "yolo11n.pt"
    other.write_bytes(random_checkpoint(folder, layout).read_bytes())
    assert read_checkpoint(other).end2end == (layout in END2END)


def test_a_flag_that_a_validation_left_behind_does_not_count(folder: Path, tmp_path: Path) -> None:
    import torch

    content = torch.load(random_checkpoint(folder, "yolo26n"), weights_only=False)
    content["model"].end2end = False
    torch.save(content, tmp_path / "validated.pt")
    checkpoint = read_checkpoint(tmp_path / "validated.pt")
    assert checkpoint.end2end
    assert checkpoint.module.model[-1].end2end  # type: ignore[index, union-attr]


@pytest.mark.parametrize("runtime", ["tensorflow", "litert"])
@pytest.mark.parametrize("layout", ["yolo11n", "yolov10n", "yolo26n"])
def test_what_keras_cannot_rebuild_is_refused_while_loading(folder: Path, layout: str, runtime: str) -> None:
    if find_spec(PACKAGES[runtime]) is None:
        pytest.skip(f"{runtime} is not installed (extra {runtime!r})")
    with pytest.raises(SightlineError, match="only plain YOLOv8") as caught:
        load_detector(model_of(folder, layout), config(runtime))
    assert "use the runtime torch, onnxruntime or openvino" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layout", OTHER_TASKS)
def test_other_tasks_are_refused_in_one_sentence(folder: Path, layout: str) -> None:
    with pytest.raises(ModelError, match=f"is a checkpoint for {OTHER_TASKS[layout]}, not for detection") as caught:
        load_detector(model_of(folder, layout), config())
    assert "\n" not in str(caught.value)


def test_a_detector_with_another_head_is_refused(folder: Path, tmp_path: Path) -> None:
    """RT-DETR's boxes are parts of the picture, not pixels."""
    import torch

    content = torch.load(random_checkpoint(folder, "yolov8n"), weights_only=False)

    class RTDETRDecoder(torch.nn.Identity):
        pass

    head = content["model"].model[-1]
    stand_in = RTDETRDecoder()
    stand_in.__class__ = torch.nn.Identity  # what a pickle can find again
    stand_in.i, stand_in.f, stand_in.type = head.i, head.f, head.type
    content["model"].model[-1] = stand_in
    torch.save(content, tmp_path / "rtdetr.pt")
    with pytest.raises(ModelError, match=r"ends in Identity, which is not the head of a YOLO"):
        read_checkpoint(tmp_path / "rtdetr.pt")


def rows(*boxes: tuple[float, ...]) -> np.ndarray[Any, Any]:
    return np.array([boxes], np.float32)


def test_end_to_end_boxes_get_no_nms_but_the_threshold() -> None:
    family = YoloFamily(LABELS, 160, confidence=0.5, iou=0.1, end2end=True)
    _, meta = family.preprocess([GREY])
    head = rows((10, 10, 50, 50, 0.6, 1), (10, 10, 50, 51, 0.9, 1), (0, 0, 9, 9, 0.5, 2), (-5, 3, 900, 40, 0.51, 0))
    (found,) = family.postprocess((head,), meta)
    np.testing.assert_array_equal(found.class_id, [1, 1, 0])
    np.testing.assert_allclose(found.score, [0.9, 0.6, 0.51])
    np.testing.assert_allclose(found.xyxy, [[10, 10, 50, 51], [10, 10, 50, 50], [0, 3, 160, 40]])


def test_end_to_end_boxes_are_cut_to_the_best() -> None:
    family = YoloFamily(LABELS, 160, confidence=0.001, end2end=True)
    _, meta = family.preprocess([GREY])
    head = rows(*[(1, 1, 9, 9, 0.1 + index / 1000, 0) for index in range(MAX_DETECTIONS + 50)])
    (found,) = family.postprocess((head,), meta)
    assert len(found) == MAX_DETECTIONS
    assert found.score.min() == pytest.approx(0.15)
    (nothing,) = family.postprocess((head[:, :0],), meta)
    assert len(nothing) == 0


@pytest.mark.parametrize("head", [np.zeros((1, 84, 300), np.float32), np.zeros((2, 300, 6), np.float32),
                                  rows((1, 1, 9, 9, 0.9, 3)), rows((1, 1, 9, 9, 0.9, -1))])  # fmt: skip
def test_what_is_no_end_to_end_output_is_refused(head: np.ndarray[Any, Any]) -> None:
    family = YoloFamily(LABELS, 160, end2end=True)
    _, meta = family.preprocess([GREY])
    with pytest.raises(ModelError, match=r"an end-to-end YOLO head has|the label list belongs to this model"):
        family.postprocess((head,), meta)
