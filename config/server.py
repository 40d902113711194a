"""The ``server`` block of a site file: the operator's page, its logins, and what machines ask for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from config.strict import FilePath, Name, Strict

Scope = Literal["read", "operate", "configure"]
HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$", max_length=253)]
_ARGON2 = re.compile(
    r"\$argon2id\$v=19\$m=(?P<kib>[0-9]{1,7}),t=(?P<rounds>[0-9]{1,3}),p=[0-9]{1,2}"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{22,86}"
)
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
_MOST_KIB = 1 << 20
_MOST_ROUNDS = 20


class Token(Strict):
    """What a machine logs in with: ``Authorization: Bearer ...``."""

    name: Name = Field(description="what the log calls it")
    scopes: tuple[Scope, ...] = Field(("read",), min_length=1, description="what it may do")
    hash: SecretStr = Field(description="as `app.py passwd --token NAME` prints it")

    @field_validator("hash")
    @classmethod
    def _is_hash(cls, value: SecretStr) -> SecretStr:
        if not _SHA256.fullmatch(value.get_secret_value()):
            raise ValueError("expected sha256: and 64 hexadecimal digits, as 'app.py passwd --token NAME' prints it")
        return value


class ServerTls(Strict):
    """Encryption of the page."""

    certificate: FilePath = Field(description="certificate file (PEM), those of its issuers behind it")
    key: FilePath = Field(description="its key file (PEM), without a passphrase")


class History(Strict):
    """What was counted and seen over time, for charts and the list of events."""

    enabled: bool = Field(True, description="whether it is kept")
    path: FilePath = Field(Path("var/history.sqlite"), description="database file")
    keep_days: float = Field(30, ge=0.05, le=3660, description="days after which what is in it is deleted")
    thumbnails: int = Field(
        2000, ge=0, le=100_000, description="small pictures of events that are kept, the newest, unblurred; 0: none"
    )


class Server(Strict):
    """The one HTTP server: the operator's page and its API, /healthz, /metrics."""

    host: str = Field("127.0.0.1", max_length=253, description="address to listen on; others than that need a password")
    port: int = Field(8600, ge=0, le=65535, description="TCP port; 0 takes a free one")
    names: tuple[HostName, ...] = Field(
        (), max_length=32, description="host names it is called by, beside this machine's own and addresses"
    )
    metrics: bool = Field(True, description="whether to serve /metrics (Prometheus)")
    dashboard: bool = Field(True, description="whether to serve the page and its API; else /healthz and /metrics alone")
    password_hash: SecretStr | None = Field(None, description="of the operators, as `app.py passwd` prints it")
    password_hash_file: FilePath | None = Field(None, description="file whose first line is that, in place of it")
    session_hours: float = Field(12, gt=0, le=8760, description="hours after which a login ends")
    tokens: tuple[Token, ...] = Field((), max_length=64, description="logins of machines")
    tls: ServerTls | None = Field(None, description="without this block it speaks plain HTTP")
    history: History = History()

    @field_validator("password_hash")
    @classmethod
    def _is_hash(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (fault := hash_fault(value.get_secret_value())):
            raise ValueError(fault)
        return value

    @field_validator("tokens")
    @classmethod
    def _names_differ(cls, value: tuple[Token, ...]) -> tuple[Token, ...]:
        names = [token.name for token in value]
        if len(set(names)) < len(names):
            raise ValueError("two tokens have the same name; give each its own")
        return value


def hash_fault(text: str) -> str | None:
    """Why a text is no hash of a password that a login may be held against, in a sentence."""
    found = _ARGON2.fullmatch(text)
    if found is None:
        return "expected a line that begins with $argon2id$, as 'app.py passwd' prints it"
    if int(found["kib"]) > _MOST_KIB or int(found["rounds"]) > _MOST_ROUNDS:
        return "every login would take more than 1 GiB or 20 rounds; make a hash with 'app.py passwd'"
    return None
