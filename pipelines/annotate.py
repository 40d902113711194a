"""Draw results onto pictures with supervision's annotators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import cv2
import numpy as np
import supervision as sv
from numpy.typing import NDArray

from pipelines.geometry import Xy
from pipelines.values import CounterKey, FrameResult, counter_name

_LINE = sv.Color.from_hex("#ffd400")
_ZONE = sv.Color.from_hex("#00c2ff")
_MOST_OF_HEIGHT = 0.35
"""Of the picture, that counters may cover."""


class Painter:
    """Draws boxes, names, traces, lines, zones and counters."""

    def __init__(
        self, width: int, height: int, lines: Mapping[str, tuple[Xy, Xy]], zones: Mapping[str, tuple[Xy, ...]]
    ) -> None:
        """Set the picture's size and the geometry, both in pixels."""
        self._lines, self._zones = lines, zones
        self._thickness = sv.calculate_optimal_line_thickness((width, height))
        self._text = sv.calculate_optimal_text_scale((width, height))
        lookup = sv.ColorLookup.INDEX
        self._boxes = sv.BoxAnnotator(thickness=self._thickness, color_lookup=lookup)
        self._labels = sv.LabelAnnotator(text_scale=self._text, text_padding=3, color_lookup=lookup)
        self._traces = sv.TraceAnnotator(
            thickness=self._thickness, position=sv.Position.BOTTOM_CENTER, color_lookup=lookup
        )

    def draw(self, result: FrameResult) -> NDArray[np.uint8]:
        """A copy of the frame with everything drawn on it: (H, W, 3) uint8 BGR."""
        picture = result.frame.image.copy()
        for zone in self._zones.values():
            cv2.polylines(picture, [np.array(zone, np.int32)], True, _ZONE.as_bgr(), self._thickness)
        for start, end in self._lines.values():
            cv2.arrowedLine(picture, _pixel(start), _pixel(end), _LINE.as_bgr(), self._thickness, tipLength=0.03)
        found = result.detections
        if len(found):
            tracked = result.track_ids > 0
            boxes = sv.Detections(found.xyxy, confidence=found.score, class_id=found.class_id)
            boxes.tracker_id = np.where(tracked, result.track_ids, 0)
            colours = np.where(tracked, result.track_ids, found.class_id)
            names = [
                f"{f'#{track_id} ' if track_id > 0 else ''}{found.label(row)} {score:.2f}"
                for row, (track_id, score) in enumerate(
                    zip(result.track_ids.tolist(), found.score.tolist(), strict=True)
                )
            ]
            picture = self._boxes.annotate(picture, boxes, custom_color_lookup=colours)
            if tracked.any():
                followed = cast(sv.Detections, boxes[tracked])
                picture = self._traces.annotate(picture, followed, custom_color_lookup=colours[tracked])
            picture = self._labels.annotate(picture, boxes, names, custom_color_lookup=colours)
        self._write_counters(picture, result.counters)
        return picture

    def _write_counters(self, picture: NDArray[np.uint8], counters: Mapping[CounterKey, int]) -> None:
        rows = [f"{counter_name(key)}: {value}" for key, value in counters.items() if value and key[0] != "values"]
        step = int(34 * self._text) + 6
        most = max(1, int(_MOST_OF_HEIGHT * picture.shape[0] / step))
        if len(rows) > most:
            rows[most - 1 :] = [f"and {len(rows) - most + 1} more"]
        for row, text in enumerate(rows):
            anchor = sv.Point(12 + len(text) * 5 * self._text * 2, 14 + row * step)
            sv.draw_text(
                picture, text, anchor, text_scale=self._text, text_color=sv.Color.WHITE,
                background_color=sv.Color.BLACK, text_padding=4,
            )  # fmt: skip


def _pixel(point: Xy) -> tuple[int, int]:
    return round(point[0]), round(point[1])
