"""What systemd wants to hear from a service (sd_notify), over the socket it gave us; without one nothing happens."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)
EXTEND_EVERY_S = 20.0
EXTEND_S = 60
"""Seconds in which systemd waits for the next word of a start."""
LONGEST_START_S = 3600.0
"""What takes longer hangs: systemd begins anew then."""
_SEND_S = 1.0


class Notifier:
    """Speaks to systemd. Any thread may call it; nothing is ever raised."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Read ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``.

        Args:
            environ: The environment; default: this process's.
        """
        environ = os.environ if environ is None else environ
        name = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + name[1:] if name.startswith("@") else name
        self._failed = False
        self._started = threading.Event()
        self._interval_s = _interval_s(environ) if self._address else None

    @property
    def interval_s(self) -> float | None:
        """Seconds between two calls of ``watchdog``, half of what systemd waits; None when it does not watch."""
        return self._interval_s

    def starting(self) -> None:
        """Ask for more time again and again until ``ready``: models may have to be fetched or exported first."""
        if self._address:
            threading.Thread(target=self._extend, name="systemd", daemon=True).start()

    def _extend(self) -> None:
        end = time.monotonic() + LONGEST_START_S
        while not self._started.is_set() and time.monotonic() < end:
            self._send(f"EXTEND_TIMEOUT_USEC={EXTEND_S * 1_000_000}")
            self._started.wait(EXTEND_EVERY_S)

    def ready(self) -> None:
        """The service runs; also the end of a reload."""
        self._started.set()
        self._send("READY=1")

    def reloading(self) -> None:
        """The configuration is read again; ``ready`` is to follow."""
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The service ends."""
        self._started.set()
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={' '.join(text.split())}")

    def watchdog(self) -> None:
        """The service is alive."""
        self._send("WATCHDOG=1")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_SEND_S)
                sender.sendto(text.encode(), self._address)
        except (OSError, ValueError) as error:
            if not self._failed:
                log.debug("systemd's socket %r does not take %r: %s", self._address, text, error)
            self._failed = True


def _interval_s(environ: Mapping[str, str]) -> float | None:
    """Half of ``WATCHDOG_USEC`` in seconds, where it is meant for this process."""
    try:
        waits_us = int(environ.get("WATCHDOG_USEC", "0"))
        pid = int(environ.get("WATCHDOG_PID") or os.getpid())
    except ValueError as error:
        log.debug("systemd's watchdog is not used: %s", error)
        return None
    return waits_us / 2e6 if waits_us > 0 and pid == os.getpid() else None
