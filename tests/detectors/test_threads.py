"""How many threads a network gets."""

from __future__ import annotations

import os

import pytest

from detectors.runtimes.threads import cpu_threads


@pytest.mark.parametrize(("said", "threads"), [("1", 1), ("1,2", 1), (" 1 ", 1)])
def test_the_environment_makes_it_fewer(monkeypatch: pytest.MonkeyPatch, said: str, threads: int) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert cpu_threads() == threads


@pytest.mark.parametrize("said", ["", "0", "-1", "many"])
def test_nonsense_decides_nothing(monkeypatch: pytest.MonkeyPatch, said: str) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = cpu_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert cpu_threads() == cores >= 1


def test_never_more_than_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "9999")
    assert cpu_threads() == len(os.sched_getaffinity(0))
