"""A small MQTT broker inside this process (amqtt), for a demo without a broker of one's own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from types import TracebackType
from typing import Any, Self

from streams.errors import BrokerError
from streams.mqtt import Broker

log = logging.getLogger(__name__)
_START_S = 10.0
_END_S = 1.0


class EmbeddedBroker:
    """Listens on a free port of 127.0.0.1 while it is entered; anonymous, nothing is kept.

    Slow (about 40 ms for a message of QoS 1) but enough to look at messages; use Mosquitto for real work.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._work, name="broker", daemon=True)
        self._broker: Any = None
        self.address = Broker("127.0.0.1", _free_port())

    def __enter__(self) -> Self:
        """Start listening.

        Raises:
            BrokerError: amqtt is not installed or cannot listen.
        """
        self._thread.start()
        if not self._ready.wait(_START_S) or self._error is not None:
            raise BrokerError(f"the embedded MQTT broker does not start ({self._error}); name one with --mqtt instead")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening; safe to call twice."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._shut_down(), self._loop).result(_START_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_S)
        self._loop.close()

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._start())
        except Exception as error:
            self._error = error
            self._ready.set()
            return
        self._ready.set()
        self._loop.run_forever()

    async def _shut_down(self) -> None:
        """End politely, but do not wait for clients that stay connected."""
        try:
            await asyncio.wait_for(self._broker.shutdown(), _END_S)
        except Exception as error:  # amqtt waits for its clients for ever
            log.debug("the embedded broker ends with clients connected (%r)", error)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_END_S)

    async def _start(self) -> None:
        from amqtt.broker import Broker as AmqttBroker

        logging.getLogger("amqtt").setLevel(logging.CRITICAL)
        logging.getLogger("transitions").setLevel(logging.CRITICAL)
        config = {
            "listeners": {"default": {"type": "tcp", "bind": str(self.address)}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
        self._broker = AmqttBroker(config, loop=self._loop)
        await self._broker.start()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
