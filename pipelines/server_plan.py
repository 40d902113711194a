"""The HTTP server of a site file, checked before anything starts."""

from __future__ import annotations

import importlib.util
import ipaddress
import socket
import ssl
from pathlib import Path

from pydantic import SecretStr

from config.errors import ConfigError
from config.loader import Document
from config.server import Server, ServerTls, hash_fault
from config.site import Site
from pipelines.secrets import secret
from streams.broker import reason_of

_ALWAYS = ("fastapi", "uvicorn", "prometheus_client")
_OF_THE_PAGE = ("argon2", "itsdangerous", "ruamel.yaml")
_WHERE = ("server",)


def plan_server(document: Document[Site], config: Server) -> Server:
    """The server's block as it is to be used: the hash of the password in it, and whole paths.

    Args:
        document: The site file.
        config: Its block.

    Raises:
        ConfigError: Something of it is not there, or it would let strangers in.
    """
    faults: list[str] = []
    faults += missing_extras(document, config)
    words: SecretStr | None = None
    try:
        words = _password_hash(document, config)
    except ConfigError as error:
        faults += error.faults
    else:
        if words is None and config.dashboard and not is_loopback(config.host):
            faults.append(document.fault((*_WHERE, "host"), open_fault(config.host)))
        if words is None and config.tokens:
            text = "tokens without a password keep nobody out; write password_hash, too ('app.py passwd' makes it)"
            faults.append(document.fault((*_WHERE, "tokens"), text))
    tls = None
    if config.tls is not None:
        tls = ServerTls(
            certificate=document.resolve(config.tls.certificate).absolute(),
            key=document.resolve(config.tls.key).absolute(),
        )
        if fault := tls_fault(tls.certificate, tls.key):
            faults.append(document.fault((*_WHERE, "tls"), fault))
    if faults:
        raise ConfigError(*faults)
    return config.model_copy(update={"password_hash": words, "password_hash_file": None, "tls": tls})


def missing_extras(document: Document[Site], config: Server) -> list[str]:
    """Packages that the server needs and that are not installed, as a sentence."""
    wanted = _ALWAYS + (_OF_THE_PAGE if config.dashboard else ())
    missing = [name for name in wanted if not _is_installed(name)]
    if not missing:
        return []
    text = f"needs {', '.join(missing)}; install the extra (pip install 'sightline[server]') or remove this block"
    return [document.fault(_WHERE, text)]


def _is_installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is not there
        return False


def _password_hash(document: Document[Site], config: Server) -> SecretStr | None:
    if config.password_hash_file is None:
        return config.password_hash
    written = config.password_hash or SecretStr("")
    text = secret(document, _WHERE, written, config.password_hash_file, "password_hash")
    if fault := hash_fault(text):
        where = (*_WHERE, "password_hash_file")
        raise ConfigError(document.fault(where, f"its first line is no hash: {fault}"))
    return SecretStr(text)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address; a name must stand for such addresses alone."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        pass  # a name: what it stands for is asked below
    try:
        found = socket.getaddrinfo(host or None, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)


def open_fault(host: str) -> str:
    """Why a page without a password is not opened on an address."""
    return (
        f"others than this machine reach {host or 'every address'}, and the page has no password: make one with "
        "'app.py passwd' and write it as password_hash, or use host: 127.0.0.1, or dashboard: false"
    )


def tls_fault(certificate: Path, key: Path) -> str | None:
    """Why files of TLS cannot be used, in a sentence; they are loaded once."""
    for name, path in (("certificate", certificate), ("key", key)):
        try:
            with path.open("rb"):
                pass
        except (OSError, ValueError) as error:
            return f"the {name} {path} cannot be read ({reason_of(error)}); check the file"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(str(certificate), str(key), _no_passphrase)
    except (OSError, ValueError) as error:
        return f"{certificate} and {key} are no certificate and its key ({reason_of(error)}); check the files"
    return None


def _no_passphrase() -> str:
    """OpenSSL would ask the terminal, and wait for ever where there is none."""
    raise ValueError("the key has a passphrase, which is not supported")
