"""How to reach an MQTT broker."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from config.errors import ConfigError
from config.mqtt_text import MAX_PREFIX, mqtt_fault

_PREFIX = re.compile(r"([a-z0-9_-]+(/[a-z0-9_-]+)*)?")


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach a broker. ``password`` is never shown.

    Attributes:
        host: Name or address.
        port: TCP port.
        username: Empty for none.
        password: Empty for none.
        tls: Whether to encrypt.
        ca: CA certificate file; default: the system's.
        cert: Client certificate file.
        key: Client key file.
        protocol: Version of MQTT.
    """

    host: str
    port: int = 1883
    username: str = ""
    password: str = ""
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    protocol: Literal["3.1.1", "5"] = "3.1.1"

    def __repr__(self) -> str:
        return f"Broker({self})"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def from_url(cls, url: str) -> tuple[Broker, str]:
        """Read ``mqtt[s]://[user[:password]@]host[:port][/prefix]``.

        Returns:
            The broker and the topic prefix, empty when the URL has none.

        Raises:
            ConfigError: Not such a URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        prefix = parts.path.strip("/")
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == 0 or "?" in url or "#" in url:
            raise ConfigError("--mqtt wants mqtt://host:port or mqtts://host:port, with /prefix behind it if needed")
        if not _PREFIX.fullmatch(prefix):
            raise ConfigError(
                f"--mqtt: the prefix {prefix!r} has characters that are not allowed; use a-z, 0-9, - and _"
            )
        if len(prefix) > MAX_PREFIX:
            raise ConfigError(f"--mqtt: the prefix must have at most {MAX_PREFIX} characters, this has {len(prefix)}")
        tls = parts.scheme == "mqtts"
        username, password = unquote(parts.username or ""), unquote(parts.password or "")
        for what, text in (("user name", username), ("password", password)):
            if fault := mqtt_fault(text):
                raise ConfigError(f"--mqtt: the {what} {fault}")
        return cls(parts.hostname, port or (8883 if tls else 1883), username, password, tls), prefix


class TlsFileError(ConfigError):
    """A file of the TLS settings cannot be loaded.

    Attributes:
        key: The setting that names it: ``ca``, ``cert`` or ``key``.
        text: The sentence without the place.
    """

    def __init__(self, key: str, files: str, error: Exception) -> None:
        self.key = key
        self.text = f"cannot load {files} ({reason_of(error)}); check the file{'s' if ', ' in files else ''}"
        super().__init__(f"mqtt.tls: {self.text}")


def tls_context(broker: Broker) -> ssl.SSLContext | None:
    """What TLS needs, read from the broker's files once; ``None`` without TLS.

    Raises:
        TlsFileError: A file cannot be loaded.
    """
    if not broker.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=str(broker.ca) if broker.ca else None)
    except (OSError, ValueError) as error:
        raise TlsFileError("ca", str(broker.ca), error) from error
    if broker.cert:
        for key, path in (("cert", broker.cert), ("key", broker.key)):
            _check_readable(key, path)
        try:
            context.load_cert_chain(str(broker.cert), str(broker.key) if broker.key else None, _no_passphrase)
        except (OSError, ValueError) as error:
            files = ", ".join(str(path) for path in (broker.cert, broker.key) if path)
            raise TlsFileError("cert", files, error) from error
    return context


def _check_readable(key: str, path: Path | None) -> None:
    """Say which file it is; OpenSSL does not."""
    if path is not None:
        try:
            with path.open("rb"):
                pass
        except (OSError, ValueError) as error:
            raise TlsFileError(key, str(path), error) from error


def _no_passphrase() -> str:
    """OpenSSL would ask the terminal, and wait for ever where there is none."""
    raise ValueError("the key has a passphrase, which is not supported")


def reason_of(error: BaseException) -> str:
    """What the operating system or TLS said, in a few words."""
    return str(getattr(error, "strerror", None) or error)
