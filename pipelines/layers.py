"""Draw chosen layers of a result onto a small copy of its picture, for those who watch live.

OpenCV alone: a small box has no room for what ``pipelines/annotate.py`` draws with (supervision, 73 MB).
"""

from __future__ import annotations

import colorsys
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.geometry import Xy
from pipelines.heat_picture import draw_heat
from pipelines.values import FrameResult

Layer = Literal["boxes", "tracks", "lines", "zones", "heatmap", "blur"]
LAYERS: tuple[Layer, ...] = get_args(Layer)
Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

HELD_S = 1.0
"""Media seconds for which a place stays covered after a box was seen there: detectors miss a frame now and then."""
TRAIL_S = 3.0
_COVER_MARGIN = 0.1
_COVER_CELLS = 6
_WHOLE_CELLS = 24
_MOST_TRAIL = 64
_MOST_COVERED = 400
_LINE: Colour = (0, 212, 255)
_ZONE: Colour = (255, 194, 0)
_UNTRACKED: Colour = (190, 190, 190)
_DARK: Colour = (24, 24, 24)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, slots=True)
class _Cover:
    until_s: float
    xyxy: tuple[float, float, float, float]


class LayerPainter:
    """Draws the same layers of one camera again and again, and remembers trails and what is to be covered."""

    def __init__(
        self, layers: Collection[Layer], lines: Mapping[str, tuple[Xy, Xy]], zones: Mapping[str, Sequence[Xy]]
    ) -> None:
        """Choose.

        Args:
            layers: What is drawn.
            lines: Relative (0..1) ends by name, A and B.
            zones: Relative polygons by name.
        """
        self.layers = frozenset(layers)
        self._lines, self._zones = lines, zones
        self._trails: dict[int, deque[tuple[float, Xy]]] = {}
        self._covers: deque[_Cover] = deque(maxlen=_MOST_COVERED)

    def note(self, result: FrameResult) -> None:
        """Remember where things are; for every result, also those that are not drawn."""
        now = result.frame.pts_s
        if "blur" in self.layers:
            while self._covers and not now <= self._covers[0].until_s <= now + HELD_S:  # over, or of a clock set back
                self._covers.popleft()
            for x1, y1, x2, y2 in result.detections.xyxy.tolist():
                dx, dy = _COVER_MARGIN * (x2 - x1), _COVER_MARGIN * (y2 - y1)
                self._covers.append(_Cover(now + HELD_S, (x1 - dx, y1 - dy, x2 + dx, y2 + dy)))
        if "tracks" in self.layers:
            for track in result.tracks:
                trail = self._trails.setdefault(track.id, deque(maxlen=_MOST_TRAIL))
                trail.append((now, track.foot))
            for track_id, trail in list(self._trails.items()):
                while trail and not now - TRAIL_S <= trail[0][0] <= now:
                    trail.popleft()
                if not trail:
                    del self._trails[track_id]

    def draw(self, result: FrameResult, width: int, heat: NDArray[np.float64] | None = None) -> Picture:
        """A new picture with the layers on it, of a result that was noted.

        Args:
            result: With its frame.
            width: Pixels that the picture shall have; one that is smaller stays as it is.
            heat: (rows, cols) float64 seconds over the whole picture, for the layer ``heatmap``.

        Returns:
            (h, w, 3) uint8 BGR.
        """
        picture = reduced(result.frame.image, width)
        scale = picture.shape[1] / result.frame.width
        if "blur" in self.layers:
            self._cover(picture, result, scale)
        if "heatmap" in self.layers and heat is not None:
            picture = draw_heat(picture, heat)
        stroke = max(1, round(picture.shape[1] / 480))
        if "zones" in self.layers:
            for name, zone in self._zones.items():
                _draw_zone(picture, name, zone, stroke)
        if "lines" in self.layers:
            for name, (a, b) in self._lines.items():
                _draw_line(picture, name, a, b, stroke)
        if "tracks" in self.layers:
            self._draw_trails(picture, scale, stroke)
        if "boxes" in self.layers:
            _draw_boxes(picture, result, scale, stroke)
        return picture

    def _cover(self, picture: Picture, result: FrameResult, scale: float) -> None:
        """Make what is in the boxes unrecognisable, those of a moment ago included."""
        if result.is_bare:  # who is there is not known
            pixelate(picture, 0, 0, picture.shape[1], picture.shape[0], _WHOLE_CELLS)
        for cover in self._covers:
            x1, y1, x2, y2 = (round(value * scale) for value in cover.xyxy)
            pixelate(picture, x1, y1, x2, y2)

    def _draw_trails(self, picture: Picture, scale: float, stroke: int) -> None:
        for track_id, trail in self._trails.items():
            if len(trail) > 1:
                points = np.array([point for _, point in trail]) * scale
                cv2.polylines(picture, [np.round(points).astype(np.int32)], False, colour_of(track_id), stroke + 1)


