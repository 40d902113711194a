"""TensorFlow: a SavedModel or a frozen graph in a session of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from detectors.detector import Tensor
from detectors.errors import ModelError
from detectors.runtimes.one_by_one import one_by_one
from detectors.runtimes.quiet import quiet_stderr
from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.runtimes.tensorflow_session import Placement, open_session, resolve_placement

SIGNATURE = "serving_default"


class TensorFlowRuntime:
    """Executes a TensorFlow graph; needs neither Keras code nor torch."""

    name = "tensorflow"

    def __init__(self, session: Any, inputs: str, outputs: tuple[str, ...], placement: Placement, path: Path) -> None:
        """Take over a session whose graph is loaded; use one of the ``load_…`` methods instead.

        Args:
            session: An open TensorFlow session.
            inputs: Name of the input tensor, such as ``image_tensor:0``.
            outputs: Names of the output tensors, in the order ``run`` returns them.
            placement: What the session was opened for.
            path: The model's file or folder, for error messages.
        """
        self.device = placement.device
        self.precision = placement.precision
        self._path = path
        self._session = session
        self._single = session.graph.get_tensor_by_name(inputs).shape[:1].as_list() == [1]
        self._call: Callable[[Tensor], list[Tensor]] = session.make_callable(list(outputs), [inputs])

    @classmethod
    def load_saved_model(
        cls, folder: Path, device: str = "auto", precision: str = "fp32", outputs: tuple[str, ...] = ()
    ) -> TensorFlowRuntime:
        """Load a SavedModel by its ``serving_default`` signature, which must have one input.

        Args:
            folder: With ``saved_model.pb``.
            device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
            precision: ``fp32`` or ``bf16``.
            outputs: Keys of the signature's outputs in the order wanted; may be left out where there is one only.

        Raises:
            ModelError: No such folder, no or a damaged SavedModel, or not these inputs and outputs.
            RuntimeUnavailableError: TensorFlow, the device or the precision is not there.
        """
        if not (folder / "saved_model.pb").is_file():
            raise ModelError(f"{folder} is not a TensorFlow SavedModel: it has no saved_model.pb; give its folder")
        placement = resolve_placement(device, precision)
        session = open_session(placement)
        try:
            signature = _load_meta_graph(session, folder, placement)
            feed, fetches = _signature_tensors(signature, outputs, folder)
            return cls(session, feed, fetches, placement, folder)
        except BaseException:
            session.close()
            raise

    @classmethod
    def load_frozen_graph(
        cls, path: Path, inputs: str, outputs: tuple[str, ...], device: str = "auto", precision: str = "fp32"
    ) -> TensorFlowRuntime:
        """Load a frozen graph from a file.

        Args:
            path: A ``.pb`` file.
            inputs: Name of the input node, such as ``image_tensor``.
            outputs: Names of the output nodes, in the order ``run`` returns them.
            device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
            precision: ``fp32`` or ``bf16``.

        Raises:
            ModelError: No such file, not a frozen graph, or one without these nodes.
            RuntimeUnavailableError: TensorFlow, the device or the precision is not there.
        """
        if not path.is_file():
            raise ModelError(f"TensorFlow graph {path} does not exist; give the path of a frozen graph (.pb)")
        return cls.load_graph(_read_frozen_graph(path), path, inputs, outputs, device, precision)

    @classmethod
    def load_graph(
        cls,
        definition: Any,
        path: Path,
        inputs: str,
        outputs: tuple[str, ...],
        device: str = "auto",
        precision: str = "fp32",
    ) -> TensorFlowRuntime:
        """Load a frozen graph that was read already.

        Args:
            definition: A ``GraphDef`` with its weights in it.
            path: The file it was read from, for error messages.
            inputs: Name of the input node, such as ``image_tensor``.
            outputs: Names of the output nodes, in the order ``run`` returns them.
            device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
            precision: ``fp32`` or ``bf16``.

        Raises:
            ModelError: The nodes do not make up a graph, or these are not among them.
            RuntimeUnavailableError: TensorFlow, the device or the precision is not there.
        """
        placement = resolve_placement(device, precision)
        session = open_session(placement)
        try:
            _import_graph(session.graph, definition, path, placement)
            present = {node.name for node in session.graph.get_operations()}
            missing = [name for name in (inputs, *outputs) if name not in present]
            if missing:
                raise ModelError(
                    f"TensorFlow graph {path} has no node {', '.join(missing)}; "
                    f"it is not a network with {inputs} as input and {', '.join(outputs)} as outputs"
                )
            return cls(session, f"{inputs}:0", tuple(f"{name}:0" for name in outputs), placement, path)
        except BaseException:
            session.close()
            raise

    def run(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Execute on an (N, H, W, 3) batch of the dtype the graph wants; one by one where it takes one picture only.

        Raises:
            ModelError: The graph does not take such a batch, or failed on it.
        """
        tf = import_tensorflow()
        try:
            return one_by_one(self._run, batch) if self._single else self._run(batch)
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise ModelError(
                f"TensorFlow model {self._path} failed on a batch of {batch.shape} {batch.dtype}: {_first_line(error)}"
            ) from error

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        return tuple(np.asarray(output) for output in self._call(batch))

    def close(self) -> None:
        """Release the network; safe to call twice."""
        self._session.close()


