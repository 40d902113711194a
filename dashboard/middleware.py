"""What holds for every request: the names it may come by, how large it may be, and headers of the answer."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from typing import Any

from pipelines.live.telling import Telling

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_BODY = 1_000_000
"""Bytes; a site file has no more."""
MOST_OF_STRANGERS = 4096
"""Bytes of a body from somebody who is not logged in: a login has fewer."""
BODY_S = 15.0
"""Seconds in which a body must have come."""
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
TAKEN_S = 60.0
"""Seconds in which a client must take some of an answer."""
log = logging.getLogger(__name__)
_HEADERS = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    b"cache-control": b"no-store",
}
_OPENER = (b"cross-origin-opener-policy", b"same-origin")
"""Over HTTP, browsers heed it of this very machine alone; of others they write a warning into the console."""
_TELL_AGAIN_S = 30.0
_FREE_OF_NAMES = frozenset({"/healthz"})


class Headers:
    """Adds headers to every answer; what a route sets itself stands."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                there = {name.lower() for name, _ in headers}
                more = [*_HEADERS.items(), *([_OPENER] if is_trustworthy(scope) else [])]
                message["headers"] = headers + [item for item in more if item[0] not in there]
            await send(message)

        await self._app(scope, receive, with_headers)


class Names:
    """Refuses requests by names that are not ours: a stranger's page may let its own name point here (DNS rebinding).

    Addresses are fine, since no page of a stranger comes from one of ours. ``/healthz`` is answered under any name.
    """

    def __init__(self, app: App, names: Collection[str]) -> None:
        """Remember the names, beside this machine's own."""
        self._app = app
        self._names = {name.lower().rstrip(".") for name in names if name} | own_names()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 421."""
        if scope["type"] == "http" and scope["path"] not in _FREE_OF_NAMES:
            host = _host_of(scope)
            if not self._is_ours(host):
                shown = "".join(letter for letter in host[:80] if letter.isprintable())
                await refuse(send, 421, f"this server is not known as {shown!r}; add the name to server.names")
                return
        await self._app(scope, receive, send)

    def _is_ours(self, host: str) -> bool:
        name = host_name(host)
        if name is None:
            return False
        try:
            ipaddress.ip_address(name)
            return True
        except ValueError:
            return name.lower().rstrip(".") in self._names


def own_names() -> set[str]:
    """Names that this machine has whatever the site file says."""
    name = socket.gethostname().lower()
    short = name.partition(".")[0]
    return {"localhost", name, short, f"{short}.local"}


def host_name(host: str) -> str | None:
    """The name or address of a ``Host`` header, without its port; ``None`` where it is none."""
    if host.startswith("["):
        name, closed, port = host[1:].partition("]")
        port = port.removeprefix(":") if port else "0"
        return name if closed and port.isascii() and port.isdigit() else None
    name, colon, port = host.partition(":")
    return name if name and (not colon or (port.isascii() and port.isdigit())) else None


def is_trustworthy(scope: Scope) -> bool:
    """Whether browsers take where a request comes to for safe: TLS, or a name or address of this very machine."""
    if scope.get("scheme") == "https":
        return True
    name = (host_name(_host_of(scope)) or "").lower().rstrip(".")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _host_of(scope: Scope) -> str:
    """The ``Host`` header; empty where there is none."""
    value: bytes = next((value for name, value in scope.get("headers", ()) if name == b"host"), b"")
    return value.decode("latin-1")


class Bodies:
    """Bounds what a request may bring, and how long it may take to bring it."""

    def __init__(
        self, app: App, is_known: Callable[[Scope], bool], most: int = MOST_BODY, within_s: float = BODY_S
    ) -> None:
        """Set the bounds.

        Args:
            app: What follows.
            is_known: Whether a request comes from somebody who is let in; others may bring ``MOST_OF_STRANGERS``.
            most: Bytes.
            within_s: Seconds from the request's line to the end of its body.
        """
        self._app, self._is_known, self._most, self._within_s = app, is_known, most, within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the whole body, or answer 413 or 408."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._most if self._is_known(scope) else min(self._most, MOST_OF_STRANGERS)
        told = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not told.isdigit() or int(told) > most:
            await refuse(send, 413, f"a request has at most {most} bytes")
            return
        try:
            body = await asyncio.wait_for(self._body(receive, most), self._within_s)
        except TimeoutError:
            await refuse(send, 408, f"the request did not come within {self._within_s:.0f} s")
            return
        if body is None:
            return
        if len(body) > most:
            await refuse(send, 413, f"a request has at most {most} bytes")
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    async def _body(self, receive: Receive, most: int) -> bytes | None:
        """The body, or a little more than is allowed of it; ``None`` where the client has left."""
        body = bytearray()
        while len(body) <= most:
            message = await receive()
            if message["type"] != "http.request":
                return None
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        return bytes(body)


class Patience:
    """Gives up a client that takes nothing of an answer for a while: what waits for it is held in memory."""

    def __init__(self, app: App, within_s: float = TAKEN_S) -> None:
        """Set the time in seconds."""
        self._app, self._within_s = app, within_s
        self._tell = Telling(log, logging.INFO, _TELL_AGAIN_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""

        async def in_time(message: Message) -> None:
            async with asyncio.timeout(self._within_s):
                await send(message)

        try:
            await self._app(scope, receive, in_time)
        except TimeoutError:
            text = f"a client took nothing of {scope.get('path')} for {self._within_s:.0f} s and is given up"
            self._tell("client", text)


class Faults:
    """Answers a fault of ours as every other error, and logs it; a stream that has begun just ends."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tell = Telling(log, logging.ERROR, _TELL_AGAIN_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except (TimeoutError, OSError):
            raise  # the client's
        except Exception as error:
            self._tell(type(error).__name__, f"{scope.get('method')} {scope.get('path')} fails", error)
            if not begun:
                await refuse(send, 500, "this could not be done; the log says why")


async def refuse(send: Send, status: int, detail: str) -> None:
    """Answer with an error as the API gives it."""
    body = json.dumps({"detail": detail, "path": None}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status in (408, 413, 421):  # what follows of the request is not read
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
