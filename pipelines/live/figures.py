"""The figures of a detector over its cameras: the same that each camera has, summed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pipelines.messages import CameraStats, DetectorStats
from pipelines.metrics import Histogram

Figures = tuple[Collection[str], CameraStats, Histogram]
"""Of one camera: names of its detectors, its figures, and the latencies of its analysed frames in milliseconds."""


def detector_stats(detectors: Mapping[str, DetectorStats], cameras: Mapping[str, Figures]) -> dict[str, DetectorStats]:
    """Add to each detector what its cameras do together; one of several detectors counts with each of them.

    Args:
        detectors: What a detector knows of itself, by name.
        cameras: The cameras' figures, by name.

    Returns:
        The same with rates (a second) summed over its cameras, and percentiles of the latencies of all their frames.
    """
    found: dict[str, DetectorStats] = {}
    for name, own in detectors.items():
        users = [(stats, latency) for names, stats, latency in cameras.values() if name in names]
        latencies = Histogram()
        for _, latency in users:
            latencies = latencies.plus(latency)
        found[name] = own.model_copy(
            update={
                "camera_fps": round(sum(stats.camera_fps for stats, _ in users), 2),
                "process_fps": round(sum(stats.process_fps for stats, _ in users), 2),
                "skipped_fps": round(sum(stats.skipped_fps for stats, _ in users), 2),
                "latency_ms": latencies.summary(),
            }
        )
    return found
