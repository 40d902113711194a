"""Real HTTP servers, with a login where asked: a folder, a camera that sends JPEGs, a live HLS stream."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import itertools
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import cv2

from tests.support.videos import Image, encode, picture


class _Handler(http.server.SimpleHTTPRequestHandler):
    login: str | None = None

    def do_GET(self) -> None:
        wanted = self.login and "Basic " + base64.b64encode(self.login.encode()).decode()
        if wanted and self.headers.get("Authorization") != wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="camera"')
            self.end_headers()
            return
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # who was served has gone
            self.send_content()

    def send_content(self) -> None:
        """Answer a request whose login is right."""
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


class HttpServer:
    """Serves a folder on a free port of 127.0.0.1; use it in a ``with`` statement."""

    def __init__(self, folder: Path, login: str | None = None) -> None:
        """Set the folder, and ``user:password`` if it wants a login."""
        handler = type("Handler", (_Handler,), {"login": login})
        self._server = _Server(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class MjpegServer:
    """A camera that sends JPEGs one after the other over HTTP (``multipart/x-mixed-replace``)."""

    def __init__(self, width: int = 320, height: int = 240, fps: int = 10, login: str | None = None) -> None:
        """Set size and rate, and ``user:password`` if it wants a login."""
        jpegs = [_jpeg(picture(width, height, number)) for number in range(30)]
        stopped = self._stopped = threading.Event()

        class Handler(_Handler):
            def send_content(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                for jpeg in itertools.cycle(jpegs):
                    if stopped.wait(1 / fps):
                        return
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")

        Handler.login = login
        self._server = _Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/video.mjpg"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()


class HlsServer:
    """A live HLS stream: segments of a second or more that become known as time goes by."""

    def __init__(self, folder: Path, seconds: int = 40, fps: int = 10, segment_s: int = 1) -> None:
        """Encode the segments into a folder.

        Args:
            folder: An empty folder.
            seconds: How long it lasts.
            fps: Frames per second.
            segment_s: Seconds of a segment.
        """
        options = {"hls_time": str(segment_s), "hls_list_size": "0", "hls_segment_type": "mpegts"}
        encode(folder / "all.m3u8", frames=seconds * fps, fps=fps, **options)
        segments = sorted(folder.glob("*.ts"), key=lambda path: int(path.stem.removeprefix("all")))
        start = time.monotonic()

        class Handler(_Handler):
            def send_content(self) -> None:
                if not self.path.endswith("live.m3u8"):
                    return super().send_content()
                last = min(len(segments), 4 + int((time.monotonic() - start) / segment_s))
                first = max(0, last - 4)
                lines = ["#EXTM3U", "#EXT-X-VERSION:3", f"#EXT-X-TARGETDURATION:{segment_s}"]
                lines += [f"#EXT-X-MEDIA-SEQUENCE:{first}"]
                for segment in segments[first:last]:
                    lines += [f"#EXTINF:{segment_s}.0,", segment.name]
                body = "\n".join([*lines, ""]).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/vnd.apple.mpegurl")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return None

        self._server = _Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/live.m3u8"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def _jpeg(image: Image) -> bytes:
    done, data = cv2.imencode(".jpg", image)
    assert done
    return data.tobytes()
