"""Hashes of passwords (argon2id) and of tokens (SHA-256: they are random, so nothing is gained by a slow hash)."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from config.errors import ConfigError

LEAST_CHARACTERS = 8
MOST_CHARACTERS = 1024
_MEMORY_KIB, _ROUNDS, _LANES = 19_456, 2, 1
"""What OWASP's Password Storage Cheat Sheet asks for at least; a box of 250 MB can bear it."""
TOKEN_BEGIN = "sl_"  # noqa: S105 - not a token


def hash_password(password: str) -> str:
    """A line for ``server.password_hash``.

    Raises:
        ConfigError: It is too short or too long, or argon2 is not installed.
    """
    if len(password) < LEAST_CHARACTERS:
        raise ConfigError(f"a password has at least {LEAST_CHARACTERS} characters; choose a longer one")
    if len(password) > MOST_CHARACTERS:
        raise ConfigError(f"a password has at most {MOST_CHARACTERS} characters; choose a shorter one")
    try:
        from argon2 import PasswordHasher
    except ImportError as error:
        raise ConfigError("passwords need argon2-cffi; run pip install 'sightline[server]'") from error
    return str(PasswordHasher(time_cost=_ROUNDS, memory_cost=_MEMORY_KIB, parallelism=_LANES).hash(password))


def is_password(password: str, expected: str) -> bool:
    """Whether a password is the one that a hash was made of; takes some 20 ms and 19 MiB."""
    from argon2 import PasswordHasher
    from argon2.exceptions import Argon2Error, InvalidHashError

    if len(password) > MOST_CHARACTERS:
        return False
    try:
        return bool(PasswordHasher().verify(expected, password))
    except (Argon2Error, InvalidHashError):
        return False


def new_token() -> tuple[str, str]:
    """A token of 256 random bits, and the line for its ``hash``."""
    token = TOKEN_BEGIN + secrets.token_urlsafe(32)
    return token, hash_token(token)


def hash_token(token: str) -> str:
    """The line for the ``hash`` of a token."""
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()


def is_token(token: str, expected: str) -> bool:
    """Whether a token is the one that a hash was made of, in a time that tells nothing."""
    return hmac.compare_digest(hash_token(token), expected)
