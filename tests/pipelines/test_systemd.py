"""What systemd hears, over a real datagram socket; and the unit file, as far as systemd itself checks it."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest

from pipelines.systemd import Notifier

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "docker" / "systemd" / "sightline.service"


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """(``NOTIFY_SOCKET``, the socket that hears it)."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@sightline-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as hears:
        hears.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        hears.settimeout(5)
        yield name, hears


def test_systemd_hears_all_of_it(systemd: tuple[str, socket.socket]) -> None:
    name, hears = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})

    def heard() -> str:
        return hears.recv(4096).decode()

    notifier.ready()
    assert heard() == "READY=1"
    before = time.monotonic_ns() // 1000
    notifier.reloading()
    first, second = heard().split("\n")
    assert first == "RELOADING=1"
    assert before <= int(second.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000
    notifier.status("2 cameras,\n1 offline")
    assert heard() == "STATUS=2 cameras, 1 offline"
    notifier.watchdog()
    assert heard() == "WATCHDOG=1"
    notifier.stopping()
    assert heard() == "STOPPING=1"


def test_a_start_that_takes_long_is_not_cut_off(
    systemd: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first export or download may take longer than ``TimeoutStartSec``; once ready, nothing more is asked for."""
    monkeypatch.setattr("pipelines.systemd.EXTEND_EVERY_S", 0.02)
    name, hears = systemd
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.starting()
    assert [hears.recv(4096).decode() for _ in range(3)] == ["EXTEND_TIMEOUT_USEC=60000000"] * 3
    notifier.ready()
    while hears.recv(4096) != b"READY=1":
        pass
    hears.settimeout(0.2)
    late = []
    with pytest.raises(TimeoutError):
        while True:
            late.append(hears.recv(4096))
    assert len(late) <= 1  # one may have been on its way


def test_a_start_that_hangs_is_given_up(systemd: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.systemd.EXTEND_EVERY_S", 0.02)
    monkeypatch.setattr("pipelines.systemd.LONGEST_START_S", 0.1)
    name, hears = systemd
    Notifier({"NOTIFY_SOCKET": name}).starting()
    hears.settimeout(0.5)
    count = 0
    with pytest.raises(TimeoutError):
        while hears.recv(4096):
            count += 1
    assert 1 <= count <= 6


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"WATCHDOG_USEC": "60000000"}, 30),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, 30),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid() + 1)}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_interval_is_half_of_the_watchdogs(variables: dict[str, str], expected: float | None) -> None:
    assert Notifier({"NOTIFY_SOCKET": "/nowhere", **variables}).interval_s == expected
    assert Notifier(variables).interval_s is None


def test_without_systemd_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Notifier({}).ready()
    assert caplog.records == []


def test_a_socket_that_fails_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            notifier.watchdog()
    assert [(record.levelname, record.name) for record in caplog.records] == [("DEBUG", "pipelines.systemd")]


def test_the_environment_of_the_process_is_read(systemd: tuple[str, socket.socket]) -> None:
    name, hears = systemd
    script = "from pipelines.systemd import Notifier; n = Notifier(); n.ready(); print(n.interval_s)"
    environ = os.environ | {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "3000000"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert (done.stdout, hears.recv(4096)) == ("1.5\n", b"READY=1")


def unit() -> RawConfigParser:
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(UNIT)
    return parser


def test_the_unit_says_what_the_service_needs() -> None:
    service = unit()["Service"]
    for key, value in {
        "Type": "notify",  # notify-reload needs systemd 253; Debian 12 has 252
        "NotifyAccess": "main",
        "ExecReload": "/bin/kill -HUP $MAINPID",
        "Restart": "always",
        "WatchdogSec": "60",
        "TimeoutStopSec": "15",
        "KillSignal": "SIGTERM",
        "StateDirectory": "sightline",
        "NoNewPrivileges": "yes",
        "ProtectSystem": "strict",
        "SupplementaryGroups": "video render",
    }.items():
        assert service[key] == value, key


def test_systemd_finds_no_fault_in_the_unit(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    text = UNIT.read_text().replace("/opt/sightline/.venv/bin/sightline", sys.executable)
    copy = tmp_path / "sightline.service"
    copy.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "sightline" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
