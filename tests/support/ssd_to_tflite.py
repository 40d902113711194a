"""A frozen SSD graph of the TensorFlow Object Detection API as TFLite, the way the API's own exporter makes it.

Its Preprocessor is left out, its anchors become constants, and the post-process of the graph becomes the one of TFLite.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.runtimes.tensorflow_import import import_tensorflow

_NORMALISED = "Preprocessor/sub:0"
_ENCODINGS, _SCORES, _CORNERS = "Squeeze:0", "Postprocessor/convert_scores:0", "Concatenate/concat:0"
_OPTIONS = """
    attr {{ key: 'max_detections' value {{ i: 100 }} }}
    attr {{ key: 'max_classes_per_detection' value {{ i: 1 }} }}
    attr {{ key: 'detections_per_class' value {{ i: 100 }} }}
    attr {{ key: 'use_regular_nms' value {{ b: false }} }}
    attr {{ key: 'nms_score_threshold' value {{ f: 1e-8 }} }}
    attr {{ key: 'nms_iou_threshold' value {{ f: 0.6 }} }}
    attr {{ key: 'y_scale' value {{ f: 10.0 }} }}
    attr {{ key: 'x_scale' value {{ f: 10.0 }} }}
    attr {{ key: 'h_scale' value {{ f: 5.0 }} }}
    attr {{ key: 'w_scale' value {{ f: 5.0 }} }}
    attr {{ key: 'num_classes' value {{ i: {classes} }} }}
"""


def ssd_to_tflite(graph: Path, target: Path, calibrate: Sequence[NDArray[np.uint8]] = ()) -> Path:
    """Convert a graph with an input of 300x300.

    Args:
        graph: A frozen graph.
        target: The ``.tflite`` file to write.
        calibrate: RGB pictures (300, 300, 3); with some, weights and input become int8 and uint8.
    """
    tf = import_tensorflow()
    definition = tf.compat.v1.GraphDef.FromString(graph.read_bytes())
    network = _pruned(tf, definition)
    anchors = _anchors(tf, definition)
    classes = int(network.outputs[1].shape[2]) - 1
    finish = _postprocess(tf, classes)

    class Whole(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1, 300, 300, 3), tf.float32, "normalized_input_image_tensor")])
        def call(self, picture: Any) -> Any:
            encodings, scores = network(picture)
            return finish(tf.reshape(encodings, (1, len(anchors), 4)), scores, tf.constant(anchors))

    with tempfile.TemporaryDirectory() as folder:  # only from there does the converter take the post-process as one
        module = Whole()
        tf.saved_model.save(module, folder, signatures=module.call.get_concrete_function())
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        target.write_bytes(_converted(tf, converter, calibrate))
    return target


def _converted(tf: Any, converter: Any, calibrate: Sequence[NDArray[np.uint8]]) -> bytes:
    converter.allow_custom_ops = True
    if calibrate:

        def samples() -> Iterator[list[NDArray[np.float32]]]:
            for picture in calibrate:
                yield [(picture[None].astype(np.float32) - 127.5) / 127.5]

        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.inference_input_type = tf.uint8
    return bytes(converter.convert())


def _pruned(tf: Any, definition: Any) -> Any:
    """The graph from a normalised picture to encoded boxes (1, N, 4) and scores (1, N, classes + 1)."""
    tf1 = tf.compat.v1

    def build(picture: Any) -> None:
        tf1.import_graph_def(definition, name="", input_map={_NORMALISED: picture})

    wrapped = tf1.wrap_function(build, [tf.TensorSpec((1, 300, 300, 3), tf.float32)])
    names = [wrapped.graph.get_tensor_by_name(name) for name in (_ENCODINGS, _SCORES)]
    return wrapped.prune(wrapped.inputs[0], names)


def _anchors(tf: Any, definition: Any) -> NDArray[np.float32]:
    """(N, 4): y, x, height and width of each anchor, relative to the picture."""
    tf1 = tf.compat.v1
    with tf1.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        tf1.import_graph_def(definition, name="")
        corners = session.run(_CORNERS, {"image_tensor:0": np.zeros((1, 300, 300, 3), np.uint8)})
    low, high = corners[:, :2], corners[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1).astype(np.float32)


def _postprocess(tf: Any, classes: int) -> Callable[..., Any]:
    """A function that the converter turns into the custom operation; what it computes itself is never used."""
    name = "TFLite_Detection_PostProcess"

    @tf.function(experimental_implements=f"name: '{name}' {_OPTIONS.format(classes=classes)}")
    def finish(encodings: Any, scores: Any, anchors: Any) -> Any:
        return tf.zeros((1, 100, 4)), tf.zeros((1, 100)), tf.zeros((1, 100)), tf.zeros(1)

    return finish
