"""Logins, sessions, tokens and who may do what, without HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from config.errors import ConfigError
from config.server import Server, hash_fault
from dashboard import guard as guards
from dashboard.guard import ALL_SCOPES, Guard, Identity, admit
from dashboard.passwords import hash_password, hash_token, is_password, is_token, new_token
from dashboard.refusal import Refusal
from dashboard.throttle import FREE_TRIES

PASSWORD = "correct horse"  # noqa: S105
RIGHT = "r"
BROWSER = {"host": "here:8600", "origin": "http://here:8600", "sec-fetch-site": "same-origin"}


@cache
def the_hash() -> str:
    return hash_password(PASSWORD)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def guard(clock: Clock | None = None, **more: Any) -> Guard:
    config = Server.model_validate({"password_hash": the_hash(), **more})
    return Guard(config, clock or Clock())


def refused(who: Identity | None, scope: Any, is_change: bool, headers: Mapping[str, str]) -> int:
    with pytest.raises(Refusal) as caught:
        admit(who, scope, is_change, headers)
    return caught.value.status


def test_a_password_is_known_by_its_hash() -> None:
    assert the_hash().startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert hash_fault(the_hash()) is None
    assert the_hash() != hash_password(PASSWORD)  # salted
    assert is_password(PASSWORD, the_hash())
    assert not is_password(PASSWORD + " ", the_hash())
    assert not is_password("x" * 100_000, the_hash())
    assert not is_password(PASSWORD, "$argon2id$v=19$m=19456,t=2,p=1$no$hash")


@pytest.mark.parametrize(("password", "why"), [("short", "at least 8"), ("x" * 1025, "at most 1024")])
def test_a_password_has_a_length(password: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        hash_password(password)


def test_tokens_are_random_and_known_by_their_hash() -> None:
    token, line = new_token()
    other, _ = new_token()
    assert token != other
    assert len(token) > 40
    assert line == hash_token(token)
    assert token not in line
    assert is_token(token, line)
    assert not is_token(other, line)


def test_without_a_password_this_machine_may_do_everything() -> None:
    open_guard = Guard(Server())
    who = open_guard.identify(None, None)
    assert who is not None
    assert (open_guard.login_needed, who.scopes) == (False, ALL_SCOPES)
    with pytest.raises(Refusal) as caught:
        open_guard.login(PASSWORD, "127.0.0.1")
    assert caught.value.status == 409


def test_a_login_makes_a_session_that_ends() -> None:
    clock = Clock()
    one = guard(clock, session_hours=2)
    assert one.identify(None, None) is None
    cookie, seconds = one.login(PASSWORD, "10.0.0.1")
    assert seconds == 7200
    who = one.identify(cookie, None)
    assert who is not None
    assert who.scopes == ALL_SCOPES
    clock.now = 7199
    assert one.lasts(who)
    clock.now = 7200
    assert one.identify(cookie, None) is None
    assert not one.lasts(who)


def test_logging_out_ends_this_session_alone() -> None:
    one = guard()
    cookies = [one.login(PASSWORD, "10.0.0.1")[0] for _ in range(2)]
    first, second = (one.identify(cookie, None) for cookie in cookies)
    assert first is not None
    assert second is not None
    assert first.csrf != second.csrf
    one.logout(first)
    assert one.identify(cookies[0], None) is None
    assert not one.lasts(first)
    assert one.identify(cookies[1], None) == second


@pytest.mark.parametrize("change", [lambda c: c[:-1] + "A", lambda c: "x" + c, lambda c: "", lambda c: c.split(".")[0]])
def test_a_cookie_that_was_changed_is_nobodys(change: Any) -> None:
    one = guard()
    cookie, _ = one.login(PASSWORD, "10.0.0.1")
    assert one.identify(change(cookie), None) is None
    assert one.identify(cookie, None) is not None


def test_a_cookie_of_another_process_is_nobodys() -> None:
    cookie, _ = guard().login(PASSWORD, "10.0.0.1")
    assert guard().identify(cookie, None) is None


def test_sessions_are_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_MOST_SESSIONS", 3)
    monkeypatch.setattr(guards, "is_password", lambda password, expected: True)
    one = guard()
    cookies = [one.login("", "10.0.0.1")[0] for _ in range(5)]
    assert [one.identify(cookie, None) is not None for cookie in cookies] == [False, False, True, True, True]


def test_wrong_passwords_lock_the_address_and_the_right_one_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []

    def is_right(password: str, expected: str) -> bool:
        looked.append(password)
        return password == RIGHT

    monkeypatch.setattr(guards, "is_password", is_right)
    clock = Clock()
    one = guard(clock)
    codes = []
    for password in ["w"] * FREE_TRIES + [RIGHT, RIGHT]:
        with pytest.raises(Refusal) as caught:
            one.login(password, "10.0.0.1")
        codes.append((caught.value.status, caught.value.retry_s))
    assert codes == [(401, None)] * FREE_TRIES + [(429, 10)] * 2
    assert looked == ["w"] * FREE_TRIES  # what waits is not even looked at
    one.login(RIGHT, "10.0.0.2")
    clock.now = 10
    one.login(RIGHT, "10.0.0.1")


def test_a_token_has_its_scopes_and_no_csrf() -> None:
    token, line = new_token()
    one = guard(tokens=[{"name": "grafana", "scopes": ["read"], "hash": line}])
    who = one.identify(None, f"Bearer {token}")
    assert who == Identity("token grafana", frozenset({"read"}), None)
    assert one.identify(None, f"bearer  {token} ") == who
    assert one.lasts(who)
    for wrong in (token[:-1], token + "x", ""):
        with pytest.raises(Refusal) as caught:
            one.identify(None, f"Bearer {wrong}")
        assert caught.value.status == 401
    assert one.identify(None, "Basic YTpi") is None


OPERATOR = Identity("operator", ALL_SCOPES, "the token", "s")
MACHINE = Identity("token x", frozenset({"read"}), None)


def test_who_is_let_in() -> None:
    assert admit(OPERATOR, "configure", False, BROWSER) is OPERATOR
    assert admit(OPERATOR, "configure", True, {**BROWSER, "x-csrf-token": "the token"}) is OPERATOR
    assert admit(OPERATOR, "read", True, {"x-csrf-token": "the token"}) is OPERATOR  # no browser
    assert admit(MACHINE, "read", True, {}) is MACHINE


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({}, "no token"),
        ({"x-csrf-token": "another"}, "wrong token"),
        ({"x-csrf-token": "thé token"}, "no ascii"),
        ({"x-csrf-token": "the token", "sec-fetch-site": "cross-site"}, "another site"),
        ({"x-csrf-token": "the token", "sec-fetch-site": "same-site"}, "a neighbour"),
        ({"x-csrf-token": "the token", "origin": "http://evil.example"}, "another origin"),
        ({"x-csrf-token": "the token", "origin": "null"}, "no origin"),
        ({"x-csrf-token": "the token", "origin": "http://here:8601"}, "another port"),
    ],
)
def test_a_change_comes_from_our_own_page(headers: dict[str, str], why: str) -> None:
    assert refused(OPERATOR, "operate", True, {**BROWSER, **headers}) == 403, why


def test_who_is_not_let_in() -> None:
    assert refused(None, "read", False, {}) == 401
    assert refused(MACHINE, "operate", True, {}) == 403
    assert refused(OPERATOR, "read", False, {"sec-fetch-site": "cross-site"}) == 403
