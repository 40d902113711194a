"""Both file backends on real videos: the same frames at the same media times."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streams.open import open_source
from streams.source import Backend

ROOT = Path(__file__).resolve().parents[2]

FRAMES = {
    "classroom.mp4": 45,
    "highway.mp4": 450,
    "one-by-one-person-detection.mp4": 1394,
    "people-detection.mp4": 23,
    "person-bicycle-car-detection.mp4": 41,
    "store-aisle-detection.mp4": 67,
    "traffic.mp4": 905,
    "worker-zone-detection.mp4": 71,
}
MEAN_DIFFERENCE = 2.5
"""Grey levels; the two libraries convert YUV to BGR with different roundings (up to 2.2 on these videos)."""


@pytest.mark.parametrize(("name", "count"), FRAMES.items())
def test_backends_agree_on_frames_times_and_pixels(data_dir: Path, gstreamer: None, name: str, count: int) -> None:
    with (
        open_source(data_dir / name, "a", "opencv") as left,
        open_source(data_dir / name, "a", "gstreamer") as right,
    ):
        assert (left.info.width, left.info.height, left.info.fps, left.info.frame_count) == (
            right.info.width,
            right.info.height,
            right.info.fps,
            right.info.frame_count,
        )
        assert left.info.frame_count == count
        seen = 0
        for one, other in itertools.zip_longest(left, right):
            assert (one.index, one.pts_s, one.image.shape) == (other.index, other.pts_s, other.image.shape)
            assert one.index == seen
            if seen % 10 == 0:
                difference = np.abs(one.image.astype(np.int16) - other.image).mean()
                assert difference < MEAN_DIFFERENCE, f"frame {seen}"
            seen += 1
    assert seen == count


def test_frames_are_what_the_protocol_promises(data_dir: Path, backend: Backend) -> None:
    with open_source(data_dir / "traffic.mp4", "street", backend) as source:
        frames = list(itertools.islice(source, 40))
        assert not source.live
        assert source.info.backend == backend
        assert (frames[0].width, frames[0].height) == (source.info.width, source.info.height) == (640, 352)
    assert [frame.pts_s for frame in frames[:4]] == [0.0, 0.042, 0.084, 0.125]
    assert all(late.pts_s > early.pts_s for early, late in itertools.pairwise(frames))
    for frame in frames:
        assert frame.source_id == "street"
        assert frame.image.flags.c_contiguous
        assert not frame.image.flags.writeable
        assert frame.decode_ms > 0
    assert not any(np.shares_memory(early.image, late.image) for early, late in itertools.pairwise(frames))


def test_earlier_frames_keep_their_pixels(data_dir: Path, backend: Backend) -> None:
    with open_source(data_dir / "people-detection.mp4", "a", backend) as source:
        frames, sums = [], []
        for frame in source:
            frames.append(frame)
            sums.append(hashlib.sha256(frame.image.tobytes()).digest())
    assert [hashlib.sha256(frame.image.tobytes()).digest() for frame in frames] == sums
    assert len(set(sums)) > 1


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "b.mp4"])
def test_containers(make_video: Callable[..., Path], backend: Backend, name: str) -> None:
    fragmented = {"movflags": "frag_keyframe+empty_moov+default_base_moof"} if name == "b.mp4" else {}
    codec = "mpeg4" if name.endswith(".avi") else "libx264"
    path = make_video(name, width=322, height=242, codec=codec, **fragmented)
    with open_source(path, "a", backend) as source:
        frames = list(source)
    assert [frame.pts_s for frame in frames] == [number / 10 for number in range(20)]
    assert {frame.image.shape for frame in frames} == {(242, 322, 3)}


def test_odd_widths_come_out_straight(make_video: Callable[..., Path], backend: Backend) -> None:
    with open_source(make_video("odd.mp4", width=318, height=182), "a", backend) as source:
        image = next(iter(source)).image
    assert image[10:80, 20:140].mean(axis=(0, 1)) == pytest.approx((220, 40, 40), abs=6)
    assert image[100:180, 20:300].mean(axis=(0, 1)) == pytest.approx((60, 60, 60), abs=6)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_rotated_videos_are_shown_upright(make_video: Callable[..., Path], backend: Backend, rotation: int) -> None:
    path = make_video("phone.mp4", rotation=rotation)
    with open_source(path, "a", backend) as source:
        image = next(iter(source)).image
        assert (source.info.width, source.info.height) == (image.shape[1], image.shape[0])
    height, width = image.shape[:2]
    assert (width, height) == ((320, 240) if rotation == 180 else (240, 320))
    row, column = {90: (3, 1), 180: (3, 3), 270: (1, 3)}[rotation]  # quarters, counterclockwise from left top
    corner = image[height * row // 4, width * column // 4]
    assert corner == pytest.approx((220, 40, 40), abs=8)


def test_leaving_early_and_twice_is_fine(data_dir: Path, backend: Backend) -> None:
    source = open_source(data_dir / "highway.mp4", "a", backend)
    with source:
        next(iter(source))
    source.__exit__(None, None, None)


def test_auto_is_opencv_for_files(data_dir: Path) -> None:
    with open_source(data_dir / "people-detection.mp4", "a") as source:
        assert source.info.backend == "opencv"


def test_gstreamer_not_installed_names_the_ways_out() -> None:
    code = (
        "import sys; sys.modules['gi'] = None\n"
        "from pathlib import Path\n"
        "from streams.open import open_source\n"
        "from streams.errors import SourceError\n"
        "open_source(Path('a.mp4'), 'a', 'auto')\n"
        "try: open_source(Path('a.mp4'), 'a', 'gstreamer')\n"
        "except SourceError as error: print(error)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "GStreamer is not installed" in run.stdout
    assert "--backend opencv" in run.stdout
    assert "sightline[gstreamer]" in run.stdout