def reduced(image: Picture, width: int) -> Picture:
    """A copy that is at most so many pixels wide, of the same shape.

    Args:
        image: (H, W, 3) uint8 BGR.
        width: 1 or more.
    """
    if image.shape[1] <= width:
        return image.copy()
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def pixelate(picture: Picture, x1: int, y1: int, x2: int, y2: int, cells: int = _COVER_CELLS) -> None:
    """Replace a part of a picture, in place, by few large squares of its mean colours.

    Args:
        picture: (H, W, 3) uint8.
        x1: Left edge in pixels; what lies outside of the picture is left out, as for the others.
        y1: Upper edge.
        x2: Right edge, which is not in it.
        y2: Lower edge, which is not in it.
        cells: Squares along its longer side.
    """
    height, width = picture.shape[:2]
    part = picture[max(0, y1) : max(0, min(height, y2)), max(0, x1) : max(0, min(width, x2))]
    if part.size == 0:
        return
    high, wide = part.shape[:2]
    cell = max(high, wide) / cells
    size = (max(1, round(wide / cell)), max(1, round(high / cell)))
    few = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    part[:] = cv2.resize(few, (wide, high), interpolation=cv2.INTER_NEAREST)


def colour_of(track_id: int) -> Colour:
    """A colour that neighbours in number do not share: BGR."""
    red, green, blue = colorsys.hsv_to_rgb((track_id * 0.618034) % 1, 0.75, 1.0)
    return round(blue * 255), round(green * 255), round(red * 255)


def _pixels(picture: Picture, points: Sequence[Xy]) -> NDArray[np.int32]:
    """Relative points in pixels of a picture: (N, 2) int32."""
    height, width = picture.shape[:2]
    return np.round(np.array(points, np.float64) * (width, height)).astype(np.int32)


def _draw_zone(picture: Picture, name: str, zone: Sequence[Xy], stroke: int) -> None:
    points = _pixels(picture, zone)
    cv2.polylines(picture, [points], True, _ZONE, stroke, cv2.LINE_AA)
    x, y = points[int(np.argmin(points.sum(axis=1)))]
    _write(picture, name, int(x) + 3, int(y) + 3, _ZONE)


def _draw_line(picture: Picture, name: str, a: Xy, b: Xy, stroke: int) -> None:
    """A line with an arrow into its side ``in``: the left hand of someone who walks from A to B."""
    start, end = _pixels(picture, (a, b))
    cv2.line(picture, _xy(start), _xy(end), _LINE, stroke + 1, cv2.LINE_AA)
    along = (end - start).astype(np.float64)
    length = max(1.0, float(np.hypot(*along)))
    left = np.array((along[1], -along[0])) / length * min(0.25 * length, picture.shape[0] / 12)
    middle = (start + end) / 2
    cv2.arrowedLine(picture, _xy(middle), _xy(middle + left), _LINE, stroke + 1, cv2.LINE_AA, tipLength=0.35)
    _write(picture, name, int(start[0]) + 3, int(start[1]) + 3, _LINE)


def _draw_boxes(picture: Picture, result: FrameResult, scale: float, stroke: int) -> None:
    found = result.detections
    rows = zip(found.xyxy.tolist(), found.score.tolist(), result.track_ids.tolist(), strict=True)
    for row, (box, score, track_id) in enumerate(rows):
        x1, y1, x2, y2 = (round(value * scale) for value in box)
        colour = colour_of(track_id) if track_id > 0 else _UNTRACKED
        cv2.rectangle(picture, (x1, y1), (x2, y2), colour, stroke)
        number = f"#{track_id} " if track_id > 0 else ""
        _write(picture, f"{number}{found.label(row)} {score:.2f}", x1, y1 - _text_height(picture) - 2, colour)


def _text_scale(picture: Picture) -> float:
    return float(max(0.35, picture.shape[1] / 1600))


def _text_height(picture: Picture) -> int:
    return round(22 * _text_scale(picture)) + 4


def _write(picture: Picture, text: str, x: int, y: int, colour: Colour) -> None:
    """Text on a dark ground, with its upper left corner at (x, y), moved into the picture."""
    scale = _text_scale(picture)
    (wide, high), below = cv2.getTextSize(text, _FONT, scale, 1)
    height, width = picture.shape[:2]
    x, y = max(0, min(x, width - wide - 4)), max(0, min(y, height - high - below - 2))
    cv2.rectangle(picture, (x, y), (x + wide + 4, y + high + below + 2), _DARK, -1)
    cv2.putText(picture, text, (x + 2, y + high + 1), _FONT, scale, colour, 1, cv2.LINE_AA)


def _xy(point: NDArray[np.generic]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))
