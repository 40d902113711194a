"""Files that stand in for cameras and cannot be read to their end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.errors import BrokenFileError, SourceEnded, SourceError
from streams.feed import CameraFeed
from streams.file_live import FileLive
from streams.source import Backend


def end_of(
    path: Path, backend: Backend = "auto", realtime: bool = False, loop: bool = False
) -> tuple[SourceError, int]:
    """The error that ends a file, and how many pictures came before."""
    source, count = FileLive(path, backend, realtime, loop), 0
    with pytest.raises(SourceError) as caught:
        source.open()
        while True:
            count += source.read(0.2) is not None
    source.close()
    return caught.value, count


def written(path: Path, content: str) -> Path:
    path.write_text(content)
    return path


def test_a_file_that_breaks_off_is_told_from_one_that_is_over(
    data_dir: Path, make_video: Callable[..., Path], backend: Backend
) -> None:
    error, count = end_of(data_dir / "truncated-workers.mp4", backend)
    assert isinstance(error, BrokenFileError)
    assert "truncated-workers.mp4 breaks off after" in str(error)
    assert count > 0
    error, count = end_of(make_video("whole.mp4", frames=5), backend)
    assert (type(error), count) == (SourceEnded, 5)


@pytest.mark.parametrize("realtime", [False, True])
@pytest.mark.parametrize(("content", "part"), [("", "is empty"), ("hello\n" * 100, "is "), (None, "does not exist")])
def test_what_is_no_video_is_not_tried_again(
    tmp_path: Path, backend: Backend, content: str | None, part: str, realtime: bool
) -> None:
    path = tmp_path / "x.mp4"
    if content is not None:
        path.write_text(content)
    error, _ = end_of(path, backend, realtime)
    assert isinstance(error, BrokenFileError)
    assert f"{path} {part}" in str(error)
    assert "\n" not in str(error)


def test_a_looped_file_is_tried_again_like_a_camera(data_dir: Path, tmp_path: Path) -> None:
    for path in (written(tmp_path / "x.mp4", ""), data_dir / "truncated-workers.mp4"):
        error, _ = end_of(path, loop=True)
        assert not isinstance(error, SourceEnded)


@pytest.mark.parametrize(("name", "broken"), [("empty", True), ("cut", True), ("whole", False)])
def test_the_feed_of_a_file_ends_and_says_whether_it_is_broken(
    name: str, broken: bool, data_dir: Path, make_video: Callable[..., Path], tmp_path: Path
) -> None:
    paths = {"empty": written(tmp_path / "x.mp4", ""), "cut": data_dir / "truncated-workers.mp4"}
    path = paths.get(name) or make_video("whole.mp4", frames=5)
    ended = threading.Event()
    feed = CameraFeed(
        "a",
        lambda: FileLive(path, realtime=False),
        detect_fps=10,
        stall_s=3,
        wake=lambda: feed.take() and None,
        lossless=True,
        on_status=lambda camera, status, reason: ended.set() if status == "ended" else None,
    )
    feed.start()
    assert ended.wait(20)
    assert feed.stop()
    assert feed.broken is broken
    assert str(path) in feed.reason
