"""A detector: one family on one runtime."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections

Image = NDArray[np.uint8]
Tensor = NDArray[np.generic]
Meta = TypeVar("Meta")


class Runtime(Protocol):
    """Executes one loaded network. Not thread-safe: one thread owns it."""

    name: str
    """``torch``, ``tensorflow``, …"""
    device: str
    """``cpu``, ``cuda:0``, ``mps`` …, as resolved."""
    precision: str
    """``fp32``, ``bf16`` or ``fp16``, as executed."""

    def run(self, batch: Tensor) -> tuple[Tensor, ...]:
        """Execute the network on an (N, H, W, 3) batch.

        Returns:
            Its outputs; they may lie in memory that the next call overwrites.
        """
        ...

    def close(self) -> None:
        """Release the network; safe to call twice."""
        ...


class Family(Protocol[Meta]):
    """Pre- and post-processing of one kind of network; knows nothing of frameworks."""

    labels: tuple[str, ...]
    imgsz: tuple[int, int]
    """(height, width) in pixels that pictures are fitted into."""

    def preprocess(self, images: Sequence[Image]) -> tuple[Tensor, Meta]:
        """Turn (H, W, 3) uint8 BGR pictures into one (N, H', W', 3) batch, and what is needed to map boxes back."""
        ...

    def postprocess(self, outputs: tuple[Tensor, ...], meta: Meta) -> list[Detections]:
        """Turn raw outputs into boxes in source pixels, one ``Detections`` per picture, in order."""
        ...


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Milliseconds spent on one call of ``detect``, for the whole batch."""

    preprocess_ms: float
    inference_ms: float
    postprocess_ms: float

    def __add__(self, other: StageTimes) -> StageTimes:
        """Of two calls, one after the other."""
        return StageTimes(
            self.preprocess_ms + other.preprocess_ms,
            self.inference_ms + other.inference_ms,
            self.postprocess_ms + other.postprocess_ms,
        )


def check_images(images: Sequence[Image]) -> None:
    """Refuse what no family can work on.

    Raises:
        ValueError: A picture that is not (H, W, 3) uint8 with H, W ≥ 1.
    """
    for position, image in enumerate(images):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or 0 in image.shape:
            raise ValueError(
                f"image {position} must be (H, W, 3) uint8 BGR with H and W at least 1, got {image.shape} {image.dtype}"
            )


class Detector(Generic[Meta]):
    """Finds objects in pictures: preprocess → run → postprocess."""

    def __init__(self, family: Family[Meta], runtime: Runtime, model: str) -> None:
        """Join a family and a runtime.

        Args:
            family: Pre- and post-processing.
            runtime: The loaded network.
            model: Name under which results are reported.
        """
        self.family = family
        self.runtime = runtime
        self.model = model
        self.last_times = StageTimes(0.0, 0.0, 0.0)

    @property
    def labels(self) -> tuple[str, ...]:
        """All names the model knows."""
        return self.family.labels

    @property
    def framework(self) -> str:
        """Name of the runtime."""
        return self.runtime.name

    @property
    def device(self) -> str:
        """The device in use."""
        return self.runtime.device

    @property
    def precision(self) -> str:
        """The precision in use."""
        return self.runtime.precision

    def warmup(self, width: int = 640, height: int = 480, batch: int = 1, rounds: int = 2) -> None:
        """Run on grey pictures of the size to come, so that the first real frame is as fast as the next."""
        grey = np.full((height, width, 3), 114, np.uint8)
        for _ in range(rounds):
            self.detect([grey] * batch)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Find objects.

        Args:
            images: (H, W, 3) uint8 BGR pictures; sizes may differ.

        Returns:
            One ``Detections`` per picture, same order and length, boxes in source pixels.

        Raises:
            ValueError: A picture of the wrong shape or type, or without pixels.
        """
        if not images:
            return []
        check_images(images)
        start = time.perf_counter()
        batch, meta = self.family.preprocess(images)
        ready = time.perf_counter()
        outputs = self.runtime.run(batch)
        done = time.perf_counter()
        found = self.family.postprocess(outputs, meta)
        end = time.perf_counter()
        self.last_times = StageTimes((ready - start) * 1e3, (done - ready) * 1e3, (end - done) * 1e3)
        return found

    def close(self) -> None:
        """Release the network."""
        self.runtime.close()
