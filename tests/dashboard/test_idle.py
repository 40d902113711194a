"""Connections that ask or take nothing are closed; those that ask now and then, and slow ones, are not."""

from __future__ import annotations

import logging
import socket
import time
from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.idle import Idle, Stuck
from tests.support.dashboard import client_of, served


class Connection:
    def __init__(self) -> None:
        self.cycle: Any = None
        self.transport: Any = None
        self.resumed = 0


def test_who_asks_nothing_for_so_long_is_over() -> None:
    idle = Idle(20)
    silent, busy, now_and_then = Connection(), Connection(), Connection()
    busy.cycle = SimpleNamespace(response_complete=False)
    everybody = [silent, busy, now_and_then]
    for second in range(21):
        now_and_then.cycle = SimpleNamespace(response_complete=True)
        assert idle.over(everybody, second) == [], second
    assert idle.over(everybody, 20.5) == [silent]
    assert idle.over([busy], 100) == []
    busy.cycle.response_complete = True
    assert idle.over([busy], 101) == []
    assert idle.over([busy], 122) == [busy]
    assert idle.over([silent], 123) == []  # closed, and another one at its place


def test_a_request_that_does_not_come_to_its_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.server.SWEEP_TICKS", 1)
    monkeypatch.setattr("dashboard.idle.Idle.__init__.__defaults__", (0.5,))
    with served() as server:
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as silent,
            socket.create_connection(("127.0.0.1", server.port), timeout=10) as half,
            client_of(server) as client,
        ):
            half.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
            end = time.monotonic() + 1.5
            with client.stream("GET", "/api/stream") as stream:
                told = stream.iter_raw()
                while time.monotonic() < end:
                    assert next(told)  # who is served is not cut
            assert silent.recv(100) == b""
            assert half.recv(100) == b""


def test_who_takes_nothing_for_so_long_is_over() -> None:
    waiting = {"stuck": 0, "slow": 0, "quick": 0}
    everybody = [Connection() for _ in waiting]
    for one, name in zip(everybody, waiting, strict=True):
        one.transport = SimpleNamespace(get_write_buffer_size=lambda name=name: waiting[name])
    stuck = Stuck(60)
    for second in range(0, 130, 2):
        waiting["stuck"] += 10  # it is written to, and takes nothing
        waiting["slow"] = 90_000 if second % 40 else 80_000
        waiting["quick"] = 70_000  # as much is written as it takes
        everybody[2].resumed += second % 30 == 0
        found = stuck.over(everybody, second)
        assert found == ([everybody[0]] if second > 60 else []), second


def test_a_client_that_takes_nothing_gives_its_place_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.server.SWEEP_TICKS", 1)
    monkeypatch.setattr("dashboard.server.TAKEN_S", 0.5)
    with served() as server, socket.socket() as glutton:
        glutton.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        glutton.connect(("127.0.0.1", server.port))
        glutton.sendall(200 * b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connections = server._uvicorn.server_state.connections
        end = time.monotonic() + 10
        while not any(one.transport.get_write_buffer_size() for one in list(connections)):
            assert time.monotonic() < end
            time.sleep(0.02)
        while connections:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_nonsense_behind_a_refusal_is_not_logged_each_time(caplog: pytest.LogCaptureFixture) -> None:
    with served() as server:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as stranger:
                head = b"POST /x HTTP/1.1\r\nHost: evil.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
                stranger.sendall(head)
                assert stranger.recv(100).startswith(b"HTTP/1.1 421 ")
                with suppress(ConnectionError):
                    stranger.sendall(b"ZZZ\r\n\r\n")
                    while stranger.recv(1000):  # until it is closed
                        pass
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
