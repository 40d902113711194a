"""The page, the video and the rows over HTTP, for this machine alone."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from config.errors import SightlineError
from pipelines.label.keys import Meaning
from pipelines.label.page import PAGE
from pipelines.label.sheet import Sheet

_PIECE = 256 * 1024
_LARGEST = 4096
_RANGE = re.compile(r"bytes=(\d*)-(\d*)$")
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; connect-src 'self'"


class LabelServer(ThreadingHTTPServer):
    """Serves one video and its sheet on 127.0.0.1."""

    daemon_threads = True

    def __init__(
        self, video: Path, title: str, fps: float, keys: dict[str, Meaning], labels: tuple[str, ...], sheet: Sheet,
        port: int = 0,
    ) -> None:  # fmt: skip
        """Listen.

        Args:
            video: An MP4 that browsers play.
            title: Name of the video for people.
            fps: Frames a second, for steps of a frame; 0 when unknown.
            keys: What each key says.
            labels: What can be chosen for keys that tell no label.
            sheet: The rows.
            port: TCP port; 0 takes a free one.

        Raises:
            OSError: The port is taken.
        """
        self.video, self.keys, self.sheet = video, keys, sheet
        self.about: dict[str, Any] = {
            "title": title, "fps": fps or 25.0, "labels": labels, "file": str(sheet.file),
            "keys": {key: str(meaning) for key, meaning in keys.items()},
        }  # fmt: skip
        super().__init__(("127.0.0.1", port), _Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in ("127.0.0.1", "localhost")}

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.server_port}/"

    def rows(self) -> list[dict[str, Any]]:
        """The sheet as JSON."""
        return [asdict(row) for row in self.sheet.rows()]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of the video is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: LabelServer
    protocol_version = "HTTP/1.1"
    timeout = 60
    static: ClassVar[dict[str, tuple[str, str]]] = {
        "/": ("text/html; charset=utf-8", PAGE["html"]),
        "/label.js": ("text/javascript; charset=utf-8", PAGE["js"]),
        "/label.css": ("text/css; charset=utf-8", PAGE["css"]),
    }

    def do_GET(self) -> None:
        """The page, the video, the rows."""
        if not self._is_ours():
            return
        path = self.path.split("?", 1)[0]
        if path in self.static:
            kind, text = self.static[path]
            self._send(HTTPStatus.OK, kind, text.encode())
        elif path == "/video":
            self._send_video()
        elif path == "/about":
            self._json({**self.server.about, "rows": self.server.rows()})
        else:
            self._json({"error": "there is no such page"}, HTTPStatus.NOT_FOUND)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        """Add a row, or take one out."""
        if not self._is_ours():
            return
        try:
            said = self._said()
            if self.path == "/rows":
                self._add(said)
            elif self.path == "/undo":
                self.server.sheet.remove(None if said.get("number") is None else int(said["number"]))
            else:
                self._json({"error": "there is no such page"}, HTTPStatus.NOT_FOUND)
                return
        except SightlineError as error:
            self._json({"error": str(error)}, HTTPStatus.INTERNAL_SERVER_ERROR)
        except (ValueError, TypeError, KeyError) as error:
            self._json({"error": f"not understood: {error}"}, HTTPStatus.BAD_REQUEST)
        else:
            self._json({"rows": self.server.rows()})

    def _add(self, said: dict[str, Any]) -> None:
        time_s = float(said["time_s"])
        if not 0 <= time_s < 1e7:
            raise ValueError("time_s must be a time of the video")
        label = str(said.get("label") or "")
        if label and label not in self.server.about["labels"]:
            raise ValueError(f"unknown label {label!r}")
        self.server.sheet.add(self.server.keys[said["key"]], label, time_s)

    def _said(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if self.headers.get_content_type() != "application/json" or not 0 < length <= _LARGEST:
            self.close_connection = True  # what was sent is not read
            raise ValueError("send a short JSON object as application/json")
        said = json.loads(self.rfile.read(length))
        if not isinstance(said, dict):
            raise ValueError("send a JSON object")
        return said

    def _is_ours(self) -> bool:
        """Whether the page itself asks: another page in the browser, or another name for this machine, does not."""
        origin = self.headers.get("Origin")
        hosts = self.server.hosts
        if self.headers.get("Host") in hosts and (origin is None or origin.removeprefix("http://") in hosts):
            return True
        self.close_connection = True
        self._json({"error": "this server answers its own page only"}, HTTPStatus.FORBIDDEN)
        return False

    def _send_video(self) -> None:
        """The video, or the part of it that was asked for (RFC 9110, section 14)."""
        size = self.server.video.stat().st_size
        asked = self.headers.get("Range")
        part = (0, size - 1) if asked is None else _part(asked, size)
        if part is None:
            self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
            self.send_header("Content-Range", f"bytes */{size}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start, end = part
        self.send_response(HTTPStatus.OK if asked is None else HTTPStatus.PARTIAL_CONTENT)
        if asked is not None:
            self.send_header("Content-Range", f"bytes {start}-{end}/{size}")
        self._head("video/mp4", end - start + 1)
        if self.command == "HEAD":
            return
        with self.server.video.open("rb") as file:
            file.seek(start)
            left = end - start + 1
            while left > 0 and (piece := file.read(min(_PIECE, left))):
                self.wfile.write(piece)
                left -= len(piece)

    def _json(self, content: Any, status: HTTPStatus = HTTPStatus.OK) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self._head(kind, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, kind: str, length: int) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes" if kind == "video/mp4" else "none")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for people."""


def _part(asked: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a range; ``None`` where there is no such part."""
    found = _RANGE.match(asked.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:  # the last so many bytes
        start, end = max(0, size - int(last)), size - 1
    else:
        start, end = int(first), min(int(last or size - 1), size - 1)
    return (start, end) if start <= end and start < size else None
