"""How many threads a forward pass on the CPU gets."""

from __future__ import annotations

import os

import psutil


def cpu_threads() -> int:
    """The physical cores that this process may use, unless ``OMP_NUM_THREADS`` says another number of its cores."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if wanted.isdecimal() and int(wanted):
        return min(allowed, int(wanted))
    return max(1, min(allowed, psutil.cpu_count(logical=False) or allowed))


def calm_openmp() -> None:
    """Let waiting OpenMP threads spin for microseconds only; call it before torch is imported.

    By default they spin for milliseconds. That gains nothing on free cores, and where another process wants a core a
    forward pass takes up to fifty times as long. ``OMP_WAIT_POLICY`` or ``GOMP_SPINCOUNT`` in the environment win.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
