"""LiteRT (TensorFlow Lite): one interpreter for each size, on XNNPACK or on a delegate that is named by its path."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

from detectors.detector import Tensor
from detectors.errors import ModelError, RuntimeUnavailableError, first_line
from detectors.runtimes.one_by_one import one_by_one
from detectors.runtimes.quiet import quiet_stderr
from detectors.runtimes.threads import cpu_threads

SIGNATURE = "serving_default"
_MAX_SHAPES = 8


class LiteRtRuntime:
    """Executes a ``.tflite`` file; needs neither torch nor TensorFlow."""

    name = "litert"

    def __init__(
        self,
        path: Path,
        outputs: tuple[str | int, ...],
        fixed: bool = False,
        device: str = "auto",
        precision: str = "fp32",
    ) -> None:
        """Read a model and make it ready.

        Args:
            path: A ``.tflite`` file with one input (1, H, W, 3) and float32 outputs.
            outputs: What ``run`` returns, in its order: names of the signature's outputs, or numbers of tensors.
            fixed: Pictures must have the size that the file was exported for; else its input is resized to theirs.
            device: ``auto`` or ``cpu`` for XNNPACK on all physical cores, or the path of a delegate's shared library
                (an Edge TPU, an NPU).
            precision: What the file was exported with; it decides nothing here.

        Raises:
            ModelError: No such file, or not one of such a network.
            RuntimeUnavailableError: LiteRT is not installed, or the delegate does not load.
        """
        self._litert = _import_litert()
        self._path = path
        self._delegates = _delegates(self._litert, device)
        self.device = device if self._delegates else "cpu"
        self.precision = precision
        if not path.is_file():
            raise ModelError(f"LiteRT model {path} does not exist; export or copy it again")
        self._interpreters: dict[tuple[int, ...], Any] = {}
        self._fixed = fixed
        self._fresh: Any = self._open()
        self._input, self._fetches = self._signature(self._fresh, outputs)

    def run(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Execute on an (N, H, W, 3) batch of the dtype of the network's input.

        Raises:
            ModelError: The network does not take such a batch, or failed on it.
        """
        try:
            return one_by_one(self._run, batch)
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"LiteRT model {self._path} failed on a batch of {batch.shape} {batch.dtype}: {first_line(error)}"
            ) from error

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        interpreter = self._ready(batch.shape)
        interpreter.set_tensor(self._input, batch)
        interpreter.invoke()
        return tuple(interpreter.get_tensor(index) for index in self._fetches)

    def placement(self) -> dict[str, float]:
        """The share of the network's operations that the delegate took (XNNPACK where none was named), once it ran."""
        interpreter = next(iter(self._interpreters.values()), None)
        if interpreter is None:
            return {}
        taken = _delegated(interpreter._get_ops_details(), self._fetches)
        return {"XNNPACK" if not self._delegates else "delegate": taken}

    def close(self) -> None:
        """Release the network; safe to call twice."""
        self._interpreters.clear()
        self._fresh = None

    def _open(self) -> Any:
        try:
            with quiet_stderr():
                return self._litert.Interpreter(
                    model_path=str(self._path), num_threads=cpu_threads(), experimental_delegates=self._delegates
                )
        except (RuntimeError, ValueError) as error:
            raise ModelError(
                f"{self._path} cannot be read as a LiteRT model on {self.device} ({first_line(error)}); "
                "export or copy it again"
            ) from error

    def _ready(self, shape: tuple[int, ...]) -> Any:
        """The interpreter for an input shape; few are kept."""
        found = self._interpreters.get(shape)
        if found is None:
            if len(self._interpreters) >= _MAX_SHAPES:
                self._interpreters.pop(next(iter(self._interpreters)))
            found, self._fresh = self._fresh or self._open(), None
            with quiet_stderr():
                if not self._fixed:
                    found.resize_tensor_input(self._input, shape)
                found.allocate_tensors()
            self._interpreters[shape] = found
        return found

    def _signature(self, interpreter: Any, outputs: tuple[str | int, ...]) -> tuple[int, list[int]]:
        """Tensor numbers of the input and of the outputs wanted."""
        inputs = interpreter.get_input_details()
        if numbers := [output for output in outputs if isinstance(output, int)]:
            return int(inputs[0]["index"]), numbers
        signatures = interpreter.get_signature_list()
        if SIGNATURE not in signatures or len(inputs) != 1 or set(signatures[SIGNATURE]["outputs"]) != set(outputs):
            present = signatures.get(SIGNATURE, {}).get("outputs", [])
            raise ModelError(
                f"LiteRT model {self._path} has the outputs {', '.join(sorted(present)) or 'of no signature'}, not "
                f"{', '.join(map(str, outputs))}; it belongs to another family of networks"
            )
        runner = interpreter.get_signature_runner(SIGNATURE)
        details = runner.get_output_details()
        return int(inputs[0]["index"]), [int(details[name]["index"]) for name in outputs]


def _delegated(operations: list[dict[str, Any]], fetches: list[int]) -> float:
    """The share of operations that are not executed one by one.

    What a delegate took is still listed beside the delegate's own node: only what the outputs need is executed, where
    the delegate's node stands for all that leads to what it gives.
    """
    own = [one for one in operations if one["op_name"] != "DELEGATE"]
    makers: dict[int, dict[str, Any]] = {}
    for one in (*own, *(one for one in operations if one["op_name"] == "DELEGATE")):
        makers.update(dict.fromkeys(map(int, one["outputs"]), one))
    wanted, executed = list(fetches), set[int]()
    while wanted:
        maker = makers.get(wanted.pop())
        if maker is not None and maker["index"] not in executed:
            executed.add(maker["index"])
            wanted += map(int, maker["inputs"])
    left = sum(one["index"] in executed for one in own)
    return round(1 - left / len(own), 4) if own else 0.0


def check(device: str, precision: str) -> None:
    """Refuse a device that is not there, without a network; every device takes every precision.

    Raises:
        RuntimeUnavailableError: With what is there.
    """
    _delegates(_import_litert(), device)


def _import_litert() -> Any:
    try:
        from ai_edge_litert import interpreter
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"LiteRT cannot be imported ({error}); install it with pip install 'sightline[litert]', "
            "or choose another runtime"
        ) from error
    return interpreter


def _delegates(litert: Any, device: str) -> list[Any]:
    """The delegate whose library ``device`` names, if any.

    Raises:
        RuntimeUnavailableError: No such library, or it does not load or is no delegate.
    """
    if device in ("auto", "cpu"):
        return []
    if "/" not in device and "\\" not in device and ".so" not in device:
        raise RuntimeUnavailableError(
            f"device {device!r} is not available to LiteRT on this machine; available: auto, cpu, or the path of a "
            "delegate's shared library, such as /usr/lib/libedgetpu.so.1"
        )
    try:
        ctypes.CDLL(device).tflite_plugin_create_delegate  # noqa: B018 (a half-made Delegate complains when it is freed)
        return [litert.load_delegate(device)]
    except (OSError, AttributeError, ValueError) as error:
        raise RuntimeUnavailableError(
            f"LiteRT delegate {device} does not load ({first_line(error)}); "
            "check the path and that its device is plugged in, or use device cpu"
        ) from error
