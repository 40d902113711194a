"""The one HTTP server: uvicorn in a thread of its own."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import socket
import threading
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from config import site
from config.errors import SightlineError
from dashboard.application import application
from dashboard.backing import Backing
from dashboard.calm import Calm
from dashboard.idle import Idle, Stuck
from dashboard.middleware import TAKEN_S
from pipelines.live.face import SiteFace
from pipelines.server_plan import open_fault

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

log = logging.getLogger(__name__)
_START_S = 10.0
_STOP_S = 1.8
_GRACE_S = 1
_MOST_CONNECTIONS = 300
MOST_OPEN = 400
"""Connections: more than 300 are answered by 503, and more than these closed at once, or they would take the files that
cameras need."""
SWEEP_TICKS = 20
"""Between two looks for connections that ask nothing; each is a tenth of a second."""
_MOST_HEADERS = 32_768
_SEND_BUFFER = 128 * 1024
"""Bytes that the system keeps for a slow client: what waits there is old when it comes."""


class ServerError(SightlineError, OSError):
    """The HTTP server cannot start."""


class Server:
    """Serves a site; what it asks of the site runs in threads of the server."""

    def __init__(self, config: site.Server, face: SiteFace) -> None:
        """Remember what to serve.

        Args:
            config: Where to listen, and what for.
            face: The site.
        """
        self._config = config
        self._face = face
        self._app: Any = None
        self._uvicorn: uvicorn.Server | None = None
        self._backing: Backing | None = None
        self._calm = Calm()
        self._thread: threading.Thread | None = None
        self._listener: socket.socket | None = None
        self._port = config.port

    @property
    def port(self) -> int:
        """The TCP port; the real one while it listens."""
        return self._port

    @property
    def address(self) -> str:
        """Host and port as they are written in a URL."""
        return _host_port(self._config.host, self._port)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"{'http' if self._config.tls is None else 'https'}://{self.address}"

    @property
    def watched(self) -> bool:
        """Whether somebody has the page open."""
        views, news = (
            (getattr(self._app.state, part, None) for part in ("views", "news")) if self._app else (None, None)
        )
        return bool((views is not None and views.watchers) or (news is not None and news.listeners))

    def check_installed(self) -> None:
        """Look for what it needs without importing it.

        Raises:
            ServerError: With the extra to install.
        """
        needed = ("fastapi", "uvicorn", "prometheus_client")
        page = ("argon2", "itsdangerous", "ruamel.yaml") if self._config.dashboard else ()
        for name in (*needed, *page):
            try:
                is_there = find_spec(name) is not None
            except (ImportError, ValueError):
                is_there = False
            if not is_there:
                raise ServerError(_not_installed(name))

    def listen(self) -> None:
        """Take the address: who connects from now on is answered once the server has started.

        Raises:
            ServerError: The address cannot be had, or others than this machine could change everything there.
        """
        listener = _listen(self._config.host, self._config.port)
        address, self._port = listener.getsockname()[:2]
        try:
            self._check_open(address)
        except ServerError:
            listener.close()
            raise
        self._listener = listener

    def start(self) -> None:
        """Start; it answers when this returns. What it needs takes a second or two to be imported and put together.

        Raises:
            ServerError: The address cannot be had, or the extra is not installed.
        """
        if self._thread is not None:
            raise RuntimeError("the server was started already")
        try:
            import uvicorn  # noqa: F401 - what is missing is told before the address is taken

            app = self._app = application(self._config, self._face)
        except ImportError as error:
            raise ServerError(_not_installed(error.name or str(error))) from error
        if self._listener is None:
            self.listen()
        self._calm.begin()
        self._uvicorn = _sweeping(self._settings(app))
        self._thread = threading.Thread(
            target=self._uvicorn.run, kwargs={"sockets": [self._listener]}, name="http", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_S
        while not self._uvicorn.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                if self._listener is not None:
                    self._listener.close()
                raise ServerError(f"the HTTP server on {self.address} does not start; see the log")
            time.sleep(0.005)
        self._backing = getattr(app.state, "backing", None)
        if self._backing is not None:
            self._backing.start()

    def _settings(self, app: FastAPI) -> uvicorn.Config:
        import uvicorn

        tls = self._config.tls
        return uvicorn.Config(
            app,
            loop="asyncio",
            http=_bounded(),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who a client is, it must not say itself
            limit_concurrency=_MOST_CONNECTIONS,
            h11_max_incomplete_event_size=_MOST_HEADERS,
            ssl_certfile=str(tls.certificate) if tls is not None else None,
            ssl_keyfile=str(tls.key) if tls is not None else None,
            timeout_graceful_shutdown=_GRACE_S,
        )

    def _check_open(self, address: str) -> None:
        """Say what others than this machine can do there.

        Raises:
            ServerError: They could see and change everything.
        """
        if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            return
        config, url = self._config, self.url
        if not config.dashboard:
            log.warning("%s is open to the network: /healthz and /metrics have no login", url)
        elif config.password_hash is None:
            raise ServerError(open_fault(config.host))
        elif config.tls is None:
            log.warning("%s is open to the network without TLS: passwords can be read on their way", url)

    def stop(self) -> None:
        """Stop within 2 seconds: no new connections, requests under way have a second; safe to call twice."""
        if self._uvicorn is None or self._thread is None:
            return
        for part in ("views", "news"):
            if (streams := getattr(self._app.state, part, None)) is not None:
                streams.close()
        self._uvicorn.should_exit = True
        self._thread.join(_STOP_S)
        if self._thread.is_alive():
            log.warning("a request to the HTTP server does not end; it is left behind")
        if self._backing is not None:
            self._backing.stop()
        self._calm.end()
        self._uvicorn = self._thread = None


def _not_installed(name: str) -> str:
    return (
        f"the HTTP server needs {name}, which is not installed; run pip install 'sightline[server]', or remove the "
        "server block"
    )


def _sweeping(settings: uvicorn.Config) -> uvicorn.Server:
    """A server that closes connections which ask nothing, and those which take nothing."""
    import uvicorn

    idle, stuck = Idle(), Stuck(TAKEN_S)

    class Sweeping(uvicorn.Server):
        async def on_tick(self, counter: int) -> bool:
            if counter % SWEEP_TICKS == 0:
                connections, now = self.server_state.connections, time.monotonic()
                for connection in stuck.over(connections, now):
                    connection.transport.abort()  # closing would wait until it has taken what waits
                for connection in idle.over(connections, now):
                    connection.transport.close()
            return await super().on_tick(counter)

    return Sweeping(settings)


def _bounded() -> type[asyncio.Protocol]:
    """What speaks HTTP on a connection: h11, whose bound of headers is set here, on so many connections at most."""
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Bounded(H11Protocol):
        resumed = 0

        def resume_writing(self) -> None:
            self.resumed += 1
            super().resume_writing()

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
            super().connection_made(transport)
            if len(self.connections) > MOST_OPEN:
                transport.abort()

        def data_received(self, data: bytes) -> None:
            try:
                super().data_received(data)
            except h11.ProtocolError:  # nonsense behind an answer that has ended: nobody is there to be told
                self.transport.abort()

    return Bounded


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket on the first address of the host.

    Raises:
        ServerError: The address is taken, not ours, not allowed or not known.
    """
    place = _host_port(host, port)
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = found[0]
        listener = socket.create_server(address[:2], family=family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)  # connections inherit it
        return listener
    except UnicodeError as error:
        raise ServerError(
            f"the HTTP server cannot listen on {place[:80]}; that is no name of a host: server.host"
        ) from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            way_out = "stop what listens there, or choose another server.port"
        elif error.errno in (errno.EACCES, errno.EPERM):
            way_out = "choose a server.port above 1023"
        else:
            way_out = "choose an address of this machine as server.host"
        why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ServerError(f"the HTTP server cannot listen on {place} ({why}); {way_out}") from error


def _host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
