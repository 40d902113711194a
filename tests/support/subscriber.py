"""A real subscriber that remembers what a broker sends."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from streams.broker import Broker

_WAIT_S = 15.0


@dataclass(frozen=True, slots=True)
class Received:
    """One message as it arrived."""

    topic: str
    text: str
    qos: int
    retained: bool

    @property
    def json(self) -> dict[str, Any]:
        """The payload of a JSON message."""
        value: dict[str, Any] = json.loads(self.text)
        return value


class Subscriber:
    """Subscribes to everything; use it in a ``with`` statement."""

    def __init__(self, broker: Broker, topic: str = "#", qos: int = 1) -> None:
        """Prepare.

        Args:
            broker: Where to.
            topic: Topic filter.
            qos: Largest QoS of what arrives. One that confirms nothing (0) reads all that a killed broker had sent;
                with 1 paho drops the rest where it cannot confirm any more.
        """
        self._broker, self._topic = broker, topic
        self._changed = threading.Condition()
        self._messages: list[Received] = []
        self._subscribed = 0
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            self._client.tls_set(str(broker.ca), *(str(file) if file else None for file in (broker.cert, broker.key)))
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe(topic, qos)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect(self._broker.host, self._broker.port)
        self._client.loop_start()
        self.wait(lambda _: self._subscribed > 0, "no answer to the subscription")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, text: str) -> None:
        """Publish something, and wait until the broker has it."""
        self._client.publish(topic, text, 1).wait_for_publish(10)

    def _on_subscribe(self, *_: object) -> None:
        with self._changed:
            self._subscribed += 1
            self._changed.notify_all()

    def _on_message(self, client: Any, data: Any, message: mqtt.MQTTMessage) -> None:
        with self._changed:
            text = message.payload.decode(errors="replace")
            self._messages.append(Received(message.topic, text, message.qos, bool(message.retain)))
            self._changed.notify_all()

    @property
    def messages(self) -> list[Received]:
        """All that arrived so far, in order."""
        with self._changed:
            return list(self._messages)

    @property
    def subscriptions(self) -> int:
        """How often the broker took the subscription: more than once after a restart."""
        return self._subscribed

    def of(self, topic: str) -> list[Received]:
        """What arrived on one topic, in order."""
        return [message for message in self.messages if message.topic == topic]

    def last(self, topic: str) -> str:
        """The newest payload of a topic, empty without any."""
        found = self.of(topic)
        return found[-1].text if found else ""

    def wait(self, condition: Callable[[list[Received]], object], what: str, timeout_s: float = _WAIT_S) -> None:
        """Wait until a condition holds for what has arrived."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while not condition(self._messages):
                left = end - time.monotonic()
                assert left > 0, f"{what}; arrived: {[(m.topic, m.text[:80]) for m in self._messages[-20:]]}"
                self._changed.wait(left)

    def wait_for(self, topic: str, text: str) -> None:
        """Wait until the newest payload of a topic is this."""
        self.wait(
            lambda messages: next((m.text for m in reversed(messages) if m.topic == topic), None) == text,
            f"{topic} does not become {text!r}",
        )
