"""Pictures spread over a video or a folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streams.errors import SourceError
from streams.spread import spread_pictures
from tests.support.videos import encode, picture


def numbers(pictures: list[np.ndarray]) -> list[int]:
    """Which frames of ``encode``'s videos these are, by their white bar in the lower, grey half."""
    return [int(np.flatnonzero((image[-20] > 180).all(axis=1))[:1].mean().round()) // 8 for image in pictures]


def test_frames_of_a_video_are_spread_over_it(tmp_path: Path) -> None:
    video = encode(tmp_path / "v.mp4", frames=20)
    assert numbers(spread_pictures(video, 4)) == [0, 5, 10, 15]
    assert numbers(spread_pictures(video, 99)) == list(range(20))
    found = spread_pictures(video, 1)[0]
    assert (found.shape, found.dtype) == ((240, 320, 3), np.uint8)


def test_far_frames_are_sought(tmp_path: Path) -> None:
    video = encode(tmp_path / "v.mp4", width=1280, frames=150)
    assert numbers(spread_pictures(video, 2)) == [0, 75]


def test_a_folder_of_pictures_or_of_videos(tmp_path: Path) -> None:
    for name in ("a", "b"):
        encode(tmp_path / f"{name}.mp4", frames=20)
    (tmp_path / "notes.txt").write_text("not a picture")
    assert numbers(spread_pictures(tmp_path, 4)) == [0, 10, 0, 10]
    for number in (3, 4, 5):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(320, 240, number))
    assert numbers(spread_pictures(tmp_path, 3)) == [3, 4, 5]


@pytest.mark.parametrize("name", ["empty", "none.mp4", "text.mp4", "pictures"])
def test_what_holds_no_pictures_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "one.jpg").write_text("not a picture")
    with pytest.raises(SourceError, match=name):
        spread_pictures(tmp_path / name, 3)
