"""Heatmaps of one run as pictures: ``heatmap-<rule>.png``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.heat_picture import draw_heat
from pipelines.rules.heatmap import Heatmap
from pipelines.values import FrameResult
from streams.files import write_bytes_atomic


class HeatmapSink:
    """Draws what the rules have added up over the last frame, once, at the end."""

    def __init__(self, folder: Path, rules: Sequence[Heatmap]) -> None:
        """Take the folder to write into and the rules to draw."""
        self._folder, self._rules = folder, rules
        self._picture: NDArray[np.uint8] | None = None

    def write(self, result: FrameResult) -> None:
        """Keep the frame's picture."""
        self._picture = result.frame.image

    def close(self, reason: str) -> None:
        """Write the pictures; none without a frame.

        Raises:
            OutputError: One cannot be written.
        """
        picture, self._picture = self._picture, None
        if picture is None:
            return
        for rule in self._rules:
            _, png = cv2.imencode(".png", draw_heat(picture, rule.grid))
            write_bytes_atomic(self._folder / f"heatmap-{rule.name}.png", png.tobytes())
