"""How often a wrong password may be tried: per address, and by all addresses together."""

from __future__ import annotations

import ipaddress
import math
import threading
from collections import OrderedDict, deque

FREE_TRIES = 5
FIRST_WAIT_S = 10.0
LONGEST_WAIT_S = 900.0
MOST_IN_ALL = 60
"""Wrong tries of all addresses together within ``WINDOW_S``: more, and everybody waits."""
WINDOW_S = 60.0
_FORGOTTEN_S = 3600.0
_MOST_ADDRESSES = 4096


class Throttle:
    """Counts tries. Five are free; each wrong one behind them doubles the wait, from 10 s to 15 minutes.

    A try counts as wrong as soon as it begins, so that many at once are no way around it; ``right`` takes it back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._addresses: OrderedDict[str, tuple[int, float]] = OrderedDict()  # wrong tries, and when the last one was
        self._all: deque[float] = deque()

    def wait_s(self, address: str, now: float) -> int:
        """Begin a try.

        Args:
            address: Of the client.
            now: Seconds of the monotonic clock.

        Returns:
            0 if the password may be looked at; else so many seconds are to be waited, and the try did not count.
        """
        place = network_of(address)
        with self._lock:
            while self._all and self._all[0] <= now - WINDOW_S:
                self._all.popleft()
            wrong, last = self._addresses.get(place, (0, now))
            if now - last > _FORGOTTEN_S:
                wrong = 0
            until = last + _wait_after(wrong)
            if len(self._all) >= MOST_IN_ALL:
                until = max(until, self._all[0] + WINDOW_S)
            if now < until:
                return math.ceil(until - now)
            self._addresses[place] = (wrong + 1, now)
            self._addresses.move_to_end(place)
            while len(self._addresses) > _MOST_ADDRESSES:
                self._addresses.popitem(last=False)
            self._all.append(now)
            return 0

    def right(self, address: str) -> None:
        """The try was right: what this address did before is forgotten."""
        with self._lock:
            self._addresses.pop(network_of(address), None)
            if self._all:
                self._all.pop()


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the network of 64 bits, which one client has for itself."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def _wait_after(wrong: int) -> float:
    """Seconds to wait after so many wrong tries in a row."""
    if wrong < FREE_TRIES:
        return 0.0
    return float(min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(wrong - FREE_TRIES, 20)))
