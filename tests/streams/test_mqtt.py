"""The publisher against a real Mosquitto and a real subscriber."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from config.errors import ConfigError
from streams.errors import BrokerError
from streams.message import Message
from streams.mqtt import Broker, MqttPublisher
from tests.support.cli import ROOT
from tests.support.mosquitto import Mosquitto, free_port, make_certificates
from tests.support.subscriber import Subscriber

WILL = Message("t/available", b"offline", qos=1, retain=True)
BIRTH = Message("t/available", b"online", qos=1, retain=True)
SECRET = "geheim-Wort:ü@/#"  # noqa: S105 - a made-up one, with all that URLs quote


class State:
    """The retained state of a publisher; ``gate`` holds a reconnect up until a subscriber is there to see it all."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> Iterable[Message]:
        self.gate.wait(10)
        return [BIRTH, Message("t/count", b"%d" % self.count, 1, True)]


def publisher(
    address: Broker, state: Callable[[], Iterable[Message]] = lambda: [BIRTH], bound: int = 20_000
) -> MqttPublisher:
    return MqttPublisher(address, "tester", WILL, state, bound)


@contextmanager
def back_again(broker: Mosquitto, state: State) -> Iterator[Subscriber]:
    """Start the broker again and subscribe before the publisher goes on."""
    state.gate.clear()
    broker.start()
    with Subscriber(broker.address) as seen:
        state.gate.set()
        yield seen


def event(number: int) -> Message:
    return Message("t/events", b'{"number":%d}' % number, qos=1)


def wait(condition: Callable[[], object], what: str, timeout_s: float = 15) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def numbers(seen: Subscriber) -> list[int]:
    return [message.json["number"] for message in seen.of("t/events")]


def test_birth_and_retained_state_are_there_for_late_subscribers(broker: Mosquitto) -> None:
    count = Message("t/count", b"7", qos=1, retain=True)
    client = publisher(broker.address, lambda: [BIRTH, count]).start()
    assert client.flush(5) == 0
    with Subscriber(broker.address) as late:
        late.wait_for("t/count", "7")
        late.wait_for("t/available", "online")
        assert all(message.retained for message in late.messages)
        assert client.close() == 0
    assert (client.published, client.dropped, client.reconnects) == (2, 0, 0)


def test_a_clean_end_leaves_no_will(broker: Mosquitto) -> None:
    with Subscriber(broker.address) as seen:
        publisher(broker.address).start().close()
        seen.wait_for("t/available", "online")
        time.sleep(0.3)
        assert seen.last("t/available") == "online"


