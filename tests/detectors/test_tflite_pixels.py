"""A LiteRT network of floats becomes one of bytes, wherever its weights lie in the file."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest

if missing := [name for name in ("tensorflow", "ai_edge_litert") if find_spec(name) is None]:
    pytest.skip(f"{', '.join(missing)} is not installed (extras 'tensorflow', 'litert')", allow_module_level=True)

from detectors.export.tflite_pixels import take_bytes
from detectors.runtimes.tensorflow_import import import_tensorflow

ADDED = np.arange(48, dtype=np.float32).reshape(1, 4, 4, 3)


@pytest.fixture(scope="module")
def network() -> bytes:
    """From (1, 4, 4, 3) floats to the same and ``ADDED``; the input is used twice."""
    tf = import_tensorflow()
    function = tf.function(lambda picture: (picture + ADDED, picture + picture))
    wanted = function.get_concrete_function(tf.TensorSpec((1, 4, 4, 3), tf.float32, name="picture"))
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([wanted], function).convert())


def with_weights_behind(model: bytes) -> bytes:
    """The same file as ai-edge-quantizer would write it: weights follow the tree, which tells their place."""
    from tensorflow.lite.tools import flatbuffer_utils

    tree: Any = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    (buffer,) = [one for one in tree.buffers if one.data is not None and len(one.data) == ADDED.nbytes]
    buffer.data, buffer.offset, buffer.size = None, 1, 1
    place = -(-len(flatbuffer_utils.convert_object_to_bytearray(tree)) // 16) * 16
    buffer.offset, buffer.size = place, ADDED.nbytes
    return bytes(flatbuffer_utils.convert_object_to_bytearray(tree)).ljust(place, b"\0") + ADDED.tobytes()


def answers(model: bytes, picture: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=model)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], picture)
    interpreter.invoke()
    return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]


@pytest.mark.parametrize("behind", [False, True])
def test_bytes_give_what_their_share_of_white_gave(network: bytes, behind: bool) -> None:
    picture = np.random.default_rng(3).integers(0, 256, ADDED.shape).astype(np.uint8)
    model = with_weights_behind(network) if behind else network
    light = picture.astype(np.float32) / 255
    found = answers(take_bytes(model), picture)
    for ours, expected in zip(found, answers(model, light), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
        assert ours.dtype == np.float32
    assert len(found) == 2
