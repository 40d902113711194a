"""An RTSP camera that answers every DESCRIBE with one and the same refusal."""

from __future__ import annotations

import socketserver
import threading
from types import TracebackType
from typing import Self


class RefusingCamera:
    """Listens on a free port of 127.0.0.1; use it in a ``with`` statement.

    Attributes:
        port: Where it listens.
        connections: How many there have been.
    """

    def __init__(self, status: str) -> None:
        """Set what it says, as ``403 Forbidden``."""
        self.connections = 0
        camera = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                camera.connections += 1
                while request := self._request():
                    cseq = next(line for line in request if line.lower().startswith("cseq"))
                    options = request[0].startswith("OPTIONS")
                    answer = "200 OK" if options else status
                    more = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n" if options else ""
                    self.wfile.write(f"RTSP/1.0 {answer}\r\n{cseq}\r\n{more}\r\n".encode())

            def _request(self) -> list[str]:
                """Its lines; none where the client has gone."""
                lines: list[str] = []
                while line := self.rfile.readline().decode().rstrip("\r\n"):
                    lines.append(line)
                return lines

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self.port: int = self._server.server_address[1]

    @property
    def url(self) -> str:
        """Its address."""
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
