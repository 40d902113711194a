"""Passwords of a site file: from the environment, from a file of their own, or inside of a source."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from config.errors import ConfigError
from config.faults import YamlPath
from config.loader import Document

_MOST = 4096
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://(?P<host>[^/?#]*)(?P<path>[^?#]*)(\?(?P<query>[^#]*))?", re.I | re.S)
_IN_LAUNCH = re.compile(r"[a-z][a-z0-9+.-]{1,31}://[^\s\"']*", re.I)
_LAUNCH_VALUE = re.compile(
    r"(?<![\w-])(?:user-pw|proxy-pw|password|passphrase)\s*=\s*(?:\"((?:\\.|[^\"])*)\"|'((?:\\.|[^'])*)'|(\S+))", re.I
)
_LOGIN_KEY = re.compile(r"pass|pw|token|auth|key|secret|sig|user|login|session|credential", re.I)
_LEAST_SECRET = 4
_COMMON_WORD = re.compile(r"[a-z]{1,7}", re.I)


def secret(
    document: Document[Any], where: YamlPath, password: SecretStr, file: Path | None, key: str = "password"
) -> str:
    """The password of a broker or camera, or what stands for the operators'.

    Args:
        document: The site file.
        where: The block that has ``password`` and ``password_file``.
        password: What is written, mostly from ``${VARIABLE}``.
        file: A file whose first line is the password, relative to the site file.
        key: What it is called in the block; the key of the file has ``_file`` behind it.

    Raises:
        ConfigError: Both are given, or the file cannot be read, is empty or holds no password.
    """
    written = password.get_secret_value()
    if file is None:
        return written
    place = (*where, f"{key}_file")
    if written:
        raise ConfigError(document.fault(place, f"'{key}' is given, too; keep one of them"))
    path = document.resolve(file)
    try:
        with path.open(encoding="utf-8") as opened:
            line = opened.readline(_MOST + 2)
    except UnicodeDecodeError as error:
        raise ConfigError(document.fault(place, f"{path} is not a UTF-8 text file")) from error
    except OSError as error:
        raise ConfigError(document.fault(place, f"{path} cannot be read ({error.strerror or error})")) from error
    first = line.rstrip("\r\n")
    if len(first) > _MOST:
        raise ConfigError(
            document.fault(place, f"the first line of {path} is no password: it has over {_MOST} characters")
        )
    if "\0" in first:
        raise ConfigError(
            document.fault(place, f"the first line of {path} has a NUL character; write the password anew")
        )
    if not first:
        raise ConfigError(document.fault(place, f"the first line of {path} is empty; write the password there"))
    return first


def secrets_in(source: str) -> set[str]:
    """What of a camera's source no line of a log may show, as it is written and decoded.

    Of an address that is the password and what its query says (``token=…``), from four characters on; a short word in
    it (``profile=main``) alone is too common to be hidden, unless its name is that of a login. Of a launch line it is
    the same for addresses in it, and the passwords of its elements.
    """
    if not source.startswith("gst:"):
        return set(_of_address(source))
    found = {secret for address in _IN_LAUNCH.finditer(source) for secret in _of_address(address[0])}
    for values in _LAUNCH_VALUE.finditer(source):
        value = next(value for value in values.groups() if value is not None)
        found |= {value, re.sub(r"\\(.)", r"\1", value)}
    return found


def _of_address(address: str) -> Iterator[str]:
    parts = _ADDRESS.match(address)
    if parts is None:
        return
    password = parts["host"].rpartition("@")[0].partition(":")[2]
    if password:
        yield from (password, unquote(password))
    for pair in re.split("[&;]", parts["query"] or ""):
        name, _, value = pair.partition("=") if "=" in pair else ("", "", pair)
        if len(value) >= _LEAST_SECRET:
            if name:
                yield from (pair, unquote(pair))
            if _LOGIN_KEY.search(name) or not _COMMON_WORD.fullmatch(value):
                yield from (value, unquote(value))
