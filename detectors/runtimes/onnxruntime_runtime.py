"""ONNX Runtime: one session, on the execution provider that belongs to the device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from detectors.detector import Tensor
from detectors.errors import ModelError, RuntimeUnavailableError, first_line
from detectors.runtimes.one_by_one import one_by_one
from detectors.runtimes.threads import cpu_threads

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
"""Devices and what serves them. Only the CPU's was ever run."""


class OnnxRuntime:
    """Executes an ONNX file; needs neither torch nor Ultralytics."""

    name = "onnxruntime"

    def __init__(self, path: Path, single: bool = False, device: str = "auto", precision: str = "fp32") -> None:
        """Read a network and make it ready.

        Args:
            path: An ``.onnx`` file with one input (N, H, W, 3) uint8.
            single: It takes one picture at a time.
            device: ``auto`` (CUDA where this ONNX Runtime has it, else the CPU), ``cpu``, ``cuda``, ``cuda:N``,
                ``tensorrt``, ``tensorrt:N``, or ``openvino`` and ``openvino:CPU|GPU|NPU``.
            precision: ``fp32``; ``fp16`` on ``tensorrt``.

        Raises:
            ModelError: No such file, or not an ONNX network with one input.
            RuntimeUnavailableError: ONNX Runtime, the device or the precision is not there.
        """
        ort = _import_onnxruntime()
        self.device, provider, options = _provider(ort, device, precision)
        self.precision = precision
        self._path, self._single = path, single
        settings = ort.SessionOptions()
        settings.intra_op_num_threads = cpu_threads()
        settings.log_severity_level = 4
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads leave the cores
        if not path.is_file():
            raise ModelError(f"ONNX model {path} does not exist; export or copy it again")
        try:
            self._session = ort.InferenceSession(path, settings, providers=[(provider, options)])
        except Exception as error:  # its errors have no common base but this
            raise ModelError(
                f"{path} cannot be read as an ONNX model on {self.device} ({first_line(error)}); "
                "export or copy it again"
            ) from error
        if (used := self._session.get_providers()[0]) != provider:
            raise RuntimeUnavailableError(
                f"device {device!r} does not start with ONNX Runtime on this machine (it fell back to {used}); "
                "check the driver, or use device cpu"
            )
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(one.name for one in inputs)
            raise ModelError(f"ONNX model {path} has the inputs {names}; it must have one, the picture")
        self._input = inputs[0].name

    def run(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Execute on an (N, H, W, 3) uint8 batch.

        Raises:
            ModelError: The network does not take such a batch, or failed on it.
        """
        try:
            return one_by_one(self._run, batch) if self._single else self._run(batch)
        except Exception as error:
            raise ModelError(
                f"ONNX model {self._path} failed on a batch of {batch.shape} {batch.dtype}: {first_line(error)}"
            ) from error

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        return tuple(np.asarray(output) for output in self._session.run(None, {self._input: batch}))

    def close(self) -> None:
        """Release the network; safe to call twice."""
        self._session = None


def check(device: str, precision: str) -> None:
    """Refuse a device or precision that is not there, without a network.

    Raises:
        RuntimeUnavailableError: With what is there.
    """
    _provider(_import_onnxruntime(), device, precision)


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"ONNX Runtime cannot be imported ({error}); install it with pip install 'sightline[onnxruntime]', "
            "or choose another runtime"
        ) from error
    return onnxruntime


def _provider(ort: Any, device: str, precision: str) -> tuple[str, str, dict[str, Any]]:
    """The device as resolved, its execution provider, and that one's options.

    Raises:
        RuntimeUnavailableError: This ONNX Runtime has no such provider, or it does not compute so.
    """
    present = [name for name, provider in PROVIDERS.items() if provider in ort.get_available_providers()]
    wanted = ("cuda" if "cuda" in present else "cpu") if device == "auto" else device
    kind, _, which = wanted.partition(":")
    kind = kind.lower()
    if (
        kind not in present
        or (which and kind == "cpu")
        or (kind in ("cuda", "tensorrt") and not (which or "0").isdigit())
    ):
        raise RuntimeUnavailableError(
            f"device {device!r} is not available to ONNX Runtime on this machine; available: auto, "
            f"{', '.join(present)} (others come with another build: onnxruntime-gpu, onnxruntime-openvino)"
        )
    allowed = ("fp32", "fp16") if kind == "tensorrt" else ("fp32",)
    if precision not in allowed:
        raise RuntimeUnavailableError(
            f"precision {precision!r} is not available on {wanted} with ONNX Runtime; available: {', '.join(allowed)}"
        )
    options: dict[str, Any] = {}
    if kind in ("cuda", "tensorrt"):
        options["device_id"] = int(which or 0)
    if kind == "tensorrt":
        options["trt_fp16_enable"] = precision == "fp16"
    if kind == "openvino":
        options["device_type"] = which.upper() or "CPU"
    return wanted, PROVIDERS[kind], options
