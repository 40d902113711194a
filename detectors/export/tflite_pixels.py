"""LiteRT networks that take bytes: the input becomes a quantised one, and the first operation gives it as floats."""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.pixels import WHITE

_VERSION = 2
"""Of the operation; the first one to take uint8 and int8."""


def take_bytes(model: bytes) -> bytes:
    """A network from ``picture`` in [0, 1] as one from uint8, 255 standing for 1.

    The input keeps its name, place and shape. A quantised input and DEQUANTIZE are LiteRT's own way to say this: its
    delegates take the operation, as they would not take a CAST and a division.

    Args:
        model: A ``.tflite`` with one float32 input.
    """
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils

    tree: Any = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    for buffer in tree.buffers:
        if buffer.offset > 1:  # what the quantiser writes: weights that lie behind the tree
            buffer.data = np.frombuffer(model, np.uint8, buffer.size, buffer.offset)
            buffer.offset = buffer.size = 0
    graph = tree.subgraphs[0]
    place = int(graph.inputs[0])
    picture = graph.tensors[place]
    floats = schema.TensorT()
    floats.name, floats.type = picture.name + b"_floats", picture.type
    floats.shape, floats.shapeSignature, floats.hasRank = picture.shape, picture.shapeSignature, picture.hasRank
    graph.tensors.append(floats)
    for operator in graph.operators:
        operator.inputs = np.where(operator.inputs == place, len(graph.tensors) - 1, operator.inputs)
    picture.type = schema.TensorType.UINT8
    picture.quantization = schema.QuantizationParametersT()
    picture.quantization.scale, picture.quantization.zeroPoint = [1 / WHITE], [0]
    graph.operators.insert(0, _operator(schema, tree, place, len(graph.tensors) - 1))
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree))


def _operator(schema: Any, tree: Any, source: int, target: int) -> Any:
    """DEQUANTIZE from one tensor to another, its kind entered among the operator codes of the model."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEQUANTIZE
    code.version = _VERSION
    tree.operatorCodes.append(code)
    operator = schema.OperatorT()
    operator.opcodeIndex = len(tree.operatorCodes) - 1
    operator.inputs, operator.outputs = [source], [target]
    return operator