def test_a_killed_process_is_offline_by_its_will(broker: Mosquitto) -> None:
    code = (
        "import sys, time\nfrom streams.message import Message\nfrom streams.mqtt import Broker, MqttPublisher\n"
        "online, offline = (Message('t/available', text, 1, True) for text in (b'online', b'offline'))\n"
        "MqttPublisher(Broker('127.0.0.1', int(sys.argv[1])), 'c', offline, lambda: [online]).start()\n"
        "time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(broker.port)], cwd=ROOT)
    try:
        with Subscriber(broker.address) as seen:
            seen.wait_for("t/available", "online")
            child.kill()
            seen.wait_for("t/available", "offline")
    finally:
        child.kill()
        child.wait()


def test_the_same_client_id_ends_the_older_session_and_stays_online(broker: Mosquitto) -> None:
    code = (
        "import sys, time\nfrom streams.message import Message\nfrom streams.mqtt import Broker, MqttPublisher\n"
        "online, offline = (Message('t/available', text, 1, True) for text in (b'online', b'offline'))\n"
        "MqttPublisher(Broker('127.0.0.1', int(sys.argv[1])), 'tester', offline, lambda: [online]).start()\n"
        "print('up', flush=True)\ntime.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(broker.port)]
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"up\n"
        child.send_signal(signal.SIGSTOP)  # alive, but it cannot take its session back
        with Subscriber(broker.address) as seen:
            client = publisher(broker.address).start()
            wait(lambda: [m.text for m in seen.of("t/available")][-2:] == ["offline", "online"], "not online at last")
            client.close()
    finally:
        child.kill()
        child.wait()


def test_what_waited_is_replayed_in_order_and_marked(broker: Mosquitto) -> None:
    state = State()
    client = publisher(broker.address, state).start()
    assert client.flush(5) == 0
    broker.stop()
    wait(lambda: not client.connected, "the loss is not seen")
    for number in range(60):
        client.publish(event(number))
        client.publish(Message("t/count", b"%d" % number, 1, True))
        client.publish(Message("t/detections", b"{}"))
        state.count = number
    assert (client.undelivered, client.dropped) == (60, 60)  # those of QoS 0 are dropped
    with back_again(broker, state) as seen:
        seen.wait(lambda _: len(numbers(seen)) == 60, "not all events are replayed")
        assert numbers(seen) == list(range(60))
        assert all(message.json["replayed"] is True and message.qos == 1 for message in seen.of("t/events"))
        assert [message.text for message in seen.of("t/count")] == ["59"]
        topics = [message.topic for message in seen.messages]
        assert topics.index("t/available") < topics.index("t/count") < topics.index("t/events")
        client.publish(event(60))
        seen.wait(lambda _: len(numbers(seen)) == 61, "an event after the replay does not arrive")
        assert "replayed" not in seen.of("t/events")[-1].json
    assert client.close() == 0
    assert (client.reconnects, client.published) == (1, 65)


def test_what_a_dying_broker_did_not_confirm_goes_first_and_old_state_never_comes_last(broker: Mosquitto) -> None:
    state = State()
    client = publisher(broker.address, state).start()
    assert client.flush(5) == 0
    broker.freeze()
    for number in range(1, 101):  # more than paho has in flight at once
        client.publish(event(number))
        client.publish(Message("t/count", b"%d" % number, 1, True))
    broker.stop()
    wait(lambda: not client.connected, "the loss is not seen")
    state.count = 200
    client.publish(event(101))
    assert client.undelivered == 101
    with back_again(broker, state) as seen:
        seen.wait(lambda _: len(numbers(seen)) >= 101, "not all events arrive")
        assert client.flush(5) == 0
        time.sleep(0.2)
        assert numbers(seen) == list(range(1, 102))
        assert [message.text for message in seen.of("t/count")] == ["200"]
    client.close()


def test_the_waiting_queue_is_bounded_and_drops_the_oldest(broker: Mosquitto) -> None:
    state = State()
    client = publisher(broker.address, state, bound=10).start()
    broker.stop()
    wait(lambda: not client.connected, "the loss is not seen")
    for number in range(25):
        client.publish(event(number))
    assert (client.undelivered, client.dropped) == (10, 15)
    with back_again(broker, state) as seen:
        seen.wait(lambda _: len(numbers(seen)) == 10, "the queue is not replayed")
        assert numbers(seen) == list(range(15, 25))
    client.close()


def test_a_frozen_broker_blocks_nothing_and_is_not_waited_for_long(broker: Mosquitto) -> None:
    client = publisher(broker.address, bound=500).start()
    broker.freeze()
    start = time.monotonic()
    for number in range(2000):
        client.publish(event(number))
        client.publish(Message("t/detections", bytes(10_000)))
    assert time.monotonic() - start < 5
    assert client.dropped >= 990
    start = time.monotonic()
    assert client.close(timeout_s=0.5) >= 500
    assert time.monotonic() - start < 4


def test_closing_while_the_broker_is_away_says_how_much_was_lost(broker: Mosquitto) -> None:
    client = publisher(broker.address).start()
    broker.stop()
    wait(lambda: not client.connected, "the loss is not seen")
    client.publish(event(1))
    start = time.monotonic()
    assert client.close(timeout_s=1) == 2  # the event and the retained state
    assert time.monotonic() - start < 3
    assert client.close(timeout_s=0) >= 1


def test_a_login_that_is_right(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, login=("camera", SECRET)) as broker:
        address = replace(broker.address, username="camera", password=SECRET)
        with Subscriber(address) as seen:
            client = publisher(address).start()
            seen.wait_for("t/available", "online")
            client.close()


@pytest.mark.parametrize(("user", "password"), [("", ""), ("camera", "wrong-" + SECRET), ("camera", "")])
def test_a_refused_login_names_broker_and_reason_never_the_password(
    tmp_path: Path, user: str, password: str, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path, login=("camera", SECRET)) as broker:
        client = publisher(replace(broker.address, username=user, password=password))
        start = time.monotonic()
        with pytest.raises(BrokerError) as caught:
            client.start()
    assert time.monotonic() - start < 5
    assert not client.connected
    sentence = str(caught.value)
    assert sentence.startswith(f"MQTT broker 127.0.0.1:{broker.port} refuses the login (Not authorized)")
    seen = sentence + caplog.text + repr(client.broker) + "".join(capfd.readouterr())
    assert "geheim" not in seen
    assert not caplog.records  # one sentence, not two


def test_a_broker_that_is_down_is_one_sentence() -> None:
    port = free_port()
    with pytest.raises(BrokerError, match=rf"^MQTT broker 127.0.0.1:{port} cannot be reached \(Connection refused\);"):
        publisher(Broker("127.0.0.1", port)).start()


def test_a_name_that_does_not_exist_is_one_sentence() -> None:
    with pytest.raises(BrokerError, match=r"^MQTT broker no-such-host\.invalid:1883 cannot be reached \("):
        publisher(Broker("no-such-host.invalid")).start()
    with pytest.raises(BrokerError, match="cannot be reached"):
        publisher(Broker("a" * 70 + ".example")).start()


def test_something_that_is_no_broker_is_one_sentence() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(BrokerError, match=r"does not answer within 0\.5 s"):
            publisher(Broker("127.0.0.1", server.getsockname()[1])).start(timeout_s=0.5)


@pytest.mark.parametrize("kind", ["drops at once", "reads first", "http"])
def test_a_server_that_closes_without_an_answer_is_one_sentence_at_once(kind: str) -> None:
    def serve(server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            if kind != "drops at once":
                client.recv(1000)
            if kind == "http":
                client.sendall(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nConnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        threading.Thread(target=serve, args=(server,), daemon=True).start()
        start = time.monotonic()
        with pytest.raises(BrokerError) as caught:
            publisher(Broker("127.0.0.1", port)).start()
    assert time.monotonic() - start < 4
    sentence = str(caught.value)
    assert sentence.startswith(f"MQTT broker 127.0.0.1:{port} ")
    assert "closed the connection without an answer" in sentence or "cannot be reached (" in sentence
    if kind == "reads first":
        assert "check the port, and TLS, which is off (mqtts://" in sentence


def test_tls_with_a_certificate_authority_of_ones_own(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    with Mosquitto(tmp_path, tls=files) as broker:
        address = replace(broker.address, tls=True, ca=files.ca)
        with Subscriber(address) as seen:
            client = publisher(address).start()
            client.publish(event(1))
            seen.wait(lambda _: numbers(seen) == [1], "the event does not arrive")
            client.close()
        with pytest.raises(BrokerError, match=r"cannot be reached .*certificate verify failed"):
            publisher(replace(address, ca=None)).start()
        with pytest.raises(BrokerError, match=r"closed the connection without an answer; .*TLS, which is off"):
            publisher(broker.address).start()


def test_tls_files_that_cannot_be_loaded_are_named(tmp_path: Path) -> None:
    wrong = tmp_path / "ca.pem"
    wrong.write_text("not a certificate")
    with pytest.raises(ConfigError, match=rf"mqtt\.tls: cannot load {wrong} "):
        publisher(Broker("127.0.0.1", 1, tls=True, ca=wrong))
    with pytest.raises(ConfigError, match=r"cannot load .*missing\.pem \(No such file or directory\)"):
        publisher(Broker("127.0.0.1", 1, tls=True, ca=tmp_path / "missing.pem"))


def test_a_broker_that_comes_back_and_refuses_is_tried_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Mosquitto(tmp_path) as broker:
        client = publisher(broker.address).start()
        broker.stop()
        wait(lambda: not client.connected, "the loss is not seen")
        client.publish(event(1))
        folder = tmp_path / "other"
        folder.mkdir()
        with Mosquitto(folder, login=("camera", SECRET), port=broker.port):
            wait(lambda: "refuses the connection (Not authorized)" in caplog.text, "the refusal is not reported")
            assert not client.connected
            assert client.undelivered == 1
        broker.start()
        wait(lambda: client.connected, "it gives up after a refusal")
        assert client.close() == 0


@pytest.mark.parametrize(
    ("url", "expected", "prefix"),
    [
        ("mqtt://host", Broker("host", 1883), ""),
        ("mqtts://host/a/b-c/", Broker("host", 8883, tls=True), "a/b-c"),
        ("mqtt://u:p%40%2F@[::1]:99/x", Broker("::1", 99, "u", "p@/"), "x"),
    ],
)
def test_urls(url: str, expected: Broker, prefix: str) -> None:
    assert Broker.from_url(url) == (expected, prefix)


@pytest.mark.parametrize(
    "url",
    ["", "host", "host:1883", "http://host", "mqtt://", "mqtt:///p", "mqtt://u:geheim@h:x", "mqtt://u:ge#heim@h",
     "mqtt://h:0", "mqtt://h:70000", "mqtt://h/a+b", "mqtt://h/#", "mqtt://h/Upper", "mqtt://h/p?x=1", "mqtt://[::1", "mqtt://h?"],
)  # fmt: skip
def test_wrong_urls_are_one_sentence_without_the_password(url: str) -> None:
    with pytest.raises(ConfigError, match="--mqtt") as caught:
        Broker.from_url(url)
    assert len(caught.value.faults) == 1
    assert "geheim" not in str(caught.value)
    assert "heim" not in str(caught.value)
