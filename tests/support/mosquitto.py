"""A real Mosquitto on a free port of 127.0.0.1, that tests stop, freeze and start again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from streams.broker import Broker

_START_S = 10.0


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files (PEM) of a certificate authority made for one test, and what it signed: for a server and for a client."""

    ca: Path
    cert: Path
    key: Path
    client_cert: Path
    client_key: Path


class Mosquitto:
    """One broker; use it in a ``with`` statement."""

    def __init__(
        self,
        folder: Path,
        login: tuple[str, str] | None = None,
        tls: Certificates | None = None,
        port: int = 0,
        *,
        require_certificate: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        """Write the configuration.

        Args:
            folder: For configuration, password file and log; must exist.
            login: The only user and password; ``None`` lets everyone in.
            tls: Server certificate; ``None`` for plain TCP.
            port: Where to listen; 0 takes a free one.
            require_certificate: Whether clients need a certificate of the same authority.
            options: More lines of the configuration.
        """
        self._program = find_program("mosquitto")
        self.port = port or free_port()
        self._config = folder / f"mosquitto-{self.port}.conf"
        self._log = folder / f"mosquitto-{self.port}.log"
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {'false' if login else 'true'}"]
        if os.geteuid() == 0:
            lines.append("user root")  # else it gives up its rights, and cannot read this test's files
        if login:
            passwords = folder / f"passwords-{self.port}"
            command = [find_program("mosquitto_passwd"), "-b", "-c", str(passwords), *login]
            subprocess.run(command, check=True, capture_output=True)
            lines.append(f"password_file {passwords}")
        if tls:
            lines += [f"cafile {tls.ca}", f"certfile {tls.cert}", f"keyfile {tls.key}"]
        if require_certificate:
            lines.append("require_certificate true")
        lines += options
        self._config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As for ``--mqtt``."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def address(self) -> Broker:
        """As for a publisher."""
        return Broker("127.0.0.1", self.port)

    def start(self) -> Self:
        """Start, and wait until it listens."""
        with self._log.open("ab") as log:
            command = [self._program, "-c", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + _START_S
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return self
        raise AssertionError(f"mosquitto does not start: {self._log.read_text(errors='replace')}")

    def stop(self) -> None:
        """End it at once, as a crash does; safe to call twice."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Leave connections open, but answer nothing any more."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after ``freeze``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def find_program(name: str) -> str:
    """Path of an installed program; skips the test where it is missing."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed (apt-get install mosquitto)")
    return path


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def make_certificates(folder: Path) -> Certificates:
    """A certificate authority, a certificate for 127.0.0.1 and one for a client, by openssl."""
    ca, ca_key = folder / "ca.pem", folder / "ca.key"
    _openssl("req", "-x509", *_NEW_KEY, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=Test authority")
    names = folder / "names.txt"
    names.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n", encoding="ascii")
    files = []
    for prefix, subject in (("", "/CN=127.0.0.1"), ("client-", "/CN=camera")):
        key, request, cert = (folder / f"{prefix}{name}" for name in ("key.pem", "cert.csr", "cert.pem"))
        _openssl("req", *_NEW_KEY, "-keyout", key, "-out", request, "-subj", subject)
        _openssl("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", cert,
                 "-days", "2", *(() if prefix else ("-extfile", names)))  # fmt: skip
        files += [cert, key]
    return Certificates(ca, *files)


_NEW_KEY = ("-newkey", "rsa:2048", "-nodes")


def _openssl(*arguments: object) -> None:
    subprocess.run([find_program("openssl"), *map(str, arguments)], check=True, capture_output=True)
