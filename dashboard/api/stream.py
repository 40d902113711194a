"""What comes by itself: pictures (JPEG, MJPEG) and server-sent events."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import Field

from dashboard.api.common import CameraName, Layers, Width, camera_of, layers_of, stepped
from dashboard.guard import Identity
from dashboard.news import BEGIN, Listener, News
from dashboard.refusal import Refusal
from dashboard.security import guard_of, needs
from dashboard.views import BOUNDARY, MOST_FPS, View, Views, Wanted
from pipelines.live.face import SiteFace

if TYPE_CHECKING:
    from fastapi import APIRouter

STILL_S = 5.0
"""Seconds for which a still waits at least,"""
LONGEST_STILL_S = 15.0
"""and at most, for a camera of which a picture is analysed now and then."""
_RETRY_S = 5
_LONGEST_RETRY_S = 300
_LOOK_UP_S = 5.0
"""Seconds after which a stream asks whether its session still lasts, and says that it is there: clients wait ten."""
_BEAT = b": beat\n\n"
_EMPTY = b"\r\n"
"""Of ``multipart``: what stands between two parts means nothing."""


def router(face: SiteFace, views: Views, news: News) -> "APIRouter":
    """``/api/cameras/{name}/still``, ``/api/cameras/{name}/live`` and ``/api/stream``."""
    from fastapi import APIRouter, Request, Response
    from fastapi.responses import StreamingResponse

    T = TypeVar("T")

    class Held(StreamingResponse):
        """An answer without end, and what is held as long as somebody takes it."""

        def __init__(
            self, held: AbstractAsyncContextManager[T], parts: Callable[[T], AsyncIterator[bytes]], media_type: str
        ) -> None:
            super().__init__(_nothing(), media_type=media_type, headers={"X-Accel-Buffering": "no"})
            self._held, self._parts = held, parts

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async with self._held as held:  # also released when the client leaves before the first part
                self.body_iterator = self._parts(held)
                await super().__call__(scope, receive, send)

    routes = APIRouter(prefix="/api", tags=["live"])
    Reader = Annotated[Identity, needs("read")]
    Fps = Annotated[float, Field(ge=0.2, le=MOST_FPS, description="pictures a second at most")]

    @routes.get("/cameras/{name}/still", response_class=Response, responses=_answers("image/jpeg"))
    async def still(name: CameraName, who: Reader, layers: Layers = None, width: Width = 960) -> Response:
        """The next picture; of a camera that is analysed now and then, the last one where one was asked for before.

        Of such a camera the first answer may be 503; `Retry-After` says when its picture is there.
        """
        camera = camera_of(face, name)
        begin = time.monotonic()
        async with views.open(Wanted(camera.name, layers_of(layers), stepped(width)), MOST_FPS) as view:
            jpeg = await view.next(0, min(LONGEST_STILL_S, max(STILL_S, 3 / camera.config.detect_fps)))
        if jpeg is None or (jpeg.made_s < begin and not _is_shown(face, camera.name)):
            raise _no_picture(face, name)
        return Response(jpeg.picture, media_type="image/jpeg")

    @routes.get("/cameras/{name}/live", response_class=StreamingResponse, responses=_answers(f"{_MULTIPART}"))
    async def live(
        request: Request, name: CameraName, who: Reader, layers: Layers = None, width: Width = 960, fps: Fps = 8.0
    ) -> StreamingResponse:
        """Pictures without end, the newest as soon as the last one was taken: who is slow leaves some out.

        While a camera that is watched has none that is new, the last one comes again every 5 s.
        """
        wanted = Wanted(camera_of(face, name).name, layers_of(layers), stepped(width))
        guard = guard_of(request)

        async def parts(view: View) -> AsyncIterator[bytes]:
            number, next_s, last = 0, time.monotonic(), _EMPTY
            while not (views.closing or view.over) and guard.lasts(who):
                await asyncio.sleep(max(0.0, next_s - time.monotonic()))
                jpeg = await view.next(number, _LOOK_UP_S)
                step_s = 1 / views.share(fps)
                next_s = max(next_s, time.monotonic() - step_s) + step_s
                if jpeg is not None:
                    number, last = jpeg.number, jpeg.part
                    yield last
                elif _is_shown(face, view.wanted.camera):
                    yield last

        return Held(views.open(wanted, fps), parts, _MULTIPART)

    @routes.get("/stream", response_class=StreamingResponse, responses=_answers("text/event-stream"))
    async def stream(request: Request, who: Reader) -> StreamingResponse:
        """`stats` each second, `counts` and `status` when they change, `event` as seen, `config` after a reload."""
        guard = guard_of(request)

        async def events(listener: Listener) -> AsyncIterator[bytes]:
            yield BEGIN
            while not news.closing and guard.lasts(who):
                yield await listener.next(_LOOK_UP_S) or _BEAT

        return Held(news.open(), events, "text/event-stream")

    return routes


async def _nothing() -> AsyncIterator[bytes]:
    for content in tuple[bytes, ...]():
        yield content


_MULTIPART = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


def _answers(media_type: str) -> dict[int | str, dict[str, object]]:
    """What the description of the API says of an answer that is no JSON."""
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


def _is_shown(face: SiteFace, name: str) -> bool:
    """Whether the last picture of a camera stands until the next one: also of a file that is over, not of an outage."""
    camera = face.cameras().get(name)
    return camera is not None and (face.site_file is None or camera.status in ("online", "degraded"))


def _no_picture(face: SiteFace, name: str) -> Refusal:
    """Why there is none, and when there may be one."""
    camera = camera_of(face, name)
    if not camera.enabled:
        return Refusal(503, f"camera {name} is switched off, so there is no picture", retry_s=_RETRY_S)
    pace_s = 1 / camera.config.detect_fps
    if camera.status == "online" and pace_s > LONGEST_STILL_S / 3:
        text = f"camera {name} is analysed every {pace_s:.0f} s; its next picture is not there yet"
        return Refusal(503, text, retry_s=min(_LONGEST_RETRY_S, math.ceil(pace_s)))
    why = f" ({camera.reason})" if camera.reason else ""
    return Refusal(503, f"there is no picture of camera {name} now: it is {camera.status}{why}", retry_s=_RETRY_S)
