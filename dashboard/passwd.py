"""Hashes for the ``server`` block of a site file, as a command."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Sequence
from typing import get_args

from pydantic import ValidationError

from config.errors import ConfigError
from config.server import Scope, Token
from dashboard.passwords import MOST_CHARACTERS, hash_password, new_token

SCOPES: tuple[Scope, ...] = get_args(Scope)


def password_lines(say: Callable[[str], None]) -> list[str]:
    """Ask for a password, twice at a terminal, else for the first line of stdin.

    Args:
        say: Told in one line what to do with the result.

    Returns:
        The line for ``server.password_hash``.

    Raises:
        ConfigError: It is too short or too long, or they differ.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        password = getpass.getpass("Password for the page: ")
        if getpass.getpass("Once more: ") != password:
            raise ConfigError("the two passwords differ; try again")
    else:
        password = sys.stdin.readline(MOST_CHARACTERS + 2).rstrip("\r\n") if sys.stdin is not None else ""
    line = hash_password(password)
    say("write it into the site file as server.password_hash, or into a file for server.password_hash_file;")
    say("where a shell sets it as a variable, put it into single quotes, for there are $ in it")
    return [line]


def token_lines(name: str, scopes: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """Make a token of a machine.

    Args:
        name: What the log calls it.
        scopes: What it may do.
        say: Told the token itself, once.

    Returns:
        Lines for ``server.tokens``.

    Raises:
        ConfigError: The name or a scope cannot be.
    """
    token, line = new_token()
    try:
        made = Token.model_validate({"name": name, "scopes": scopes, "hash": line})
    except ValidationError as error:
        faults = dict.fromkeys("--token" if item["loc"][0] == "name" else "--scopes" for item in error.errors())
        words = {"--token": "a name has a-z, 0-9, _ and -", "--scopes": f"scopes are {', '.join(SCOPES)}"}
        raise ConfigError(*(f"{fault}: {words[fault]}" for fault in faults)) from error
    say(f"the token, which is shown this once: {token}")
    say("write the lines into the site file, below server; the machine sends 'Authorization: Bearer TOKEN'")
    return ["tokens:", f"  - {{name: {made.name}, scopes: [{', '.join(made.scopes)}], hash: '{line}'}}"]
