"""How much memory this process took at most."""

from __future__ import annotations

import sys

import psutil


def peak_rss_mb() -> float:
    """Largest resident memory of this process so far, in MB of 1,000,000 bytes."""
    if sys.platform == "win32":
        return round(psutil.Process().memory_info().peak_wset / 1e6, 1)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
