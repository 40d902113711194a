"""Energy counters as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.compare.power import EnergyMeter, gpu_memory_mb


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
    meter = EnergyMeter(tmp_path / "none")
    if gpu_memory_mb() is None:
        assert meter.joules() is None
