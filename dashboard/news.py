"""What a page is told without asking: figures, counters, states, events. Gathered once for all who listen."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from dashboard.counts import counts_of
from dashboard.refusal import Refusal
from pipelines.live.face import SiteFace
from pipelines.live.telling import Telling
from pipelines.values import Event, FrameResult

log = logging.getLogger(__name__)
MOST_LISTENERS = 64
STATS_S = 1.0
COUNTS_S = 0.5
_MOST_EVENTS = 200
"""That wait for one who is slow; older ones are dropped."""
BEGIN = b"retry: 2000\n\n"


def message(kind: str, text: str) -> bytes:
    """One server-sent event; JSON has no line breaks."""
    return f"event: {kind}\ndata: {text}\n\n".encode()


def event_body(event: Event) -> dict[str, Any]:
    """An event as the API tells it."""
    return {
        "camera": event.source_id,
        "kind": event.kind,
        "rule": event.rule,
        "label": event.label,
        "track_id": event.track_id,
        "at": event.captured_at,
        "pts_s": event.pts_s,
        "data": dict(event.data),
    }


class Listener:
    """One who listens: of what is a state it is given the newest, of events all but a backlog."""

    def __init__(self) -> None:
        self._states: dict[str, bytes] = {}
        self._events: deque[bytes] = deque(maxlen=_MOST_EVENTS)
        self._there = asyncio.Event()

    def tell(self, kind: str, content: bytes) -> None:
        """A state, in the place of the one before, or an event."""
        if kind == "event":
            self._events.append(content)
        else:
            self._states[kind] = content
        self._there.set()

    def wake(self) -> None:
        """There is nothing, but look whether all is well."""
        self._there.set()

    async def next(self, timeout_s: float) -> bytes:
        """What has come since the last call; empty when nothing came in so many seconds."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._there.wait(), timeout_s)
        self._there.clear()
        parts = [*self._states.values(), *self._events]
        self._states.clear()
        self._events.clear()
        return b"".join(parts)


class News:
    """Asks the site while somebody listens. Its methods are the event loop's, ``close`` may be called by any thread."""

    def __init__(self, face: SiteFace) -> None:
        self._face = face
        self._listeners: set[Listener] = set()
        self._last: dict[str, str] = {}
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tell = Telling(log, logging.ERROR, 30.0)
        self.closing = False
        """Whether the server ends: streams end, too."""

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Listener]:
        """Listen. What is known already is told at once.

        Raises:
            Refusal: Too many listen already.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            raise Refusal(503, f"{MOST_LISTENERS} pages are open already; close some", retry_s=10)
        listener = Listener()
        for kind, text in self._last.items():
            listener.tell(kind, message(kind, text))
        self._listeners.add(listener)
        self._loop = asyncio.get_running_loop()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._gather())
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _gather(self) -> None:
        """Tell everybody what is new, until nobody listens."""
        loop = asyncio.get_running_loop()

        def on_result(camera: str, result: FrameResult) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._events, result.events)

        end = self._face.listen(on_result)
        turn = 0
        try:
            while self._listeners and not self.closing:
                if turn % max(1, round(STATS_S / COUNTS_S)) == 0:
                    await self._ask("stats", self._stats, always=True)
                    await self._ask("status", self._status)
                    await self._ask("config", self._config)  # a reload that is over counts, whatever came of it
                await self._ask("counts", self._counts)
                turn += 1
                await asyncio.sleep(COUNTS_S)
        finally:
            end()
            self._last.clear()

    async def _ask(self, kind: str, what: Callable[[], str], always: bool = False) -> None:
        """Ask the site in a thread, and tell what has changed."""
        try:
            text = await asyncio.to_thread(what)
        except Exception as error:  # whatever it is, the next turn may be better
            log.debug("news", exc_info=error)
            self._tell(kind, f"the page cannot be told of {kind}: {error}")
            return
        if always or self._last.get(kind) != text:
            self._last[kind] = text
            content = message(kind, text)
            for listener in self._listeners:
                listener.tell(kind, content)

    def _events(self, events: tuple[Event, ...]) -> None:
        for event in events:
            content = message("event", json.dumps(event_body(event)))
            for listener in self._listeners:
                listener.tell("event", content)

    def _stats(self) -> str:
        return self._face.stats().model_dump_json()

    def _status(self) -> str:
        cameras = self._face.cameras().values()
        return json.dumps(
            {
                "cameras": [
                    {
                        "name": camera.name,
                        "status": camera.status,
                        "reason": camera.reason,
                        "enabled": camera.enabled,
                        "detecting": camera.detecting,
                        "size": camera.size,
                    }
                    for camera in cameras
                ]
            }
        )

    def _config(self) -> str:
        now = self._face.reloaded()
        return json.dumps({"reload_error": now.error, "reloads": now.count, "read_revision": now.revision})

    def _counts(self) -> str:
        names = self._face.cameras()
        return json.dumps({"counts": [one.model_dump() for name in names for one in counts_of(self._face, name)]})

    def close(self) -> None:
        """End every stream soon; safe to call twice."""
        self.closing = True
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        for listener in self._listeners:
            listener.wake()
