"""The publisher to an MQTT broker: messages in, nothing blocks, and events are kept until the broker confirms them.

Retained messages never wait: after each connect the present state is published anew. Messages of QoS 0 are dropped
while the broker is away, and counted. Events (QoS 1, not retained) are written to the outbox before they are sent, go
out in order, and leave it when they are confirmed; what is sent late is marked as replayed.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

from paho.mqtt.reasoncodes import ReasonCode

from streams.broker import Broker, reason_of, tls_context
from streams.errors import BrokerError
from streams.message import Message
from streams.mqtt_connection import NO_ANSWER, Connection, Sent
from streams.outbox import Outbox, Row

__all__ = ["Broker", "MqttPublisher", "is_event"]

log = logging.getLogger(__name__)
_BAD_LOGIN = frozenset({"Not authorized", "Bad user name or password"})
_ANSWER_S = 10.0
_RETRY_S = (0.5, 3.0)
_REFUSED_S = 10.0
_LOOK_S = 5.0
_END_S = 1.0
_TIDY_S = 1.0
_SETTLE_S = 0.1
"""Confirmations that nobody waits for are looked at this often, or with the next messages."""
_WINDOW = 100
"""Events on the way that are not confirmed."""
_MAX_STATE = 1000
"""Retained messages on the way; beyond, the whole state is published once the broker has caught up."""
_POISON_TRIES = 5
_POISON_S = 10.0


@dataclass(frozen=True)
class _Unit:
    """What one call of ``publish`` handed over.

    Attributes:
        messages: In order.
        notes: For the outbox.
        epoch: Number of the connection that was there; 0 while the broker is away.
    """

    messages: tuple[Message, ...]
    notes: Mapping[str, str | None]
    epoch: int

    @property
    def size(self) -> int:
        """How much of the inbox it takes."""
        return max(1, len(self.messages))

    @cached_property
    def events(self) -> list[Message]:
        """What goes through the outbox."""
        return [message for message in self.messages if is_event(message)]

    @cached_property
    def direct(self) -> list[Message]:
        """What does not."""
        return [message for message in self.messages if not is_event(message)]


class _Inbox:
    """Bounded; holds what the sending thread has not taken yet. Used under the publisher's lock."""

    def __init__(self, bound: int) -> None:
        """At most so many messages."""
        self._bound = bound
        self._units: deque[_Unit] = deque()
        self._notes: dict[str, str | None] = {}
        self._size = 0
        self._unconfirmed = 0
        self.events = 0
        self.dropped = 0
        self.lost_state = False
        """Whether a retained message was dropped, so that the broker's state may be old."""

    def __bool__(self) -> bool:
        return bool(self._units or self._notes)

    def add(self, unit: _Unit) -> None:
        """Add a unit; beyond the bound messages of QoS 0 go first, then the oldest units. Notes always stay."""
        self._units.append(unit)
        self._size += unit.size
        self.events += len(unit.events)
        self._unconfirmed += sum(not message.qos for message in unit.messages)
        if self._size > self._bound and self._unconfirmed:
            self._drop_unconfirmed()
        while self._size > self._bound and self._units:
            self._drop_oldest()

    def _drop_unconfirmed(self) -> None:
        if self._unconfirmed == sum(not message.qos for message in self._units[-1].messages):
            looked_at = [self._units.pop()]  # it was full before: only the newest has some
        else:
            looked_at = list(self._units)
            self._units.clear()
        for unit in looked_at:
            left = replace(unit, messages=tuple(message for message in unit.messages if message.qos))
            self._size -= unit.size
            if left.messages or left.notes:
                self._units.append(left)
                self._size += left.size
        self.dropped += self._unconfirmed
        self._unconfirmed = 0

    def _drop_oldest(self) -> None:
        unit = self._units.popleft()
        self._size -= unit.size
        self._unconfirmed -= sum(not message.qos for message in unit.messages)
        self.events -= len(unit.events)
        self.dropped += len(unit.events)
        self.lost_state |= any(message.retain for message in unit.messages)
        self._notes.update(unit.notes)

    def take(self) -> tuple[list[_Unit], dict[str, str | None]]:
        """Empty it.

        Returns:
            The units, and notes of dropped units, which are older.
        """
        taken = list(self._units), self._notes
        self._units, self._notes = deque(), {}
        self._size = self._unconfirmed = self.events = 0
        return taken


