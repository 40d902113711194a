"""The demo's scene: real people on real pictures, panned so that they cross the middle of the picture both ways."""

from __future__ import annotations

import math
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from config.errors import SightlineError
from streams.video_writer import VideoWriter

WIDTH, HEIGHT = 960, 540
PICTURE = 520
"""Rows of the moving picture; a caption fills the rest, so that no foot lies on the lower edge, where a line ends."""
CAPTION = "demo scene: bus.jpg and zidane.jpg of the ultralytics package"
PERIOD_S = 20.0
"""Seconds of one pan to the right and back."""


def make_scene(path: Path, seconds: float = 20, fps: int = 15) -> Path:
    """Write the demo's scene: 960x540, one slow pan to the right and back every 20 seconds.

    The pixels are those of the two pictures that the ``ultralytics`` package carries; the package is not imported.

    Args:
        path: The MP4 to write.
        seconds: Length; 20 is one whole pan, in which four people cross the vertical middle line to the left and then
            to the right.
        fps: Frames per second.

    Returns:
        ``path``.

    Raises:
        SightlineError: The pictures are not there.
        OutputError: ``path`` cannot be written.
    """
    canvas = _canvas(_assets())
    image = np.full((HEIGHT, WIDTH, 3), 32, np.uint8)
    cv2.putText(image, CAPTION, (8, HEIGHT - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (200, 200, 200), 1, cv2.LINE_AA)
    with VideoWriter(path, WIDTH, HEIGHT, fps) as writer:
        for index in range(round(seconds * fps)):
            pts_s = index / fps
            left = pan(pts_s, canvas.shape[1] - WIDTH)
            image[:PICTURE] = canvas[:, left : left + WIDTH]
            writer.write(image, pts_s)
    return path


def pan(pts_s: float, travel: int) -> int:
    """Left edge of the window in pixels, smoothly 0 → ``travel`` → 0 within ``PERIOD_S``."""
    return round(travel * (1 - math.cos(2 * math.pi * pts_s / PERIOD_S)) / 2)


def _canvas(assets: Path) -> NDArray[np.uint8]:
    """The street, the two men, the street again: (520, W, 3) uint8 BGR."""
    street, men = _picture(assets / "bus.jpg"), _picture(assets / "zidane.jpg")
    # The street at 9/10, its rows with the people; the whole picture of the two men. The second street is cut so that
    # nobody is half in it, and that the pan turns back with the middle line clear of people.
    street = np.asarray(cv2.resize(street, (729, 972), interpolation=cv2.INTER_AREA), np.uint8)[310 : 310 + PICTURE]
    men = np.asarray(cv2.resize(men, (924, PICTURE), interpolation=cv2.INTER_AREA), np.uint8)
    return np.hstack([street, men, street[:, 44:673]])


def _assets() -> Path:
    spec = find_spec("ultralytics")
    if spec is None or not spec.submodule_search_locations:
        raise SightlineError(
            "the demo's scene is made from pictures of the ultralytics package, which is not installed: "
            "run `pip install 'sightline[torch]'`, or name a video of your own"
        )
    return Path(spec.submodule_search_locations[0]) / "assets"


def _picture(path: Path) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if picture is None:
        raise SightlineError(
            f"the demo's scene needs {path}, which is missing or unreadable: "
            f"reinstall ultralytics, or name a video of your own"
        )
    return np.asarray(picture, np.uint8)
