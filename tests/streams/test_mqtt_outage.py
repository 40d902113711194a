"""What is lost when the broker or this process is killed: nothing."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from streams.broker import Broker
from streams.message import Message
from streams.mqtt import MqttPublisher
from streams.outbox import Outbox
from tests.support.cli import ROOT
from tests.support.mosquitto import Mosquitto
from tests.support.subscriber import Received, Subscriber

WILL = Message("t/available", b"offline", qos=1, retain=True)
BIRTH = Message("t/available", b"online", qos=1, retain=True)
TARGET = "broker/t"
NO_QUEUE_LIMIT = ["max_queued_messages 0", "max_inflight_messages 0"]
"""What the broker has taken is on its way to the subscriber at once: it must not be what loses messages."""


def event(number: int, size: int = 0) -> Message:
    return Message("t/events", b'{"number":%d,"fill":"%s"}' % (number, b"x" * size), qos=1)


def wait(condition: Callable[[], object], what: str, timeout_s: float = 20) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def numbers(messages: Iterable[Received]) -> list[int]:
    return [message.json["number"] for message in messages if message.topic == "t/events"]


def without_repeats(found: Iterable[int]) -> list[int]:
    """The first time of each."""
    return list(dict.fromkeys(found))


class Camera:
    """Counts events and publishes each with its total, as a rule does; the state waits for a subscriber if told to."""

    def __init__(self, address: Broker, outbox: Outbox | None) -> None:
        self.total = 0
        self.subscriber_is_there = threading.Event()
        self.subscriber_is_there.set()
        self._lock = threading.Lock()
        self.publisher = MqttPublisher(address, "tester", WILL, self._state, outbox)

    def _state(self) -> list[Message]:
        self.subscriber_is_there.wait(30)
        with self._lock:
            return [BIRTH, Message("t/count", b"%d" % self.total, 1, True)]

    def count(self) -> None:
        with self._lock:
            self.total += 1
            self.publisher.publish(
                event(self.total),
                Message("t/count", b"%d" % self.total, 1, True),
                Message("t/detections", b"{}"),
                notes={"total": str(self.total)},
            )

    @contextmanager
    def counting(self, per_s: float) -> Iterator[Callable[[], None]]:
        """Count in a thread of its own, until the end or until what this yields is called; fails when it is held up."""
        ending = threading.Event()
        slowest = 0.0

        def work() -> None:
            nonlocal slowest
            while not ending.wait(1 / per_s):
                start = time.monotonic()
                self.count()
                slowest = max(slowest, time.monotonic() - start)

        thread = threading.Thread(target=work)
        thread.start()

        def end() -> None:
            ending.set()
            thread.join()

        try:
            yield end
        finally:
            end()
        assert slowest < 0.5


def outage(tmp_path: Path, protocol: Literal["3.1.1", "5"], seconds: float, per_s: float) -> None:
    """Kill the broker under load, start it again later, and look at all that came."""
    outbox = Outbox(tmp_path / "outbox.sqlite", TARGET)
    with Mosquitto(tmp_path, options=NO_QUEUE_LIMIT) as broker:
        camera = Camera(replace(broker.address, protocol=protocol), outbox)
        client = camera.publisher
        with Subscriber(broker.address, qos=0) as seen:
            client.start()
            with camera.counting(per_s):
                seen.wait(lambda messages: len(numbers(messages)) > per_s, "events do not arrive")
                camera.subscriber_is_there.clear()
                broker.stop()
                wait(lambda: not client.connected, "the loss is not seen")
                lost_at = camera.total
                time.sleep(seconds)
                back_at = camera.total
                assert client.depth >= back_at - lost_at > 0.3 * seconds * per_s
                before = len(seen.messages)
                broker.start()
                seen.wait(lambda _: seen.subscriptions == 2, "the subscriber does not come back")
                camera.subscriber_is_there.set()
                wait(lambda: client.depth < 5, "what waited is not delivered", 60)
                wait(lambda: client.connected, "it does not come back")
                time.sleep(0.5)
            assert client.flush(20) == 0
            total = camera.total
            seen.wait(lambda messages: total in numbers(messages), "the last event does not arrive")
            found = numbers(seen.messages)
            assert without_repeats(found) == list(range(1, total + 1))
            assert len(found) - total <= 100  # what was on the way twice
            late = {m.json["number"]: "replayed" in m.json for m in seen.messages[before:] if m.topic == "t/events"}
            assert all(late[number] for number in late if number <= back_at)
            assert not late[total]
            assert seen.last("t/count") == str(total)
            assert (client.reconnects, outbox.dropped) == (1, 0)
            assert client.dropped >= back_at - lost_at  # detections
            assert client.close() == 0
        with Subscriber(broker.address) as late_one:
            late_one.wait_for("t/count", str(total))
    with closing(Outbox(tmp_path / "outbox.sqlite", TARGET)) as left:
        assert (left.depth, left.read_notes("")) == (0, {"total": str(total)})


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_no_event_is_lost_when_the_broker_is_killed_under_load(tmp_path: Path, protocol: Literal["3.1.1", "5"]) -> None:
    outage(tmp_path, protocol, seconds=5 if protocol == "3.1.1" else 2, per_s=100)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_no_event_is_lost_in_a_minute_without_broker(tmp_path: Path, protocol: Literal["3.1.1", "5"]) -> None:
    outage(tmp_path, protocol, seconds=60, per_s=200)


def test_no_event_is_lost_when_the_broker_is_killed_again_and_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, options=NO_QUEUE_LIMIT) as broker:
        camera = Camera(broker.address, Outbox(tmp_path / "outbox.sqlite", TARGET))
        found: list[int] = []
        camera.publisher.begin()
        with camera.counting(200) as end:
            for _ in range(3):
                camera.subscriber_is_there.clear()
                broker.stop()
                broker.start()
                with Subscriber(broker.address, qos=0) as seen:
                    camera.subscriber_is_there.set()
                    seen.wait(lambda messages: len(numbers(messages)) > 100, "events do not arrive")
                    broker.stop()
                    time.sleep(0.3)  # for what the kernel still has
                    found += numbers(seen.messages)
            camera.subscriber_is_there.clear()
            broker.start()
            with Subscriber(broker.address, qos=0) as seen:
                camera.subscriber_is_there.set()
                seen.wait(lambda messages: len(numbers(messages)) > 100, "events do not arrive")
                end()
                assert camera.publisher.close() == 0
                total = camera.total
                seen.wait(lambda messages: total in numbers(messages), "the last event does not arrive")
                found += numbers(seen.messages)
    assert without_repeats(found) == list(range(1, total + 1))


CHILD = """
import sys, time
from pathlib import Path
from streams.broker import Broker
from streams.message import Message
from streams.mqtt import MqttPublisher
from streams.outbox import Outbox

