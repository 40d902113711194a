"""Training on PyTorch: the checkpoint's own module, and Ultralytics' own loss."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.runtimes.threads import cpu_threads
from detectors.runtimes.torch_runtime import resolve_device
from detectors.training.prepare import head_name, read_trainable
from detectors.training.recipe import (
    BOX,
    CLIP,
    CLS,
    DFL,
    FROZEN,
    MOMENTUM,
    RATE,
    SEED,
    Batch,
    Float,
    Slope,
    read_weights,
)

if TYPE_CHECKING:
    import torch


class TorchTrainer:
    """Trains the module of a checkpoint; see ``detectors.training.recipe.Trainer``."""

    def __init__(self, path: Path, weights: Path, device: str = "auto") -> None:
        """Load the network with the arrays that training begins with.

        Args:
            path: The checkpoint, for the network's layout.
            weights: What ``prepare`` has written.
            device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.

        Raises:
            ModelError: The checkpoint cannot be trained here.
            RuntimeUnavailableError: torch, ultralytics or the device is not there.
        """
        checkpoint = read_trainable(path)
        import torch
        from ultralytics.utils.loss import v8DetectionLoss

        self._torch = torch
        torch.manual_seed(SEED)
        self._device = resolve_device(device)
        self.device = str(self._device)
        if self._device.type == "cpu":
            torch.set_num_threads(cpu_threads())
        module: Any = checkpoint.module.fuse()  # type: ignore[operator]
        _take(module, read_weights(weights))
        self._module = module.to(self._device, memory_format=torch.channels_last)
        self._module.args = SimpleNamespace(box=BOX, cls=CLS, dfl=DFL)
        self._trained = _trained(module)
        self.trained = sum(one.numel() for one in self._trained)
        self._loss = v8DetectionLoss(module)
        self._optimiser = torch.optim.SGD(self._trained, lr=RATE, momentum=MOMENTUM, nesterov=True)

    def slope(self, batch: Batch) -> Slope:
        """Loss and gradient; nothing is changed."""
        parts = self._backward(batch)
        grads = [one.grad for one in self._trained if one.grad is not None]
        return Slope(parts, float(self._torch.nn.utils.get_total_norm(grads)))

    def step(self, batch: Batch) -> Float:
        """One step of the optimiser; the (3,) parts of the loss before it."""
        parts = self._backward(batch)
        self._torch.nn.utils.clip_grad_norm_(self._trained, CLIP)
        self._optimiser.step()
        return parts

    def predict(self, pictures: Float) -> Float:
        """(N, H, W, 3) → (N, 4 + C, A)."""
        self._module.eval()
        with self._torch.inference_mode():
            output: Float = self._module(self._tensor(pictures))[0].float().cpu().numpy()
        return output

    def _backward(self, batch: Batch) -> Float:
        self._module.train()  # nothing but the head does otherwise: there is no batch normalisation left
        self._optimiser.zero_grad(set_to_none=True)
        torch, rows = self._torch, batch.objects[batch.real]
        targets = {
            "batch_idx": torch.from_numpy(np.nonzero(batch.real)[0]).to(self._device),
            "cls": torch.from_numpy(rows[:, 0]).to(self._device),
            "bboxes": torch.from_numpy(rows[:, 1:]).to(self._device),
        }
        loss = self._loss(self._module(self._tensor(batch.pictures)), targets)[0] / len(batch.pictures)
        loss.sum().backward()
        parts: Float = loss.detach().cpu().numpy()
        return parts

    def _tensor(self, pictures: Float) -> torch.Tensor:
        return self._torch.from_numpy(pictures).permute(0, 3, 1, 2).to(self._device, non_blocking=True)


def _take(module: Any, arrays: dict[str, Float]) -> None:
    """Put the arrays into the module, whose class branch may have another number of classes."""
    import torch

    head, name = module.model[-1], head_name(module)
    classes = len(arrays[f"{name}.cv3.0.2.bias"])
    for branch in head.cv3:
        branch[-1] = torch.nn.Conv2d(branch[-1].in_channels, classes, 1)
    head.nc, head.no = classes, classes + 4 * head.reg_max
    module.load_state_dict({key: torch.from_numpy(value) for key, value in arrays.items()})


def _trained(module: Any) -> list[torch.nn.Parameter]:
    """The parameters of all layers behind the backbone, but for the fixed bins of the distances."""
    module.requires_grad_(False)
    bins = f"{head_name(module)}.dfl."
    named = [
        one
        for name, one in module.named_parameters()
        if int(name.split(".")[1]) >= FROZEN and not name.startswith(bins)
    ]
    for one in named:
        one.requires_grad_(True)
    return named
