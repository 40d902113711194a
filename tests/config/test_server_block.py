"""The ``server`` block of a site file: what is refused before anything starts."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.errors import ConfigError
from config.loader import load
from config.site import Server, Site
from pipelines.server_plan import is_loopback, plan_server

HASH = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b4dWRWJTmaaJObG3JYKDTTFyeQ"
TOKEN = "sha256:" + 64 * "a"


def planned(folder: Path, **server: Any) -> Server:
    path = folder / "site.yaml"
    cameras = {"gate": {"source": "rtsp://camera/stream"}}
    path.write_text(yaml.safe_dump({"version": 1, "cameras": cameras, "server": server}))
    document = load(path, Site)
    assert document.value.server is not None
    return plan_server(document, document.value.server)


def faults(folder: Path, **server: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        planned(folder, **server)
    return "\n".join(caught.value.faults)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_password(host: str, tmp_path: Path) -> None:
    assert planned(tmp_path, host=host).password_hash is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "no-such-host.invalid"])  # noqa: S104
def test_any_other_address_needs_one(host: str, tmp_path: Path) -> None:
    assert "the page has no password: make one with 'app.py passwd'" in faults(tmp_path, host=host)
    assert "site.yaml:5: server.host: " in faults(tmp_path, host=host)
    assert planned(tmp_path, host=host, password_hash=HASH).host == host
    assert planned(tmp_path, host=host, dashboard=False).password_hash is None


def test_the_hash_may_lie_in_a_file(tmp_path: Path) -> None:
    in_file = {"password_hash_file": "hash"}
    (tmp_path / "hash").write_text(HASH + "\n")
    found = planned(tmp_path, host="0.0.0.0", **in_file)  # noqa: S104
    assert found.password_hash is not None
    assert found.password_hash.get_secret_value() == HASH
    assert HASH not in repr(found)
    assert "'password_hash' is given, too" in faults(tmp_path, **in_file, password_hash=HASH)
    (tmp_path / "hash").write_text("secret\n")
    text = faults(tmp_path, **in_file)
    assert "server.password_hash_file: its first line is no hash" in text
    assert "cannot be read" in faults(tmp_path, **{"password_hash_file": "other"})


@pytest.mark.parametrize(
    ("block", "why"),
    [
        ({"password_hash": "secret"}, "begins with $argon2id$"),
        ({"password_hash": HASH.replace("m=19456", "m=9999999")}, "more than 1 GiB"),
        ({"password_hash": HASH.replace("t=2", "t=99")}, "20 rounds"),
        ({"tokens": [{"name": "a", "hash": "secret"}]}, "sha256: and 64"),
        ({"tokens": [{"name": "a", "hash": TOKEN, "scopes": []}]}, "scopes"),
        ({"tokens": [{"name": "a", "hash": TOKEN, "scopes": ["write"]}]}, "scopes"),
        ({"password_hash": HASH, "tokens": 2 * [{"name": "a", "hash": TOKEN}]}, "same name"),
        ({"tokens": [{"name": "a", "hash": TOKEN}]}, "keep nobody out"),
        ({"names": ["a b"]}, "names"),
        ({"tls": {"certificate": "a.pem"}}, "key"),
        ({"tls": {"certificate": "a.pem", "key": "b.pem"}}, "a.pem cannot be read (No such file"),
    ],
)
def test_what_is_wrong_is_one_sentence(block: dict[str, Any], why: str, tmp_path: Path) -> None:
    text = faults(tmp_path, **block)
    assert why in text
    assert "secret" not in text


def test_certificates_are_loaded_once_to_see_that_they_fit(tmp_path: Path) -> None:
    for name in ("a", "b"):
        certificate(tmp_path, name)
    found = planned(tmp_path, tls={"certificate": "a.pem", "key": "a.key"})
    assert found.tls is not None
    assert found.tls.certificate == tmp_path / "a.pem"
    assert "are no certificate and its key" in faults(tmp_path, tls={"certificate": "a.pem", "key": "b.key"})
    (tmp_path / "a.pem").write_text("no certificate")
    assert "are no certificate and its key" in faults(tmp_path, tls={"certificate": "a.pem", "key": "a.key"})


def certificate(folder: Path, name: str) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
        check=True, capture_output=True,
    )  # fmt: skip


def test_a_name_of_several_addresses_is_this_machines_only_if_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def both(*_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, 1, 6, "", (address, 0)) for address in ("127.0.0.1", "192.0.2.1")]

    monkeypatch.setattr("pipelines.server_plan.socket.getaddrinfo", both)
    assert not is_loopback("here")
