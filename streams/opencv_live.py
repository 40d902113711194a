"""Cameras and network streams through OpenCV and its FFmpeg."""

from __future__ import annotations

import math
import os
import time
from typing import Literal
from urllib.parse import urlsplit

import cv2
import numpy as np

from streams.camera_tls import TRUSTED, CameraTls, check_certificate
from streams.errors import LoginRefusedError, SourceError
from streams.look import SCHEMES, redacted, split_address, with_login
from streams.pacer import Pacer
from streams.quiet import silence_opencv
from streams.shot import Shot

_OPEN_MS = 5_000
_READ_MS = 3_000
_PLAYLIST_READ_MS = 8_000
"""HLS sleeps for a segment where it has read them all."""
_FIRST_KEY_FRAME_S = 90.0
_REASON_S = 2.0
_FREEZE_S = 1.0
_NATURAL = 0.7
_STALE_S = 0.5
_MOST_STALE = 300

os.environ.setdefault("OPENCV_FFMPEG_IS_THREAD_SAFE", "1")  # else a silent camera holds up the opening of all others


class OpenCVLive:
    """One connection to a camera through OpenCV.

    Its shots are BGR. HLS and other files over HTTP come faster than they play and are shown at the pace of their
    stamps. Where RTSP or MJPEG was silent, OpenCV gives old frames first; they are dropped.

    OpenCV does not say whether packets arrive before the first key frame; it gets 90 s for that.
    """

    backend = "opencv"

    def __init__(
        self,
        source: str,
        username: str = "",
        password: str = "",
        transport: Literal["tcp", "udp"] = "tcp",
        tls: CameraTls = TRUSTED,
    ) -> None:
        """Name the camera.

        Args:
            source: ``rtsp(s)://``, ``http(s)://`` or ``/dev/videoN``, with or without a login in it.
            username: Takes the place of a login in the address; empty for none.
            password: Belongs to it; never part of a text.
            transport: How RTSP brings its packets.
            tls: What the certificate of an ``rtsps://`` or ``https://`` camera is held against.
        """
        self._source, self._tls = source, tls
        self._shown = f"source {redacted(source)}"
        self._username, self._password, self._transport = username, password, transport
        self._capture: cv2.VideoCapture | None = None
        self._grabs = 0
        self._opened_s = 0.0
        self._has_frame = False
        self._has_stamps = False
        self._pacer: Pacer | None = None
        self._waiting: Shot | None = None
        self._freshness = Freshness()

    def open(self) -> None:
        """Connect; waits up to 5 s, and 2 s more to find out why it failed.

        Raises:
            LoginRefusedError: User name or password is wrong.
            SourceError: It cannot be opened.
        """
        silence_opencv()
        start = time.monotonic()
        self._capture = self._connect()
        self._opened_s = time.monotonic()
        if not self._capture.isOpened():
            self.close()
            raise self._fault(self._opened_s - start)
        is_mjpeg = _fourcc(self._capture) in ("mjpg", "mjpeg")
        is_http = self._source.lower().startswith("http")
        self._has_stamps = not is_mjpeg and not self._source.startswith("/dev/")  # FFmpeg makes up those of MJPEG
        self._pacer = Pacer() if is_http and not is_mjpeg else None
        self._freshness = Freshness(self._capture.get(cv2.CAP_PROP_FPS), has_backlog=is_rtsp(self._source))

    def read(self, wait_s: float) -> Shot | None:
        """Give the next picture.

        Args:
            wait_s: Seconds to wait for one; a camera that is silent makes it wait for its own limit, 3 s (HLS: 8 s).

        Returns:
            A shot, or ``None`` when nothing came.

        Raises:
            SourceError: The connection broke off, or the source is not open.
        """
        if self._pacer is None:
            return self._grab()
        until = time.monotonic() + wait_s
        self._waiting = self._waiting or self._grab()
        if self._waiting is None:
            return None
        due_s = self._pacer.due_s(self._waiting.stamp_s or 0.0)
        time.sleep(max(0.0, min(due_s, until) - time.monotonic()))
        if due_s > time.monotonic():
            return None
        shot, self._waiting = self._waiting, None
        now = time.monotonic()
        return Shot(shot.planes, "bgr", shot.width, shot.height, shot.stamp_s, now, time.time())

    def life(self) -> int:
        """Grabs so far: pictures, and before the first of them what may be a wait for a key frame."""
        return self._grabs

    def close(self) -> None:
        """Disconnect; safe to call twice."""
        capture, self._capture, self._waiting = self._capture, None, None
        if capture is not None:
            capture.release()

    def _connect(self) -> cv2.VideoCapture:
        if self._source.startswith("/dev/"):
            os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(_READ_MS // 1000))
            return cv2.VideoCapture(self._source, cv2.CAP_V4L2)
        address = split_address(self._source)
        if address.scheme not in SCHEMES:
            allowed = ", ".join(f"{scheme}://" for scheme in SCHEMES)
            raise SourceError(f"{self._shown} cannot be opened; streams are {allowed}, and a file is its path alone")
        check_certificate(self._shown, self._source, self._tls)
        read_ms = _PLAYLIST_READ_MS if address.path.lower().endswith(".m3u8") else _READ_MS
        settings = [
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, _OPEN_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, read_ms,
            cv2.CAP_PROP_N_THREADS, 1,
        ]  # fmt: skip
        return cv2.VideoCapture(self._url(), cv2.CAP_FFMPEG, settings)

    def _url(self) -> str:
        url = with_login(self._source, self._username, self._password)
        if is_rtsp(url) and self._transport == "udp":  # FFmpeg takes it from the query and does not send it
            return f"{url}{'&' if urlsplit(url).query else '?'}udp"
        return url

    def _fault(self, took_s: float) -> SourceError:
        if self._source.startswith("/dev/"):
            return SourceError(f"{self._shown} cannot be opened; check that the device is there and not in use")
        if took_s > _OPEN_MS / 1000 - 0.5:
            return SourceError(f"{self._shown} does not answer; check network and camera")
        return why_closed(self._shown, self._url())

    def _grab(self) -> Shot | None:
        capture = self._capture
        if capture is None:
            raise SourceError(f"{self._shown} is not open")
        start = time.monotonic()
        done = capture.grab()
        arrived_s, captured_at = time.monotonic(), time.time()
        if not done:
            self._check_silence(arrived_s - start)
            return None
        self._grabs += 1
        stamp_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1e3 if self._has_stamps else None
        if stamp_s is not None and not math.isfinite(stamp_s):
            stamp_s = None
        if self._pacer is None and not self._freshness.is_fresh(arrived_s - start, arrived_s, stamp_s):
            return None
        done, image = capture.retrieve()
        if not done or image.ndim != 3 or image.dtype != np.uint8:
            raise SourceError(f"{self._shown} sends pictures that OpenCV cannot convert; choose H.264 in the camera")
        self._has_frame = True
        planes = np.ascontiguousarray(image, np.uint8)
        height, width = planes.shape[:2]
        return Shot(planes, "bgr", width, height, stamp_s, arrived_s, captured_at)

    def _check_silence(self, took_s: float) -> None:
        is_timeout = took_s > _READ_MS / 1000 - 0.5
        may_wait = is_timeout and not self._has_frame and is_rtsp(self._source)
        if may_wait and time.monotonic() - self._opened_s < _FIRST_KEY_FRAME_S:
            self._grabs += 1
            return
        what = "sends nothing any more" if is_timeout else "breaks off"
        raise SourceError(f"{self._shown} {what}; check network and camera")


class Freshness:
    """Tells pictures that come as they are taken from those that waited in a buffer."""

    def __init__(self, fps: float = 0.0, has_backlog: bool = False) -> None:
        """Begin.

        Args:
            fps: Nominal frames per second, 0 when unknown.
            has_backlog: The first pictures have waited: FFmpeg looks at a stream for seconds before it gives any.
        """
        self._interval_s = 1 / fps if 1 <= fps <= 240 else 0.04
        self._wanted = 2 if has_backlog else 0
        self._arrived_s = 0.0
        self._stamp_s: float | None = None
        self._stale = 0
        self._lag_s = -math.inf

    def is_fresh(self, took_s: float, arrived_s: float, stamp_s: float | None) -> bool:
        """Whether a picture may be used.

        Args:
            took_s: Seconds its grab took.
            arrived_s: Monotonic seconds at which it came.
            stamp_s: Its stamp in seconds, ``None`` when there is none.
        """
        passed_s, self._arrived_s = arrived_s - self._arrived_s, arrived_s
        step_s = self._interval_s
        if stamp_s is not None and self._stamp_s is not None and 0 < stamp_s - self._stamp_s < 1:
            step_s = stamp_s - self._stamp_s
        self._stamp_s = stamp_s
        if took_s > _FREEZE_S:
            self._wanted, self._stale = 2, 0
            return False
        lag_s = -math.inf if stamp_s is None else arrived_s - stamp_s
        if self._wanted == 0 and lag_s < self._lag_s - _STALE_S:  # it was no end of the backlog, only a pause in it
            self._wanted, self._stale = 2, 0
        if self._wanted == 0 or self._stale >= _MOST_STALE:
            return True
        self._stale += 1
        self._wanted = self._wanted - 1 if passed_s >= _NATURAL * step_s else 2
        self._lag_s = lag_s
        return False


def is_rtsp(source: str) -> bool:
    """Whether a source is an RTSP address."""
    return source.lower().startswith(("rtsp://", "rtsps://"))


def why_closed(shown: str, url: str) -> SourceError:
    """Find out with PyAV why OpenCV could not open a stream.

    Args:
        shown: Subject of the sentence, without a login.
        url: The address with its login.

    Returns:
        An error to raise.
    """
    import av  # 16 MB that a box whose cameras answer does not need

    options = {} if "?udp" in url or "&udp" in url or not is_rtsp(url) else {"rtsp_transport": "tcp"}
    try:
        with av.open(url, options=options, timeout=(_REASON_S, _REASON_S)):
            return SourceError(f"{shown} gives no picture; choose H.264 or H.265 in the camera")
    except (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError):
        return LoginRefusedError(f"{shown} refuses the login; check user name and password")
    except av.error.HTTPNotFoundError:
        return SourceError(f"{shown} is not found there; check the path")
    except (av.error.HTTPServerError, av.error.HTTPClientError):
        return SourceError(f"{shown} refuses (it may be busy, or allow no more viewers); try again later")
    except av.error.ConnectionRefusedError:
        return SourceError(f"{shown} refuses the connection; check address and camera")
    except (av.error.TimeoutError, av.error.ExitError):
        return SourceError(f"{shown} does not answer; check network and camera")
    except (av.error.FFmpegError, OSError, UnicodeError):
        return SourceError(f"{shown} cannot be reached or is no video; check address, network and camera")


def _fourcc(capture: cv2.VideoCapture) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC))
    return "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)).strip("\0 ").lower()
