"""What a TFLite detection network says of itself, read from its file: nothing is executed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors.errors import ModelError, first_line
from detectors.families.pixel_levels import Normalisation
from detectors.flat_table import FlatTable
from detectors.tflite_metadata import read_packed

POSTPROCESS = "TFLite_Detection_PostProcess"
EDGE_TPU = "edgetpu-custom-op"
_IDENTIFIER = b"TFL3"
_RESULTS = ("boxes", "classes", "scores", "count")
"""The outputs of the post-process, in its own order, whatever the order of the file's outputs is."""
_NAMED = 4
"""Outputs of another network that are named, at most."""
_DTYPES = {0: "float32", 3: "uint8", 9: "int8"}
"""TensorType of an input → numpy's word for it."""
_PRECISIONS = {0: "fp32", 1: "fp16", 3: "int8", 9: "int8"}
"""TensorType of weights → precision."""


class _Model:
    """Numbers of the fields of Model in TFLite's schema.fbs; likewise below."""

    OPERATOR_CODES, SUBGRAPHS, BUFFERS, METADATA = 1, 2, 4, 6


class _Graph:
    TENSORS, INPUTS, OUTPUTS, OPERATIONS = range(4)


class _Operation:
    CODE, OUTPUTS, CUSTOM_OPTIONS = 0, 2, 5


class _Tensor:
    SHAPE, TYPE, BUFFER, NAME, QUANTISATION, SHAPE_SIGNATURE = 0, 1, 2, 3, 4, 7


class _Quantisation:
    SCALE, ZERO_POINT = 2, 3


class _Metadata:
    NAME, BUFFER = 0, 1


_CUSTOM_CODE = 1  # of OperatorCode
_DATA = 0  # of Buffer


@dataclass(frozen=True, slots=True)
class TfliteDetector:
    """A detection network in a ``.tflite`` file.

    Attributes:
        imgsz: (height, width) of its input in pixels.
        dtype: ``float32``, ``uint8`` or ``int8``, of its input.
        scale: How its input is quantised: a number stands for scale * (number - zero_point); 0 where it is not.
        zero_point: Belongs to it.
        outputs: Numbers of the tensors with boxes, scores, classes and their count.
        classes: How many classes it knows, without background; class 0 is the first.
        rows_each: How many rows, of the best classes, it gives for each place that it counts.
        precision: ``fp32``, ``fp16`` or ``int8``: that of most of its weights.
        edge_tpu: Whether it was compiled for an Edge TPU, and runs on nothing else.
        labels: The label list packed into the file, as text, or None.
        normalisation: How it wants pixels, where the file's metadata say so.
    """

    imgsz: tuple[int, int]
    dtype: str
    scale: float
    zero_point: int
    outputs: tuple[int, int, int, int]
    classes: int
    rows_each: int
    precision: str
    edge_tpu: bool
    labels: str | None
    normalisation: Normalisation | None


