"""Energy counters as the kernel shows them."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.compare import power
from pipelines.compare.power import EnergyMeter, gpu_memory_mb


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine's own GPUs take must not be added."""
    monkeypatch.setattr(power, "_nvml", lambda: None)


def package(root: Path, name: str, microjoules: int, full: int = 1_000_000_000) -> Path:
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "max_energy_range_uj").write_text(f"{full}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


def test_packages_are_added_and_their_parts_are_not(tmp_path: Path) -> None:
    first, second = package(tmp_path, "intel-rapl:0", 5_000_000), package(tmp_path, "intel-rapl:1", 0)
    core = package(tmp_path, "intel-rapl:0:0", 0)
    meter = EnergyMeter(tmp_path)
    first.write_text("7000000")
    second.write_text("500000")
    core.write_text("900000000")
    assert meter.joules() == pytest.approx(2.5)


def test_a_counter_that_goes_round_loses_nothing(tmp_path: Path) -> None:
    counter = package(tmp_path, "intel-rapl:0", 990_000_000)
    meter = EnergyMeter(tmp_path)
    counter.write_text("10000000")
    assert meter.joules() == pytest.approx(20)
    counter.write_text("11000000")
    assert meter.joules() == pytest.approx(21)


def test_nothing_to_read_is_not_zero(tmp_path: Path) -> None:
    assert EnergyMeter(tmp_path / "none").joules() is None
    assert gpu_memory_mb() is None


class Nvml:
    """Two GPUs, of which one does not tell its energy, as NVIDIA's library presents them."""

    NVMLError = RuntimeError
    millijoules = 1000

    def nvmlDeviceGetCount(self) -> int:
        return 2

    def nvmlDeviceGetHandleByIndex(self, number: int) -> int:
        return number

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:
        if handle:
            raise RuntimeError("not supported")
        return self.millijoules

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        own = SimpleNamespace(pid=os.getpid(), usedGpuMemory=150_000_000)
        return [own, SimpleNamespace(pid=1, usedGpuMemory=900_000_000)] if not handle else []


def test_gpus_tell_millijoules_and_the_memory_of_each_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Nvml()
    monkeypatch.setattr(power, "_nvml", lambda: library)
    meter = EnergyMeter(tmp_path)
    library.millijoules = 4500
    assert meter.joules() == pytest.approx(3.5)
    assert gpu_memory_mb() == 150.0
