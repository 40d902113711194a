"""TensorFlow.js graph models as TensorFlow graphs, held to TensorFlow's own arithmetic."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detectors.errors import ModelError
from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.runtimes.tensorflow_runtime import TensorFlowRuntime
from detectors.tfjs_graph import read_tfjs_graph, weight_files
from tests.support.tfjs import TfjsModel, text

if find_spec("tensorflow") is None:
    pytest.skip("TensorFlow is not installed (extra 'tensorflow')", allow_module_level=True)

RANDOM = np.random.default_rng(0)
PICTURE = RANDOM.uniform(-1, 1, (1, 9, 10, 3)).astype(np.float32)
FILTER = RANDOM.uniform(-1, 1, (3, 3, 3, 5)).astype(np.float32)
BIAS = RANDOM.uniform(-1, 1, 5).astype(np.float32)


def answer(path: Path, batch: np.ndarray = PICTURE) -> np.ndarray:
    graph = read_tfjs_graph(path)
    runtime = TensorFlowRuntime.load_graph(graph.definition, path, next(iter(graph.inputs)), graph.outputs, "cpu")
    (found,) = runtime.run(batch)
    runtime.close()
    return np.asarray(found)


def fused(fused_ops: list[str], **attr: Any) -> TfjsModel:
    model = TfjsModel()
    inputs = [model.placeholder("x", PICTURE.shape), model.const("w", FILTER), model.const("b", BIAS)]
    model.conv("y", "_FusedConv2D", inputs, fused_ops, **attr)
    return model


@pytest.mark.parametrize("activation", ["", "Relu", "Relu6", "Elu", "LeakyRelu", "Sigmoid", "Tanh"])
def test_a_fused_convolution(tmp_path: Path, activation: str) -> None:
    tf = import_tensorflow()
    expected = tf.nn.bias_add(tf.nn.conv2d(PICTURE, FILTER, 2, "SAME"), BIAS)
    if activation == "LeakyRelu":
        expected = tf.nn.leaky_relu(expected, 0.125)
    elif activation:
        expected = getattr(tf.raw_ops, activation)(
            **{"x" if activation in ("Sigmoid", "Tanh") else "features": expected}
        )
    steps = ["BiasAdd", activation] if activation else ["BiasAdd"]
    path = fused(steps, leakyrelu_alpha={"f": 0.125}).write(tmp_path)
    np.testing.assert_allclose(answer(path), expected.numpy(), atol=1e-5)


def test_a_fused_depthwise_convolution(tmp_path: Path) -> None:
    tf = import_tensorflow()
    kernel = FILTER[..., :2]
    bias = np.concatenate([BIAS, BIAS[:1]])
    model = TfjsModel()
    inputs = [model.placeholder("x", PICTURE.shape), model.const("w", kernel), model.const("b", bias)]
    model.conv("y", "FusedDepthwiseConv2dNative", inputs, ["BiasAdd", "Relu"])
    expected = tf.nn.relu(tf.nn.depthwise_conv2d(PICTURE, kernel, [1, 2, 2, 1], "SAME") + bias)
    np.testing.assert_allclose(answer(model.write(tmp_path)), expected.numpy(), atol=1e-5)


def test_a_fused_product_of_matrices(tmp_path: Path) -> None:
    rows = RANDOM.uniform(-1, 1, (4, 3)).astype(np.float32)
    factor = RANDOM.uniform(-1, 1, (5, 3)).astype(np.float32)
    model = TfjsModel()
    inputs = [model.placeholder("x", (-1, 3)), model.const("w", factor), model.const("b", BIAS)]
    model.node(
        "y", "_FusedMatMul", inputs,
        T={"type": "DT_FLOAT"}, transpose_a={"b": False}, transpose_b={"b": True}, num_args={"i": "1"},
        fused_ops={"list": {"s": [text("BiasAdd"), text("Relu")]}},
    )  # fmt: skip
    np.testing.assert_allclose(answer(model.write(tmp_path), rows), np.maximum(rows @ factor.T + BIAS, 0), atol=1e-5)


@pytest.mark.parametrize(
    ("quantization", "tolerance"),
    [
        ({}, 0),
        ({"dtype": "uint8", "scale": 2 / 255, "min": -1.0}, 1 / 255),
        ({"dtype": "uint16", "scale": 2 / 65535, "min": -1.0}, 1 / 65535),
        ({"dtype": "float16", "original_dtype": "float32"}, 1 / 2048),
    ],
    ids=["plain", "uint8", "uint16", "float16"],
)
def test_a_weight_as_it_was_stored(tmp_path: Path, quantization: dict[str, Any], tolerance: float) -> None:
    model = TfjsModel()
    row = RANDOM.uniform(-1, 1, (1, 300)).astype(np.float32)
    model.const("before", BIAS)  # other weights lie before and behind
    inputs = [model.placeholder("x", (-1, 300)), model.const("w", row, **quantization)]
    model.const("behind", BIAS)
    model.node("y", "AddV2", inputs, T={"type": "DT_FLOAT"})
    path = model.write(tmp_path, parts=3)
    np.testing.assert_allclose(answer(path, np.zeros((1, 300), np.float32)), row, atol=tolerance + 1e-7)
    assert weight_files(path) == tuple(tmp_path / name for name in ("model.bin", "model1.bin", "model2.bin"))


def test_whole_numbers_get_the_type_that_the_graph_wants(tmp_path: Path) -> None:
    model = TfjsModel()
    inputs = [
        model.placeholder("x", PICTURE.shape),
        model.const("shape", np.array([27, 10], np.int32), node_type="DT_INT64"),
    ]
    model.node("y", "Reshape", inputs, T={"type": "DT_FLOAT"}, Tshape={"type": "DT_INT64"})
    assert answer(model.write(tmp_path)).tolist() == PICTURE.reshape(27, 10).tolist()
    small = TfjsModel()
    quantised = small.const("shape", np.array([27, 10], np.int32), dtype="uint8", scale=1.0, min=10.0)
    small.node("y", "Reshape", [small.placeholder("x", PICTURE.shape), quantised], T={"type": "DT_FLOAT"})
    assert answer(small.write(tmp_path)).shape == (27, 10)


def test_inputs_outputs_and_no_device(tmp_path: Path) -> None:
    model = fused(["BiasAdd", "Relu"])
    model.nodes[-1]["device"] = "/device:CPU:0"
    graph = read_tfjs_graph(model.write(tmp_path))
    assert (graph.inputs, graph.outputs) == ({"x": PICTURE.shape}, ("y",))
    assert [node.op for node in graph.definition.node[-3:]] == ["Conv2D", "BiasAdd", "Relu"]
    assert not any(node.device for node in graph.definition.node)


def test_a_network_for_one_picture_gets_a_batch_one_by_one(tmp_path: Path) -> None:
    path = fused(["BiasAdd"]).write(tmp_path)
    both = answer(path, np.concatenate([PICTURE, -PICTURE]))
    np.testing.assert_allclose(both, np.concatenate([answer(path), answer(path, -PICTURE)]), atol=1e-6)


Change = Callable[[dict[str, Any], Path], object]


def weight(raw: dict[str, Any], index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = raw["weightsManifest"][0]["weights"][index]
    return found


def last(raw: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = raw["modelTopology"]["node"][-1]
    return found


def manifest(key: str, value: object) -> Change:
    return lambda raw, folder: raw["weightsManifest"][0].__setitem__(key, value)


BAD: dict[str, tuple[Change, str]] = {
    "no topology": (lambda raw, folder: raw.pop("modelTopology"), "is not a TensorFlow.js model"),
    "no manifest": (lambda raw, folder: raw.pop("weightsManifest"), "is not a TensorFlow.js model"),
    "a layers model": (lambda raw, folder: raw.update(format="layers-model"), "is a TensorFlow.js layers model"),
    "an older layers model": (lambda raw, folder: raw.update(modelTopology={"model_config": {}}), "layers model"),
    "no nodes": (lambda raw, folder: raw["modelTopology"].update(node=[]), r"damaged .*modelTopology\.node"),
    "a node of nonsense": (lambda raw, folder: raw["modelTopology"]["node"][0].update(attr=3), "damaged .*node 'x'"),
    "a negative size": (lambda raw, folder: weight(raw).update(shape=[-1]), "damaged .*weights"),
    "a strange quantisation": (lambda raw, folder: weight(raw).update(quantization={"dtype": "int4"}), "damaged .*"),
    "an unknown op": (lambda raw, folder: last(raw).update(op="Dream"), r"does not have \(Dream\)"),
    "an unknown fusion": (
        lambda raw, folder: last(raw)["attr"].update(fused_ops={"list": {"s": [text("Prelu")]}}),
        "node 'y' fuses Prelu with 3 inputs",
    ),
    "a wrong dtype": (lambda raw, folder: weight(raw).update(dtype="complex64"), "weight 'w' has .* 'complex64'"),
    "another dtype": (lambda raw, folder: weight(raw).update(dtype="int32"), "has the dtype int32, .*wants float32"),
    "a weight too few": (manifest("weights", []), r"model\.bin: 560 bytes of weights, .*tells of 0"),
    "a weight without its node": (lambda raw, folder: weight(raw).update(name="v"), "tells of no weight .*'w'"),
    "no bin": (lambda raw, folder: (folder / "model.bin").unlink(), r"model\.bin, .*cannot be read .*No such file"),
    "a short bin": (lambda raw, folder: (folder / "model.bin").write_bytes(b"123"), r"model\.bin: 3 bytes of weights"),
    "a long bin": (lambda raw, folder: (folder / "model.bin").write_bytes(b"1" * 561), r"561 bytes .*tells of 560"),
    "a huge weight": (lambda raw, folder: weight(raw).update(shape=[1 << 40, 1 << 40]), "bytes of weights"),
    "above": (manifest("paths", ["../model.bin"]), "outside of its own folder"),
    "elsewhere": (manifest("paths", ["/etc/passwd"]), "outside of its own folder"),
    "on a drive": (manifest("paths", ["C:model.bin"]), "outside of its own folder"),
    "nowhere": (manifest("paths", [""]), "outside of its own folder"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, name: str) -> None:
    change, expected = BAD[name]
    path = fused(["BiasAdd"]).write(tmp_path)
    raw = json.loads(path.read_text())
    change(raw, tmp_path)
    path.write_text(json.dumps(raw))
    with pytest.raises(ModelError, match=expected) as caught:
        read_tfjs_graph(path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"no JSON", b"[" * 100_000, b'{"nodes": '])
def test_what_is_no_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="is not JSON") as caught:
        read_tfjs_graph(path)
    assert "\n" not in str(caught.value)
    path.write_text("[1]")
    with pytest.raises(ModelError, match=r"is not a TensorFlow\.js model"):
        read_tfjs_graph(path)
    with pytest.raises(ModelError, match="cannot be read: No such file"):
        read_tfjs_graph(tmp_path / "none.json")


def test_nodes_that_do_not_fit_each_other_are_refused_by_the_runtime(tmp_path: Path) -> None:
    model = fused(["BiasAdd"])
    model.nodes[-1]["input"][0] = "nobody"
    path = model.write(tmp_path)
    with pytest.raises(ModelError, match="cannot be read as a frozen TensorFlow graph") as caught:
        answer(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_damaged_file_is_told_without_loading_tensorflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def imported() -> None:
        raise AssertionError("TensorFlow was imported for a file that is no model")

    monkeypatch.setattr("detectors.tfjs_graph.import_tensorflow", imported)
    path = tmp_path / "model.json"
    path.write_text('{"modelTopology": {"node": [')
    with pytest.raises(ModelError, match="is not JSON"):
        read_tfjs_graph(path)
