"""The capture thread of one camera: keeps it connected and holds its newest due picture ready."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from streams.errors import BrokenFileError, LoginRefusedError, SourceEnded, SourceError
from streams.live_clock import LiveClock
from streams.live_source import LiveSource
from streams.pacing import Pacing
from streams.shot import Shot

_log = logging.getLogger(__name__)

FeedStatus = Literal["connecting", "online", "offline", "ended"]

_WAIT_S = 0.2
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.25, 5.0
_LOGIN_BACKOFF_S = 10.0
_SILENT_S = 10.0
"""After opening, so long without a packet is down."""
_KEY_FRAME_S = 90.0
"""After opening, so long may packets come without a picture."""
_STILL_S = 0.5
"""Media seconds between the shots that are passed on while nothing moves."""
_RATE_S = 5.0
_SKEW_SHARE = 0.05
_CLOCK_STEP_S = 1.0


class Gate(Protocol):
    """Decides cheaply whether a picture is worth a look."""

    def moves(self, luma: NDArray[np.uint8], pts_s: float) -> bool:
        """Whether something moves.

        Args:
            luma: (H, W) uint8, the brightness; H and W may change after a reconnect.
            pts_s: Media time in seconds, strictly increasing.
        """
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What ``take`` gives.

    Attributes:
        shot: The picture, with its media time.
        index: 0-based number of the captured frame in this run.
        moving: ``False`` where the gate saw nothing move: rules see the time pass, nobody need detect.
    """

    shot: Shot
    index: int
    moving: bool


@dataclass(frozen=True, slots=True)
class FeedStats:
    """Counts since the start.

    Attributes:
        captured: Frames that came.
        due: Those whose turn it was.
        skipped: Due ones that were replaced by a newer one, or dropped when the camera went away, before they were
            taken.
        gated: Due ones in which nothing moved.
        reconnects: How often it came back after it had been online.
        skew_s: Camera's clock less this machine's in seconds, smoothed; ``None`` while it is not known.
        capture_fps: Frames per second over the last seconds.
    """

    captured: int
    due: int
    skipped: int
    gated: int
    reconnects: int
    skew_s: float | None
    capture_fps: float


@dataclass(slots=True)
class _Waiting:
    """The shot in the slot.

    Attributes:
        taken: What will be given.
        is_paced: Its turn was already counted when the gate saw it.
    """

    taken: Taken
    is_paced: bool


