"""The whole page served over a site of numbers, to a client that is one: real sockets, real requests."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import cv2
import httpx
import numpy as np
from numpy.typing import NDArray

from config.site import Server as ServerConfig
from dashboard.passwords import hash_password
from dashboard.server import Server
from pipelines.live.face import SiteFace
from tests.support.face import ScriptedFace

PASSWORD = "correct horse"  # noqa: S105


@cache
def the_hash() -> str:
    """Of ``PASSWORD``."""
    return hash_password(PASSWORD)


def config_of(**more: Any) -> ServerConfig:
    """A free port, and no history."""
    return ServerConfig.model_validate({"port": 0, "history": {"enabled": False}, **more})


@contextmanager
def served(face: SiteFace | None = None, **more: Any) -> Iterator[Server]:
    """A server that listens; ``more`` are keys of its block."""
    server = Server(config_of(**more), face or ScriptedFace())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def client_of(server: Server, **more: Any) -> httpx.Client:
    """A client with cookies of its own."""
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=15, trust_env=False, **more)


@contextmanager
def page(face: SiteFace | None = None, **more: Any) -> Iterator[httpx.Client]:
    """A server and a client of it, which sends the CSRF token with everything where no login is needed."""
    with served(face, **more) as server, client_of(server) as client:
        if "password_hash" not in more:
            client.headers["X-CSRF-Token"] = client.get("/api/session").json()["csrf"]
        yield client


def logged_in(client: httpx.Client) -> httpx.Client:
    """The same client with a session and its CSRF token."""
    answer = client.post("/api/login", json={"password": PASSWORD})
    assert answer.status_code == 200, answer.text
    client.headers["X-CSRF-Token"] = answer.json()["csrf"]
    return client


def decoded(jpeg: bytes) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 BGR."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def parts(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The pictures of ``multipart/x-mixed-replace``, by their ``Content-Length``."""
    kept = b""
    for chunk in chunks:
        kept = (kept + chunk).lstrip(b"\r\n")  # between two parts it means nothing
        while (at := kept.find(b"\r\n\r\n")) >= 0:
            head = dict(line.split(b": ", 1) for line in kept[:at].split(b"\r\n") if b": " in line)
            begin, length = at + 4, int(head[b"Content-Length"])
            if len(kept) < begin + length + 2:
                break
            yield kept[begin : begin + length]
            kept = kept[begin + length + 2 :]


def messages(chunks: Iterator[bytes]) -> Iterator[tuple[str, Any]]:
    """Name and data of server-sent events."""
    kept = b""
    for chunk in chunks:
        kept += chunk
        while b"\n\n" in kept:
            text, _, kept = kept.partition(b"\n\n")
            lines = dict(line.split(": ", 1) for line in text.decode().split("\n") if ": " in line)
            if "event" in lines:
                yield lines["event"], json.loads(lines["data"])


def until(condition: Callable[[], Any], what: str, timeout_s: float = 10) -> None:
    """Wait."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)
