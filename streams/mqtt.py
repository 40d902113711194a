"""The connection to an MQTT broker (paho): messages in, nothing blocks.

Retained messages never wait: after each connect the present state is published anew. Messages of QoS 1 wait in memory,
bounded, while the broker is away, and go out in order, marked as replayed; those that it had not confirmed when it went
away go first. Messages of QoS 0 are dropped then, and counted.
"""

from __future__ import annotations

import logging
import re
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
_NO_ANSWER = "closed the connection without an answer"
_BAD_LOGIN = frozenset({"Not authorized", "Bad user name or password"})
_PREFIX = re.compile(r"([a-z0-9_-]+(/[a-z0-9_-]+)*)?")
_ANSWER_S = 10.0
_RETRY_S = (0.5, 3.0)
_END_S = 2.0


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
        prefix = parts.path.strip("/")
        if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname or port == 0 or "?" in url or "#" in url:
            raise ConfigError("--mqtt wants mqtt://host:port or mqtts://host:port, with /prefix behind it if needed")
        if not _PREFIX.fullmatch(prefix):
            raise ConfigError(
                f"--mqtt: the prefix {prefix!r} has characters that are not allowed; use a-z, 0-9, - and _"
            )
        tls = parts.scheme == "mqtts"
        broker = cls(
            parts.hostname,
            port or (8883 if tls else 1883),
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            tls,
        )
        return broker, prefix


