"""Live pictures: drawn and encoded in threads of their own, only while somebody waits for one, once for all who do.

A *view* is one camera with the same layers at the same size. However many look at it, it has one thread, and a picture
is drawn only when somebody waits: who is slow waits less often, and gets the newest picture then.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import cv2

from dashboard.refusal import Refusal
from dashboard.seen_heat import SeenHeat
from pipelines.layers import Layer, LayerPainter
from pipelines.live.face import SiteFace
from pipelines.live.telling import Telling
from pipelines.values import FrameResult

log = logging.getLogger(__name__)
MOST_VIEWS = 16
MOST_WATCHERS = 128
MOST_FPS = 15.0
MOST_SENT = 100.0
"""Pictures a second to all watchers together: more of them get fewer each, for sending costs the analysis, too."""
BOUNDARY = "frame"
LINGER_S = 3.0
"""Seconds for which a view without watchers goes on: who asks for one still after the other finds its trails there."""
LINGER_PICTURES = 2.0
"""Of a slow camera it goes on for as long as so many pictures take: whoever comes back finds the last one at once,"""
MOST_LINGER_S = 600.0
"""but no longer than this."""
QUALITY = 75
_NICE = 10
_HEAD_ENDS, _PART_ENDS = b"\r\n\r\n", b"\r\n"
_POLL_S = 0.25
_FRESH_S = 0.2
_RENEW_S = 1.0
_SEEN_BEFORE_BLUR = 3
"""Results before the first blurred picture: a detector misses a frame now and then."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a view shows.

    Attributes:
        camera: Name of the camera.
        layers: What is drawn.
        width: Of the picture in pixels, at most.
    """

    camera: str
    layers: frozenset[Layer]
    width: int


@dataclass(frozen=True, slots=True)
class Jpeg:
    """An encoded picture.

    Attributes:
        number: Within the view, from 1.
        part: The picture as a part of ``multipart/x-mixed-replace``, made once for all who watch.
        made_s: When it was made; seconds of the monotonic clock.
    """

    number: int
    part: bytes
    made_s: float

    @property
    def picture(self) -> bytes:
        """The picture alone."""
        return self.part[self.part.index(_HEAD_ENDS) + len(_HEAD_ENDS) : -len(_PART_ENDS)]


def part_of(picture: bytes) -> bytes:
    """A JPEG as a part of ``multipart/x-mixed-replace``."""
    head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}"
    return b"".join((head.encode(), _HEAD_ENDS, picture, _PART_ENDS))


class View:
    """One view and its thread. All but the thread's own is the event loop's."""

    def __init__(self, face: SiteFace, wanted: Wanted, loop: asyncio.AbstractEventLoop) -> None:
        """Start."""
        self.wanted = wanted
        self.over = False
        """Whether there will be no more pictures: the camera is gone."""
        self.watchers: dict[object, float] = {}
        """Pictures a second that each watcher wants."""
        self._face, self._loop = face, loop
        self._newest: Jpeg | None = None
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._asked, self._ended = threading.Event(), threading.Event()
        self._fps = 1.0
        self._tell = Telling(log, logging.ERROR, 30.0)
        threading.Thread(target=self._work, name=f"view-{wanted.camera}", daemon=True).start()

    def rate(self, share: Callable[[float], float]) -> None:
        """Take over what the watchers want: as many pictures a second as the quickest of them may have.

        Args:
            share: Gives what a watcher may have of what it wants.
        """
        self._fps = share(max(self.watchers.values(), default=1.0))

    def end(self) -> None:
        """Let the thread go."""
        self._ended.set()
        self._asked.set()
        self._finish()

    async def next(self, after: int, timeout_s: float) -> Jpeg | None:
        """A picture newer than the one with this number, and not an old one if another can be had.

        Returns:
            ``None`` when there was none in so many seconds, or there will be none any more.
        """
        newest = self._newest
        if newest is not None and newest.number > after and time.monotonic() - newest.made_s <= _FRESH_S:
            return newest
        if not self.over:
            waiting: asyncio.Future[None] = self._loop.create_future()
            self._waiting[waiting] = after
            self._asked.set()
            with suppress(TimeoutError):
                try:
                    await asyncio.wait_for(waiting, timeout_s)
                finally:
                    self._waiting.pop(waiting, None)
        newest = self._newest
        return newest if newest is not None and newest.number > after else None

    def _take(self, part: bytes) -> None:
        """In the loop: a picture is there."""
        number = self._newest.number + 1 if self._newest is not None else 1
        self._newest = Jpeg(number, part, time.monotonic())
        self._wake()

    def _nothing_new(self) -> None:
        """In the loop: no result has come for a while, so an old picture is better than none."""
        newest = self._newest
        if newest is not None:
            self._wake(newest.number)

    def _finish(self) -> None:
        self.over = True
        self._wake()

    def _wake(self, below: int | None = None) -> None:
        """Those who wait may look again: all, or those whose picture is older than the one of this number."""
        for waiting, after in self._waiting.items():
            if not waiting.done() and (below is None or after < below):
                waiting.set_result(None)

    # -- the thread ------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        _be_nice()
        try:
            with self._face.watch(self.wanted.camera) as watch:
                drawing = _Drawing(self._face, self.wanted)
                due, left = 0.0, None
                while not self._ended.is_set():
                    result = watch.next(_POLL_S)
                    now = time.monotonic()
                    if drawing.renew(now):
                        left = None  # the new painter has not noted it: whom it shows would not be covered
                    if result is not None:
                        drawing.note(result, now)
                        left = result
                    if not self._asked.is_set() or not drawing.is_ready(now) or now < due:
                        continue
                    if left is not None:
                        due = max(due, now - 1 / self._fps) + 1 / self._fps
                        self._guarded(drawing, left)
                        left = None
                    elif result is None:
                        self._in_loop(self._nothing_new)
        except KeyError:
            log.debug("camera %s is gone", self.wanted.camera)
        finally:
            self._in_loop(self._finish)

    def _in_loop(self, act: Callable[..., None], *arguments: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(act, *arguments)

    def _guarded(self, drawing: _Drawing, result: FrameResult) -> None:
        """Draw; a picture that cannot be drawn must not end the view."""
        try:
            part = part_of(drawing.draw(result))
        except Exception as error:
            log.debug("a view", exc_info=error)
            self._tell("view", f"camera {self.wanted.camera}: a picture for the page cannot be drawn: {error}")
            return
        self._asked.clear()  # before it is handed over: whoever comes from now on asks anew
        self._in_loop(self._take, part)


class _Drawing:
    """What a view's thread draws with."""

    def __init__(self, face: SiteFace, wanted: Wanted) -> None:
        self._face, self._wanted = face, wanted
        self._plan: object = None
        self._seen, self._first_s = 0, time.monotonic()
        self._renewed_s = float("-inf")
        self._own_heat = SeenHeat()
        self._heat = self._own_heat.grid
        self.renew(time.monotonic())

    def renew(self, now: float) -> bool:
        """Look once a second whether lines and zones are still those, and how warm it is.

        Returns:
            Whether the painter is another one from now on: results of before must not be drawn any more.

        Raises:
            KeyError: The camera is gone.
        """
        if now - self._renewed_s < _RENEW_S:
            return False
        self._renewed_s = now
        camera = self._face.cameras()[self._wanted.camera]
        is_new = camera.plan is not self._plan
        if is_new:
            self._plan = camera.plan
            self._painter = LayerPainter(self._wanted.layers, camera.plan.lines, camera.plan.zones)
            self._seen, self._first_s = 0, now
        if "heatmap" in self._wanted.layers:
            grid = self._face.heat(self._wanted.camera)
            self._heat = self._own_heat.grid if grid is None else grid
        return is_new

    def is_ready(self, now: float) -> bool:
        """Whether enough was seen to cover whom one frame misses, or no more is to be seen."""
        return "blur" not in self._wanted.layers or self._seen >= _SEEN_BEFORE_BLUR or now > self._first_s + _RENEW_S

    def note(self, result: FrameResult, now: float) -> None:
        if not self._seen:
            self._first_s = now
        self._seen += 1
        self._painter.note(result)
        if "heatmap" in self._wanted.layers:
            self._own_heat.add(result)

    def draw(self, result: FrameResult) -> bytes:
        picture = self._painter.draw(result, self._wanted.width, self._heat)
        done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        if not done:
            raise ValueError(f"a picture of {picture.shape} cannot be encoded as JPEG")
        return data.tobytes()


