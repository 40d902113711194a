"""The capture thread of one camera: keeps it connected and holds its newest due picture ready."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from streams.errors import BrokenFileError, LoginRefusedError, SourceEnded, SourceError
from streams.live_clock import LiveClock
from streams.live_source import LiveSource
from streams.pacing import Pacing
from streams.shot import Shot
from streams.silence import Silence
from streams.taken import FeedStats, FeedStatus, Gate, Taken
from streams.turns import LeftBehindError, Turn

_log = logging.getLogger(__name__)

_WAIT_S = 0.2
_FIRST_BACKOFF_S, _LAST_BACKOFF_S = 0.25, 5.0
_LOGIN_BACKOFF_S = 10.0
_STEADY_S = 10.0
"""So long online, and the next wait is the shortest again."""
_OPEN_S, _READ_S, _CLOSE_S, _TELL_S = 20.0, 5.0, 5.0, 40.0
_GRACE_S = 1.5
"""A call that takes so much longer hangs."""
_MOST_LEFT = 8
"""So many threads of a camera may hang at once: each keeps its connection, and its memory."""
_STILL_S = 0.5
"""Media seconds between the shots that are passed on while nothing moves."""
_RATE_S = 5.0
_SKEW_SHARE = 0.05
_CLOCK_STEP_S = 1.0


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

    A thread that hangs in a library is left behind, with its connection, and another one goes on: ``check`` sees that.

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
        self._turn = Turn()
        self._left: list[threading.Thread] = []
        self._clock = LiveClock(by_stamps=lossless)
        self._pacing = Pacing(detect_fps)
        self._slot: _Waiting | None = None
        self._still_due_s = 0.0
        self._captured = self._due = self._skipped = self._gated = self._reconnects = 0
        self._was_online = False
        self._is_new = True
        self._backoff_s = _FIRST_BACKOFF_S
        self._online_s = 0.0
        self._skew_s: float | None = None
        self._arrivals: deque[float] = deque(maxlen=1024)

    def start(self) -> None:
        """Start the thread; does nothing when it was started or stopped before."""
        with self._changed:
            if self._thread is None and not self._stopped.is_set():
                self._begin()

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

    def check(self) -> None:
        """Leave the thread behind where it hangs in a library, and go on with another; call it a few times a second."""
        with self._changed:
            turn, thread = self._turn, self._thread
            is_over = self._stopped.is_set() or self.status == "ended"
            if thread is None or is_over or not turn.take_away(time.monotonic()):
                return
            self._left = [*self._hanging(), thread]
            self._begin(
                f"it hangs while {turn.doing} and is left behind; check network and camera" if turn.doing else ""
            )

    def _hanging(self) -> list[threading.Thread]:
        return [thread for thread in self._left if thread.is_alive()]

    def _begin(self, reason: str = "") -> None:
        """Let a new thread go on; a reason says why the last one is left behind."""
        self._turn = turn = Turn(reason)
        self._thread = threading.Thread(target=self._run, args=(turn,), name=f"capture-{self._name}", daemon=True)
        self._thread.start()

    def _run(self, turn: Turn) -> None:
        try:
            if not self._left:
                self._report("connecting", "")
            else:
                self._go_on(turn.reason)
            while not self._stopped.is_set() and self._connect(turn):
                pass
            self._tell(self._wake)
        except LeftBehindError:
            _log.debug("camera %s: a thread that was left behind has ended", self._name)

    def _go_on(self, reason: str) -> None:
        """Begin where another thread was left behind: when there are too many, one of them must end first."""
        if reason:
            self._go_offline(reason)
        self._pause()
        if (count := len(self._hanging())) >= _MOST_LEFT:
            self._go_offline(
                f"{count} connections hang and are left behind; a new one is made when one of them has ended, or after "
                "a restart of the service; check network and camera"
            )
        while len(self._hanging()) >= _MOST_LEFT and not self._stopped.is_set():
            self._stopped.wait(_LAST_BACKOFF_S)

    def _connect(self, turn: Turn) -> bool:
        """One connection until it breaks off, and the wait after it; says whether there will be another.

        Raises:
            LeftBehindError: It hung; another thread has taken over.
        """
        source: LiveSource | None = None
        wait_s = 0.0
        try:
            source = self._open_source()
            self._watch(source, turn)
        except LeftBehindError:
            raise
        except SourceEnded as end:
            self.broken = isinstance(end, BrokenFileError)
            if not self._lossless or self._wait_for_room():
                self._report("ended", str(end))
            return False
        except LoginRefusedError as error:
            wait_s = _LOGIN_BACKOFF_S
            self._go_offline(str(error))
        except SourceError as error:
            self._go_offline(str(error))
        except Exception as error:
            _log.debug("camera %s: an unexpected error", self._name, exc_info=True)
            self._go_offline(f"it fails unexpectedly ({type(error).__name__}); --debug shows where")
        finally:
            if source is not None:
                self._close(source, turn)
        self._pause(wait_s)
        return True

    def _watch(self, source: LiveSource, turn: Turn) -> None:
        """Read until the feed is stopped.

        Raises:
            LeftBehindError: It hung; another thread has taken over.
            SourceError: It is down.
        """
        self._is_new = True
        with self._until(turn, _OPEN_S, "connecting"):
            source.open()
        silence = Silence(self._stall_s)
        while not self._stopped.is_set():
            if self._lossless and not self._wait_for_room():
                return
            left_s = max(self._stall_s, _READ_S)
            if silence.has_frame:
                left_s = max(0.0, silence.since_s + left_s - time.monotonic())
            with self._until(turn, left_s, "reading"):
                shot = source.read(_WAIT_S)
            if shot is not None:
                self._accept(shot)
                silence.saw_frame()
            else:
                silence.check(source)

    def _until(self, turn: Turn, seconds: float, doing: str = "") -> AbstractContextManager[None]:
        """A call that hangs when it takes longer; of a file that loses nothing, it takes as long as it takes."""
        limit_s = math.inf if self._lossless else time.monotonic() + seconds + _GRACE_S
        return turn.until(limit_s, doing)

    def _close(self, source: LiveSource, turn: Turn) -> None:
        try:
            with self._until(turn, _CLOSE_S):
                source.close()
        except LeftBehindError:
            raise
        except Exception:
            _log.debug("camera %s: closing fails", self._name, exc_info=True)

    def _pause(self, wait_s: float = 0.0) -> None:
        """Wait so long before the next connection, by default longer from time to time."""
        if not wait_s:
            wait_s = self._backoff_s
            self._backoff_s = min(_LAST_BACKOFF_S, self._backoff_s * 2)
        _log.debug("camera %s: %s; tried again in %.2f s", self._name, self.reason, wait_s)
        self._stopped.wait(wait_s)

    def _accept(self, shot: Shot) -> None:
        """Take a captured shot in: its media time, the status, the gate, the slot."""
        if self._is_new:
            self._is_new = False
            self._online_s = shot.arrived_s
            if self._captured:
                self._clock.restart()
            self._reconnects += self._was_online
            self._was_online = True
            self._report("online", "")
        elif shot.arrived_s - self._online_s >= _STEADY_S:
            self._backoff_s = _FIRST_BACKOFF_S
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
            with self._until(self._turn, _TELL_S, "telling its state"):  # a listener may wait for a thread that hangs
                call()
        except LeftBehindError:
            raise
        except Exception:  # a listener's fault is no fault of the camera
            _log.exception("camera %s: a listener failed", self._name)
