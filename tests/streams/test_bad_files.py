"""What bad files get: one clear sentence, after the frames that are good."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from streams.errors import SourceError
from streams.frame import Frame
from streams.open import open_source
from streams.probe import probe
from streams.source import Backend

ROOT = Path(__file__).resolve().parents[2]


def read_all(path: Path, backend: Backend) -> tuple[list[Frame], str]:
    """The good frames and the sentence that ended them, empty for a whole file."""
    frames: list[Frame] = []
    with open_source(path, "a", backend) as source:
        try:
            for frame in source:
                frames.append(frame)
        except SourceError as error:
            return frames, str(error)
    return frames, ""


def still(path: Path) -> None:
    """A picture under a video's name."""
    path.write_bytes(cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes())


MAKERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "does not exist"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "empty": (lambda path: path.touch(), "is empty"),
    "text": (lambda path: path.write_text("hello, world\n" * 200), "not a video"),
    "noise": (lambda path: path.write_bytes(np.random.default_rng(1).bytes(50_000)), "not a video"),
    "picture": (still, "not a video"),
    "head-only": (lambda path: path.write_bytes(b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"), "not a video"),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_unreadable_files_are_one_sentence(tmp_path: Path, backend: Backend, kind: str) -> None:
    make, part = MAKERS[kind]
    path = tmp_path / "video.mp4"
    make(path)
    with pytest.raises(SourceError) as caught, open_source(path, "a", backend):
        pass
    message = str(caught.value)
    assert message.startswith(str(path))
    assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("kind", ["text", "noise", "truncated"])
def test_the_libraries_own_chatter_stays_off_stderr(
    tmp_path: Path, data_dir: Path, backend: Backend, kind: str
) -> None:
    path = tmp_path / "video.mp4"
    if kind == "truncated":
        path = data_dir / "truncated-workers.mp4"
    else:
        MAKERS[kind][0](path)
    code = (
        "import sys\nfrom pathlib import Path\nfrom streams.open import open_source\n"
        "try:\n"
        "    with open_source(Path(sys.argv[1]), 'a', sys.argv[2]) as source:\n"
        "        for frame in source: pass\n"
        "except OSError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(path), backend]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert run.stderr == ""
    assert str(path) in run.stdout


def test_a_truncated_video_gives_its_frames_then_says_where_it_breaks(data_dir: Path, backend: Backend) -> None:
    path = data_dir / "truncated-workers.mp4"
    frames, message = read_all(path, backend)
    assert [frame.pts_s for frame in frames] == [number / 25 for number in range(21)]
    assert message.startswith(f"{path} breaks off after 21 of 206 frames, at 0.800 s")
    assert "copy or re-encode it again" in message


def test_a_truncated_matroska_says_how_much_time_is_missing(make_video: Callable[..., Path], backend: Backend) -> None:
    path = make_video("cut.mkv", frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    frames, message = read_all(path, backend)
    assert 5 < len(frames) < 55
    assert f"breaks off after {len(frames)} frames" in message
    assert "of 6.000 s" in message


def test_a_hole_in_the_middle_is_reported(make_video: Callable[..., Path], backend: Backend) -> None:
    path = make_video("hole.mp4", frames=60, movflags="faststart")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + len(data) // 5] = bytes(len(data) // 5)
    path.write_bytes(data)
    frames, message = read_all(path, backend)
    assert all(late.pts_s > early.pts_s for early, late in itertools.pairwise(frames))
    assert len(frames) >= 20
    assert not message or "damaged" in message


def test_what_an_edit_list_cuts_away_is_not_missing(data_dir: Path, tmp_path: Path, backend: Backend) -> None:
    import av

    path = tmp_path / "trimmed.mp4"
    with av.open(str(data_dir / "people-detection.mp4")) as source, av.open(str(path), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - 7 * 1024, packet.dts - 7 * 1024, stream
                output.mux(packet)
    assert probe(path).frame_count == 16
    frames, message = read_all(path, backend)
    assert len(frames) == 16
    assert message == ""


@pytest.mark.parametrize(
    ("codec", "container"),
    [("libx264", "ts"), ("libx264", "mkv"), ("libx264", "mp4"), ("libx265", "ts"), ("mpeg4", "ts"), ("libvpx", "mkv")],
)
def test_a_size_change_midway_names_the_frame_and_both_sizes(
    make_video: Callable[..., Path], tmp_path: Path, backend: Backend, codec: str, container: str
) -> None:
    kind = "mkv" if codec == "libvpx" else "ts"
    parts = [
        make_video(f"one.{kind}", width=320, height=240, frames=20, codec=codec),
        make_video(f"two.{kind}", width=640, height=360, frames=20, codec=codec),
    ]
    path = join(parts, tmp_path / f"joined.{container}")
    frames, message = read_all(path, backend)
    assert [frame.pts_s for frame in frames] == [number / 10 for number in range(20)]
    assert {frame.image.shape for frame in frames} == {(240, 320, 3)}
    assert f"{path} changes its size at frame 20 (2.000 s) from 320x240 to 640x360" in message


def join(parts: list[Path], path: Path) -> Path:
    """Put the packets of several videos behind each other in one stream, time stamps going on."""
    import av

    with av.open(str(path), "w") as output:
        stream = None
        offset = 0
        for part in parts:
            with av.open(str(part)) as source:
                video = source.streams.video[0]
                stream = stream or output.add_stream_from_template(video)
                packets = [packet for packet in source.demux(video) if packet.size]
                first = min(packet.pts for packet in packets if packet.pts is not None)
                for packet in packets:
                    assert packet.pts is not None
                    assert packet.dts is not None
                    packet.pts, packet.dts = packet.pts - first + offset, packet.dts - first + offset
                    packet.stream = stream
                    output.mux(packet)
                offset += round(2 / float(video.time_base or 1))
    return path


@pytest.mark.parametrize("name", ["12:30:00.mp4", "-x.mp4", "[a] %03d ä.mp4", "concat:a|b.mp4", "...mp4"])
def test_names_that_ffmpeg_would_read_as_something_else(
    make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, backend: Backend, name: str
) -> None:
    path = make_video("plain.mp4", frames=5)
    path.rename(path.with_name(name))
    monkeypatch.chdir(path.parent)
    frames, message = read_all(Path(name), backend)
    assert (len(frames), message) == (5, "")


def test_a_name_that_is_not_utf8_is_refused_before_opencv_crashes(tmp_path: Path, backend: Backend) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.mp4"))
    path.write_bytes(b"x")
    with pytest.raises(SourceError, match="a name that is not UTF-8"), open_source(path, "a", backend):
        pass


def test_probe_says_what_a_video_is(data_dir: Path) -> None:
    facts = probe(data_dir / "highway.mp4")
    assert (facts.codec, facts.width, facts.height, facts.pix_fmt) == ("h264", 1280, 720, "yuv420p")
    assert facts.fps == pytest.approx(30000 / 1001)
    assert facts.frame_count == 450
    assert facts.duration_s == pytest.approx(15.015)


def test_a_file_with_sound_only_has_no_video(tmp_path: Path) -> None:
    import av

    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with pytest.raises(SourceError, match="has no video in it"):
        probe(path)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match="is a pipe or device, not a file"):
        probe(tmp_path / "pipe.mp4")
