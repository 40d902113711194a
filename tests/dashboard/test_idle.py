"""Connections that ask nothing are closed; those that ask now and then are not."""

from __future__ import annotations

import socket
import time
from types import SimpleNamespace
from typing import Any

import pytest

from dashboard.idle import Idle
from tests.support.dashboard import client_of, served


class Connection:
    def __init__(self) -> None:
        self.cycle: Any = None


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
