"""Files that a site file names: what cannot be read or written is refused with file, line and YAML path."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from config.errors import ConfigError
from config.loader import Document, load
from config.paths import folder_fault, kind_of, read_fault, resolved, write_fault
from config.site import Site

CAMERA = "cameras: {a: {source: x.mp4}}\n"
TLS = "mqtt:\n  tls:\n    enabled: true\n"


def read(folder: Path, text: str) -> Document[Site]:
    (folder / "site.yaml").write_text(f"version: 1\n{text}")
    return load(folder / "site.yaml", Site)


def make_folder(folder: Path) -> None:
    (folder / "it").mkdir()


def make_pipe(folder: Path) -> None:
    os.mkfifo(folder / "it")


def make_device(folder: Path) -> None:
    (folder / "it").symlink_to("/dev/zero")


def make_file(folder: Path) -> None:
    (folder / "it").write_text("it")


def nothing(folder: Path) -> None:
    pass


# (what is made, what is written, the sentence; IT stands for its path, HERE for the site file's)
WRONG: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "ca is a folder": (make_folder, TLS + "    ca: it\n", "5: mqtt.tls.ca: IT is a folder; name a file"),
    "ca is a device": (make_device, TLS + "    ca: it\n", "5: mqtt.tls.ca: IT is a device; name a file"),
    "cert is a pipe": (make_pipe, TLS + "    cert: it\n", "5: mqtt.tls.cert: IT is a pipe; name a file"),
    "key is a folder": (make_folder, TLS + "    key: it\n", "5: mqtt.tls.key: IT is a folder; name a file"),
    "password from a device": (
        nothing,
        "mqtt:\n  password_file: /dev/zero\n",
        "3: mqtt.password_file: /dev/zero is a device; name a file",
    ),
    "password from a pipe": (
        make_pipe,
        "mqtt: {password_file: it}\n",
        "2: mqtt.password_file: IT is a pipe; name a file",
    ),
    "password of a camera from a device": (
        make_device,
        "detectors: {main: {}}\n",
        "3: cameras.a.password_file: IT is a device; name a file",
    ),
    "hash of the page from a pipe": (
        make_pipe,
        "server: {password_hash_file: it}\n",
        "2: server.password_hash_file: IT is a pipe; name a file",
    ),
    "certificate of the page from a pipe": (
        make_pipe,
        "server: {tls: {key: other, certificate: it}}\n",
        "2: server.tls.certificate: IT is a pipe; name a file",
    ),
    "log is a folder": (make_folder, "log: {path: it}\n", "2: log.path: IT is a folder; name a file in it"),
    "log below a file": (
        make_file,
        "log: {path: it/a/b.log}\n",
        "2: log.path: IT is a file, not a folder; choose another folder",
    ),
    "log is the site file": (nothing, "log: {path: ./site.yaml}\n", "2: log.path: HERE is this file itself; name an"),
    "log is the outbox": (
        nothing,
        "log: {path: it}\nmqtt: {outbox: {path: x/../it}}\n",
        "2: log.path: IT is the outbox; name another",
    ),
    "outbox is the site file": (
        nothing,
        "mqtt:\n  outbox:\n    path: site.yaml\n",
        "4: mqtt.outbox.path: HERE is this file itself; name another",
    ),
    "outbox is a folder": (
        make_folder,
        "mqtt: {outbox: {path: it}}\n",
        "2: mqtt.outbox.path: IT is a folder; name a file in it",
    ),
    "outbox is a device": (
        nothing,
        "mqtt: {outbox: {path: /dev/null}}\n",
        "2: mqtt.outbox.path: /dev/null is a device; name a file",
    ),
    "results are a file": (
        make_file,
        "outputs: {jsonl: {path: it}}\n",
        "2: outputs.jsonl.path: IT is a file, not a folder; choose another folder",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_cannot_be(name: str, tmp_path: Path) -> None:
    make, text, sentence = WRONG[name]
    make(tmp_path)
    camera = CAMERA.replace("}}", ", password_file: it}}") if "of a camera" in name else CAMERA
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text + camera)
    here = tmp_path / "site.yaml"
    (fault,) = error.value.faults
    assert error.value.exit_code == 2
    assert fault.replace("./", "").startswith(
        f"{here}:{sentence}".replace("IT", str(tmp_path / "it")).replace("HERE", str(here))
    )
    assert sorted(path for path in tmp_path.iterdir() if path != here) == before


def test_all_of_them_at_once_in_file_order(tmp_path: Path) -> None:
    make_folder(tmp_path)
    text = "log: {path: it}\nmqtt:\n  outbox: {path: it}\n  password_file: it\ntimezone: UTC\n"
    with pytest.raises(ConfigError) as error:
        read(tmp_path, text + CAMERA)
    assert [fault.split(": ")[1] for fault in error.value.faults] == [
        "log.path", "mqtt.outbox.path", "mqtt.password_file",
    ]  # fmt: skip


def test_what_is_fine_or_is_told_later(tmp_path: Path) -> None:
    make_file(tmp_path)
    (tmp_path / "link").symlink_to("it")
    read(tmp_path, TLS + "    ca: link\n    cert: missing.pem\n  password_file: it\n  outbox: {path: new/o}\n" + CAMERA)
    read(tmp_path, "mqtt: {tls: {enabled: false, ca: /dev}, password_file: missing}\n" + CAMERA)
    read(tmp_path, "log: {path: /dev/null}\n" + CAMERA)
    read(tmp_path, "log: {path: new/log.txt}\noutputs: {jsonl: {path: new/results}}\n" + CAMERA)
    read(tmp_path, "log: {path: it}\noutputs: {jsonl: {path: .}}\n" + CAMERA)


@contextmanager
def nobody() -> Iterator[None]:
    """Without root's right to read everything."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if was_root:
            os.seteuid(0)


def test_a_file_that_nobody_may_read() -> None:
    expected = r"site\.yaml:5: mqtt\.tls\.key: .*/it cannot be read \(Permission denied\)"
    with TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        make_file(folder)
        (folder / "it").chmod(0)
        (folder / "site.yaml").touch()
        (folder / "site.yaml").chmod(0o666)
        with nobody(), pytest.raises(ConfigError, match=expected):
            read(folder, TLS + "    key: it\n" + CAMERA)


def test_kinds(tmp_path: Path) -> None:
    make_file(tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert kind_of(tmp_path / "socket") == "a socket"
    assert kind_of(tmp_path) == "a folder"
    assert kind_of(Path("/dev/null")) == "a device"
    for path in (tmp_path / "it", tmp_path / "missing", tmp_path / "it" / "below", Path("a\0b"), Path("x" * 300)):
        assert kind_of(path) is None


def test_odd_paths_raise_nothing(tmp_path: Path) -> None:
    odd = tmp_path / "a\0b"
    assert read_fault(odd) == f"{odd} cannot be read (embedded null byte); name a file that can be"
    assert write_fault(odd) is None
    assert folder_fault(tmp_path / "a" / "b" / "c") is None
    assert folder_fault(Path("relative")) is None
    assert resolved(tmp_path / "x.yaml", Path("~nobody-of-that-name/x")) == tmp_path / "~nobody-of-that-name/x"
    assert resolved(tmp_path / "x.yaml", Path("~/x")) == Path.home() / "x"
