"""The motion gate: pictures in which nothing moves need no detector.

A picture is compared with how the scene looked a second or two ago, on a small copy. That short memory is the point:
what changes once and then stays (a lamp, the switch to infrared, a parked car) is the new scene after two seconds, and
what keeps moving keeps differing. OpenCV's MOG2 alone takes twice as long on the same small copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from config.site import Motion
from pipelines.geometry import Xy

Luma = NDArray[np.uint8]
Plane = NDArray[np.float32]

START_S = 1.0
"""Media seconds after a start that are always analysed."""
GAP_S = 2.0
"""A longer gap (media seconds) is a new start; the scene may have become another one."""
BLOCK_S = 0.5
"""The scene is remembered as means of this many media seconds."""
BLOCKS = 3
"""The last but two is compared with, 1 to 2 s old: older is better for slow things, and slower to accept a lamp."""
SMALL_SIDE = 160
"""The longer side of the small copy is at least this many pixels, and less than twice as many, if the picture's is."""
BLACK = 8.0
"""Added to all grey levels, so that ratios of dark ones mean something."""
LIGHT = 11
"""Light is what changes alike within a square of this side, in pixels of half the small copy."""
LEAST_CHANGE = 5.0
"""Grey levels that a pixel of the small copy must differ by at least, in a picture without noise."""
NOISE_TIMES = 5.5
"""A pixel has changed when it differs by more than its usual mean absolute difference times this: 4.4 sigma."""
NOISE_S = 10.0
"""Media seconds over which the noise of each pixel is averaged."""
NOISE_MOST = 3.0
"""Grey levels; what moves all day makes its pixels no less sensitive than this noise would."""
NOISE_LEAST = 0.3
"""Grey levels; less noise on average is taken for this."""
SURGE_MOST = 2.0
"""Where the whole picture differs more than usual (a key frame of H.264), pixels must differ by up to so much more."""
TINY_S = 1e-6


class MotionGate:
    """Says which frames of a camera are worth a detector. One per camera, never shared; its memory is constant.

    Open for the first second, while something moves and ``hold_s`` longer, and for one frame after ``recheck_s``
    without. A single change of the picture or a part of it, such as a lamp, opens it for 2 s and ``hold_s`` at most.
    """

    def __init__(self, config: Motion, masks: Sequence[Sequence[Xy]] = ()) -> None:
        """Start without a scene.

        Args:
            config: Least area and times; ``enabled`` is the caller's business.
            masks: Polygons in relative coordinates (0..1) in which nothing counts as motion: a clock, a tree.
        """
        self._config = config
        self._masks = masks
        self._shape: tuple[int, ...] = ()
        self._last_s = 0.0
        self._start(0.0)

    def _start(self, pts_s: float) -> None:
        self._scene = _Scene(self._config.min_area, self._masks)
        self._start_s = pts_s
        self._moved_s = float("-inf")
        self._open_s = pts_s

    def moves(self, luma: Luma, pts_s: float) -> bool:
        """Take the next frame that is due, and say whether to analyse it.

        Args:
            luma: (H, W) uint8 grey levels, at least 1x1; rows may be padded. A new size is a new start.
            pts_s: Media time in seconds. Going back, or a gap of more than 2 s, is a new start.
        """
        if luma.shape != self._shape or not 0 < pts_s - self._last_s <= GAP_S:
            self._shape = luma.shape
            self._start(pts_s)
        self._last_s = pts_s
        if self._scene.changes(small_copy(luma), pts_s):
            self._moved_s = pts_s
        is_open = (
            pts_s - self._start_s < START_S - TINY_S
            or pts_s - self._moved_s <= self._config.hold_s + TINY_S
            or pts_s - self._open_s >= self._config.recheck_s - TINY_S
        )
        if is_open:
            self._open_s = pts_s
        return is_open


