"""Write a Keras model as a SavedModel that serves without Keras."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.errors import ModelError
from detectors.runtimes.quiet import quiet_stderr
from detectors.runtimes.tensorflow_import import import_tensorflow

if TYPE_CHECKING:
    import keras


def save_saved_model(
    model: keras.Model, folder: Path, outputs: tuple[str, ...] = ("predictions",), dtype: str = "float32"
) -> None:
    """Write a model with one input as a SavedModel, whole or not at all.

    Weights become constants of the graph: it loads five times as fast as one with variables and oneDNN prepares the
    kernels' memory once. The ``serving_default`` signature maps ``picture`` to the outputs.

    Args:
        model: Its input may leave batch, height and width open.
        folder: Made with its parents, and replaced if there.
        outputs: Names of the outputs, in the model's order.
        dtype: What ``picture`` is given in; the graph casts it to the model's own.

    Raises:
        ModelError: It cannot be written there.
    """
    tf = import_tensorflow()
    with quiet_stderr():
        definition, feed, fetches = _freeze(tf, model, dtype)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
                written = Path(scratch) / "new"
                _write(tf, definition, feed, dict(zip(outputs, fetches, strict=True)), written)
                if folder.exists():
                    os.replace(folder, Path(scratch) / "old")
                os.replace(written, folder)
        except (OSError, tf.errors.OpError) as error:
            reason = str(error).strip().split("\n")[0]
            raise ModelError(f"the TensorFlow model cannot be written to {folder} ({reason})") from error


def _freeze(tf: Any, model: keras.Model, dtype: str) -> tuple[Any, str, list[str]]:
    """The model as a graph without variables, and the names of its input and output tensors."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape, own = model.inputs[0].shape, model.inputs[0].dtype
    function = tf.function(lambda picture: model(tf.cast(picture, own), training=False))
    frozen = convert_variables_to_constants_v2(function.get_concrete_function(tf.TensorSpec(shape, dtype)))
    return frozen.graph.as_graph_def(), frozen.inputs[0].name, [output.name for output in frozen.outputs]


def _write(tf: Any, definition: Any, feed: str, fetches: dict[str, str], folder: Path) -> None:
    tf1 = tf.compat.v1
    with tf1.Graph().as_default() as graph, tf1.Session(graph=graph) as session:
        picture, *found = tf.import_graph_def(definition, return_elements=[feed, *fetches.values()], name="")
        outputs = dict(zip(fetches, found, strict=True))
        signature = tf1.saved_model.predict_signature_def({"picture": picture}, outputs)
        builder = tf1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(
            session,
            [tf.saved_model.SERVING],
            {tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY: signature},
        )
        builder.save()
