"""TensorRT: an engine that was built on this machine.

Follows the Python APIs of TensorRT 10 and CUDA; never run, for want of the hardware.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from detectors.detector import Tensor
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.runtimes.one_by_one import one_by_one


class TensorRtRuntime:
    """Executes an engine of one picture at a time."""

    name = "tensorrt"

    def __init__(self, path: Path, outputs: tuple[str, ...], device: str = "auto", precision: str = "fp32") -> None:
        """Read an engine and reserve its memory on the GPU.

        Args:
            path: An engine with one input (1, H, W, 3) uint8.
            outputs: Names of its outputs, in the order ``run`` returns them.
            device: ``auto``, ``cuda`` or ``cuda:N``.
            precision: What the engine was built with; it decides nothing here.

        Raises:
            ModelError: No such file, or an engine of another machine or version of TensorRT.
            RuntimeUnavailableError: TensorRT or the device is not there.
        """
        trt, self._cuda = import_tensorrt(), _import_cuda()
        number = _resolve_device(device)
        self._check(self._cuda.cudaSetDevice(number), f"device {device!r}")
        self.device, self.precision = f"cuda:{number}", precision
        self._path = path
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"TensorRT engine {path} cannot be read: {error.strerror or error}") from error
        self._engine = trt.Runtime(trt.Logger(trt.Logger.ERROR)).deserialize_cuda_engine(content)
        if self._engine is None:
            raise ModelError(
                f"{path} is no engine of this GPU and this TensorRT; an engine runs where it was built: export it here"
            )
        self._context = self._engine.create_execution_context()
        names = [self._engine.get_tensor_name(index) for index in range(self._engine.num_io_tensors)]
        self._input = next(name for name in names if name not in outputs)
        self._outputs = outputs
        (self._stream,) = self._check(self._cuda.cudaStreamCreate(), "a stream")
        self._memory: dict[str, int] = {}
        self._host: dict[str, np.ndarray[Any, Any]] = {}
        for name in (self._input, *outputs):
            kind = np.uint8 if name == self._input else np.float32
            self._host[name] = np.empty(tuple(self._engine.get_tensor_shape(name)), kind)
            (self._memory[name],) = self._check(self._cuda.cudaMalloc(self._host[name].nbytes), "memory")
            self._context.set_tensor_address(name, int(self._memory[name]))

    def run(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Execute on an (N, H, W, 3) uint8 batch.

        Raises:
            ModelError: The engine does not take such a batch, or failed on it.
        """
        if batch.shape[1:] != self._host[self._input].shape[1:]:
            raise ModelError(
                f"TensorRT engine {self._path} takes {self._host[self._input].shape[1:]}, not {batch.shape[1:]}"
            )
        return one_by_one(self._run, batch)

    def close(self) -> None:
        """Release the network; safe to call twice."""
        while self._memory:
            self._cuda.cudaFree(self._memory.popitem()[1])

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        cuda, kinds = self._cuda, self._cuda.cudaMemcpyKind
        picture = np.ascontiguousarray(batch, np.uint8)
        to = (self._memory[self._input], picture.ctypes.data, picture.nbytes, kinds.cudaMemcpyHostToDevice)
        self._check(cuda.cudaMemcpyAsync(*to, self._stream), "the picture's copy")
        if not self._context.execute_async_v3(int(self._stream)):
            raise ModelError(f"TensorRT engine {self._path} failed; its own message stands above")
        for name in self._outputs:
            host = self._host[name]
            back = (host.ctypes.data, self._memory[name], host.nbytes, kinds.cudaMemcpyDeviceToHost)
            self._check(cuda.cudaMemcpyAsync(*back, self._stream), f"the copy of {name}")
        self._check(cuda.cudaStreamSynchronize(self._stream), "the engine")
        return tuple(self._host[name].copy() for name in self._outputs)

    def _check(self, answer: tuple[Any, ...], what: str) -> tuple[Any, ...]:
        """What a CUDA call returned behind its error code."""
        error, *values = answer
        if int(error):
            raise RuntimeUnavailableError(f"CUDA cannot give {what} ({error.name}); check the GPU and its driver")
        return tuple(values)


def check(device: str, precision: str) -> None:
    """Refuse a device that is not there, without an engine.

    Raises:
        RuntimeUnavailableError: With what is there.
    """
    import_tensorrt()
    _resolve_device(device)


def import_tensorrt() -> Any:
    """The ``tensorrt`` module.

    Raises:
        RuntimeUnavailableError: It is not installed.
    """
    try:
        import tensorrt
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"TensorRT cannot be imported ({error}); on a machine with an NVIDIA GPU install it with "
            "pip install tensorrt cuda-python, or choose another runtime"
        ) from error
    return tensorrt


def _import_cuda() -> Any:
    try:
        from cuda.bindings import runtime
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"CUDA cannot be imported ({error}); install it with pip install cuda-python, or choose another runtime"
        ) from error
    return runtime


def _resolve_device(device: str) -> int:
    kind, _, number = device.lower().partition(":")
    if kind == "auto" and not number:
        return 0
    if kind != "cuda" or not (number or "0").isdigit():
        raise RuntimeUnavailableError(f"device {device!r} is not available to TensorRT; available: auto, cuda, cuda:N")
    return int(number or 0)
