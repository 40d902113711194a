"""What a route asks for: ``dependencies=[needs("read")]``."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from config.server import Scope
from dashboard.guard import Guard, Identity, admit
from dashboard.refusal import Refusal

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def needs(scope: Scope) -> Any:
    """A dependency that lets in who has this scope; of a change by a cookie it wants the CSRF token, too.

    As the default of a parameter or in ``Annotated`` it gives the ``Identity``.

    Args:
        scope: ``read``, ``operate`` or ``configure``.
    """
    from fastapi import Depends, Request

    async def check(request: Request) -> Identity:
        return admit(identity(request), scope, request.method not in SAFE_METHODS, request.headers)

    return Depends(check)


def guard_of(connection: "HTTPConnection") -> Guard:
    """The guard of the application that a request came to."""
    guard: Guard = connection.app.state.guard
    return guard


def cookie_name(is_secure: bool) -> str:
    """Of the session's cookie; browsers take ``__Host-`` over TLS alone, and from this very host alone."""
    return "__Host-sightline" if is_secure else "sightline"


def is_known(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request comes from somebody who is let in, by its headers alone."""
    from starlette.requests import HTTPConnection

    try:
        return identity(HTTPConnection(scope)) is not None
    except Refusal:
        return False


def identity(connection: "HTTPConnection") -> Identity | None:
    """Who asks; ``None`` for somebody who must log in.

    Raises:
        Refusal: A token that is not known.
    """
    cookie = connection.cookies.get(cookie_name(connection.url.scheme == "https"))
    return guard_of(connection).identify(cookie, connection.headers.get("authorization"))
