"""Who looks at the results of a site. While nobody does, a frame costs one look at an attribute."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from pipelines.live.face import OnResult
from pipelines.live.telling import Telling
from pipelines.values import FrameResult

log = logging.getLogger(__name__)
_TELL_AGAIN_S = 30.0


class Watcher:
    """One who looks at a camera: it is given the newest result, never a backlog."""

    def __init__(self, spectators: Spectators, camera: str) -> None:
        self._spectators, self._camera = spectators, camera
        self._there = threading.Condition()
        self._newest: FrameResult | None = None

    def __enter__(self) -> Self:
        self._spectators.join(self._camera, self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._spectators.leave(self._camera, self)
        with self._there:
            self._newest = None
            self._there.notify_all()

    def show(self, result: FrameResult) -> None:
        """Take the place of what was not looked at yet."""
        with self._there:
            self._newest = result
            self._there.notify_all()

    def next(self, timeout_s: float) -> FrameResult | None:
        """The newest result since the last call; ``None`` when none came in so many seconds."""
        end = time.monotonic() + timeout_s
        with self._there:
            while self._newest is None and (left := end - time.monotonic()) > 0:
                self._there.wait(left)
            newest, self._newest = self._newest, None
            return newest


class Spectators:
    """All who look at the cameras of a site, by camera, and all who listen for events."""

    def __init__(self, last: Callable[[str], FrameResult | None] = lambda camera: None) -> None:
        """Begin with nobody.

        Args:
            last: Gives a camera's last result to who begins to look, where one is kept.
        """
        self._last = last
        self._lock = threading.Lock()
        self._watchers: dict[str, tuple[Watcher, ...]] = {}
        self._listeners: tuple[OnResult, ...] = ()
        self._tell = Telling(log, logging.ERROR, _TELL_AGAIN_S)
        self.any = False
        """Whether anybody looks or listens at all: what a frame asks first."""

    def watch(self, camera: str) -> Watcher:
        """Somebody who begins to look with the ``with`` statement."""
        return Watcher(self, camera)

    def join(self, camera: str, watcher: Watcher) -> None:
        """Show a camera's results to a watcher."""
        with self._lock:
            self._watchers = {**self._watchers, camera: (*self._watchers.get(camera, ()), watcher)}
            self._look()
        last = self._last(camera)
        if last is not None:
            watcher.show(last)

    def leave(self, camera: str, watcher: Watcher) -> None:
        """Show it nothing any more; safe to call twice."""
        with self._lock:
            others = tuple(one for one in self._watchers.get(camera, ()) if one is not watcher)
            rest = {name: watchers for name, watchers in self._watchers.items() if name != camera}
            self._watchers = {**rest, camera: others} if others else rest
            self._look()

    def listen(self, on_result: OnResult) -> Callable[[], None]:
        """Tell somebody of frames with events; returns what ends it."""
        with self._lock:
            self._listeners = (*self._listeners, on_result)
            self._look()

        def end() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not on_result)
                self._look()

        return end

    def _look(self) -> None:
        self.any = bool(self._watchers or self._listeners)

    def looked_at(self, camera: str) -> bool:
        """Whether somebody looks at this camera."""
        return camera in self._watchers

    def show(self, camera: str, result: FrameResult) -> None:
        """Hand a result to all who look at its camera, and to all who listen, if a rule saw something in it.

        Args:
            camera: Its name.
            result: The result, with its picture. No copy is made.
        """
        for watcher in self._watchers.get(camera, ()):
            watcher.show(result)
        if result.events:
            for on_result in self._listeners:
                try:
                    on_result(camera, result)
                except Exception as error:  # who listens must not cost the camera its frame
                    log.debug("a listener", exc_info=error)
                    self._tell("listener", f"camera {camera}: an event could not be told to the page: {error}")