class MqttPublisher:
    """Publishes messages; safe to call from any thread; reconnects by itself.

    Each connection has a paho client of its own, which keeps nothing beyond it: what paho would send again by itself
    comes after the present state, out of order, and would leave old retained values at the broker.
    """

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

        Raises:
            ConfigError: A file of the TLS settings cannot be loaded.
        """
        self.broker = broker
        self._client_id = client_id
        self._will = will
        self._retained = retained
        self._max_waiting = max_waiting
        self._tls = _tls_context(broker) if broker.tls else None
        self._client: mqtt.Client | None = None
        self._opening: mqtt.Client | None = None
        self._waiting: deque[Message] = deque()
        self._unconfirmed: deque[tuple[mqtt.MQTTMessageInfo, Message]] = deque()
        self._lock = threading.Lock()
        self._answered = threading.Event()
        self._lost = threading.Event()
        self._closing = threading.Event()
        self._refusal: str | None = None
        self.connected = False
        self.published = 0
        self.dropped = 0
        self.reconnects = -1

    def start(self, timeout_s: float = _ANSWER_S) -> Self:
        """Connect, and wait for the broker's answer.

        Raises:
            BrokerError: Not reachable in time, no MQTT broker, or the login is refused.
        """
        try:
            client = self._open()
        except (OSError, ValueError) as error:
            raise BrokerError(
                f"MQTT broker {self.broker} cannot be reached ({_reason(error)}); start it, or check host and port"
            ) from error
        answered = self._answered.wait(timeout_s)
        if self.connected or self.reconnects >= 0:  # or lost again already
            threading.Thread(target=self._keep_connected, name="mqtt-reconnect", daemon=True).start()
            return self
        self._closing.set()
        _end(client)
        if not answered:
            raise BrokerError(f"MQTT broker {self.broker} does not answer within {timeout_s:g} s; check host and port")
        if self._refusal in _BAD_LOGIN:
            raise BrokerError(
                f"MQTT broker {self.broker} refuses the login ({self._refusal}); check user name and password"
            )
        if self._refusal == _NO_ANSWER:
            tls = "on" if self.broker.tls else "off"
            raise BrokerError(
                f"MQTT broker {self.broker} {_NO_ANSWER}; check the port, and TLS, which is {tls} "
                "(mqtts://, or mqtt.tls in a site file)"
            )
        raise BrokerError(f"MQTT broker {self.broker} refuses the connection ({self._refusal}); see the broker's log")

    def _open(self) -> mqtt.Client:
        """Connect a new client; the broker's answer comes to ``_on_connect``."""
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self._client_id, protocol=mqtt.MQTTv311, reconnect_on_failure=False
        )
        client.will_set(self._will.topic, self._will.payload, self._will.qos, self._will.retain)
        if self.broker.username:
            client.username_pw_set(self.broker.username, self.broker.password or None)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        client.max_queued_messages_set(2 * self._max_waiting)  # what waited, and what comes meanwhile
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        self._opening = client
        client.connect(self.broker.host, self.broker.port, keepalive=30)
        client.loop_start()
        return client

    def _keep_connected(self) -> None:
        """Connect again whenever the broker is lost, until the end."""
        while self._lost.wait() and not self._closing.is_set():
            self._lost.clear()
            delay, longest = _RETRY_S
            while not self.connected and not self._closing.wait(delay):
                delay = min(2 * delay, longest)
                self._answered.clear()
                try:
                    client = self._open()
                except (OSError, ValueError) as error:
                    log.debug("MQTT broker %s is still away (%s)", self.broker, _reason(error))
                    continue
                self._answered.wait(_ANSWER_S)
                if not self.connected:
                    _end(client)

    def publish(self, message: Message) -> None:
        """Send a message, or let it wait, or drop and count it; never blocks."""
        with self._lock:
            if self.connected and self._client is not None:
                self._send(self._client, message)
            elif message.retain:
                return
            elif message.qos == 0:
                self.dropped += 1
            else:
                self._waiting.append(message)
                self._keep_bound()

    def _keep_bound(self) -> None:
        while len(self._waiting) > self._max_waiting:
            self._waiting.popleft()
            self.dropped += 1

    def _send(self, client: mqtt.Client, message: Message) -> None:
        info = client.publish(message.topic, message.payload, message.qos, message.retain)
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            self.dropped += 1
            return
        self.published += 1
        if message.qos:
            info.rc = MQTTErrorCode.MQTT_ERR_SUCCESS  # lost this very moment: it is taken back with the others
            self._unconfirmed.append((info, message))
            self._forget_confirmed()

    def _forget_confirmed(self) -> None:
        while self._unconfirmed and self._unconfirmed[0][0].is_published():
            self._unconfirmed.popleft()

    @property
    def undelivered(self) -> int:
        """Messages of QoS 1 that the broker has not confirmed."""
        with self._lock:
            self._forget_confirmed()
            return len(self._unconfirmed) + len(self._waiting)

    def flush(self, timeout_s: float) -> int:
        """Wait until the broker is there and all messages of QoS 1 are confirmed; return how many are not."""
        end = time.monotonic() + timeout_s
        while (self.undelivered or not self.connected) and time.monotonic() < end:
            time.sleep(0.02)
        return self.undelivered

    def close(self, timeout_s: float = 5.0) -> int:
        """Flush, disconnect cleanly and end the thread.

        Returns:
            How many messages of QoS 1 were not confirmed; while the broker is away, with those of the retained state.
        """
        left = self.flush(timeout_s)
        if not self.connected:
            left += sum(1 for _ in self._retained())
        self._closing.set()
        self._lost.set()
        with self._lock:
            self.connected = False
            client, self._client = self._client, None
        if client is not None:
            _end(client)
        return left

    def _on_connect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            self._refusal = reason.getName()
            if self.reconnects >= 0:  # else ``start`` says so
                log.warning("MQTT broker %s refuses the connection (%s)", self.broker, self._refusal)
            self._answered.set()
            return
        with self._lock:
            if not self._closing.is_set():
                self._client, self.connected = client, True
                self.reconnects += 1
                for message in self._retained():
                    self._send(client, message)
                while self._waiting:
                    self._send(client, self._waiting.popleft().replayed())
        self._answered.set()
        if self.reconnects:
            log.warning("MQTT broker %s is back", self.broker)

    def _on_disconnect(self, client: Any, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        with self._lock:
            if client is self._opening and not self._answered.is_set():
                self._refusal = _NO_ANSWER
                self._answered.set()
            if client is not self._client or not self.connected:
                return
            self.connected = False
            self._take_back()
        self._lost.set()
        log.warning("MQTT broker %s is gone (%s); messages wait until it is back", self.broker, reason.getName())

    def _take_back(self) -> None:
        """Let what the broker has not confirmed wait in front; old retained values are not sent again."""
        lost = [message for info, message in self._unconfirmed if not info.is_published()]
        self._unconfirmed.clear()
        self.published -= len(lost)
        self._waiting.extendleft(message for message in reversed(lost) if not message.retain)
        self._keep_bound()


def _end(client: mqtt.Client) -> None:
    """Disconnect and end the client's thread, but do not wait for a broker that takes nothing any more."""
    client.disconnect()
    ending = threading.Thread(target=client.loop_stop, name="mqtt-end", daemon=True)
    ending.start()
    ending.join(_END_S)


def _tls_context(broker: Broker) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(broker.ca) if broker.ca else None)
        if broker.cert:
            context.load_cert_chain(str(broker.cert), str(broker.key) if broker.key else None)
    except (OSError, ssl.SSLError) as error:
        files = ", ".join(str(path) for path in (broker.ca, broker.cert, broker.key) if path)
        raise ConfigError(f"mqtt.tls: cannot load {files} ({_reason(error)}); check the files") from error
    return context


def _reason(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)