class _Scene:
    """How the scene looked a second or two ago, and how noisy each pixel is."""

    def __init__(self, min_area: float, masks: Sequence[Sequence[Xy]]) -> None:
        self._min_area = min_area
        self._masks = masks
        self._looked_at: Luma | None = None  # (h, w) uint8, 0 where a mask lies
        self._block: Plane | None = None  # (h, w) float32, sum of the small copies of the block under way
        self._block_frames = 0
        self._block_start_s = 0.0
        self._past: deque[tuple[Plane, Plane]] = deque(maxlen=BLOCKS)  # (h, w) float32 each: mean of a block, its light
        self._noise: Plane | None = None  # (h, w) float32 mean absolute difference of each pixel
        self._mean_noise = 0.0  # of all pixels
        self._noise_frames = 0
        self._noise_s = 0.0

    def changes(self, small: Luma, pts_s: float) -> bool:
        """Whether the picture differs from the scene, if there is one yet; it is remembered either way."""
        now = np.asarray(cv2.GaussianBlur(np.add(small, BLACK, dtype=np.float32), (3, 3), 0), np.float32)
        self._turn_page(now, pts_s)
        if not self._past:
            return False
        difference = difference_beyond_light(now, *self._past[0])
        changed = np.asarray(cv2.compare(difference, self._least_change(difference, pts_s), cv2.CMP_GT), np.uint8)
        if self._masks:
            if self._looked_at is None:
                self._looked_at = outside(self._masks, *small.shape)
            changed = np.asarray(cv2.bitwise_and(changed, self._looked_at), np.uint8)
        needed = max(1.0, self._min_area * small.size)
        return cv2.countNonZero(changed) >= needed and largest_cluster(changed, self._min_area) >= needed

    def _turn_page(self, now: Plane, pts_s: float) -> None:
        """Add a picture to the block under way; one that is full first becomes the past."""
        if self._block is not None and pts_s - self._block_start_s >= BLOCK_S - TINY_S:
            mean = self._block / np.float32(self._block_frames)
            self._past.append((mean, light(mean)))
            self._block = None
        if self._block is None:
            self._block, self._block_frames, self._block_start_s = now.copy(), 1, pts_s
        else:
            cv2.accumulate(now, self._block)
            self._block_frames += 1

    def _least_change(self, difference: Plane, pts_s: float) -> Plane:
        """Learn the noise, and say how much each pixel must differ by to have changed: (h, w) float32 grey levels."""
        bounded = np.asarray(cv2.threshold(difference, NOISE_MOST, 0, cv2.THRESH_TRUNC)[1], np.float32)
        mean = cv2.norm(bounded, cv2.NORM_L1) / bounded.size
        noise = self._learn(bounded, mean, pts_s)
        surge = min(max(1.0, mean / max(self._mean_noise, NOISE_LEAST)), SURGE_MOST)
        at_least: Any = cv2.max  # its stub knows no scalars
        return np.asarray(at_least(noise * np.float32(surge * NOISE_TIMES), surge * LEAST_CHANGE), np.float32)

    def _learn(self, bounded: Plane, mean: float, pts_s: float) -> Plane:
        """Average the difference of each pixel over time; a plain mean until there is enough of it."""
        if self._noise is None:
            self._noise, self._mean_noise = bounded, mean
        else:
            self._noise_frames += 1
            weight = max(1 / (1 + self._noise_frames), min(1.0, (pts_s - self._noise_s) / NOISE_S))
            cv2.accumulateWeighted(bounded, self._noise, weight)
            self._mean_noise += weight * (mean - self._mean_noise)
        self._noise_s = pts_s
        return self._noise


def outside(masks: Sequence[Sequence[Xy]], height: int, width: int) -> Luma:
    """(height, width) uint8: 255 outside of all polygons, which are in relative coordinates; 0 inside and on them."""
    found = np.full((height, width), 255, np.uint8)
    for mask in masks:
        corners = np.array([(round(x * (width - 1)), round(y * (height - 1))) for x, y in mask], np.int32)
        cv2.fillPoly(found, [corners], 0)
    return found


def small_copy(luma: Luma) -> Luma:
    """Halve a picture until its longer side has less than 320 pixels; an odd last row or column is left out.

    Halving by ``INTER_AREA`` is vectorised in OpenCV, one step to the size wanted is not and takes four times as long.
    """
    while max(luma.shape) >= 2 * SMALL_SIDE and min(luma.shape) >= 2:
        height, width = luma.shape[0] // 2, luma.shape[1] // 2
        even = luma[: 2 * height, : 2 * width]
        luma = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return luma


def light(picture: Plane) -> Plane:
    """(h, w) float32 mean grey level around each pixel; taken at half the size, where it costs less."""
    height, width = picture.shape
    half = cv2.resize(picture, (max(1, width // 2), max(1, height // 2)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(cv2.blur(half, (LIGHT, LIGHT)), (width, height)), np.float32)


def difference_beyond_light(now: Plane, past: Plane, past_light: Plane) -> Plane:
    """How much a picture differs from a past one that no change of light explains.

    Three explanations are tried, and the best of each pixel counts: no change (saturated pixels stay as they are in any
    light), light that got stronger or weaker by a local factor, and light that was added or taken.

    Args:
        now: (h, w) float32 grey levels, all above 0.
        past: The same of the past picture.
        past_light: ``light(past)``.

    Returns:
        (h, w) float32 grey levels, 0 or more.
    """
    now_light = light(now)
    as_it_is = cv2.absdiff(now, past)
    factor = cv2.absdiff(cv2.multiply(now, cv2.divide(past_light, now_light)), past)
    added = cv2.absdiff(cv2.subtract(now, now_light), cv2.subtract(past, past_light))
    return np.asarray(cv2.min(as_it_is, cv2.min(factor, added)), np.float32)


def largest_cluster(changed: Luma, area: float) -> float:
    """The most pixels that have changed within a square; speckles all over the picture are not one thing.

    Args:
        changed: (h, w) uint8, 255 where the picture has changed.
        area: Of the thing looked for, relative to the picture; the square has four times as much, at least 5x5 pixels.

    Returns:
        Number of pixels.
    """
    side = max(5, 2 * round((area * changed.size) ** 0.5) | 1)
    sums = cv2.boxFilter(changed, cv2.CV_32F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
    return float(cv2.minMaxLoc(sums)[1]) / 255
