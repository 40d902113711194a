"""How often a wrong password may be tried, on a clock that is a number."""

from __future__ import annotations

import pytest

from dashboard import throttle
from dashboard.throttle import MOST_IN_ALL, WINDOW_S, Throttle, network_of


def test_five_tries_are_free_and_each_further_one_waits_twice_as_long() -> None:
    tries = Throttle()
    now = 1000.0
    assert [tries.wait_s("10.0.0.1", now) for _ in range(5)] == [0] * 5
    waits = []
    for _ in range(9):
        wait = tries.wait_s("10.0.0.1", now)
        waits.append(wait)
        assert tries.wait_s("10.0.0.1", now + wait - 0.5) == 1  # still one second too early; it does not count
        now += wait
        assert tries.wait_s("10.0.0.1", now) == 0
    assert waits == [10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_others_do_not_wait_for_one() -> None:
    tries = Throttle()
    for _ in range(7):
        tries.wait_s("10.0.0.1", 0.0)
    assert tries.wait_s("10.0.0.1", 0.0) > 0
    assert tries.wait_s("10.0.0.2", 0.0) == 0


def test_a_right_password_forgets_the_wrong_ones() -> None:
    tries = Throttle()
    for _ in range(5):
        assert tries.wait_s("10.0.0.1", 0.0) == 0
    tries.right("10.0.0.1")
    assert [tries.wait_s("10.0.0.1", 1.0) for _ in range(5)] == [0] * 5
    assert tries.wait_s("10.0.0.1", 1.0) == 10


def test_an_hour_of_quiet_forgets_them_too() -> None:
    tries = Throttle()
    for _ in range(5):
        tries.wait_s("10.0.0.1", 0.0)
    assert [tries.wait_s("10.0.0.1", 3601.0) for _ in range(5)] == [0] * 5


def test_all_together_are_bounded() -> None:
    tries = Throttle()
    assert all(tries.wait_s(f"10.0.{n}.1", n / 100) == 0 for n in range(MOST_IN_ALL))
    assert tries.wait_s("10.9.9.9", 1.0) == WINDOW_S - 1
    assert tries.wait_s("10.9.9.9", WINDOW_S + 0.001) == 0  # the first of them was a minute ago
    assert tries.wait_s("10.9.9.8", WINDOW_S + 0.002) > 0


def test_right_passwords_use_nothing_up() -> None:
    tries = Throttle()
    for n in range(3 * MOST_IN_ALL):
        assert tries.wait_s(f"10.0.{n % 250}.{n // 250}", 0.0) == 0
        tries.right(f"10.0.{n % 250}.{n // 250}")


def test_addresses_are_not_kept_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "_MOST_ADDRESSES", 100)
    tries = Throttle()
    for n in range(1000):
        tries.wait_s(f"10.0.{n // 250}.{n % 250}", n * 2.0)
    assert len(tries._addresses) == 100
    assert tries.wait_s("10.0.3.249", 2000.0) == 0
    assert tries._addresses["10.0.3.249"][0] == 2  # the newest are those that are kept


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("a name", "a name"),
        ("", ""),
    ],
)
def test_one_client_is_one_address(address: str, expected: str) -> None:
    assert network_of(address) == expected
