"""The MP4 that is written: times kept, playable after a kill, a clear sentence on a full disk."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.errors import OutputError
from streams.open import open_source
from streams.video_writer import VideoWriter

ROOT = Path(__file__).resolve().parents[2]
WRITE_FOREVER = """
import sys, time
from pathlib import Path
import numpy as np
from streams.video_writer import VideoWriter
image = np.random.default_rng(1).integers(0, 255, (120, 160, 3), dtype=np.uint8)
writer = VideoWriter(Path(sys.argv[1]), 160, 120, 25)
for number in range(100_000):
    writer.write(np.roll(image, number, 1), number / 25)
    print(number, flush=True)
    time.sleep(0.002)
"""


def times_of(path: Path) -> list[float]:
    """Seconds of each frame, decoded by FFmpeg."""
    with av.open(str(path)) as container:
        return [float(frame.time or 0.0) for frame in container.decode(video=0)]


def test_a_real_video_survives_with_its_times(data_dir: Path, tmp_path: Path) -> None:
    with open_source(data_dir / "person-bicycle-car-detection.mp4", "a") as source:
        frames = list(source)
    path = tmp_path / "out.mp4"
    with VideoWriter(path, frames[0].width, frames[0].height, 12.5) as writer:
        for frame in frames:
            writer.write(frame.image, frame.pts_s)
    assert times_of(path) == pytest.approx([frame.pts_s for frame in frames], abs=1e-4)
    with open_source(path, "a") as source:
        copies = list(source)
        assert source.info.fps == pytest.approx(12.5, rel=0.03)
    assert len(copies) == len(frames)
    for one, other in zip(frames, copies, strict=True):
        assert np.abs(one.image.astype(np.int16) - other.image).mean() < 5


def test_it_is_what_browsers_play(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 64, 48, 10) as writer:
        for number in range(30):
            writer.write(np.full((48, 64, 3), number * 8, np.uint8), number / 10)
    data = path.read_bytes()
    assert data[4:8] == b"ftyp"
    assert data.index(b"moov") < data.index(b"moof")
    assert data.count(b"moof") >= 3  # one a second
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(2, 70),
    height=st.integers(2, 70),
    gaps=st.lists(st.floats(0.001, 3.0), min_size=1, max_size=15),
)
def test_odd_sizes_and_uneven_times(tmp_path: Path, width: int, height: int, gaps: list[float]) -> None:
    path = tmp_path / "out.mp4"
    times = [round(value, 6) for value in itertools.accumulate(gaps, initial=0.0)]
    with VideoWriter(path, width, height, 0.0) as writer:
        for pts_s in times:
            writer.write(np.full((height, width, 3), 90, np.uint8), pts_s)
    assert times_of(path) == pytest.approx(times, abs=1e-4)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (width + width % 2, height + height % 2)


def test_after_a_kill_it_plays_up_to_the_last_second(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    command = [sys.executable, "-c", WRITE_FOREVER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        written = 0
        while written < 140:
            written = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        for line in process.stdout:
            written = int(line)
    assert process.returncode == -signal.SIGKILL
    times = times_of(path)
    assert times == pytest.approx([number / 25 for number in range(len(times))], abs=1e-4)
    assert len(times) >= written - 2 * 25
    assert len(times) >= 100


def test_closing_twice_is_fine_and_a_closed_one_refuses(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "out.mp4", 32, 32, 10)
    writer.write(np.zeros((32, 32, 3), np.uint8), 0.0)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="is closed"):
        writer.write(np.zeros((32, 32, 3), np.uint8), 0.1)


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    with (
        VideoWriter(tmp_path / "out.mp4", 32, 32, 10) as writer,
        pytest.raises(ValueError, match=r"must be \(32, 32, 3\)"),
    ):
        writer.write(np.zeros((30, 32, 3), np.uint8), 0.0)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "out.mp4"
    with pytest.raises(OutputError) as caught:
        VideoWriter(path, 32, 32, 10)
    assert str(caught.value) == f"cannot write {path}: No such file or directory; choose another folder with --out"


def test_a_full_disk_is_one_sentence_and_what_was_written_plays(small_disk: Path) -> None:
    path = small_disk / "out.mp4"
    noise = np.random.default_rng(2).integers(0, 255, (15, 20, 3), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    start = time.monotonic()
    with pytest.raises(OutputError) as caught, VideoWriter(path, 320, 240, 10) as writer:
        for number in range(400):
            writer.write(np.roll(noise, number * 5, 1), number / 10)
    assert time.monotonic() - start < 60
    assert str(caught.value) == (
        f"cannot write {path}: No space left on device; free some space or choose another folder with --out"
    )
    times = times_of(path)
    assert len(times) >= 10
    assert times == pytest.approx([number / 10 for number in range(len(times))], abs=1e-4)
