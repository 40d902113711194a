"""One connection to an MQTT broker (paho), from its opening to its end, and what it has sent and not seen confirmed.

Each connection has a paho client of its own, which keeps nothing beyond it: what paho would send again by itself comes
after the present state, out of order, and would leave old retained values at the broker.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from streams.broker import Broker
from streams.message import Message
from streams.outbox import Row

log = logging.getLogger(__name__)
NO_ANSWER = "closed the connection without an answer"
_KEEPALIVE_S = 20
"""paho asks after this time of silence and gives up after the same again: a frozen broker is noticed after 41 s."""
_MAX_UNSENT = 1000
_MAX_TOPIC = 65_535
_MAX_PAYLOAD = 268_000_000
_END_S = 1.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of QoS 1 on its way.

    Attributes:
        message: As it was sent.
        row: Where it waits until it is confirmed; ``None`` for retained ones, which do not wait.
    """

    message: Message
    row: Row | None = None


class Listener(Protocol):
    """Who is told; called from paho's thread, and must not wait."""

    def connection_up(self, connection: Connection) -> None:
        """The broker has taken the connection (reason code 0)."""

    def connection_down(self, connection: Connection, reason: str) -> None:
        """The connection is lost, or was refused."""

    def connection_acknowledged(self, connection: Connection) -> None:
        """``acknowledged`` has something new."""

    def connection_message(self, topic: str, payload: bytes, retained: bool) -> None:
        """A message to one of the subscriptions."""


