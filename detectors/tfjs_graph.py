"""Read a TensorFlow.js graph model (``model.json`` and its ``.bin`` files) as a frozen TensorFlow graph.

The JSON holds a GraphDef whose constants are empty, and a manifest of weights that lie one after the other in the
``.bin`` files. What TensorFlow.js has fused is taken apart again: TensorFlow knows only some of these ops, and fuses by
itself what its device can do at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, NonNegativeInt, ValidationError

from detectors.detector import Tensor
from detectors.errors import ModelError, first_line
from detectors.runtimes.tensorflow_import import import_tensorflow

AGAIN = "download or convert it again"
DTYPES = {"float32": "<f4", "int32": "<i4", "bool": "|b1"}
"""Type of a weight in the manifest → its bytes in the ``.bin``, where it is not quantised."""
PLAIN = {
    "_FusedConv2D": "Conv2D",
    "FusedDepthwiseConv2dNative": "DepthwiseConv2dNative",
    "_FusedMatMul": "MatMul",
}
"""A fused op of TensorFlow.js → the op it begins with."""
KEPT = ("T", "strides", "padding", "explicit_paddings", "data_format", "dilations", "transpose_a", "transpose_b")
ACTIVATIONS = ("Relu", "Relu6", "Elu", "LeakyRelu", "Sigmoid", "Tanh")


@dataclass(frozen=True, slots=True)
class TfjsGraph:
    """A TensorFlow.js graph model, read.

    Attributes:
        definition: The ``GraphDef``, with all weights in it.
        inputs: Name → shape of each placeholder; None is any size, and an empty shape any shape.
        outputs: Names of the nodes that no other node reads.
    """

    definition: Any
    inputs: dict[str, tuple[int | None, ...]]
    outputs: tuple[str, ...]


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Quantization(_Lenient):
    dtype: Literal["uint8", "uint16", "float16"]
    scale: FiniteFloat = 1.0
    min: FiniteFloat = 0.0


class _Weight(_Lenient):
    name: str
    shape: tuple[NonNegativeInt, ...]
    dtype: str
    quantization: _Quantization | None = None

    @property
    def stored(self) -> np.dtype[Any]:
        """Its type in the ``.bin``."""
        code = self.quantization.dtype if self.quantization else DTYPES[self.dtype]
        return np.dtype(code).newbyteorder("<")

    @property
    def size(self) -> int:
        """Its bytes in the ``.bin``."""
        return math.prod(self.shape) * self.stored.itemsize


class _Group(_Lenient):
    paths: tuple[str, ...] = Field(min_length=1)
    weights: tuple[_Weight, ...]


class _Topology(_Lenient):
    node: tuple[dict[str, Any], ...] = Field(min_length=1)


class _Model(_Lenient):
    model_topology: _Topology = Field(alias="modelTopology")
    weights_manifest: tuple[_Group, ...] = Field(alias="weightsManifest")


def weight_files(path: Path) -> tuple[Path, ...]:
    """The ``.bin`` files that a TensorFlow.js graph model names, in its order; they need not exist.

    Raises:
        ModelError: ``path`` is no TensorFlow.js graph model, or names a file outside of its folder.
    """
    return tuple(file for group in _read_json(path).weights_manifest for file in _files(path, group))


def read_tfjs_graph(path: Path) -> TfjsGraph:
    """Read a TensorFlow.js graph model.

    Args:
        path: Its ``.json`` file; the ``.bin`` files lie beside it.

    Raises:
        ModelError: No such file, not a graph model, weights that are missing or do not fit, or an op that TensorFlow
            does not have.
        RuntimeUnavailableError: TensorFlow is not installed.
    """
    model = _read_json(path)
    tf = import_tensorflow()
    nodes = _parse(tf, path, model.model_topology)
    _check_ops(tf, path, nodes)
    weights = dict(_weights(path, model.weights_manifest))
    definition = tf.compat.v1.GraphDef()
    for node in nodes:
        node.ClearField("device")  # where the converter ran
        if node.op == "Const":
            _fill(tf, path, node, weights)
        definition.node.extend(_plain_nodes(path, node))
    read = {name.lstrip("^").partition(":")[0] for node in nodes for name in node.input}
    return TfjsGraph(
        definition,
        {node.name: _shape(node) for node in nodes if node.op == "Placeholder"},
        tuple(node.name for node in nodes if node.name not in read and node.op not in ("NoOp", "Const")),
    )


def _read_json(path: Path) -> _Model:
    try:
        raw = json.loads(path.read_bytes())
    except OSError as error:
        raise ModelError(f"TensorFlow.js model {path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is not JSON ({first_line(error)}); {AGAIN}") from error
    topology = raw.get("modelTopology") if isinstance(raw, dict) else None
    if not isinstance(topology, dict) or "weightsManifest" not in raw:
        raise ModelError(
            f"{path} is not a TensorFlow.js model: it has no modelTopology and weightsManifest; "
            "give the JSON file of a graph model"
        )
    if raw.get("format") == "layers-model" or "model_config" in topology:
        raise ModelError(
            f"{path} is a TensorFlow.js layers model, Sightline reads graph models; "
            "convert it with tensorflowjs_converter --output_format tfjs_graph_model"
        )
    try:
        return _Model.model_validate(raw)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(str(part) for part in fault["loc"])
        raise ModelError(f"{path} is a damaged TensorFlow.js graph model: {where}: {fault['msg']}; {AGAIN}") from error


def _parse(tf: Any, path: Path, topology: _Topology) -> list[Any]:
    """The nodes as ``NodeDef``."""
    from google.protobuf import json_format

    nodes = []
    for raw in topology.node:
        try:
            nodes.append(json_format.ParseDict(raw, tf.compat.v1.NodeDef()))
        except json_format.ParseError as error:
            name = raw.get("name")
            raise ModelError(
                f"{path} is a damaged TensorFlow.js graph model: node {name!r}: {first_line(error)}; {AGAIN}"
            ) from error
    return nodes


def _check_ops(tf: Any, path: Path, nodes: list[Any]) -> None:
    unknown = sorted({node.op for node in nodes if node.op not in PLAIN and not hasattr(tf.raw_ops, node.op)})
    if unknown:
        raise ModelError(
            f"{path} uses ops that TensorFlow does not have ({', '.join(unknown)}); convert the model without them"
        )


def _files(path: Path, group: _Group) -> Iterator[Path]:
    for word in group.paths:
        plain = PurePosixPath(word)
        leaves = ".." in plain.parts or plain.is_absolute() or bool(PureWindowsPath(word).anchor) or "\\" in word
        if leaves or not plain.parts:
            raise ModelError(
                f"{path} looks for weights at {word!r}, outside of its own folder; keep the .bin files beside the .json"
            )
        yield path.parent / plain


def _weights(path: Path, groups: tuple[_Group, ...]) -> Iterator[tuple[str, Tensor]]:
    """Name and value of every weight."""
    for group in groups:
        for weight in group.weights:
            if weight.dtype not in DTYPES:
                raise ModelError(
                    f"{path}: weight {weight.name!r} has the dtype {weight.dtype!r}; "
                    f"Sightline reads {', '.join(DTYPES)}"
                )
        files = tuple(_files(path, group))
        data = b"".join(_read_bytes(path, file) for file in files)
        wanted = sum(weight.size for weight in group.weights)
        if len(data) != wanted:
            raise ModelError(
                f"{', '.join(map(str, files))}: {len(data)} bytes of weights, but {path} tells of {wanted}; "
                "copy all files of the model again"
            )
        start = 0
        for weight in group.weights:
            yield weight.name, _value(weight, data[start : start + weight.size])
            start += weight.size


def _read_bytes(path: Path, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ModelError(
            f"{file}, the weights of {path}, cannot be read ({error.strerror or error}); put it beside the .json"
        ) from error


def _value(weight: _Weight, data: bytes) -> Tensor:
    stored = np.frombuffer(data, weight.stored).reshape(weight.shape)
    target = np.dtype(DTYPES[weight.dtype])
    if weight.quantization is None or weight.quantization.dtype == "float16":
        return stored.astype(target)
    value = stored.astype(np.float64) * weight.quantization.scale + weight.quantization.min
    return (np.rint(value) if target.kind == "i" else value).astype(target)


def _fill(tf: Any, path: Path, node: Any, weights: dict[str, Tensor]) -> None:
    """Put the weight into its ``Const`` node, in the type that the node has (TensorFlow.js knows no int64)."""
    value = weights.get(node.name)
    if value is None:
        raise ModelError(f"{path} tells of no weight for its constant {node.name!r}; {AGAIN}")
    try:
        dtype = tf.as_dtype(node.attr["dtype"].type)
    except TypeError:
        raise ModelError(f"{path} does not say what its constant {node.name!r} is made of; {AGAIN}") from None
    if np.dtype(dtype.as_numpy_dtype).kind != value.dtype.kind:
        raise ModelError(
            f"{path}: weight {node.name!r} has the dtype {value.dtype}, but the graph wants {dtype.name}; {AGAIN}"
        )
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype, value.shape))


def _plain_nodes(path: Path, node: Any) -> list[Any]:
    """The node itself, or the plain ops that a fused one stands for; the last of them has its name."""
    if node.op not in PLAIN:
        return [node]
    steps = [word.decode(errors="replace") for word in node.attr["fused_ops"].list.s]
    inputs = [name for name in node.input if not name.startswith("^")]
    if len(inputs) != 2 + steps.count("BiasAdd") or not set(steps) <= {"BiasAdd", *ACTIVATIONS}:
        raise ModelError(
            f"{path}: node {node.name!r} fuses {', '.join(steps) or 'nothing'} with {len(inputs)} inputs; "
            f"Sightline takes BiasAdd, {', '.join(ACTIVATIONS)} apart"
        )
    made = [_derived(node, PLAIN[node.op], inputs[:2], KEPT)]
    made[0].input.extend(name for name in node.input if name.startswith("^"))
    for step in steps:
        added = [inputs[2]] if step == "BiasAdd" else []
        made.append(_derived(node, step, [made[-1].name, *added], ("T", "data_format") if added else ("T",)))
        if step == "LeakyRelu":
            made[-1].attr["alpha"].f = node.attr["leakyrelu_alpha"].f
    for position, one in enumerate(made[:-1]):
        one.name = f"{node.name}/{position}_{one.op}"
        made[position + 1].input[0] = one.name
    made[-1].name = node.name
    return made


def _derived(node: Any, op: str, inputs: list[str], kept: tuple[str, ...]) -> Any:
    made = type(node)(name=node.name, op=op, input=inputs)
    for key in kept:
        if key in node.attr:
            made.attr[key].CopyFrom(node.attr[key])
    return made


def _shape(node: Any) -> tuple[int | None, ...]:
    return tuple(None if dim.size < 0 else dim.size for dim in node.attr["shape"].shape.dim)
