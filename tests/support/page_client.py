"""The real server of the page on a free port, and one who asks it."""

from __future__ import annotations

import http.client
import json
from types import TracebackType
from typing import Any, NamedTuple, Self

from config.site import Server as ServerConfig
from dashboard.server import Server
from pipelines.live.face import SiteFace


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class PageClient:
    """Serves a face while the ``with`` statement lasts, and asks with the CSRF token of its session."""

    def __init__(self, face: SiteFace, **config: Any) -> None:
        """Set what is served.

        Args:
            face: The site.
            config: Keys of the ``server`` block.
        """
        self.server = Server(ServerConfig(**{"port": 0, **config}), face)
        self._csrf = ""

    def __enter__(self) -> Self:
        self.server.start()
        self._csrf = self.get("/api/session").json["csrf"] or ""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()

    def get(self, path: str, **headers: str) -> Answer:
        """Ask for something; ``_`` of a header's name is ``-``."""
        return self.send("GET", path, **headers)

    def send(self, method: str, path: str, body: Any = None, csrf: str | None = None, **more: str) -> Answer:
        """Ask for a change; the body is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        headers = {"X-CSRF-Token": self._csrf if csrf is None else csrf, "Content-Type": "application/json"}
        headers |= {name.replace("_", "-"): value for name, value in more.items()}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()