class Views:
    """All views of one server. Its methods are the event loop's, ``close`` may be called by any thread."""

    def __init__(self, face: SiteFace) -> None:
        self._face = face
        self._views: dict[Wanted, View] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self.closing = False
        """Whether the server ends: streams end, too."""

    @property
    def watchers(self) -> int:
        """How many look at pictures now."""
        return sum(len(view.watchers) for view in list(self._views.values()))  # any thread may ask

    def share(self, fps: float) -> float:
        """Pictures a second that one who wants so many may have, as many as now look."""
        return min(fps, MOST_FPS, MOST_SENT / max(1, self.watchers))

    def _rate_all(self) -> None:
        for view in self._views.values():
            view.rate(self.share)

    @asynccontextmanager
    async def open(self, wanted: Wanted, fps: float) -> AsyncIterator[View]:
        """Look at a view, together with all who want the same.

        Args:
            wanted: A camera that is there, and what to draw.
            fps: Pictures a second at most.

        Raises:
            Refusal: Too many look already.
        """
        self._loop = asyncio.get_running_loop()
        if self.watchers >= MOST_WATCHERS:
            raise Refusal(503, f"{MOST_WATCHERS} pictures are watched already; close some", retry_s=10)
        view = self._views.get(wanted)
        if view is None or view.over:
            view = self._new(wanted, self._loop)
        me = object()
        view.watchers[me] = fps
        self._rate_all()
        try:
            yield view
        finally:
            del view.watchers[me]
            self._rate_all()
            if not view.watchers:
                self._loop.call_later(self._linger_s(wanted.camera), self._end_if_left, view)

    def _linger_s(self, name: str) -> float:
        """Seconds for which a view of a camera goes on."""
        camera = self._face.cameras().get(name)
        pace_s = LINGER_PICTURES / camera.config.detect_fps if camera is not None else 0.0
        return max(LINGER_S, min(MOST_LINGER_S, pace_s))

    def _new(self, wanted: Wanted, loop: asyncio.AbstractEventLoop) -> View:
        if len(self._views) >= MOST_VIEWS:
            for other in [view for view in self._views.values() if not view.watchers]:
                self._end_if_left(other)
        if len(self._views) >= MOST_VIEWS and wanted not in self._views:
            text = f"{MOST_VIEWS} different pictures are drawn already; close some, or choose the same size and layers"
            raise Refusal(503, text, retry_s=10)
        view = self._views[wanted] = View(self._face, wanted, loop)
        return view

    def _end_if_left(self, view: View) -> None:
        """End a view that nobody has come back to."""
        if view.watchers:
            return
        view.end()
        if self._views.get(view.wanted) is view:
            del self._views[view.wanted]

    def close(self) -> None:
        """End every stream soon; safe to call twice."""
        self.closing = True
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._end_all)

    def _end_all(self) -> None:
        for view in self._views.values():
            view.end()


def _be_nice() -> None:
    """Let the analysis go first: on Linux each thread has a niceness of its own."""
    with suppress(AttributeError, OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