def _load_meta_graph(session: Any, folder: Path, placement: Placement) -> Any:
    """Load graph and variables; return the serving signature."""
    tf = import_tensorflow()
    try:
        with session.graph.as_default(), tf.device(_tf_device(placement)), quiet_stderr():
            meta = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(folder))
    except Exception as error:
        raise ModelError(
            f"{folder} cannot be read as a TensorFlow SavedModel ({_first_line(error)}); export or copy it again"
        ) from error
    if SIGNATURE not in meta.signature_def:
        raise ModelError(f"SavedModel {folder} has no signature {SIGNATURE}; export it with one")
    return meta.signature_def[SIGNATURE]


def _signature_tensors(signature: Any, outputs: tuple[str, ...], folder: Path) -> tuple[str, tuple[str, ...]]:
    """Names of the input tensor and of the output tensors wanted."""
    if len(signature.inputs) != 1:
        raise ModelError(f"SavedModel {folder} has the inputs {', '.join(sorted(signature.inputs))}; it must have one")
    keys = outputs or tuple(signature.outputs)
    if (not outputs and len(keys) != 1) or any(key not in signature.outputs for key in keys):
        raise ModelError(
            f"SavedModel {folder} has the outputs {', '.join(sorted(signature.outputs))}, "
            f"not {', '.join(outputs) or 'one alone'}; it belongs to another family of networks"
        )
    feed: str = next(iter(signature.inputs.values())).name
    return feed, tuple(signature.outputs[key].name for key in keys)


def _read_frozen_graph(path: Path) -> Any:
    try:
        return import_tensorflow().compat.v1.GraphDef.FromString(path.read_bytes())
    except Exception as error:
        raise _no_graph(path, error) from error


def _import_graph(graph: Any, definition: Any, path: Path, placement: Placement) -> None:
    tf = import_tensorflow()
    try:
        with graph.as_default(), tf.device(_tf_device(placement)):
            tf.import_graph_def(definition, name="")
    except Exception as error:
        raise _no_graph(path, error) from error


def _no_graph(path: Path, error: Exception) -> ModelError:
    return ModelError(
        f"{path} cannot be read as a frozen TensorFlow graph ({_first_line(error)}); download or copy it again"
    )


def _tf_device(placement: Placement) -> str:
    return f"/{placement.device if ':' in placement.device else placement.device + ':0'}"


def _first_line(error: BaseException) -> str:
    """The first line that says something, of the many that TensorFlow puts into an error."""
    preamble = ("Graph execution error", "Detected at node", "Node:")
    lines = (line.strip() for line in str(error).splitlines())
    return next((line[:160] for line in lines if line and not line.startswith(preamble)), type(error).__name__)
