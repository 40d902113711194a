"""Energy and GPU memory, where the machine tells them: RAPL for the CPU's packages, NVML for NVIDIA's GPUs.

What is not told is ``None``. RAPL's counters are readable by root alone on most systems. NVML was never tried; a Jetson
tells neither (its boards report power, not energy).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")


class EnergyMeter:
    """Joules that the machine's CPU packages and GPUs together took since it was made; other programs' included."""

    def __init__(self, rapl: Path = RAPL) -> None:
        """Look what there is to read, and begin at 0.

        Args:
            rapl: The folder of the kernel's power capping framework.
        """
        self._counters = [*_packages(rapl), *_gpus()]
        self._last = [read() for read, _ in self._counters]
        self._joules = 0.0

    def joules(self) -> float | None:
        """Since the start; ``None`` where nothing tells. Must be asked again before a counter has gone round once.

        Counters of the CPU go round after some minutes to an hour of load.
        """
        for place, (read, full) in enumerate(self._counters):
            now = read()
            step = now - self._last[place]
            self._joules += step if step >= 0 else step + full
            self._last[place] = now
        return self._joules if self._counters else None


def _packages(rapl: Path) -> list[tuple[Callable[[], float], float]]:
    """A reader of joules, and where it begins anew, for each CPU package."""
    found = []
    for folder in sorted(rapl.glob("*-rapl:*")):
        if folder.name.count(":") != 1:  # a part of a package
            continue
        try:
            full = float((folder / "max_energy_range_uj").read_text()) / 1e6
            (folder / "energy_uj").read_text()
        except (OSError, ValueError):
            continue
        found.append((_reader(folder / "energy_uj"), full))
    return found


def _reader(file: Path) -> Callable[[], float]:
    return lambda: float(file.read_text()) / 1e6


def _gpus() -> list[tuple[Callable[[], float], float]]:
    nvml = _nvml()
    found = []
    for number in range(nvml.nvmlDeviceGetCount() if nvml is not None else 0):
        handle = nvml.nvmlDeviceGetHandleByIndex(number)
        try:
            nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
        except nvml.NVMLError:
            continue
        found.append((_gpu_reader(nvml, handle), 0.0))
    return found


def _gpu_reader(nvml: Any, handle: Any) -> Callable[[], float]:
    return lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3


def gpu_memory_mb() -> float | None:
    """GPU memory of this process in MB of 1,000,000 bytes, all NVIDIA GPUs together; ``None`` without one."""
    nvml = _nvml()
    if nvml is None:
        return None
    used = 0
    try:
        for number in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(number)
            running = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
            used += sum(process.usedGpuMemory or 0 for process in running if process.pid == os.getpid())
    except nvml.NVMLError:
        return None
    return round(used / 1e6, 1)


def _nvml() -> Any:
    """NVIDIA's management library, where its package and a driver are there."""
    try:
        import pynvml
    except ImportError:
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
