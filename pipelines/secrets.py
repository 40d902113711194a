"""Passwords of a site file: from the environment, or from a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from config.errors import ConfigError
from config.faults import YamlPath
from config.loader import Document

_MOST = 4096


def secret(document: Document[Any], where: YamlPath, password: SecretStr, file: Path | None) -> str:
    """The password of a broker or camera.

    Args:
        document: The site file.
        where: The block that has ``password`` and ``password_file``.
        password: What is written, mostly from ``${VARIABLE}``.
        file: A file whose first line is the password, relative to the site file.

    Raises:
        ConfigError: Both are given, or the file cannot be read, is empty or holds no password.
    """
    written = password.get_secret_value()
    if file is None:
        return written
    place = (*where, "password_file")
    if written:
        raise ConfigError(document.fault(place, "'password' is given, too; keep one of them"))
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