class _RefusedError(BrokerError):
    """The broker is there, and says no."""

    def __init__(self, broker: Broker, what: str, reason: str, way_out: str) -> None:
        super().__init__(f"MQTT broker {broker} refuses the {what} ({reason}); {way_out}")
        self.reason = reason
        self.way_out = way_out


class MqttPublisher:
    """Publishes messages; safe to call from any thread; reconnects by itself.

    Two threads work: one connects, again and again; the other owns the outbox and sends. At least once, in order.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        will: Message,
        retained: Callable[[], Iterable[Message]],
        outbox: Outbox | None = None,
        *,
        subscriptions: Sequence[str] = (),
        on_message: Callable[[str, bytes, bool], None] | None = None,
        is_kept: Callable[[str], bool] = lambda topic: False,
        max_waiting: int = 20_000,
    ) -> None:
        """Prepare; ``start`` or ``begin`` connects.

        Args:
            broker: Where to.
            client_id: Stable per site, so that a broker ends an older session of ours.
            will: Published by the broker when we vanish.
            retained: Called after each connect, by the sending thread: the present retained state, birth message
                first. It must not show a value whose unit is not yet handed to ``publish``.
            outbox: Where events wait; the publisher closes it. Default: in memory.
            subscriptions: Topic filters, subscribed with QoS 1 at each connect.
            on_message: Told topic, payload and whether it was retained; by paho's thread, so it must not wait.
            is_kept: Whether a retained topic of ours that is not in ``retained()`` stays at the broker; all others are
                cleared at each connect.
            max_waiting: Messages that may wait in memory; the oldest are dropped beyond, and counted.

        Raises:
            ConfigError: A file of the TLS settings cannot be loaded.
        """
        self.broker = broker
        self.outbox = outbox if outbox is not None else Outbox.memory(max_waiting)
        self.published = 0
        """Messages that the broker has confirmed, and those of QoS 0 that were handed to it."""
        self.reconnects = -1
        self.refusal: str | None = "not connected yet"
        """Why there is no connection, in a sentence; ``None`` while there is one."""
        self._client_id = client_id
        self._will = will
        self._retained = retained
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._is_kept = is_kept
        self._tls: ssl.SSLContext | None = tls_context(broker)
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._settled = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._threads: list[threading.Thread] = []
        # Under the lock:
        self._inbox = _Inbox(max_waiting)
        self._connection: Connection | None = None
        self._busy = False
        self._flushing = 0
        self._ending = False
        self._dropped = 0
        self._taken = 0  # events between inbox and outbox
        self._stored = self.outbox.depth
        self._last_id = self.outbox.last_id
        self._state_on_the_way = 0
        # Of the sending thread:
        self._served: Connection | None = None
        self._refresh = False
        self._next_tidy = 0.0
        self._stuck, self._tries = 0, 0
        self._told_reasons: set[str] = set()
        # Of the connecting thread:
        self._told: set[str] = set()

    # Connecting

    def start(self, timeout_s: float = _ANSWER_S) -> Self:
        """Connect, and wait for the broker's answer.

        Raises:
            BrokerError: Not reachable in time, no MQTT broker, or the login is refused.
        """
        try:
            connection = self._connect(timeout_s)
        except BrokerError:
            self._closing.set()
            self.outbox.close()
            raise
        self._begin(connection)
        return self

    def begin(self) -> Self:
        """Connect in the background, and keep trying for ever; returns at once.

        What keeps the broker away is logged once for each reason, and is in ``refusal``.
        """
        self._begin(None)
        return self

    def _begin(self, connection: Connection | None) -> None:
        self._threads = [
            threading.Thread(target=self._send_all, name="outbox", daemon=True),
            threading.Thread(target=self._keep_connected, args=(connection,), name="mqtt-connect", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _connect(self, timeout_s: float) -> Connection:
        """Open a connection.

        Raises:
            BrokerError: With the sentence for people.
        """
        connection = Connection(self.broker, self._tls, self._client_id, self._will, self)
        try:
            connection.open()
        except (OSError, ValueError) as error:
            connection.end()
            raise BrokerError(
                f"MQTT broker {self.broker} cannot be reached ({reason_of(error)}); start it, or check host and port"
            ) from error
        answered = connection.answered.wait(timeout_s)
        if connection.accepted:  # or lost again already
            return connection
        connection.end()
        if not answered:
            raise BrokerError(f"MQTT broker {self.broker} does not answer within {timeout_s:g} s; check host and port")
        reason = str(connection.refusal)
        if reason == NO_ANSWER:
            tls = "on" if self.broker.tls else "off"
            certificate = ", and whether it wants a client certificate" if self.broker.tls else ""
            raise BrokerError(
                f"MQTT broker {self.broker} {NO_ANSWER}; check the port, and TLS, which is {tls} "
                f"(mqtts://, or mqtt.tls in a site file){certificate}"
            )
        if reason in _BAD_LOGIN:
            raise _RefusedError(self.broker, "login", reason, "check user name and password")
        raise _RefusedError(self.broker, "connection", reason, "see the broker's log")

    def _keep_connected(self, connection: Connection | None) -> None:
        """Connect again whenever the broker is lost, until the end."""
        first, longest = _RETRY_S
        delay = 0.0
        while True:
            if connection is not None:
                self._watch(connection)
                connection.end()
                connection, delay = None, first
            if self._closing.wait(delay):
                return
            try:
                connection = self._connect(_ANSWER_S)
            except BrokerError as error:
                refused = isinstance(error, _RefusedError)
                delay = _REFUSED_S if refused else min(max(2 * delay, first), longest)
                self._tell(error, is_news=refused or self.reconnects < 0 or isinstance(error.__cause__, ssl.SSLError))
            except Exception as error:  # no thread can be started, a name that cannot be packed: go on trying
                delay = _REFUSED_S
                self.refusal = f"MQTT broker {self.broker}: the connection fails unexpectedly ({type(error).__name__})"
                log.debug("%s", self.refusal, exc_info=error)
                log.error("%s; it is tried again every %g s", self.refusal, _REFUSED_S)
            else:
                self._told.clear()

    def _tell(self, error: BrokerError, is_news: bool) -> None:
        """Log what keeps us away; each reason once, until there is a connection again."""
        self.refusal = sentence = str(error)
        if isinstance(error, _RefusedError):
            sentence = f"MQTT broker {self.broker} refuses the connection ({error.reason}); {error.way_out}"
        if is_news and sentence not in self._told:
            self._told.add(sentence)
            log.warning("%s; messages wait, and it is tried again", sentence)
        else:
            log.debug("%s", sentence)

    def _watch(self, connection: Connection) -> None:
        """Wait until a connection is gone."""
        while not self._closing.is_set() and not connection.gone.wait(_LOOK_S):
            if not connection.is_alive:
                self.connection_down(connection, "its answer cannot be read")
                return

    def connection_up(self, connection: Connection) -> None:
        """Called by a connection: the broker has taken it."""
        with self._lock:
            if self._closing.is_set():
                return
            self.reconnects += 1
            connection.epoch = self.reconnects + 1
            self._connection = connection
            self.refusal = None
            self._wake.notify()
        log.info("MQTT broker %s is %s", self.broker, "back" if self.reconnects else "connected")

    def connection_down(self, connection: Connection, reason: str) -> None:
        """Called by a connection: it is lost."""
        with self._lock:
            if connection is not self._connection:
                return
            self._connection = None
            self._state_on_the_way = 0
            self.refusal = f"MQTT broker {self.broker} is gone ({reason})"
            self._wake.notify()
        log.warning("MQTT broker %s is gone (%s); messages wait until it is back", self.broker, reason)

    def connection_acknowledged(self, connection: Connection) -> None:
        """Called by a connection: the broker has confirmed something; wakes the sending thread if needed."""
        if self._is_waited_for(connection):
            with self._lock:
                self._wake.notify()

    def _is_waited_for(self, connection: Connection) -> bool:
        """Whether confirmations are to be looked at now: for a flush, or to make room for what is to be sent."""
        return bool(self._flushing or self._refresh or connection.has_later or connection.last_sent < self._last_id)

    def connection_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """Called by a connection: a message to one of the subscriptions."""
        if self._on_message is not None:
            self._on_message(topic, payload, retained)

    # What callers see

    def publish(self, *messages: Message, notes: Mapping[str, str | None] | None = None) -> None:
        """Send messages, or let them wait, or drop and count them; never blocks.

        One call is one unit: its events and notes are in the outbox together, before any of its messages goes out.

        Args:
            messages: In order.
            notes: Small records to keep in the outbox by key; ``None`` removes one.
        """
        with self._lock:
            epoch = self._connection.epoch if self._connection is not None else 0
            if self._ending:
                self._dropped += sum(not message.retain for message in messages)
                return
            if not epoch:
                self._dropped += sum(not (message.qos or message.retain) for message in messages)
                messages = tuple(message for message in messages if is_event(message))
            if messages or notes:
                self._inbox.add(_Unit(messages, dict(notes or {}), epoch))
                self._wake.notify()

    @property
    def connected(self) -> bool:
        """Whether the broker has taken the connection and it is not lost."""
        return self._connection is not None

    @property
    def dropped(self) -> int:
        """Messages lost to a limit, to a refusal, or (QoS 0) to a broker that is away or too slow."""
        with self._lock:
            return self._dropped + self._inbox.dropped + self.outbox.dropped

    @property
    def depth(self) -> int:
        """Events that wait or are not confirmed."""
        with self._lock:
            return self._depth()

    @property
    def undelivered(self) -> int:
        """Messages of QoS 1 that the broker has not confirmed."""
        with self._lock:
            return self._depth() + self._state_on_the_way

    def _depth(self) -> int:
        return self._inbox.events + self._taken + self._stored

    def _is_settled(self) -> bool:
        return (
            self._connection is not None
            and self._connection.greeted
            and not (self._busy or self._inbox or self._refresh)
            and not self._depth() + self._state_on_the_way
        )

    def flush(self, timeout_s: float) -> int:
        """Wait until the broker is there and all messages of QoS 1 are confirmed; return how many are not."""
        with self._lock:
            self._flushing += 1
            self._wake.notify()
            self._settled.wait_for(self._is_settled, timeout_s)
            self._flushing -= 1
        return self.undelivered

    def close(self, timeout_s: float = 5.0) -> int:
        """Flush, disconnect cleanly, end the threads and close the outbox; at most 4 s more than ``timeout_s``.

        Returns:
            How many messages of QoS 1 were not confirmed. With an outbox on disk: the events in it, which wait there
            for the next start. In memory they are lost; while the broker is away, so are those of the retained state,
            which count, too.
        """
        left = self.flush(timeout_s)
        if self.outbox.path is None and not self.connected:
            left += sum(1 for _ in self._retained())
        with self._lock:
            self._closing.set()
            self._ending = True
            self._wake.notify()
        if not self._threads:
            self._finish()
        for thread in self._threads[:1]:
            thread.join(_END_S)
            if thread.is_alive():
                log.warning("the outbox does not end in time")
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.end()
        for thread in self._threads[1:]:
            thread.join(_END_S)
        self._served = None  # it holds us, and two sockets, until the garbage collector comes by
        return left if self.outbox.path is None else self.depth

    # Sending

    def _send_all(self) -> None:
        """The sending thread."""
        ending = False
        while not ending:
            with self._lock:
                self._wake.wait_for(self._has_work, self._patience())
                self._busy = True
                ending = self._ending
            try:
                self._turn()
            except Exception:  # a fault of ours must not end the thread that everything goes through
                log.exception("publishing fails")
                self._closing.wait(_TIDY_S)
            with self._lock:
                self._busy = False
                self._settled.notify_all()
        self.outbox.close()

    def _patience(self) -> float | None:
        """Seconds after which there is something to do in any case."""
        if self._connection is not None and self._connection.unsettled:
            return _SETTLE_S
        return _TIDY_S if self._stored or self.outbox.failing else None

    def _finish(self) -> None:
        """The end without threads: what was handed over goes into the outbox."""
        self._turn()
        self.outbox.close()

    def _has_work(self) -> bool:
        connection = self._connection
        return bool(
            self._ending
            or self._inbox
            or connection is not self._served
            or (connection is not None and self._needs_state(connection))
            or (connection is not None and connection.acknowledged and self._is_waited_for(connection))
        )

    def _needs_state(self, connection: Connection) -> bool:
        return not connection.greeted or (self._refresh and not connection.state_on_the_way)

    def _turn(self) -> None:
        """Take all there is, commit it, and send what may be sent."""
        connection, state, units, notes = self._take()
        if connection is not self._served:
            if self._served is not None:
                self._leave(self._served)
            self._served = connection
        if connection is not None:
            self._settle(connection)
        fresh = self._store(connection, state, units, notes)
        if connection is not None:
            if state is not None:
                self._send_state(connection, state)
            for message in fresh:
                self._send_direct(connection, message)
            self._send_events(connection)
        with self._lock:
            self._stored = self.outbox.depth
            if connection is not None and connection is self._connection:
                self._state_on_the_way = connection.state_on_the_way

    def _take(self) -> tuple[Connection | None, list[Message] | None, list[_Unit], dict[str, str | None]]:
        """The connection, its retained state when that is due, and the inbox.

        The state is asked for before the inbox is taken: the events behind its values are committed before it is sent.
        """
        while True:
            connection = self._connection
            state = None
            if connection is not None and self._needs_state(connection):
                state = list(self._retained())
            with self._lock:
                if connection is self._connection:
                    self._taken = self._inbox.events
                    units, notes = self._inbox.take()
                    self._refresh |= self._inbox.lost_state
                    self._inbox.lost_state = False
                    return connection, state, units, notes

    def _store(
        self,
        connection: Connection | None,
        state: list[Message] | None,
        units: list[_Unit],
        notes: dict[str, str | None],
    ) -> list[Message]:
        """Commit events and notes.

        Returns:
            The other messages that were published on this connection; those of an earlier one are dropped.
        """
        outbox = self.outbox
        epoch = connection.epoch if connection is not None else 0
        late = [unit for unit in units if not epoch or unit.epoch != epoch]
        fresh = units[len(late) :]
        outbox.note(notes)
        for unit in late:
            outbox.put(unit.events)
            outbox.note(unit.notes)
        if connection is not None and not connection.greeted:
            connection.replay_until = outbox.last_id
        for unit in fresh:
            outbox.put(unit.events)
            outbox.note(unit.notes)
        direct = [message for unit in fresh for message in unit.direct]
        outbox.remember(message.topic for message in (*(state or ()), *direct) if message.retain and message.payload)
        outbox.commit(at_once=self._ending)
        if state is not None or time.monotonic() >= self._next_tidy:
            self._next_tidy = time.monotonic() + _TIDY_S
            outbox.expire()
        with self._lock:
            self._dropped += sum(not (message.qos or message.retain) for unit in late for message in unit.messages)
            self._taken, self._stored, self._last_id = 0, outbox.depth, outbox.last_id
        return direct

    def _send_state(self, connection: Connection, state: list[Message]) -> None:
        """Publish the retained state; on a new connection also subscribe, and clear what is no longer ours."""
        self._refresh = False
        for message in state:
            self._send(connection, message)
        if connection.greeted:
            return
        connection.subscribe(self._subscriptions)
        stale = self.outbox.topics - {message.topic for message in state}
        for topic in sorted(topic for topic in stale if not self._is_kept(topic)):
            self._send(connection, Message(topic, b"", qos=1, retain=True))
        connection.greeted = True

    def _send_direct(self, connection: Connection, message: Message) -> None:
        if message.qos and connection.state_on_the_way >= _MAX_STATE:
            self._refresh = True
        else:
            self._send(connection, message)

    def _send_events(self, connection: Connection) -> None:
        """Send from the outbox, as many as may be on the way."""
        outbox = self.outbox
        window = 1 if self._tries > 1 else _WINDOW
        while connection.last_sent < outbox.last_id:
            room = min(window - connection.rows_on_the_way, connection.room)
            if room <= 0:
                return
            if not (rows := outbox.after(connection.last_sent, room)):
                return
            for row in rows:
                late = row.id <= connection.replay_until
                self._send(connection, row.message.replayed() if late else row.message, row)
                connection.last_sent = row.id

    def _send(self, connection: Connection, message: Message, row: Row | None = None) -> None:
        try:
            is_sent = connection.send(message, row)
        except ValueError as error:
            log.warning("MQTT broker %s: a message to %r cannot be sent (%s)", self.broker, message.topic, error)
            is_sent = False
            if row is not None:
                self.outbox.delete(row)
        if not is_sent:
            self._count_dropped()
        elif not message.qos:
            self.published += 1
        if message.retain and not message.payload and not message.qos:
            self.outbox.forget(message.topic)  # nobody confirms it
        elif message.retain and not message.payload:
            connection.clearing.add(message.topic)
        elif message.retain:
            connection.clearing.discard(message.topic)

    def _count_dropped(self) -> None:
        with self._lock:
            self._dropped += 1

    def _settle(self, connection: Connection) -> None:
        """Forget what the broker has confirmed."""
        for sent, reason in connection.take_acknowledged():
            known = sent.row is None or self.outbox.delete(sent.row)
            if sent.row is not None and sent.row.id == self._stuck:
                self._tries = 0
            if reason.is_failure:
                self._refused(sent, reason, known)
                continue
            self.published += 1
            topic = sent.message.topic
            if sent.message.retain and not sent.message.payload and topic in connection.clearing:
                connection.clearing.discard(topic)
                self.outbox.forget(topic)

    def _refused(self, sent: Sent, reason: ReasonCode, known: bool) -> None:
        """MQTT 5: the broker says of a message that it does not take it."""
        if known:
            self._count_dropped()
        if (name := reason.getName()) not in self._told_reasons:
            self._told_reasons.add(name)
            log.warning(
                "MQTT broker %s does not take a message to %s (%s); it is dropped, as are others like it",
                self.broker, sent.message.topic, name,
            )  # fmt: skip

    def _leave(self, connection: Connection) -> None:
        """After a connection: take its last confirmations, and drop an event that ends each connection.

        Some brokers hang up at a message that they do not take. One that was the first on the way in several short
        connections, the last of them without others beside it, would hold up all behind it for ever.
        """
        self._settle(connection)
        oldest = connection.oldest_row
        if oldest is None or (connection.confirmed_rows and oldest.id != self._stuck):
            self._stuck, self._tries = (oldest.id, 0) if oldest else (0, 0)
            return
        if oldest.id != self._stuck:
            self._stuck, self._tries = oldest.id, 0
        if connection.confirmed_state and connection.age_s < _POISON_S:
            self._tries += 1
        if self._tries >= _POISON_TRIES and self.outbox.delete(oldest):
            self._tries = 0
            self._count_dropped()
            log.warning(
                "MQTT broker %s hangs up whenever it gets an event to %s; the event is dropped",
                self.broker, oldest.message.topic,
            )  # fmt: skip


def is_event(message: Message) -> bool:
    """Whether a message goes through the outbox."""
    return bool(message.qos) and not message.retain
