"""One look at a live source: its first picture and what it says of itself (OpenCV and FFmpeg)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit, urlunsplit

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.errors import SourceError
from streams.quiet import silence_opencv

OPEN_TIMEOUT_MS = 10_000
SCHEMES = ("rtsp", "rtsps", "http", "https")
_NETWORK = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)  # one letter is a drive of Windows
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]+://)(?P<host>[^/?#]*)(?P<path>.*)", re.IGNORECASE | re.DOTALL)
_HOST = re.compile(r"(\[[^\]]*\]|[^:]*)(:\d*)?")


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen.

    Attributes:
        image: (H, W, 3) uint8 BGR, the first picture.
        fps: Nominal frames per second, 0 when unknown.
        codec: FourCC of the stream, ``h264`` say.
    """

    image: NDArray[np.uint8]
    fps: float
    codec: str


def is_live(source: str) -> bool:
    """Whether a source is a camera or a network stream rather than a file."""
    return is_network(source) or source.startswith(("/dev/video", "/dev/v4l/", "gst:"))


def is_network(source: str) -> bool:
    """Whether a source is a network stream, of whatever scheme."""
    return _NETWORK.match(source) is not None


def redacted(source: str) -> str:
    """A source as it may be printed: without user name, password and query, which may hold a login, too.

    A password with ``/``, ``?`` or ``#`` that is not percent-encoded makes a wrong address, but is not shown either.
    """
    if source.startswith("gst:"):
        return "a gst: launch line"
    parts = _ADDRESS.fullmatch(source) if is_network(source) else None
    if parts is None:
        return source
    host, path = parts["host"].rpartition("@")[2], parts["path"]
    if not _HOST.fullmatch(host) and "@" in path:
        host, path = "", path.rpartition("@")[2]
    path, mark, query = path.partition("?")
    return parts["scheme"] + host + path + mark + ("…" if query else "")


def split_address(source: str) -> SplitResult:
    """The parts of a network address.

    Raises:
        SourceError: It is none; nothing of a login in it is shown.
    """
    try:
        parts = urlsplit(source)
        _ = parts.port  # fails where it is no number
    except ValueError:  # its text may hold the login
        raise SourceError(
            f"source {redacted(source)} is not an address; write scheme://host:port/path, "
            "with special characters of user name and password percent-encoded"
        ) from None
    return parts


def look(source: str, username: str = "", password: str = "", timeout_ms: int = OPEN_TIMEOUT_MS) -> Look:
    """Open a camera or stream, take its first picture, and close it.

    Args:
        source: ``rtsp://``, ``http(s)://`` or ``/dev/videoN``.
        username: Empty for none; percent-encoded here.
        password: Percent-encoded here, never shown.
        timeout_ms: Milliseconds to wait for the connection, and again for the picture.

    Raises:
        SourceError: Not an address, of a scheme that cannot be opened, or without a picture in time.
    """
    silence_opencv()
    shown = redacted(source)
    if source.startswith("gst:"):
        raise SourceError("a gst: launch line cannot be opened for a look; name what it reads from, or use 'check'")
    if source.startswith("/dev/"):
        capture = cv2.VideoCapture(source, cv2.CAP_V4L2)
    else:
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, timeout_ms, cv2.CAP_PROP_READ_TIMEOUT_MSEC, timeout_ms]
        if split_address(source).scheme not in SCHEMES:
            allowed = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise SourceError(f"source {shown} cannot be opened; streams are {allowed}, and a file is its path alone")
        capture = cv2.VideoCapture(with_login(source, username, password), cv2.CAP_FFMPEG, limits)
    try:
        done, image = capture.read()
        if not done:
            raise SourceError(
                f"source {shown} gives no picture (tried for up to {timeout_ms / 1000:g} s); "
                "check address, network, user name and password"
            )
        fourcc = int(capture.get(cv2.CAP_PROP_FOURCC))
        codec = "".join(chr(fourcc >> shift & 0xFF) for shift in (0, 8, 16, 24)).strip("\0 ").lower()
        return Look(np.asarray(image, np.uint8), float(capture.get(cv2.CAP_PROP_FPS)), codec or "unknown")
    finally:
        capture.release()


def with_login(url: str, username: str, password: str) -> str:
    """A URL with user name and password, percent-encoded, in place of those it has."""
    if not username:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    login = quote(username, safe="") + (f":{quote(password, safe='')}" if password else "")
    return urlunsplit(parts._replace(netloc=f"{login}@{host}"))
