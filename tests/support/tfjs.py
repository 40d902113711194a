"""Small TensorFlow.js graph models, written as the converter writes them."""

from __future__ import annotations

import base64
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {"float32": "DT_FLOAT", "int32": "DT_INT32", "bool": "DT_BOOL"}


def text(word: str) -> str:
    """A string attribute as JSON has it."""
    return base64.b64encode(word.encode()).decode()


class TfjsModel:
    """Nodes and weights in the making."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.weights: list[dict[str, Any]] = []
        self.data = b""

    def placeholder(self, name: str, shape: tuple[int, ...], dtype: str = "float32") -> str:
        sizes = {"dim": [{"size": str(size)} for size in shape]}
        return self.node(name, "Placeholder", [], dtype={"type": TYPES[dtype]}, shape={"shape": sizes})

    def const(self, name: str, value: np.ndarray, node_type: str | None = None, **quantization: Any) -> str:
        """A constant; with ``dtype``, ``scale`` and ``min`` the weight is stored quantised."""
        dtype = str(value.dtype)
        weight: dict[str, Any] = {"name": name, "shape": list(value.shape), "dtype": dtype}
        if quantization:
            weight["quantization"] = quantization
            code = quantization["dtype"]
            if code != "float16":
                value = np.rint((value - quantization["min"]) / quantization["scale"])
            value = value.astype(code)
        self.weights.append(weight)
        self.data += value.tobytes()
        wanted = node_type or TYPES[dtype]
        return self.node(name, "Const", [], dtype={"type": wanted}, value={"tensor": {"dtype": wanted}})

    def node(self, name: str, op: str, inputs: list[str], **attr: Any) -> str:
        self.nodes.append({"name": name, "op": op, "input": inputs, "attr": attr})
        return name

    def conv(self, name: str, op: str, inputs: list[str], fused: list[str], **attr: Any) -> str:
        """A fused convolution of stride 2 with padding."""
        return self.node(
            name, op, inputs,
            T={"type": "DT_FLOAT"}, strides={"list": {"i": ["1", "2", "2", "1"]}}, padding={"s": text("SAME")},
            dilations={"list": {"i": ["1", "1", "1", "1"]}}, data_format={"s": text("NHWC")},
            explicit_paddings={"list": {}}, num_args={"i": str(len(inputs) - 2)}, epsilon={"f": 0},
            fused_ops={"list": {"s": [text(word) for word in fused]}}, **attr,
        )  # fmt: skip

    def json(self, paths: tuple[str, ...] = ("model.bin",)) -> dict[str, Any]:
        return {
            "format": "graph-model",
            "modelTopology": {"node": self.nodes, "library": {}, "versions": {}},
            "weightsManifest": [{"paths": list(paths), "weights": self.weights}],
        }

    def write(self, folder: Path, parts: int = 1) -> Path:
        """``model.json`` with its weights in so many files."""
        folder.mkdir(parents=True, exist_ok=True)
        names = tuple(f"model{part or ''}.bin" for part in range(parts))
        size = math.ceil(len(self.data) / parts)
        for part, name in enumerate(names):
            (folder / name).write_bytes(self.data[part * size : (part + 1) * size])
        path = folder / "model.json"
        path.write_text(json.dumps(self.json(names)))
        return path


def detections(
    rows: list[list[float]], size: tuple[int, ...] = (1, 64, 96, 3), output: str = "tower/detections"
) -> TfjsModel:
    """A "CenterNet" that answers the same rows of x1, y1, x2, y2, score, class to every picture."""
    model = TfjsModel()
    image = model.placeholder("images", size)
    axes = model.const("axes", np.arange(len(size), dtype=np.int32))
    mean = model.node("mean", "Mean", [image, axes], T={"type": "DT_FLOAT"}, Tidx={"type": "DT_INT32"})
    nothing = model.node("nothing", "Mul", [mean, model.const("zero", np.zeros(1, np.float32))], T={"type": "DT_FLOAT"})
    table = model.const("rows", np.array([rows], np.float32))
    model.node(output, "Add", [table, nothing], T={"type": "DT_FLOAT"})
    return model
