"""What bad input gets on the real command line: one clear sentence, the right exit code, no traceback."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.cli import Done, run_app
from tests.support.mosquitto import Mosquitto, free_port
from tests.support.results import lines, summary

Call = Callable[..., Done]


@pytest.fixture
def video(data_dir: Path) -> Path:
    """A short real video: 23 frames."""
    return data_dir / "people-detection.mp4"


def two_sizes(path: Path) -> Path:
    """A video whose picture changes its size after 10 frames: two streams of packets in one file."""
    parts = []
    for width, height, first in ((320, 240, 0), (640, 360, 10)):
        part = path.with_name(f"{width}.ts")
        with av.open(str(part), "w") as output:
            stream = output.add_stream("libx264", rate=10, options={"bf": "0"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number in range(10):
                picture = np.full((height, width, 3), 20 * number, np.uint8)
                frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
                frame.pts, frame.time_base = first + number, Fraction(1, 10)
                output.mux(stream.encode(frame))
            output.mux(stream.encode(None))
        parts.append(part.read_bytes())
    path.write_bytes(b"".join(parts))
    return path


def test_several_videos_the_bad_ones_are_reported_and_the_others_are_done(
    video: Path, data_dir: Path, models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    twin = shutil.copy(video, tmp_path / "other" / video.name)
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video\n" * 100)
    (tmp_path / "folder.mp4").mkdir()
    two_sizes(tmp_path / "sizes.ts")
    bad = [tmp_path / name for name in ("missing.mp4", "empty.mp4", "text.mp4", "folder.mp4", "sizes.ts")]
    cut = data_dir / "truncated-workers.mp4"
    out = tmp_path / "out"
    done = run_app("analyze", video, *bad, cut, twin, "--imgsz", "320", "--out", out)
    assert done.code == 1, done
    expected = [
        f"{bad[0]} does not exist",
        f"{bad[1]} is empty (0 bytes)",
        f"{bad[2]} is ",
        f"{bad[3]} is a folder",
        f"{bad[4]} changes its size at frame 10 (",
        f"{cut} breaks off after 21 of 206 frames",
    ]
    assert len(done.errors) == len(expected), done.err
    for error, part in zip(done.errors, expected, strict=True):
        assert error.startswith(part)
    assert [line for line in done.err.splitlines() if line] == [f"error: {error}" for error in done.errors]
    names = {folder.name: summary(folder) for folder in out.iterdir()}
    assert {name: (found["result"], found["frames"]) for name, found in names.items()} == {
        "people-detection": ("done", 23),
        "people-detection-2": ("done", 23),
        "sizes": ("failed", 10),
        "truncated-workers": ("failed", 21),
    }
    assert names["sizes"]["error"] == done.errors[4]
    assert len(lines(out / "sizes" / "detections.jsonl")) == 10
    assert done.out.count("people-detection") >= 2
    for name in ("people-detection", "people-detection-2"):
        assert f"{out / name}" in done.out.replace("\n", "")


def test_only_bad_videos_are_all_reported_without_loading_a_model(call: Call, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    done = call("analyze", "a.mp4", "empty.mp4", "b.mp4", "--model", "yolov8x")
    assert done.code == 1
    assert [error.split()[0] for error in done.errors] == ["a.mp4", "empty.mp4", "b.mp4"]
    assert [line for line in done.err.splitlines() if line] == [f"error: {error}" for error in done.errors]


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.touch(), "is empty (0 bytes)"),
        (lambda path: path.write_bytes(b"no model" * 999), "cannot be read as an Ultralytics checkpoint"),
        (lambda path: path.mkdir(), "is a folder without saved_model.pb"),
    ],
    ids=["missing", "empty", "wrong", "folder"],
)
@pytest.mark.parametrize("runtime", ["torch", "tensorflow"])
def test_a_bad_checkpoint(
    call: Call, video: Path, tmp_path: Path, make: Callable[[Path], object], part: str, runtime: str
) -> None:
    path = tmp_path / "my model.pt"
    make(path)
    done = call("analyze", video, "--model", path, "--runtime", runtime)
    rest = [line for line in done.err.splitlines() if not line.startswith(("exporting ", "yolov8n "))]
    assert str(path) in Done(done.code, done.out, "\n".join(rest)).failed(1, part)


def test_a_corrupted_checkpoint(call: Call, video: Path, models_dir: Path, tmp_path: Path) -> None:
    path = tmp_path / "yolov8n.pt"
    data = bytearray((models_dir / "yolov8n.pt").read_bytes())
    path.write_bytes(data[: len(data) // 2])
    done = call("analyze", video, "--model", path)
    done.failed(1, str(path), "cannot be read as an Ultralytics checkpoint (PytorchStreamReader failed")
    assert done.err.count(str(path)) == 1


def test_a_checkpoint_that_changed_behind_our_back(
    call: Call, video: Path, models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "yolov8n.pt").write_bytes((models_dir / "yolov8n.pt").read_bytes())
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  yolov8n.pt\n")
    monkeypatch.setenv("SIGHTLINE_MODELS", str(folder))
    call("analyze", video, "--model", "yolov8n").failed(1, "does not match the SHA256SUMS beside it")


@pytest.mark.parametrize("content", [b"", b"no graph" * 500], ids=["empty", "wrong"])
def test_a_bad_frozen_graph(call: Call, video: Path, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(content)
    call("analyze", video, "--model", path, "--runtime", "tensorflow").failed(1, str(path))


USAGE: dict[str, tuple[list[str], list[str]]] = {
    "unknown model": (["--model", "yolov9z"], ["yolov9z", "yolov8n, yolov8s"]),
    "empty model": (["--model", ""], ["--model"]),
    "an unknown kind of model": (["--model", "./model.onnx"], ["not a kind of model", ".pt"]),
    "unknown scenario": (["--scenario", "zoo"], ["unknown scenario 'zoo'", "traffic"]),
    "empty scenario": (["--scenario", ""], ["unknown scenario ''", "traffic"]),
    "camera without a site file": (["--camera", "gate"], ["--camera", "--config"]),
    "a site file that is not there": (["--config", "no.yaml"], ["no.yaml: no such file"]),
    "no device": (["--device", "cuda"], ["device 'cuda' is not available", "cpu"]),
    "nonsense as device": (["--device", "toaster"], ["device 'toaster' is not available", "cpu"]),
    "mqtt: empty": (["--mqtt", ""], ["--mqtt wants mqtt://host:port"]),
    "mqtt: nonsense": (["--mqtt", "banana"], ["--mqtt wants mqtt://host:port"]),
    "mqtt: a web page": (["--mqtt", "http://127.0.0.1:1883"], ["--mqtt wants mqtt://host:port"]),
    "mqtt: a wrong port": (["--mqtt", "mqtt://127.0.0.1:port"], ["--mqtt wants mqtt://host:port"]),
    "mqtt: wildcards in the prefix": (["--mqtt", "mqtt://127.0.0.1/a+b"], ["prefix 'a+b'"]),
}


@pytest.mark.parametrize("name", USAGE)
def test_wrong_usage_is_exit_code_2(call: Call, video: Path, tmp_path: Path, name: str) -> None:
    arguments, parts = USAGE[name]
    (tmp_path / "model.onnx").write_bytes(b"x")
    if name == "no device":
        import torch

        if torch.cuda.is_available():
            pytest.skip("this machine has CUDA")
    call("analyze", video, *arguments).failed(2, *parts)
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["analyze"], ["analyze", "VIDEO", "--runtime", "caffe"], ["analyze", "VIDEO", "--precision", "int2"],
        ["analyze", "VIDEO", "--backend", "vlc"], ["analyze", "VIDEO", "--imgsz", "9"],
        ["analyze", "VIDEO", "--imgsz", "x"], ["analyze", "VIDEO", "--confidence", "nan"],
        ["analyze", "VIDEO", "--confidence", "1.5"], ["analyze", "--colour", "x"], ["check"], ["init"],
        ["models", "pull"], ["models", "polish"], ["dance"], ["demo", "extra"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments_are_exit_code_2_with_a_hint(call: Call, arguments: list[str]) -> None:
    done = call(*arguments)
    assert done.code == 2
    assert "Usage: " in done.err
    assert "--help" in done.err
    assert "Traceback" not in done.err
    assert done.out == ""


@pytest.mark.parametrize(("runtime", "precision"), [("torch", "fp16"), ("tensorflow", "fp16"), ("tensorflow", "bf16")])
def test_a_precision_this_machine_lacks_is_named_or_works(
    call: Call, video: Path, runtime: str, precision: str
) -> None:
    done = call(
        "analyze", video, "--runtime", runtime, "--precision", precision, "--device", "cpu", "--model", "yolov8n"
    )
    if done.code != 0:
        rest = [line for line in done.err.splitlines() if not line.startswith(("exporting ", "yolov8n "))]
        Done(done.code, done.out, "\n".join(rest)).failed(2, f"precision '{precision}' is not available", "fp32")


def test_a_tensorflow_graph_on_torch(call: Call, video: Path, tmp_path: Path) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(b"x")
    call("analyze", video, "--model", path, "--runtime", "torch").failed(2, "runs on runtime 'tensorflow' only")


def test_an_odd_input_size_is_rounded_and_works(call: Call, video: Path) -> None:
    done = call("analyze", video, "--imgsz", "333", "--model", "yolov8n")
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("address", ["rtsp://viewer:geheim@127.0.0.1:9/cam", "http://viewer:geheim@127.0.0.1:9/x.mp4"])
def test_a_stream_is_not_a_file_and_its_login_is_not_shown(call: Call, address: str) -> None:
    sentence = call("analyze", address).failed(2, "is a stream, not a file")
    assert "geheim" not in sentence
    assert "viewer" not in sentence


def test_an_output_folder_that_is_a_file(call: Call, video: Path, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    call("analyze", video, "--model", "yolov8n", "--out", "taken").failed(1, "taken/people-detection", "--out")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "people-detection").write_text("mine")
    call("analyze", video, "--model", "yolov8n", "--out", "out").failed(1, "out/people-detection", "--out")
    assert (tmp_path / "taken").read_text() == (tmp_path / "out" / "people-detection").read_text() == "mine"


def test_an_output_folder_nobody_may_write(call: Call, video: Path, tmp_path: Path) -> None:
    folder = Path("/proc/self/out")
    if os.geteuid() != 0:
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
    call("analyze", video, "--model", "yolov8n", "--out", folder).failed(1, str(folder), "--out")


@pytest.mark.parametrize("annotate", [False, True])
def test_a_full_disk(call: Call, data_dir: Path, small_disk: Path, annotate: bool) -> None:
    out = small_disk / "out"
    arguments = ["--annotate"] if annotate else []
    if not annotate:
        (small_disk / "filler").write_bytes(bytes(244 * 1024))
    video = data_dir / "worker-zone-detection.mp4"
    done = call("analyze", video, "--model", "yolov8n", "--out", out, *arguments)
    done.failed(1, "No space left on device", "free some space", "--out")
    found = lines(out / "worker-zone-detection" / "detections.jsonl")  # whole lines only
    assert 0 < len(found) < 71
    assert [line["frame"] for line in found] == list(range(len(found)))
    path = out / "worker-zone-detection" / "summary.json"
    if path.exists():  # where it still fitted
        assert summary(path.parent)["result"] == "failed"
    if annotate:
        with av.open(str(out / "worker-zone-detection" / "annotated.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) > 0


@pytest.mark.parametrize("name", ["detections.jsonl", "fps.csv"])
def test_a_file_that_takes_nothing(call: Call, video: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "results" / "people-detection"
    folder.mkdir(parents=True)
    (folder / name).symlink_to("/dev/full")
    done = call("analyze", video, "--model", "yolov8n")
    sentence = done.failed(1, f"cannot write results/people-detection/{name}: No space left on device")
    assert summary(folder)["error"] == sentence


def test_a_disk_that_is_full_from_the_start(call: Call, video: Path, small_disk: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "filler").write_bytes(bytes(1024 * 1024))
    call("analyze", video, "--model", "yolov8n", "--out", small_disk).failed(1, "No space left on device", "--out")


def test_a_broker_that_is_down(call: Call, video: Path, tmp_path: Path) -> None:
    port = free_port()
    done = call("analyze", video, video, "--model", "yolov8n", "--mqtt", f"mqtt://camera:geheim@127.0.0.1:{port}")
    sentence = done.failed(1, f"MQTT broker 127.0.0.1:{port} cannot be reached (Connection refused)")
    assert summary(tmp_path / "results" / "people-detection")["error"] == sentence
    for path in (tmp_path / "results").rglob("*.*"):
        assert "geheim" not in path.read_text()


def test_a_refused_login_shows_the_password_nowhere(call: Call, video: Path, tmp_path: Path) -> None:
    with Mosquitto(tmp_path, login=("camera", "right")) as broker:
        url = f"mqtt://camera:geheim%40@127.0.0.1:{broker.port}"
        done = call("analyze", video, "--model", "yolov8n", "--mqtt", url)
    sentence = done.failed(1, f"MQTT broker 127.0.0.1:{broker.port} refuses the login (Not authorized)")
    assert "geheim" not in done.out + done.err
    for path in (tmp_path / "results").rglob("*.*"):
        assert "geheim" not in path.read_text()
    assert summary(tmp_path / "results" / "people-detection")["error"] == sentence


def test_without_debug_a_sentence_and_with_it_a_traceback(call: Call, models_dir: Path, tmp_path: Path) -> None:
    call("analyze", "x.mp4", "--camera", "gate").failed(2, "--camera")
    done = run_app("--debug", "analyze", tmp_path / "x.mp4", "--camera", "gate")
    assert done.code != 0
    assert "Traceback (most recent call last)" in done.err
    assert "ConfigError: --camera" in done.err
    done = run_app("--debug", "analyze", tmp_path / "x.mp4", "--model", "yolov8n", cwd=tmp_path)
    assert (done.code, len(done.errors)) == (1, 1)
    assert "Traceback (most recent call last)" in done.err
    assert "SourceError: " in done.err