def read_tflite_detector(path: Path) -> TfliteDetector:
    """Read a ``.tflite`` file that ends in ``TFLite_Detection_PostProcess``.

    Args:
        path: Of the file.

    Raises:
        ModelError: It cannot be read, is no TFLite file, or one of another kind of network.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    if data[4:8] != _IDENTIFIER:
        raise ModelError(f"{path} is not a TFLite file; download or copy it again")
    try:
        return _described(FlatTable.root(data), path)
    except ModelError:
        raise
    except Exception as error:  # whatever a reader of a damaged file stumbles upon
        raise ModelError(
            f"{path} cannot be read as a TFLite file ({first_line(error)}); download or copy it again"
        ) from error


def _described(model: FlatTable, path: Path) -> TfliteDetector:
    graph = model.tables(_Model.SUBGRAPHS)[0]
    tensors = graph.tables(_Graph.TENSORS)
    codes = [code.text(_CUSTOM_CODE) for code in model.tables(_Model.OPERATOR_CODES)]
    operations = [(codes[one.number(_Operation.CODE)], one) for one in graph.tables(_Graph.OPERATIONS)]
    found = [one for name, one in operations if name == POSTPROCESS]
    given = [tensors[number] for number in graph.numbers(_Graph.OUTPUTS, "int32")]
    if len(found) != 1:
        raise _another_network(given, len(found), path)
    options = _options(found[0])
    picture = _picture([tensors[number] for number in graph.numbers(_Graph.INPUTS, "int32")], path)
    buffers = model.tables(_Model.BUFFERS)
    edge_tpu = any(name == EDGE_TPU for name, _ in operations)
    entries = {
        entry.text(_Metadata.NAME): buffers[entry.number(_Metadata.BUFFER)].numbers(_DATA, "uint8").tobytes()
        for entry in model.tables(_Model.METADATA)
    }
    packed = read_packed(path, entries)
    height, width = _shape(picture)[1:3]
    scale, zero_point = _quantisation(picture)
    return TfliteDetector(
        imgsz=(height, width),
        dtype=_DTYPES[picture.number(_Tensor.TYPE, "int8")],
        scale=scale,
        zero_point=zero_point,
        outputs=_results(found[0], set(graph.numbers(_Graph.OUTPUTS, "int32").tolist()), path),
        classes=int(options["num_classes"]),
        rows_each=1 if options.get("use_regular_nms") else int(options["max_classes_per_detection"]),
        precision="int8" if edge_tpu else _precision(tensors, buffers),
        edge_tpu=edge_tpu,
        labels=packed.labels,
        normalisation=packed.normalisation,
    )


def _results(operation: FlatTable, given: set[int], path: Path) -> tuple[int, int, int, int]:
    """The numbers of the tensors with boxes, scores, classes and count.

    They are told apart by their place in the operation, for the file may list them in any order.
    """
    made = operation.numbers(_Operation.OUTPUTS, "int32").tolist()
    if len(made) != len(_RESULTS) or not set(made) <= given:
        raise ModelError(
            f"{path} changes what {POSTPROCESS} finds before it gives it out, so that {', '.join(_RESULTS)} cannot be "
            "told apart; convert it so that this operation is the last one"
        )
    boxes, classes, scores, count = made
    return boxes, scores, classes, count


def _options(operation: FlatTable) -> dict[str, Any]:
    from flatbuffers import flexbuffers

    found: dict[str, Any] = flexbuffers.Loads(operation.numbers(_Operation.CUSTOM_OPTIONS, "uint8").tobytes())
    return found


def _another_network(given: list[FlatTable], found: int, path: Path) -> ModelError:
    if found:
        return ModelError(f"{path} has {found} operations {POSTPROCESS}; Sightline takes networks with one")
    gives = ", ".join(f"{tensor.text(_Tensor.NAME)} {_shape(tensor)}" for tensor in given[:_NAMED]) or "nothing"
    gives += f" and {len(given) - _NAMED} more" if len(given) > _NAMED else ""
    if len(given) == 1 and len(_shape(given[0])) == 3:
        return ModelError(
            f"{path} gives {gives}, as YOLO exports of Ultralytics do: name the .pt file itself with --runtime litert, "
            f"and Sightline exports it; other TFLite files must end in {POSTPROCESS}"
        )
    return ModelError(
        f"{path} is not a detection network that Sightline can read: it gives {gives}; a TFLite file must end in "
        f"{POSTPROCESS}, as those of the TensorFlow Object Detection API and EfficientDet-Lite do (of a YOLO name the "
        ".pt file, or the folder of its export)"
    )


def _picture(inputs: list[FlatTable], path: Path) -> FlatTable:
    """The tensor that takes a picture."""
    shapes = [_shape(tensor) for tensor in inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][0] != 1 or shapes[0][3] != 3:
        raise ModelError(
            f"{path} has inputs of {', '.join(map(str, shapes)) or 'nothing'}; Sightline takes networks with one input "
            "(1, height, width, 3)"
        )
    open_sides = (inputs[0].numbers(_Tensor.SHAPE_SIGNATURE, "int32")[1:3] < 1).any()
    if open_sides or min(shapes[0]) < 1:
        raise ModelError(f"{path} leaves the size of its input open; convert it with a fixed one")
    if inputs[0].number(_Tensor.TYPE, "int8") not in _DTYPES:
        raise ModelError(f"{path} takes pictures as neither float32 nor uint8 nor int8; convert it with one of these")
    return inputs[0]


def _shape(tensor: FlatTable) -> tuple[int, ...]:
    return tuple(tensor.numbers(_Tensor.SHAPE, "int32").tolist())


def _quantisation(tensor: FlatTable) -> tuple[float, int]:
    """Scale and zero point of a tensor; 0 and 0 where it is not quantised."""
    found = tensor.table(_Tensor.QUANTISATION)
    if found is None or not found.length(_Quantisation.SCALE):
        return 0.0, 0
    zero_point = found.numbers(_Quantisation.ZERO_POINT, "int64")
    return float(found.numbers(_Quantisation.SCALE, "float32")[0]), int(zero_point[0]) if len(zero_point) else 0


def _precision(tensors: list[FlatTable], buffers: list[FlatTable]) -> str:
    """The precision of most of the weights, by their bytes."""
    sizes = {"fp32": 0, "fp16": 0, "int8": 0}
    for tensor in tensors:
        if word := _PRECISIONS.get(tensor.number(_Tensor.TYPE, "int8")):
            sizes[word] += buffers[tensor.number(_Tensor.BUFFER)].length(_DATA)
    return max(sizes, key=lambda word: sizes[word])
