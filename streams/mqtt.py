"""The connection to an MQTT broker (paho): messages in, nothing blocks.

Retained messages never wait: after each connect the present state is published anew. Messages of QoS 1 wait in memory,
bounded, while the broker is away, and go out in order, marked as replayed. Messages of QoS 0 are dropped then, and
counted.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from config.errors import ConfigError
from streams.errors import BrokerError
from streams.message import Message

log = logging.getLogger(__name__)
_BAD_LOGIN = frozenset({"Not authorized", "Bad user name or password"})


@dataclass(frozen=True, slots=True)
class Broker:
    """How to reach a broker. ``password`` is never shown.

    Attributes:
        host: Name or address.
        port: TCP port.
        username: Empty for none.
        password: Empty for none.
        tls: Whether to encrypt.
        ca: CA certificate file; default: the system's.
        cert: Client certificate file.
        key: Client key file.
    """

    host: str
    port: int = 1883
    username: str = ""
    password: str = ""
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    def __repr__(self) -> str:
        return f"Broker({self})"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def from_url(cls, url: str) -> tuple[Broker, str]:
        """Read ``mqtt[s]://[user[:password]@]host[:port][/prefix]``.

        Returns:
            The broker and the topic prefix, empty when the URL has none.

        Raises:
            ConfigError: Not such a URL.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            parts, port = urlsplit(""), None
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
            raise ConfigError("--mqtt wants mqtt://host:port or mqtts://host:port, with /prefix behind it if needed")
        tls = parts.scheme == "mqtts"
        broker = cls(
            parts.hostname,
            port or (8883 if tls else 1883),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            tls,
        )
        return broker, parts.path.strip("/")


class MqttPublisher:
    """Publishes messages; safe to call from any thread; reconnects by itself."""

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        will: Message,
        retained: Callable[[], Iterable[Message]],
        max_waiting: int = 20_000,
    ) -> None:
        """Prepare a connection.

        Args:
            broker: Where to.
            client_id: Stable per site, so that a broker ends an older session of ours.
            will: Published by the broker when we vanish.
            retained: Called after each connect: the present retained state, birth message first.
            max_waiting: Messages of QoS 1 that may wait while the broker is away; the oldest are dropped beyond.
        """
        self.broker = broker
        self._retained = retained
        self._max_waiting = max_waiting
        self._waiting: deque[Message] = deque()
        self._unconfirmed: deque[mqtt.MQTTMessageInfo] = deque()
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._refusal: str | None = None
        self.connected = False
        self.published = 0
        self.dropped = 0
        self.reconnects = -1
        self._client = self._make_client(client_id, will)

    def _make_client(self, client_id: str, will: Message) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv311)
        client.will_set(will.topic, will.payload, will.qos, will.retain)
        if self.broker.username:
            client.username_pw_set(self.broker.username, self.broker.password or None)
        if self.broker.tls:
            _encrypt(client, self.broker)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        client.max_queued_messages_set(self._max_waiting)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        return client

    def start(self, timeout_s: float = 10.0) -> Self:
        """Connect, and wait for the broker's answer.

        Raises:
            BrokerError: Not reachable in time, or the login is refused.
        """
        try:
            self._client.connect(self.broker.host, self.broker.port, keepalive=30)
        except (OSError, ValueError) as error:
            raise BrokerError(
                f"MQTT broker {self.broker} cannot be reached ({_reason(error)}); start it, or check host and port"
            ) from error
        self._client.loop_start()
        answered = self._answered.wait(timeout_s)
        if self.connected:
            return self
        refusal = self._refusal
        self.close(timeout_s=0)
        if not answered:
            raise BrokerError(f"MQTT broker {self.broker} does not answer within {timeout_s:g} s; check host and port")
        if refusal in _BAD_LOGIN:
            raise BrokerError(f"MQTT broker {self.broker} refuses the login ({refusal}); check user name and password")
        raise BrokerError(f"MQTT broker {self.broker} refuses the connection ({refusal}); see the broker's log")

    def publish(self, message: Message) -> None:
        """Send a message, or let it wait, or drop and count it; never blocks."""
        with self._lock:
            if self.connected:
                self._send(message)
            elif message.retain:
                return
            elif message.qos == 0:
                self.dropped += 1
            else:
                if len(self._waiting) >= self._max_waiting:
                    self._waiting.popleft()
                    self.dropped += 1
                self._waiting.append(message)

    def _send(self, message: Message) -> None:
        info = self._client.publish(message.topic, message.payload, message.qos, message.retain)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            self.dropped += 1
            return
        self.published += 1
        if message.qos:
            info.rc = MQTTErrorCode.MQTT_ERR_SUCCESS  # without a connection paho keeps it and sends it later
            self._unconfirmed.append(info)
            self._forget_confirmed()

    def _forget_confirmed(self) -> None:
        while self._unconfirmed and self._unconfirmed[0].is_published():
            self._unconfirmed.popleft()

    @property
    def undelivered(self) -> int:
        """Messages of QoS 1 that the broker has not confirmed."""
        with self._lock:
            self._forget_confirmed()
            return len(self._unconfirmed) + len(self._waiting)

    def flush(self, timeout_s: float) -> int:
        """Wait until all messages of QoS 1 are confirmed; return how many are not."""
        end = time.monotonic() + timeout_s
        while self.undelivered and time.monotonic() < end:
            time.sleep(0.02)
        return self.undelivered

    def close(self, timeout_s: float = 5.0) -> int:
        """Flush, disconnect cleanly and end the thread; return how many messages of QoS 1 were not confirmed."""
        left = self.flush(timeout_s) if timeout_s > 0 else self.undelivered
        self._client.disconnect()
        self._client.loop_stop()
        self.connected = False
        return left

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = reason.getName()
            self._answered.set()
            log.warning("MQTT broker %s refuses the connection (%s)", self.broker, self._refusal)
            return
        with self._lock:
            self.connected = True
            self.reconnects += 1
            for message in self._retained():
                self._send(message)
            while self._waiting:
                self._send(self._waiting.popleft().replayed())
        self._answered.set()
        if self.reconnects:
            log.warning("MQTT broker %s is back", self.broker)

    def _on_connect_fail(self, client: Any, data: Any) -> None:
        log.debug("MQTT broker %s is still away", self.broker)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        with self._lock:
            lost, self.connected = self.connected, False
        if lost and reason.is_failure:
            log.warning("MQTT broker %s is gone (%s); messages wait until it is back", self.broker, reason.getName())


def _encrypt(client: mqtt.Client, broker: Broker) -> None:
    try:
        context = ssl.create_default_context(cafile=str(broker.ca) if broker.ca else None)
        if broker.cert:
            context.load_cert_chain(str(broker.cert), str(broker.key) if broker.key else None)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(path) for path in (broker.ca, broker.cert, broker.key) if path)
        raise ConfigError(f"mqtt.tls: cannot load {files} ({_reason(error)}); check the files") from error
    client.tls_set_context(context)


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
