"""PyTorch: the Ultralytics checkpoint as a module."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.checkpoint import Checkpoint, read_checkpoint
from detectors.detector import Tensor
from detectors.errors import RuntimeUnavailableError
from detectors.pixels import for_bytes
from detectors.runtimes.threads import cpu_threads

if TYPE_CHECKING:
    import torch
    from torch import nn

_MAX_TRACES = 8


class TorchRuntime:
    """Executes a fused detection checkpoint, channels last, without autograd.

    Load, warm and run it in one thread: OpenMP keeps a team of threads for each thread that computes, and teams that
    together outnumber the cores slow each other down by half.

    On a CPU the network is traced once per input shape: the graph runs outside Python, which saves about a tenth of
    the time and leaves the interpreter to the other threads.
    """

    name = "torch"

    def __init__(self, checkpoint: Checkpoint, device: str = "auto", precision: str = "fp32") -> None:
        """Prepare a network for a device.

        Args:
            checkpoint: The network; it is changed (fused, moved) by this.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
            precision: ``fp32``, ``bf16`` or ``fp16``; the box decoding stays in fp32.

        Raises:
            RuntimeUnavailableError: No such device, or it cannot compute in this precision.
        """
        import torch

        self._torch = torch
        self._device = resolve_device(device)
        self.device = str(self._device)
        self.precision = precision
        self._dtype = resolve_dtype(precision, self._device)
        if self._device.type == "cpu":
            torch.set_num_threads(cpu_threads())
        self._module = _prepare(checkpoint.module, self._device, self._dtype)
        self._traces: dict[tuple[int, ...], Any] = {}

    @classmethod
    def load(cls, path: Path, device: str = "auto", precision: str = "fp32") -> tuple[TorchRuntime, Checkpoint]:
        """Read a checkpoint and prepare it; also return the checkpoint for its labels and stride."""
        checkpoint = read_checkpoint(path)
        return cls(checkpoint, device, precision), checkpoint

    def run(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Execute on an (N, H, W, 3) uint8 BGR batch; the output is float32, (N, 4 + C, A) or (N, K, 6) end to end."""
        torch = self._torch
        with torch.inference_mode():
            tensor = torch.from_numpy(batch).to(self._device, non_blocking=True)
            network = self._trace(tensor) if self._device.type == "cpu" else self._module
            output: np.ndarray[Any, Any] = network(tensor).cpu().numpy()
        return (output,)

    def _trace(self, tensor: torch.Tensor) -> Any:
        """The frozen graph for this input shape, made at first use; few shapes are kept."""
        torch = self._torch
        key = tuple(tensor.shape)
        graph = self._traces.get(key)
        if graph is None:
            if len(self._traces) >= _MAX_TRACES:
                self._traces.pop(next(iter(self._traces)))
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                graph = torch.jit.freeze(torch.jit.trace(self._module, tensor.clone(), check_trace=False))
                graph(tensor)
            self._traces[key] = graph
        return graph

    def close(self) -> None:
        """Release the network."""
        self._traces.clear()
        self._module = self._torch.nn.Identity()


def resolve_device(device: str) -> torch.device:
    """Turn ``auto`` or a name into a device that is there.

    Raises:
        RuntimeUnavailableError: The device is not there; the sentence names those that are.
    """
    import torch

    if device == "cpu":  # looking for a GPU makes noise where TensorFlow has looked before
        return torch.device(device)
    present = ["cpu"]
    if torch.cuda.is_available():
        present += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        present.append("mps")
    if device == "auto":
        device = "cuda:0" if "cuda" in present else "mps" if "mps" in present else "cpu"
    if device not in present:
        raise RuntimeUnavailableError(
            f"device {device!r} is not available to torch on this machine; available: auto, {', '.join(present)}"
        )
    return torch.device(device)


def resolve_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Turn a precision into a dtype the device computes in.

    Raises:
        RuntimeUnavailableError: The device has no fast path for it; the sentence names what it has.
    """
    import torch

    allowed = {"fp32": torch.float32}
    if device.type == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        if torch.ops.mkldnn._is_mkldnn_bf16_supported():
            allowed["bf16"] = torch.bfloat16
        if torch.ops.mkldnn._is_mkldnn_fp16_supported():
            allowed["fp16"] = torch.float16
        where = f"this CPU ({capability})"
    else:
        allowed["fp16"] = torch.float16
        if device.type != "cuda" or torch.cuda.is_bf16_supported():
            allowed["bf16"] = torch.bfloat16
        where = f"device {device}"
    if precision not in allowed:
        raise RuntimeUnavailableError(
            f"precision {precision!r} is not available on {where} with torch; available: {', '.join(allowed)}"
        )
    return allowed[precision]


def _prepare(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    """Fuse, freeze and move a network; its head decodes boxes in fp32 whatever the network's dtype.

    Returns:
        A module from (N, H, W, 3) uint8 BGR to the float32 output.
    """
    import torch
    from torch import nn

    network: Any = module.fuse().eval()  # type: ignore[operator]
    network.requires_grad_(False)
    first = next(part for part in network.modules() if isinstance(part, nn.Conv2d))
    first.weight.copy_(torch.from_numpy(for_bytes(first.weight.float().numpy())))
    network = network.to(device=device, dtype=dtype, memory_format=torch.channels_last)
    head = network.model[-1]
    head.export = True
    if dtype != torch.float32:
        head.dfl.float()
        decode = head._inference
        head._inference = lambda raw: decode(
            {key: value.float() if key in ("boxes", "scores") else value for key, value in raw.items()}
        )

    class FromBytes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return self.network(pictures.permute(0, 3, 1, 2).to(dtype)).float()  # type: ignore[no-any-return]

    return FromBytes().eval()
