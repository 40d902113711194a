"""The broker inside the process: real clients talk to it."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from streams.embedded_broker import EmbeddedBroker
from streams.errors import BrokerError
from streams.message import Message
from streams.mqtt import MqttPublisher
from tests.support.subscriber import Subscriber

pytest.importorskip("amqtt", reason="amqtt is not installed (extra 'broker')")

WILL = Message("t/available", b"offline", qos=1, retain=True)
BIRTH = Message("t/available", b"online", qos=1, retain=True)


def test_messages_retained_state_and_order() -> None:
    with EmbeddedBroker() as broker:
        client = MqttPublisher(broker.address, "tester", WILL, lambda: [BIRTH]).start()
        assert client.flush(10) == 0  # only what was there before a subscription comes as retained
        with Subscriber(broker.address) as seen:
            seen.wait_for("t/available", "online")
            assert seen.of("t/available")[0].retained
            for number in range(20):
                client.publish(Message("t/events", b'{"number":%d}' % number, qos=1))
            client.publish(Message("t/detections", b"{}"))
            assert client.flush(10) == 0
            seen.wait(lambda _: len(seen.of("t/events")) == 20 and seen.of("t/detections"), "messages are missing")
            assert [message.json["number"] for message in seen.of("t/events")] == list(range(20))
        assert client.close() == 0


def test_it_listens_on_this_machine_only_and_is_gone_at_the_end() -> None:
    before = threading.active_count()
    with EmbeddedBroker() as broker:
        host, port = broker.address.host, broker.address.port
        assert host == "127.0.0.1"
        socket.create_connection((host, port), 2).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, port), 2)
    assert threading.active_count() <= before


def test_two_at_once_and_one_that_ends_with_clients_still_there() -> None:
    with EmbeddedBroker() as one, EmbeddedBroker() as two:
        assert one.address.port != two.address.port
        client = MqttPublisher(two.address, "tester", WILL, lambda: [BIRTH]).start()
    end = time.monotonic() + 5
    while client.connected and time.monotonic() < end:
        time.sleep(0.01)
    assert client.close(timeout_s=0) == 1  # the retained state


def test_a_port_that_is_taken_is_one_sentence() -> None:
    broker = EmbeddedBroker()
    with socket.socket() as other:
        other.bind(("127.0.0.1", broker.address.port))
        other.listen()
        with pytest.raises(BrokerError, match=r"the embedded MQTT broker does not start .*--mqtt"), broker:
            pass
