"""OpenVINO: a network compiled for the CPU at any size, or for each size on devices that want to know it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectors.detector import Tensor
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.runtimes.one_by_one import one_by_one
from detectors.runtimes.threads import cpu_threads

_MAX_SHAPES = 8
_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16", "int8": "f32"}
"""Precision → arithmetic of what is not int8."""


class OpenVinoRuntime:
    """Executes OpenVINO's ``.xml`` and ``.bin``; needs neither torch nor Ultralytics."""

    name = "openvino"

    def __init__(self, path: Path, single: bool = False, device: str = "auto", precision: str = "fp32") -> None:
        """Read a network and make it ready.

        Args:
            path: An ``.xml`` with its ``.bin`` beside it, with one input (N, H, W, 3) uint8.
            single: It takes one picture at a time.
            device: ``auto`` (the CPU), ``cpu``, ``gpu``, ``gpu.N`` or ``npu``. Only the CPU was ever tried.
            precision: ``fp32``, ``bf16`` or ``fp16`` where the device has them, or ``int8`` for a file that is.

        Raises:
            ModelError: No such file, or not such a network.
            RuntimeUnavailableError: OpenVINO, the device or the precision is not there.
        """
        openvino = _import_openvino()
        self._core = openvino.Core()
        self._device = _resolve_device(self._core, device)
        self.device, self.precision = self._device.lower(), precision
        _check_precision(self._core, self._device, precision)
        self._path, self._single = path, single
        self._settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": _HINTS[precision]}
        if self._device == "CPU":
            self._settings |= {"INFERENCE_NUM_THREADS": cpu_threads(), "NUM_STREAMS": 1}
        if not path.is_file() or not path.with_suffix(".bin").is_file():
            raise ModelError(f"OpenVINO model {path} or its .bin does not exist; export or copy both again")
        self._requests: dict[tuple[int, ...], Any] = {}
        try:
            model = self._core.read_model(path)
            self._sizeless = self._device == "CPU" or not model.is_dynamic()
            if self._sizeless:
                self._requests[()] = self._compiled(model)
        except RuntimeError as error:
            raise ModelError(
                f"{path} cannot be read as an OpenVINO model on {self.device} ({_reason(error)}); "
                "export or copy it again"
            ) from error

    def run(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Execute on an (N, H, W, 3) uint8 batch.

        Raises:
            ModelError: The network does not take such a batch, or failed on it.
        """
        try:
            return one_by_one(self._run, batch) if self._single else self._run(batch)
        except RuntimeError as error:
            raise ModelError(
                f"OpenVINO model {self._path} failed on a batch of {batch.shape} {batch.dtype}: {_reason(error)}"
            ) from error

    def placement(self) -> dict[str, float]:
        """The shares of the network's convolutions by the arithmetic they are executed in."""
        request = next(iter(self._requests.values()), None)
        if request is None:
            return {}
        facts = [one.get_rt_info() for one in request.get_compiled_model().get_runtime_model().get_ops()]
        kinds = [
            str(one["runtimePrecision"].astype(str))
            for one in facts
            if one["layerType"].astype(str) in ("Convolution", "GroupConvolution")
        ]
        return {f"convolutions in {kind}": round(kinds.count(kind) / len(kinds), 4) for kind in sorted(set(kinds))}

    def close(self) -> None:
        """Release the network; safe to call twice."""
        self._requests.clear()

    def _run(self, batch: Tensor) -> tuple[Tensor, ...]:
        return tuple(self._request(batch.shape).infer([batch], share_inputs=True, share_outputs=True).values())

    def _request(self, shape: tuple[int, ...]) -> Any:
        """What executes an input shape; few are kept."""
        key = () if self._sizeless else shape
        if key not in self._requests:
            if len(self._requests) >= _MAX_SHAPES:
                self._requests.pop(next(iter(self._requests)))
            model = self._core.read_model(self._path)
            model.reshape(list(shape))
            self._requests[key] = self._compiled(model)
        return self._requests[key]

    def _compiled(self, model: Any) -> Any:
        return self._core.compile_model(model, self._device, self._settings).create_infer_request()


def check(device: str, precision: str) -> None:
    """Refuse a device or precision that is not there, without a network.

    Raises:
        RuntimeUnavailableError: With what is there.
    """
    core = _import_openvino().Core()
    _check_precision(core, _resolve_device(core, device), precision)


def _import_openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"OpenVINO cannot be imported ({error}); install it with pip install 'sightline[openvino]', "
            "or choose another runtime"
        ) from error
    return openvino


def _resolve_device(core: Any, device: str) -> str:
    present: list[str] = list(core.available_devices)
    wanted = "CPU" if device == "auto" else device.upper()
    if wanted not in present and not (wanted == "GPU" and any(name.startswith("GPU") for name in present)):
        names = ", ".join(name.lower() for name in present)
        raise RuntimeUnavailableError(
            f"device {device!r} is not available to OpenVINO on this machine; available: auto, {names}"
        )
    return wanted


def _check_precision(core: Any, device: str, precision: str) -> None:
    """Refuse what the device would only emulate."""
    able = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    allowed = [name for name in _HINTS if name == "fp32" or name.upper() in able]
    if precision not in allowed:
        raise RuntimeUnavailableError(
            f"precision {precision!r} is not available on {device.lower()} with OpenVINO on this machine; "
            f"available: {', '.join(allowed)}"
        )


def _reason(error: RuntimeError) -> str:
    """The last line that says something, of the many that OpenVINO puts into an error; the first ones are places."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("Exception from", "Check '"))]
    return (told or lines or [type(error).__name__])[-1][:160]
