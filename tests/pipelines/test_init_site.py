"""``init`` → ``check`` → ``analyze``: what init writes is right as it is, for files and for streams with logins."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from config.loader import load
from config.site import Site
from tests.support.cli import Done, call_app
from tests.support.http_server import HttpServer
from tests.support.results import summary
from tests.support.rtsp_server import RtspServer
from tests.support.videos import encode

Call = Callable[..., Done]
PASSWORD = "gehe/im:ü@"  # noqa: S105 - made up
QUOTED = "gehe%2Fim%3A%C3%BC%40"


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str], models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: call_app(capfd, arguments)


def test_a_video_from_init_to_results(call: Call, data_dir: Path, tmp_path: Path) -> None:
    video = tmp_path / "Tor 1 'Süd' [a].mp4"
    shutil.copy(data_dir / "people-detection.mp4", video)
    done = call("init", video, "--out", "my site")
    assert (done.code, done.err) == (0, "")
    site = Path("my site") / "tor-1-s-d-a.yaml"
    assert done.out.splitlines() == [
        f"{site}: a site file for {video} (480x270)",
        f"{site.with_suffix('.png')}: its first picture with a grid",
    ]
    still = cv2.imread(str(site.with_suffix(".png")))
    assert still is not None
    assert still.shape == (270, 480, 3)
    camera = load(site, Site).value.cameras["tor-1-s-d-a"]
    assert (camera.source, camera.drawn_on, camera.username) == (str(video), (480, 270), "")
    done = call("check", site)
    assert (done.code, done.err) == (0, "")
    assert all(line.startswith("ok: ") for line in done.out.splitlines())
    assert f"{video}: h264 480x270, 12.50 fps, 23 frames" in done.out
    assert "yolov8n (yolo, 80 labels)" in done.out
    # the command that the file's head suggests
    tried = next(line for line in site.read_text().splitlines() if "app.py analyze" in line)
    words = shlex.split(tried.removeprefix("#"))
    assert words[:2] == ["python", "app.py"]
    done = call(*words[2:])
    assert (done.code, done.err) == (0, "")
    found = summary(Path("results") / video.stem)
    assert (found["camera"], found["frames"]) == ("tor-1-s-d-a", 23)
    assert set(found["rules"]) == {"line_crossing_middle", "zone_count_centre", "dwell_centre"}


def test_nothing_is_overwritten_without_force(call: Call, tmp_path: Path) -> None:
    video = encode(tmp_path / "x.mp4", frames=3)
    assert call("init", video).code == 0
    Path("x.yaml").write_text("mine")
    call("init", video).failed(2, "x.yaml is there already", "--force")
    assert Path("x.yaml").read_text() == "mine"
    assert call("init", video, "--force").code == 0
    assert load(Path("x.yaml"), Site).value.site == "x"


def test_a_name_of_ones_own(call: Call, tmp_path: Path) -> None:
    video = encode(tmp_path / "x.mp4", frames=3)
    assert call("init", video, "--name", "north_gate").code == 0
    assert list(load(Path("north_gate.yaml"), Site).value.cameras) == ["north_gate"]
    call("init", video, "--name", "North Gate").failed(2, "--name 'North Gate'", "a to z")


@pytest.mark.parametrize("name", ["a\nb.mp4", "# x: [y].mp4", "{}.mp4", "%s.mp4", "'.mp4", "back\\slash.mp4"])
def test_odd_names_make_a_site_file_that_reads_them_back(call: Call, tmp_path: Path, name: str) -> None:
    video = encode(tmp_path / "x.mp4", frames=3).rename(tmp_path / name)
    assert call("init", video, "--out", "out").code == 0
    site = next((tmp_path / "out").glob("*.yaml"))
    cameras = load(site, Site).value.cameras
    assert [camera.source for camera in cameras.values()] == [str(video)]


@pytest.mark.parametrize(
    ("source", "part"),
    [("no.mp4", "does not exist"), ("text.mp4", "is "), ("rtsp://u:geheim@127.0.0.1:1/x", "refuses the connection"),
     ("rtsp://u:ge[heim]@h/x", "is not an address"), ("rtmp://u:geheim@h/x", "cannot be opened")],
)  # fmt: skip
def test_a_source_that_cannot_be_read_writes_nothing(call: Call, tmp_path: Path, source: str, part: str) -> None:
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    assert "geheim" not in call("init", source, "--out", "out").failed(1, part)
    assert not (tmp_path / "out").exists()


def test_a_launch_line_is_never_written(call: Call, tmp_path: Path) -> None:
    line = "gst:rtspsrc location=rtsp://u:geheim@127.0.0.1:1/x ! decodebin"
    assert "geheim" not in call("init", line, "--out", "out").failed(2, "by hand")
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    call("init", encode(tmp_path / "x.mp4", frames=3), "--out", "out").failed(1, "out/x.png", "--out")


def all_text(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def test_an_http_stream_with_a_login(
    call: Call, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpServer(data_dir, f"viewer:{PASSWORD}") as server:
        plain = f"http://127.0.0.1:{server.port}/people-detection.mp4"
        done = call("init", plain.replace("//", f"//viewer:{QUOTED}@"))
        assert (done.code, done.err) == (0, "")
        assert plain in done.out
        site = tmp_path / "127-0-0-1.yaml"
        refused = call("check", site)  # without the login
        assert refused.code == 1
        assert len(refused.errors) == 1
        assert refused.errors[0].endswith(f".source: source {plain} refuses the login; check user name and password")
        monkeypatch.setenv("CAM_USER", "viewer")
        monkeypatch.setenv("CAM_PASSWORD", PASSWORD)
        checked = call("check", site)
        assert (checked.code, checked.err) == (0, "")
        assert f"{plain}: h264 480x270, 12.50 fps" in checked.out
        analysed = call("analyze", data_dir / "people-detection.mp4", "--config", site)
        assert (analysed.code, analysed.err) == (0, "")
    seen = done.out + refused.out + refused.err + checked.out + analysed.out + all_text(tmp_path)
    for secret in (PASSWORD, QUOTED, "gehe"):
        assert secret not in seen


def test_a_query_is_never_written_down(
    call: Call, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with HttpServer(data_dir) as server:
        plain = f"http://127.0.0.1:{server.port}/people-detection.mp4"
        done = call("init", f"{plain}?user=admin&pwd=geheim")
        assert (done.code, done.err) == (0, "")
        site = tmp_path / "127-0-0-1.yaml"
        call("check", site).failed(2, "CAM_URL is not set")
        monkeypatch.setenv("CAM_URL", f"{plain}?user=admin&pwd=geheim")
        checked = call("check", site)
        assert (checked.code, checked.err) == (0, "")
        assert f"{plain}?…: h264 480x270, 12.50 fps" in checked.out
    assert "geheim" not in done.out + checked.out + all_text(tmp_path)


def test_an_rtsp_camera_with_a_login(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RtspServer("viewer", PASSWORD) as camera:
        plain = f"rtsp://127.0.0.1:{camera.port}/cam"
        done = call("init", plain.replace("//", f"//viewer:{QUOTED}@"))
        assert (done.code, done.err) == (0, ""), done
        monkeypatch.setenv("CAM_USER", "viewer")
        monkeypatch.setenv("CAM_PASSWORD", PASSWORD)
        checked = call("check", tmp_path / "127-0-0-1.yaml")
        assert (checked.code, checked.err) == (0, "")
        assert f"{plain}: h264 320x240, 10.00 fps" in checked.out
        again = call("init", plain, "--name", "by-environment")
        assert (again.code, again.err) == (0, ""), again
        monkeypatch.setenv("CAM_PASSWORD", "gehe-nicht")
        refused = call("check", tmp_path / "127-0-0-1.yaml")
        assert refused.code == 1
    seen = done.out + checked.out + again.out + refused.out + refused.err + all_text(tmp_path)
    assert "gehe" not in seen
    assert "viewer" not in seen
