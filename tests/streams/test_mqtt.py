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
from typing import Literal

import pytest

from config.errors import ConfigError
from streams.errors import BrokerError
from streams.message import Message
from streams.mqtt import Broker, MqttPublisher
from streams.outbox import Outbox
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
    return MqttPublisher(address, "tester", WILL, state, max_waiting=bound)


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
    wait(lambda: (client.undelivered, client.dropped) == (10, 15), "the bound does not hold")
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


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
@pytest.mark.parametrize(("user", "password"), [("", ""), ("camera", "wrong-" + SECRET), ("camera", "")])
def test_a_refused_login_names_broker_and_reason_never_the_password(
    tmp_path: Path,
    user: str,
    password: str,
    protocol: Literal["3.1.1", "5"],
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Mosquitto(tmp_path, login=("camera", SECRET)) as broker:
        client = publisher(replace(broker.address, username=user, password=password, protocol=protocol))
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
        (tmp_path / "other").mkdir()
        other = make_certificates(tmp_path / "other")
        with pytest.raises(BrokerError, match=r"cannot be reached .*certificate verify failed"):
            publisher(replace(address, ca=other.ca)).start()
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


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_tls_with_client_certificates(tmp_path: Path, protocol: Literal["3.1.1", "5"]) -> None:
    files = make_certificates(tmp_path)
    with Mosquitto(tmp_path, tls=files, require_certificate=True) as broker:
        plain = replace(broker.address, tls=True, ca=files.ca, protocol=protocol)
        address = replace(plain, cert=files.client_cert, key=files.client_key)
        with Subscriber(address) as seen:
            client = publisher(address).start()
            client.publish(event(1))
            seen.wait(lambda _: numbers(seen) == [1], "the event does not arrive")
            assert client.close() == 0
        with pytest.raises(BrokerError, match=r"whether it wants a client certificate|certificate required"):
            publisher(plain).start()
    with pytest.raises(ConfigError, match=r"mqtt\.tls: cannot load "):  # a key of another certificate
        publisher(replace(address, key=files.key))


def test_a_key_with_a_passphrase_does_not_ask_the_terminal(tmp_path: Path) -> None:
    files = make_certificates(tmp_path)
    locked = tmp_path / "locked.pem"
    command = ["openssl", "rsa", "-aes128", "-passout", "pass:x", "-in", str(files.client_key), "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    with pytest.raises(ConfigError, match="the key has a passphrase"):
        publisher(Broker("127.0.0.1", 1, tls=True, cert=files.client_cert, key=locked))


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_both_protocols_publish_replay_and_reconnect(broker: Mosquitto, protocol: Literal["3.1.1", "5"]) -> None:
    state = State()
    client = publisher(replace(broker.address, protocol=protocol), state).start()
    for number in range(300):  # MQTT 5: mosquitto takes 20 unconfirmed ones at a time
        client.publish(event(number), Message("t/count", b"%d" % number, 1, True))
    assert client.flush(10) == 0
    broker.stop()
    wait(lambda: not client.connected, "the loss is not seen")
    assert client.refusal == f"MQTT broker {broker.address} is gone (the connection broke)"
    for number in range(300):
        client.publish(event(number))
    assert (client.depth, client.undelivered) == (300, 300)
    with back_again(broker, state) as seen:
        seen.wait(lambda _: len(numbers(seen)) == 300, "not all events are replayed")
        assert numbers(seen) == list(range(300))
        assert all("replayed" in message.json for message in seen.of("t/events"))
        assert client.close() == 0
        assert client.depth == 0
    assert (client.reconnects, client.dropped, client.published) == (1, 0, 300 + 300 + 2 + 300 + 2)


def test_begin_returns_at_once_and_connects_when_the_broker_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broker = Mosquitto(tmp_path)
    start = time.monotonic()
    client = publisher(broker.address).begin()
    assert time.monotonic() - start < 0.5
    client.publish(event(1), event(2))
    wait(lambda: client.refusal and "Connection refused" in client.refusal, "it is not said why")
    time.sleep(2)  # some more tries
    warnings = [record.message for record in caplog.records]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"MQTT broker {broker.address} cannot be reached (Connection refused); start it, or")
    assert (client.connected, client.depth, client.reconnects) == (False, 2, -1)
    with broker:
        assert client.flush(10) == 0
        assert (client.connected, client.refusal, client.reconnects) == (True, None, 0)
        assert client.close() == 0


def test_begin_is_refused_and_let_in_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.mqtt._REFUSED_S", 1.0)
    (tmp_path / "old").mkdir()
    old = Mosquitto(tmp_path / "old", login=("camera", "another"))
    with old:
        client = publisher(replace(old.address, username="camera", password=SECRET)).begin()
        client.publish(event(1))
        wait(lambda: client.refusal, "it is not said why")
        wait(lambda: "refuses the connection (Not authorized)" in caplog.text, "the refusal is not logged")
        assert client.refusal == (
            f"MQTT broker {old.address} refuses the login (Not authorized); check user name and password"
        )
        assert not client.connected
    with Mosquitto(tmp_path, login=("camera", SECRET), port=old.port):
        assert client.flush(15) == 0
        assert client.close() == 0
    assert "geheim" not in caplog.text
    assert caplog.text.count("refuses") == 1


def test_closing_before_the_broker_was_ever_there(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    client = publisher(Broker("127.0.0.1", free_port())).begin()
    client.publish(event(1))
    assert client.close(timeout_s=0.2) == 2
    assert set(threading.enumerate()) <= before
    client.publish(event(2), Message("t/detections", b"{}"), BIRTH)
    assert client.dropped == 2  # after the end


def test_subscriptions_are_made_at_each_connect(broker: Mosquitto) -> None:
    found: list[tuple[str, bytes, bool]] = []

    def take(topic: str, payload: bytes, retained: bool) -> None:
        found.append((topic, payload, retained))
        if payload == b"bad":
            raise RuntimeError("a fault of the application")

    with Subscriber(broker.address):
        sender = MqttPublisher(broker.address, "sender", WILL, list).start()
        sender.publish(Message("t/a/set", b"ON", 1, True))
        assert sender.flush(5) == 0
        client = MqttPublisher(
            broker.address, "tester", WILL, lambda: [BIRTH], subscriptions=["t/+/set", "t/command"], on_message=take
        ).start()
        wait(lambda: found == [("t/a/set", b"ON", True)], "the retained message does not come")
        sender.publish(Message("t/command", b"bad", 1))
        sender.publish(Message("t/command", b"reload", 1))
        wait(lambda: found[1:] == [("t/command", b"bad", False), ("t/command", b"reload", False)], "no command comes")
        assert client.connected
        found.clear()
        broker.stop()
        wait(lambda: not client.connected and not sender.connected, "the loss is not seen")
        broker.start()
        assert client.flush(10) == sender.flush(10) == 0
        sender.publish(Message("t/b/set", b"OFF", 1))
        wait(lambda: ("t/b/set", b"OFF", False) in found, "no message after the reconnect")
        client.close()
        sender.close()


def test_retained_topics_that_are_no_longer_ours_are_cleared(broker: Mosquitto, tmp_path: Path) -> None:
    topics = {name: Message(f"t/{name}", name.encode(), 1, True) for name in ("old", "kept", "now", "picture")}

    def run(*names: str) -> MqttPublisher:
        return MqttPublisher(
            broker.address,
            "tester",
            WILL,
            lambda: [BIRTH, *(topics[name] for name in names)],
            Outbox(tmp_path / "outbox.sqlite", "broker/t"),
            is_kept=lambda topic: topic == "t/picture",
        ).start()

    other = MqttPublisher(broker.address, "other", WILL, lambda: [Message("t/others", b"x", 1, True)]).start()
    first = run("old", "now")
    first.publish(topics["kept"], replace(topics["picture"], qos=0))
    assert first.close() == 0
    second = run("now", "kept")
    assert second.flush(5) == 0
    with Subscriber(broker.address) as late:
        late.wait_for("t/picture", "picture")
        time.sleep(0.2)
        assert {m.topic for m in late.messages} == {"t/available", "t/others", "t/now", "t/kept", "t/picture"}
        second.publish(Message("t/picture", b"", 1, True))  # the application clears one itself
        assert second.close() == 0
        late.wait_for("t/picture", "")
    third = run()
    assert third.close() == other.close() == 0
    assert Outbox(tmp_path / "outbox.sqlite", "broker/t").topics == {"t/available"}


def test_a_message_that_the_broker_refuses_is_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "acl").write_text("topic readwrite t/available\ntopic read #\n")
    with Mosquitto(tmp_path, options=[f"acl_file {tmp_path / 'acl'}"]) as broker:
        client = publisher(replace(broker.address, protocol="5")).start()
        for number in range(3):
            client.publish(event(number))
        assert client.close() == 0
    assert (client.dropped, client.published) == (3, 1)
    assert caplog.text.count("does not take a message to t/events (Not authorized)") == 1


def test_an_event_that_makes_the_broker_hang_up_does_not_hold_up_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Mosquitto(tmp_path, options=["max_packet_size 2000"]) as broker, Subscriber(broker.address) as seen:
        client = publisher(broker.address).start()
        for number in range(20):
            client.publish(event(number), Message("t/big", b"x" * (3000 if number == 7 else 10), 1))
        assert client.flush(30) == 0
        seen.wait(lambda _: 19 in numbers(seen), "what is behind it does not arrive")
        assert list(dict.fromkeys(numbers(seen))) == list(range(20))
        assert client.dropped == 1
        assert client.close() == 0
    assert caplog.text.count("hangs up whenever it gets an event to t/big") == 1


def test_a_message_that_cannot_be_sent_is_dropped_and_named(
    broker: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    for protocol in ("3.1.1", "5"):
        client = publisher(replace(broker.address, protocol=protocol)).start()
        for number in range(100):  # more than mosquitto takes at a time with MQTT 5
            client.publish(Message("t/+", b"{}", 1), Message("t/#", b"{}"), Message("", b"{}", 1, True), event(number))
        assert client.flush(10) == 0
        assert client.close() == 0
        assert (client.dropped, client.published) == (300, 101)
    assert "a message to 't/+' cannot be sent" in caplog.text


def test_state_that_a_fault_hides_does_not_end_the_thread(broker: Mosquitto, caplog: pytest.LogCaptureFixture) -> None:
    faults = iter([True])

    def state() -> Iterable[Message]:
        if next(faults, False):
            raise RuntimeError("a fault of the application")
        return [BIRTH]

    client = publisher(broker.address, state).start()
    client.publish(event(1))
    assert client.close() == 0
    assert "publishing fails" in caplog.text


def test_a_broker_that_is_slow_gets_the_latest_state(broker: Mosquitto) -> None:
    count = 0
    client = publisher(broker.address, lambda: [BIRTH, Message("t/count", b"%d" % count, 1, True)]).start()
    assert client.flush(5) == 0
    broker.freeze()
    for count in range(1, 5001):
        client.publish(Message("t/count", b"%d" % count, 1, True))
        time.sleep(0.0001)
    assert client.undelivered <= 1100
    broker.thaw()
    assert client.flush(10) == 0
    with Subscriber(broker.address) as late:
        late.wait_for("t/count", "5000")
    assert client.close() == 0


def test_the_inbox_drops_what_needs_no_confirmation_first() -> None:
    client = publisher(Broker("127.0.0.1", free_port()), bound=10)
    for number in range(8):
        client.publish(event(number), Message("t/detections", b"{}"), notes={"total": str(number)})
    assert (client.depth, client.dropped) == (8, 8)
    for number in range(8, 15):
        client.publish(event(number), notes={f"open/{number}": "x"})
    assert (client.depth, client.dropped) == (10, 13)
    client.close(timeout_s=0)
    assert client.outbox.read_notes("") == {"total": "7", **{f"open/{number}": "x" for number in range(8, 15)}}


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