class CameraFeed:
    """One camera in a thread of its own, connected again and again until it is stopped.

    It is online when a frame has come, and offline on an error, at the end of the stream, or after a silence. Then
    the connection is closed and, after a wait that grows, a new one is made. The slot holds one shot, the newest that
    is due; nothing stale is passed on. All methods may be called from any thread.

    Attributes:
        status: ``connecting``, ``online``, ``offline`` or ``ended``.
        reason: Why it is not online, one sentence; empty otherwise.
        broken: Whether it is a file that could not be read to its end, and has ended.
    """

    def __init__(
        self,
        name: str,
        open_source: Callable[[], LiveSource],
        *,
        detect_fps: float,
        stall_s: float,
        wake: Callable[[], None],
        gate: Gate | None = None,
        lossless: bool = False,
        on_status: Callable[[str, FeedStatus, str], None] = lambda name, status, reason: None,
    ) -> None:
        """Prepare; nothing runs before ``start``.

        Args:
            name: Name of the camera.
            open_source: Makes a new source, not opened; called for each connection.
            detect_fps: Frames per second of media time that become due, at most.
            stall_s: Seconds without a frame after which it is offline.
            wake: Called from the feed's thread when a shot can be taken, and when the feed has ended.
            gate: Asked once for each due shot, in the feed's thread; ``None`` lets all pass.
            lossless: A file: every frame is due, and the thread waits until it is taken.
            on_status: Called from the feed's thread with name, status and reason when one of the latter has changed.
        """
        self.status: FeedStatus = "connecting"
        self.reason = ""
        self.broken = False
        self._name = name
        self._open_source = open_source
        self._stall_s = stall_s
        self._wake = wake
        self._gate = gate
        self._lossless = lossless
        self._on_status = on_status
        self._changed = threading.Condition()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._clock = LiveClock(by_stamps=lossless)
        self._pacing = Pacing(detect_fps)
        self._slot: _Waiting | None = None
        self._still_due_s = 0.0
        self._captured = self._due = self._skipped = self._gated = self._reconnects = 0
        self._was_online = False
        self._is_new = True
        self._backoff_s = _FIRST_BACKOFF_S
        self._skew_s: float | None = None
        self._arrivals: deque[float] = deque(maxlen=1024)

    def start(self) -> None:
        """Start the thread; does nothing when it was started or stopped before."""
        with self._changed:
            if self._thread is None and not self._stopped.is_set():
                self._thread = threading.Thread(target=self._run, name=f"capture-{self._name}", daemon=True)
                self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> bool:
        """End the thread; a shot in the slot is given up. Safe to call twice and in any state.

        Args:
            timeout_s: Seconds to wait for it at most.

        Returns:
            Whether the thread has ended; it ends by itself later where a library holds it.
        """
        self._stopped.set()
        with self._changed:
            self._slot = None
            self._changed.notify_all()
            thread = self._thread
        if thread is None:
            return True
        if thread is not threading.current_thread():
            thread.join(timeout_s)
        return not thread.is_alive()

    def ready(self) -> bool:
        """Whether a shot can be taken."""
        return self._slot is not None

    def take(self) -> Taken | None:
        """Take the newest due shot out of the slot, ``None`` when there is none; the next is due an interval later."""
        with self._changed:
            waiting, self._slot = self._slot, None
            if waiting is None:
                return None
            if not waiting.is_paced:
                self._pacing.took(waiting.taken.shot.pts_s)
            self._changed.notify_all()
            return waiting.taken

    def stats(self) -> FeedStats:
        """Counts since the start."""
        with self._changed:
            since = time.monotonic() - _RATE_S
            while self._arrivals and self._arrivals[0] < since:
                self._arrivals.popleft()
            times = self._arrivals
            span_s = times[-1] - times[0] if len(times) > 1 else 0.0
            return FeedStats(
                captured=self._captured,
                due=self._due,
                skipped=self._skipped,
                gated=self._gated,
                reconnects=self._reconnects,
                skew_s=self._skew_s,
                capture_fps=(len(times) - 1) / span_s if span_s > 0 else 0.0,
            )

    def _run(self) -> None:
        self._report("connecting", "")
        while not self._stopped.is_set():
            wait_s = 0.0
            try:
                self._connection()
            except SourceEnded as end:
                self.broken = isinstance(end, BrokenFileError)
                if not self._lossless or self._wait_for_room():
                    self._report("ended", str(end))
                break
            except LoginRefusedError as error:
                wait_s = _LOGIN_BACKOFF_S
                self._go_offline(str(error))
            except SourceError as error:
                self._go_offline(str(error))
            except Exception as error:
                _log.debug("camera %s: an unexpected error", self._name, exc_info=True)
                self._go_offline(f"it fails unexpectedly ({type(error).__name__}); --debug shows where")
            if not wait_s:
                wait_s = self._backoff_s
                self._backoff_s = min(_LAST_BACKOFF_S, self._backoff_s * 2)
            _log.debug("camera %s: %s; tried again in %.2f s", self._name, self.reason, wait_s)
            self._stopped.wait(wait_s)
        self._tell(self._wake)

    def _connection(self) -> None:
        """One connection, until it breaks off or the feed is stopped.

        Raises:
            SourceError: It is down.
        """
        source = self._open_source()
        self._is_new = True
        try:
            source.open()
            watch = _Watch(self._stall_s)
            while not self._stopped.is_set():
                if self._lossless and not self._wait_for_room():
                    return
                shot = source.read(_WAIT_S)
                if shot is not None:
                    self._accept(shot)
                    watch.saw_frame()
                else:
                    watch.check(source)
        finally:
            source.close()

    def _accept(self, shot: Shot) -> None:
        """Take a captured shot in: its media time, the status, the gate, the slot."""
        if self._is_new:
            self._is_new = False
            self._backoff_s = _FIRST_BACKOFF_S
            if self._captured:
                self._clock.restart()
            self._reconnects += self._was_online
            self._was_online = True
            self._report("online", "")
        shot = replace(shot, pts_s=self._clock.tick(shot.stamp_s, shot.arrived_s))
        if shot.camera_time is not None:
            self._learn_skew(shot.camera_time - shot.captured_at)
        with self._changed:
            index = self._captured
            self._captured += 1
            self._arrivals.append(shot.arrived_s)
            is_due = self._lossless or self._pacing.is_due(shot.pts_s)
            self._due += is_due
        if is_due:
            moving = self._gate is None or self._gate.moves(shot.luma(), shot.pts_s)
            if self._put(Taken(shot, index, moving)):
                self._tell(self._wake)

    def _put(self, new: Taken) -> bool:
        """Put a due shot into the slot if it belongs there, and say whether it does."""
        with self._changed:
            if self._stopped.is_set():
                return False
            pts_s, old = new.shot.pts_s, self._slot
            if new.moving:
                self._still_due_s = pts_s + _STILL_S
                self._skipped += old is not None and old.taken.moving
                self._slot = _Waiting(new, is_paced=False)
                return True
            self._gated += 1
            if old is not None and old.taken.moving:  # what moved is still to be looked at, in a newer picture
                self._slot = _Waiting(replace(new, moving=True), is_paced=False)
                return True
            self._pacing.took(pts_s)
            if pts_s < self._still_due_s:
                return False
            self._still_due_s = pts_s + _STILL_S
            self._slot = _Waiting(new, is_paced=True)
            return True

    def _wait_for_room(self) -> bool:
        """Wait until the slot is empty; ``False`` when the feed was stopped instead."""
        with self._changed:
            self._changed.wait_for(lambda: self._slot is None or self._stopped.is_set())
        return not self._stopped.is_set()

    def _learn_skew(self, skew_s: float) -> None:
        steps = self._skew_s is None or abs(skew_s - self._skew_s) > _CLOCK_STEP_S  # somebody set one of the clocks
        self._skew_s = skew_s if self._skew_s is None or steps else self._skew_s + _SKEW_SHARE * (skew_s - self._skew_s)

    def _go_offline(self, reason: str) -> None:
        with self._changed:
            if self._slot is not None:
                self._skipped += self._slot.taken.moving
                self._slot = None
            self._arrivals.clear()
        self._report("offline", reason)

    def _report(self, status: FeedStatus, reason: str) -> None:
        if self._stopped.is_set():
            return
        is_news = (status, reason) != (self.status, self.reason) or status == "connecting"
        self.status, self.reason = status, reason
        if is_news:
            self._tell(lambda: self._on_status(self._name, status, reason))

    def _tell(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception:  # a listener's fault is no fault of the camera
            _log.exception("camera %s: a listener failed", self._name)


class _Watch:
    """Sees when a connection that raises nothing is down all the same."""

    def __init__(self, stall_s: float) -> None:
        self._stall_s = stall_s
        self._since_s = self._life_s = time.monotonic()
        self._life = 0
        self._has_frame = False

    def saw_frame(self) -> None:
        """A frame has come."""
        self._since_s, self._has_frame = time.monotonic(), True

    def check(self, source: LiveSource) -> None:
        """Nothing has come; is that too long?

        Raises:
            SourceError: It is.
        """
        now = time.monotonic()
        if self._has_frame:
            if now - self._since_s > self._stall_s:
                raise SourceError(f"no frame for {self._stall_s:g} s; check network and camera")
            return
        life = source.life()
        if life != self._life:
            self._life, self._life_s = life, now
        if now - self._life_s > _SILENT_S:
            raise SourceError(f"connected, but nothing came for {_SILENT_S:g} s; check network and camera")
        if now - self._since_s > _KEY_FRAME_S:
            raise SourceError(
                f"packets come, but no picture in {_KEY_FRAME_S:g} s; set the camera to H.264 or H.265 with a key "
                "frame every few seconds"
            )