class Connection:
    """One connection; opened once, ended once. What is not documented otherwise belongs to the sending thread."""

    def __init__(
        self, broker: Broker, tls: ssl.SSLContext | None, client_id: str, will: Message, listener: Listener
    ) -> None:
        """Prepare; ``open`` connects."""
        self._broker = broker
        self._listener = listener
        self.answered = threading.Event()
        """Set once the broker has said yes or no, or hung up."""
        self.gone = threading.Event()
        """Set when the connection is lost, or to be given up."""
        self.accepted = False
        self.refusal: str | None = None
        self.acknowledged: deque[tuple[int, ReasonCode]] = deque()
        """Message ids and what the broker said of them, from paho's thread."""
        self.epoch = 0
        """Number of the connection, given by the publisher."""
        self.greeted = False
        self.last_sent = 0
        self.replay_until = 0
        """Rows up to this id are sent late."""
        self.clearing: set[str] = set()
        """Topics whose retained value is being cleared."""
        self.confirmed_rows = 0
        self.confirmed_state = 0
        self.rows_on_the_way = 0
        """Rows sent and not confirmed."""
        self.sent: dict[int, Sent] = {}
        self._later: deque[Sent] = deque()
        self._unsent: deque[mqtt.MQTTMessageInfo] = deque()
        self._most = 65535  # that MQTT allows to be unconfirmed
        self._opened_at, self._lost_at = time.monotonic(), 0.0
        self._thread: threading.Thread | None = None
        self._client = self._make_client(tls, client_id, will)

    def _make_client(self, tls: ssl.SSLContext | None, client_id: str, will: Message) -> mqtt.Client:
        is_5 = self._broker.protocol == "5"
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=mqtt.MQTTv5 if is_5 else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        client.will_set(will.topic, will.payload, will.qos, will.retain)
        if self._broker.username:
            client.username_pw_set(self._broker.username, self._broker.password or None)
        if tls is not None:
            client.tls_set_context(tls)
        client.max_inflight_messages_set(0)  # how much is on its way is limited here
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        return client

    def open(self) -> None:
        """Connect; the broker's answer sets ``answered``.

        Raises:
            OSError: The broker cannot be reached, or TLS fails.
            ValueError: Host or port make no sense.
        """
        self._client.connect(self._broker.host, self._broker.port, keepalive=_KEEPALIVE_S)
        self._client.loop_start()

    @property
    def age_s(self) -> float:
        """How long the connection lasted, or has lasted so far."""
        return (self._lost_at or time.monotonic()) - self._opened_at

    @property
    def is_alive(self) -> bool:
        """Whether paho still reads; a message that it cannot read ends its thread without a word."""
        return self._thread is None or self._thread.is_alive()

    @property
    def state_on_the_way(self) -> int:
        """Retained messages sent and not confirmed."""
        return len(self.sent) + len(self._later) - self.rows_on_the_way

    @property
    def unsettled(self) -> bool:
        """Whether something of QoS 1 was sent that ``take_acknowledged`` has not given back."""
        return bool(self.sent)

    @property
    def has_later(self) -> bool:
        """Whether messages wait in memory until there is room."""
        return bool(self._later)

    @property
    def oldest_row(self) -> Row | None:
        """The first row that is not confirmed."""
        return next((sent.row for sent in (*self.sent.values(), *self._later) if sent.row), None)

    @property
    def room(self) -> int:
        """How many more messages may be on the way; what is sent beyond waits in memory until there is room."""
        return self._most - len(self.sent) - len(self._later)

    def send(self, message: Message, row: Row | None = None) -> bool:
        """Send a message.

        Args:
            message: What to send.
            row: Kept with a message of QoS 1 until it is confirmed.

        Returns:
            Whether it is on its way; ``False`` for one of QoS 0 that a slow broker does not take.

        Raises:
            ValueError: No broker can take it: its topic is empty or has a wildcard, or it is far too large.
        """
        _check(message)  # paho would refuse it only when its turn comes
        if not message.qos:
            return self._send_unconfirmed(message)
        sent = Sent(message, row)
        self.rows_on_the_way += row is not None
        if self._later or len(self.sent) >= self._most:
            self._later.append(sent)
        else:
            self._send(sent)
        return True

    def _send(self, sent: Sent) -> None:
        message = sent.message
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        self.sent[info.mid] = sent  # lost this very moment: it goes with the connection

    def _send_unconfirmed(self, message: Message) -> bool:
        while self._unsent and self._unsent[0].is_published():
            self._unsent.popleft()
        if len(self._unsent) >= _MAX_UNSENT:
            return False
        info = self._client.publish(message.topic, message.payload, 0, message.retain)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return False
        self._unsent.append(info)
        return True

    def take_acknowledged(self) -> list[tuple[Sent, ReasonCode]]:
        """What the broker has confirmed, or refused, since the last call; sends what waited for room."""
        found = []
        while self.acknowledged:
            mid, reason = self.acknowledged.popleft()
            if sent := self.sent.pop(mid, None):  # those of QoS 0 are not there
                found.append((sent, reason))
                self.rows_on_the_way -= sent.row is not None
                self.confirmed_rows += sent.row is not None
                self.confirmed_state += sent.row is None
        while self._later and len(self.sent) < self._most:
            self._send(self._later.popleft())
        return found

    def subscribe(self, topics: Sequence[str]) -> None:
        """Subscribe with QoS 1."""
        if topics:
            self._client.subscribe([(topic, 1) for topic in topics])

    def end(self) -> None:
        """Disconnect and end paho's thread; safe to call twice.

        A broker that takes nothing any more is not waited for: its socket is shut.
        """
        self.gone.set()
        self._client.disconnect()
        ending = threading.Thread(target=self._client.loop_stop, name="mqtt-end", daemon=True)
        ending.start()
        ending.join(_END_S)
        handle: Any = self._client.socket()
        if ending.is_alive() and handle is not None:
            try:
                handle.shutdown(socket.SHUT_RDWR)
            except OSError as error:
                log.debug("MQTT broker %s: the socket is closed already (%s)", self._broker, error)
            ending.join(_END_S)
        client = self._client  # callbacks and client hold each other, and with them two sockets
        client.on_connect = client.on_disconnect = client.on_publish = client.on_message = None

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._thread = threading.current_thread()
        if reason.is_failure:
            self.refusal = reason.getName()
        else:
            self._most = getattr(properties, "ReceiveMaximum", self._most)
            self.accepted = True
            self._listener.connection_up(self)
        self.answered.set()

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._lost_at = time.monotonic()
        if not self.answered.is_set():
            self.refusal = NO_ANSWER
        name = reason.getName()
        self._listener.connection_down(self, "the connection broke" if name == "Unspecified error" else name)
        self.gone.set()
        self.answered.set()

    def _on_publish(self, client: Any, data: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self.acknowledged.append((mid, reason))
        self._listener.connection_acknowledged(self)

    def _on_message(self, client: Any, data: Any, message: mqtt.MQTTMessage) -> None:
        try:
            self._listener.connection_message(message.topic, bytes(message.payload), bool(message.retain))
        except Exception:  # paho's thread would end
            log.exception("a message to one of the subscriptions cannot be handled")


def _check(message: Message) -> None:
    _check_topic(message.topic)
    if len(message.payload) > _MAX_PAYLOAD:
        raise ValueError("the payload is too large for MQTT")


@lru_cache(maxsize=1024)
def _check_topic(topic: str) -> None:
    if not topic or len(topic.encode()) > _MAX_TOPIC or any(sign in topic for sign in "+#\0"):
        raise ValueError("the topic is empty, too long, or has a wildcard")
