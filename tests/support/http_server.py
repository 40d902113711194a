"""A real HTTP server of one folder, with a login where asked, that answers ranges as cameras and NAS boxes do."""

from __future__ import annotations

import base64
import functools
import http.server
import threading
from pathlib import Path
from types import TracebackType
from typing import Self


class _Handler(http.server.SimpleHTTPRequestHandler):
    login: str | None = None

    def do_GET(self) -> None:
        wanted = self.login and "Basic " + base64.b64encode(self.login.encode()).decode()
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class HttpServer:
    """Serves a folder on a free port of 127.0.0.1; use it in a ``with`` statement."""

    def __init__(self, folder: Path, login: str | None = None) -> None:
        """Set the folder, and ``user:password`` if it wants a login."""
        handler = type("Handler", (_Handler,), {"login": login})
        self._server = http.server.ThreadingHTTPServer(
            ("127.0.0.1", 0), functools.partial(handler, directory=str(folder))
        )
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