path, port, limit = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
online, offline = (Message("t/available", text, 1, True) for text in (b"online", b"offline"))
outbox = Outbox(path, "broker/t")
total = int(outbox.read_notes("total").get("total", "0"))
publisher = MqttPublisher(Broker("127.0.0.1", port), "child", offline, lambda: [online], outbox)
publisher.begin()
print("up", flush=True)
while total < limit:
    for _ in range(5):
        total += 1
        publisher.publish(
            Message("t/events", b'{"number":%d,"fill":"%s"}' % (total, b"x" * 200), 1),
            Message("t/count", b"%d" % total, 1, True),
            notes={"total": str(total)},
        )
    time.sleep(0.002)
sys.exit(publisher.close(20))
"""


def kills(tmp_path: Path, times: int) -> None:
    """Kill a publishing process at random moments; every second time while the broker is away."""
    path = tmp_path / "outbox.sqlite"
    chance = random.Random(times)  # noqa: S311 - moments, not secrets
    waiting: list[int] = []
    with Mosquitto(tmp_path, options=NO_QUEUE_LIMIT) as broker, Subscriber(broker.address, qos=0) as seen:

        def child(limit: int) -> subprocess.Popen[bytes]:
            command = [sys.executable, "-c", CHILD, str(path), str(broker.port), str(limit)]
            process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            return process

        for number in range(times):
            if number % 2:
                broker.stop()
            running = child(10**9)
            time.sleep(chance.uniform(0.05, 0.8))
            running.send_signal(signal.SIGKILL)
            running.wait()
            assert running.stdout is not None
            running.stdout.close()
            if number % 2:
                broker.start()
                seen.wait(lambda _, n=number: seen.subscriptions == 2 + n // 2, "no subscriber")  # type: ignore[misc]
            with closing(sqlite3.connect(path)) as db:
                assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            with closing(Outbox(path, TARGET)) as left:
                noted = int(left.read_notes("total")["total"])
                kept = [row.message for row in left.after(0, 10**6)]
            waiting = [int(message.payload.split(b":")[1].split(b",")[0]) for message in kept]
            assert waiting == sorted(set(waiting))
            missing = set(range(1, noted + 1)) - set(waiting)
            seen.wait(lambda messages, m=missing: m <= set(numbers(messages)), "an event is lost")  # type: ignore[misc]
            assert max((*numbers(seen.messages), *waiting)) == noted  # the note is as new as the newest event
            assert int(seen.last("t/count") or 0) <= noted
        noted += 50
        last = child(noted)
        assert last.wait(60) == 0
        assert last.stdout is not None
        last.stdout.close()
        seen.wait(lambda messages: noted in numbers(messages), "the last event does not arrive", 60)
        found = numbers(seen.messages)
        assert without_repeats(found) == list(range(1, noted + 1))
        late = {message.json["number"] for message in seen.of("t/events") if "replayed" in message.json}
        assert set(waiting) <= late
    with closing(Outbox(path, TARGET)) as left:
        assert left.depth == 0


def test_a_process_that_is_killed_loses_no_committed_event(tmp_path: Path) -> None:
    kills(tmp_path, 3)


@pytest.mark.slow
def test_a_process_that_is_killed_twenty_times_loses_no_committed_event(tmp_path: Path) -> None:
    kills(tmp_path, 20)


def test_what_an_earlier_process_left_goes_first_and_is_marked(broker: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    first = Camera(Broker("127.0.0.1", 1), Outbox(path, TARGET))  # nobody is there
    first.publisher.begin()
    for _ in range(5):
        first.count()
    assert first.publisher.close(timeout_s=0.1) == 5
    second = Camera(broker.address, Outbox(path, TARGET))
    second.total = 5
    assert second.publisher.depth == 5
    with Subscriber(broker.address) as seen:
        second.publisher.start()
        second.count()
        seen.wait(lambda messages: len(numbers(messages)) == 6, "not all events arrive")
        assert numbers(seen.messages) == [1, 2, 3, 4, 5, 6]
        assert [("replayed" in message.json) for message in seen.of("t/events")] == [True] * 5 + [False]
        assert second.publisher.close() == 0


def test_expiry_and_limit_are_counted_as_dropped(broker: Mosquitto, tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    camera = Camera(broker.address, Outbox(path, TARGET, max_mb=0.01, expiry_s=3600))
    for _ in range(200):
        camera.count()
    camera.publisher.begin()
    assert camera.publisher.flush(10) == 0
    dropped = camera.publisher.dropped - 200  # detections, before there was a connection
    assert 0 < dropped < 200
    camera.publisher.close()
    with closing(Outbox(path, TARGET)) as outbox:
        outbox.put([event(1), event(2)])
    time.sleep(0.2)
    camera = Camera(broker.address, Outbox(path, TARGET, expiry_s=0.1))
    assert (camera.publisher.dropped, camera.publisher.depth) == (2, 0)
    camera.publisher.close(timeout_s=0)


@pytest.mark.parametrize("is_away", [False, True])
def test_closing_is_in_time_and_keeps_what_waits(tmp_path: Path, is_away: bool) -> None:
    path = tmp_path / "outbox.sqlite"
    before = set(threading.enumerate())
    with Mosquitto(tmp_path) as broker:
        camera = Camera(broker.address, Outbox(path, TARGET))
        camera.publisher.start()
        assert camera.publisher.flush(5) == 0
        if is_away:
            broker.stop()
        else:
            broker.freeze()
        for _ in range(500):
            camera.count()
            camera.publisher.publish(Message("t/detections", bytes(100_000)))
        start = time.monotonic()
        assert camera.publisher.close(timeout_s=0.5) == 500
        assert time.monotonic() - start < 4
        wait(lambda: set(threading.enumerate()) <= before, "a thread is left")
        if not is_away:
            broker.thaw()
    with closing(Outbox(path, TARGET)) as left:
        assert left.depth == 500
        assert left.read_notes("") == {"total": "500"}


def test_a_full_disk_does_not_hold_up_events(
    broker: Mosquitto, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    camera = Camera(broker.address, Outbox(small_disk / "outbox.sqlite", TARGET))
    with Subscriber(broker.address) as seen:
        camera.publisher.start()
        camera.count()
        assert camera.publisher.flush(5) == 0
        with (small_disk / "fill").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(4096))
        for _ in range(300):
            camera.count()
        seen.wait(lambda messages: len(numbers(messages)) == 301, "events do not arrive")
        assert camera.publisher.flush(5) == 0
        (small_disk / "fill").unlink()
        wait(lambda: not camera.publisher.outbox.failing, "it is not written again")
        camera.count()
        assert camera.publisher.close() == 0
        seen.wait(lambda messages: len(set(numbers(messages))) == 302, "the last event does not arrive")
        assert without_repeats(numbers(seen.messages)) == list(range(1, 303))
    assert caplog.text.count("cannot be written") == 1
    with closing(Outbox(small_disk / "outbox.sqlite", TARGET)) as left:
        assert (left.depth, left.read_notes("")) == (0, {"total": "302"})


@pytest.mark.parametrize("frozen_s", [0, pytest.param(45, marks=pytest.mark.slow)], ids=["killed", "frozen"])
def test_many_reconnects_leave_nothing_behind(tmp_path: Path, frozen_s: float) -> None:
    with Mosquitto(tmp_path) as broker:
        camera = Camera(broker.address, Outbox(tmp_path / "outbox.sqlite", TARGET))
        client = camera.publisher.start()
        counts = []
        for number in range(2 if frozen_s else 6):
            if frozen_s:
                broker.freeze()
                camera.count()
                wait(lambda: not client.connected, "a frozen broker is not noticed", frozen_s)
                broker.thaw()
            else:
                broker.stop()
                broker.start()
            wait(lambda n=number: client.reconnects > n and client.connected, "it does not come back", 30)  # type: ignore[misc]
            assert client.flush(10) == 0
            counts.append((threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))))
        assert max(counts) <= counts[0]
        assert client.close() == 0
