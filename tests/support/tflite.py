"""Small TFLite detection networks, written as converters write them, and the metadata that may be packed into them."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

BOXES, CLASSES, SCORES, COUNT = range(4)
"""Results of the post-process, in its own order."""


class TfliteModel:
    """Tensors and operations in the making."""

    def __init__(self) -> None:
        from ai_edge_litert import schema_py_generated as schema

        self.schema = schema
        self.tensors: list[Any] = []
        self.operations: list[Any] = []
        self.codes: list[Any] = []
        self.buffers: list[Any] = [schema.BufferT()]
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.metadata: list[Any] = []

    def tensor(
        self,
        shape: Sequence[int],
        dtype: str = "float32",
        name: str = "",
        quantisation: tuple[float, int] | None = None,
        signature: Sequence[int] | None = None,
        buffer: int = 0,
    ) -> int:
        kind = {"float32": "FLOAT32", "float16": "FLOAT16", "int32": "INT32", "uint8": "UINT8", "int8": "INT8"}[dtype]
        made = self.schema.TensorT(
            shape=list(shape), type=getattr(self.schema.TensorType, kind), buffer=buffer,
            name=name or f"tensor_{len(self.tensors)}", shapeSignature=signature,
        )  # fmt: skip
        if quantisation is not None:
            made.quantization = self.schema.QuantizationParametersT(
                scale=[quantisation[0]], zeroPoint=[quantisation[1]]
            )
        self.tensors.append(made)
        return len(self.tensors) - 1

    def const(self, value: np.ndarray) -> int:
        return self.tensor(value.shape, str(value.dtype), buffer=self.buffer(value.tobytes()))

    def buffer(self, data: bytes) -> int:
        self.buffers.append(self.schema.BufferT(data=np.frombuffer(data, np.uint8)))
        return len(self.buffers) - 1

    def op(self, name: str, inputs: list[int], outputs: list[int], options: Any = None, custom: bytes = b"") -> None:
        """A built-in operation, or one of another name with options of its own."""
        builtin = getattr(self.schema.BuiltinOperator, name, None)
        code = self.schema.BuiltinOperator.CUSTOM if builtin is None else builtin
        self.codes.append(
            self.schema.OperatorCodeT(
                deprecatedBuiltinCode=code, builtinCode=code, customCode=name if builtin is None else None
            )
        )
        operation = self.schema.OperatorT(opcodeIndex=len(self.codes) - 1, inputs=inputs, outputs=outputs)
        if options is not None:
            operation.builtinOptions = options
            kind = type(options).__name__.removesuffix("T")
            operation.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
        if custom:
            operation.customOptions = np.frombuffer(custom, np.uint8)
        self.operations.append(operation)

    def postprocess(self, scores: int, anchors: np.ndarray, classes: int) -> list[int]:
        """The detection post-process over anchors (N, 4) of y, x, height, width: they are the boxes."""
        from flatbuffers import flexbuffers

        encodings = self.const(np.zeros((1, len(anchors), 4), np.float32))
        results = [self.tensor((), name=f"TFLite_Detection_PostProcess:{number}") for number in range(4)]
        options = {
            "max_detections": len(anchors), "max_classes_per_detection": classes, "detections_per_class": 10,
            "use_regular_nms": False, "nms_score_threshold": 0.0, "nms_iou_threshold": 0.6, "num_classes": classes,
            "y_scale": 10.0, "x_scale": 10.0, "h_scale": 5.0, "w_scale": 5.0,
        }  # fmt: skip
        inputs = [encodings, scores, self.const(anchors.astype(np.float32))]
        self.op("TFLite_Detection_PostProcess", inputs, results, custom=bytes(flexbuffers.Dumps(options)))
        return results

    def write(self, path: Path, files: dict[str, str] | None = None) -> Path:
        """Write it, with text files packed behind it."""
        import flatbuffers

        graph = self.schema.SubGraphT(
            tensors=self.tensors, inputs=self.inputs, outputs=self.outputs, operators=self.operations, name="main"
        )
        model = self.schema.ModelT(
            version=3, operatorCodes=self.codes, subgraphs=[graph], buffers=self.buffers, metadata=self.metadata,
            description="test",
        )  # fmt: skip
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(builder.Output()))
        if files:
            with zipfile.ZipFile(path, "a") as archive:
                for name, text in files.items():
                    archive.writestr(name, text)
        return path


ANCHORS = np.array([[0.3, 0.6, 0.2, 0.4], [0.8, 0.2, 0.4, 0.2]], np.float32)


def colours(
    dtype: str = "float32",
    quantisation: tuple[float, int] | None = None,
    size: tuple[int, int] = (24, 32),
    order: Sequence[int] = (BOXES, CLASSES, SCORES, COUNT),
    anchors: np.ndarray = ANCHORS,
) -> TfliteModel:
    """A "detector" whose classes 0, 1 and 2 score what red, green and blue are on the average.

    It finds them at each anchor, whatever the picture; a score is the number given in: 1 for full red, -1 for none.
    """
    model = TfliteModel()
    model.inputs = [model.tensor((1, *size, 3), dtype, "normalized_input_image_tensor", quantisation)]
    results = model.postprocess(averages(model, dtype, quantisation, len(anchors)), anchors, 3)
    model.outputs = [results[number] for number in order]
    return model


def averages(model: TfliteModel, dtype: str, quantisation: tuple[float, int] | None, rows: int) -> int:
    """The average of each channel, (1, rows, 3) float32."""
    schema = model.schema
    mean = model.tensor((1, 3), dtype, quantisation=quantisation)
    model.op("MEAN", [model.inputs[0], model.const(np.array([1, 2], np.int32))], [mean], schema.ReducerOptionsT())
    if dtype != "float32":
        mean, quantised = model.tensor((1, 3)), mean
        model.op("DEQUANTIZE", [quantised], [mean], schema.DequantizeOptionsT())
    row = model.tensor((1, 1, 3))
    model.op("RESHAPE", [mean, model.const(np.array([1, 1, 3], np.int32))], [row], schema.ReshapeOptionsT())
    table = model.tensor((1, rows, 3))
    model.op("CONCATENATION", [row] * rows, [table], schema.ConcatenationOptionsT(axis=1))
    return table


def add_metadata(
    model: TfliteModel,
    label_files: Sequence[tuple[str, int]] = (),
    normalisation: tuple[Sequence[float], Sequence[float]] | None = None,
) -> None:
    """Metadata of the schema of TFLite Support.

    Args:
        model: It becomes part of.
        label_files: Names of files and their types (2: names of an axis, 3: names of values), of the second output.
        normalisation: Mean and standard deviation of the input.
    """
    import flatbuffers

    build = flatbuffers.Builder(256)
    files = [_table(build, 5, {0: build.CreateString(name)}, {2: kind}) for name, kind in label_files]
    outputs = [_table(build, 7, {}), _table(build, 7, {6: _vector(build, files)} if files else {})]
    units = []
    if normalisation is not None:
        mean, std = (build.CreateNumpyVector(np.asarray(numbers, np.float32)) for numbers in normalisation)
        units = [_table(build, 2, {1: _table(build, 2, {0: mean, 1: std})}, {0: 1})]
    inputs = [_table(build, 7, {4: _vector(build, units)} if units else {})]
    graph = _table(build, 7, {2: _vector(build, inputs), 3: _vector(build, outputs)})
    build.Finish(_table(build, 8, {3: _vector(build, [graph])}), file_identifier=b"M001")
    number = model.buffer(bytes(build.Output()))
    model.metadata.append(model.schema.MetadataT(name="TFLITE_METADATA", buffer=number))


def _table(build: Any, fields: int, offsets: dict[int, int], bytes_: dict[int, int] | None = None) -> int:
    """A table of so many fields, of which those named are there."""
    build.StartObject(fields)
    for field, offset in offsets.items():
        build.PrependUOffsetTRelativeSlot(field, offset, 0)
    for field, value in (bytes_ or {}).items():
        build.PrependUint8Slot(field, value, 0)
    return int(build.EndObject())


def _vector(build: Any, tables: list[int]) -> int:
    build.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        build.PrependUOffsetTRelative(table)
    return int(build.EndVector())
