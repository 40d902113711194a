"""ONNX: Ultralytics' own exporter, and a cast and a transposition in front, so that the file takes plain pictures."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.pixels import for_bytes

INPUT = "picture"
OUTPUT = "predictions"
BATCH, HEIGHT, WIDTH = "batch", "height", "width"
"""Names of the dimensions that are left open."""


def write_onnx(checkpoint: Path, target: Path, size: tuple[int, int] | None, end2end: bool = False) -> None:
    """Write an Ultralytics detection checkpoint as ONNX, from (N, H, W, 3) uint8 BGR to (N, 4 + C, A) float32.

    Args:
        checkpoint: A ``.pt`` that may be loaded.
        target: The file to write.
        size: (height, width) of the picture in pixels, with a batch of one, or None: all three are left open.
        end2end: It has a head for boxes without NMS: the output is (N, K, 6) float32.

    Raises:
        ModelError: It cannot be converted.
        RuntimeUnavailableError: torch, Ultralytics or onnx is not installed.
    """
    os.environ["YOLO_AUTOINSTALL"] = "False"
    os.environ.setdefault("YOLO_VERBOSE", "False")
    try:
        import onnx
        from ultralytics import YOLO
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"exporting {checkpoint.name} needs PyTorch, Ultralytics and onnx ({error}); install them with "
            "pip install 'sightline[torch,export]', or use a model exported elsewhere"
        ) from error
    with tempfile.TemporaryDirectory(prefix="sightline-") as folder:
        copy = Path(folder) / "model.pt"  # Ultralytics writes beside its source, which need not be ours
        shutil.copyfile(checkpoint, copy)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of tracing
                head = {"nms": False} if end2end else {}
                written = YOLO(copy, task="detect").export(
                    format="onnx",
                    imgsz=size or 640,
                    dynamic=size is None,
                    simplify=False,
                    device="cpu",
                    verbose=False,
                    **head,
                )
            model = onnx.load(written)
            if end2end and size is None:
                _take_small_pictures(onnx, model.graph)
            _take_pictures(onnx, model)
            onnx.checker.check_model(model)
        except Exception as error:
            reason = str(error).strip().split("\n")[0][:160] or type(error).__name__
            raise ModelError(f"{checkpoint} cannot be exported to ONNX by Ultralytics ({reason})") from error
        onnx.save(model, target)


def _take_pictures(onnx: Any, model: Any) -> None:
    """Let the graph begin with uint8 BGR NHWC → float32 NCHW, and give input and output our names.

    Raises:
        ValueError: It does not begin with a convolution over three channels.
    """
    graph = model.graph
    source, result = graph.input[0], graph.output[0]
    planes, old_result = source.name, result.name
    dims = source.type.tensor_type.shape.dim
    order = [dims[0].dim_param or dims[0].dim_value]
    order += [dims[axis].dim_param or dims[axis].dim_value for axis in (2, 3)]
    order += [3]
    picture = onnx.helper.make_tensor_value_info(INPUT, onnx.TensorProto.UINT8, order)
    _take_bytes(onnx, graph, planes)
    source.CopyFrom(picture)
    floats = f"{INPUT}/floats"
    cast = onnx.helper.make_node("Cast", [INPUT], [floats], to=onnx.TensorProto.FLOAT, name=floats)
    graph.node.insert(0, onnx.helper.make_node("Transpose", [floats], [planes], perm=(0, 3, 1, 2), name=INPUT))
    graph.node.insert(0, cast)
    for node in graph.node:
        node.output[:] = [OUTPUT if name == old_result else name for name in node.output]
        node.input[:] = [OUTPUT if name == old_result else name for name in node.input]
    result.name = OUTPUT


def _take_bytes(onnx: Any, graph: Any, planes: str) -> None:
    """Let the first convolution do on bytes in BGR what it did on RGB in [0, 1]."""
    kernels = {tensor.name: tensor for tensor in graph.initializer}
    users = [node for node in graph.node if planes in node.input]
    kernel = kernels.get(users[0].input[1]) if len(users) == 1 and users[0].op_type == "Conv" else None
    if kernel is None or len(kernel.dims) != 4 or kernel.dims[1] != 3:
        raise ValueError("the network does not begin with a convolution over three channels")
    kernel.CopyFrom(onnx.numpy_helper.from_array(for_bytes(onnx.numpy_helper.to_array(kernel)), kernel.name))


def _take_small_pictures(onnx: Any, graph: Any) -> None:
    """Let the end of an end-to-end head take the best of as many anchors as there are, where they are fewer than K.

    Ultralytics writes K as it was for the size that it traced with, and a TopK with K above its axis fails.
    """
    values = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    values |= {tensor.name: tensor for tensor in graph.initializer}
    selections = [node for node in graph.node if node.op_type == "TopK" and node.input[1] in values]
    if not selections:
        return
    anchors, most = selections[0].input  # of each anchor's best class; what follows selects among these
    axis = next(attribute.i for attribute in selections[0].attribute if attribute.name == "axis")
    shape, number, least, which = (f"{OUTPUT}/{word}" for word in ("shape", "anchors", "boxes", "axis"))
    graph.initializer.append(onnx.helper.make_tensor(which, onnx.TensorProto.INT64, [1], [axis]))
    position = list(graph.node).index(selections[0])
    for node in (
        onnx.helper.make_node("Min", [number, most], [least], name=least),
        onnx.helper.make_node("Gather", [shape, which], [number], axis=0, name=number),
        onnx.helper.make_node("Shape", [anchors], [shape], name=shape),
    ):
        graph.node.insert(position, node)
    for selection in selections:
        selection.input[1] = least
