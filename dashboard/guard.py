"""Who may do what: logins of people, tokens of machines, and sessions. There is nothing of HTTP in it but words."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import get_args

from config.server import Scope, Server
from dashboard.passwords import is_password, is_token
from dashboard.refusal import Refusal
from dashboard.throttle import Throttle

ALL_SCOPES: frozenset[Scope] = frozenset(get_args(Scope))
_MOST_SESSIONS = 1000
_BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Identity:
    """Who asks.

    Attributes:
        name: For the log.
        scopes: What they may do.
        csrf: What a change must bring along in ``X-CSRF-Token``; ``None`` for tokens, which no browser sends by itself.
        session: The session's id, if it is one.
    """

    name: str
    scopes: frozenset[Scope]
    csrf: str | None
    session: str | None = None


@dataclass(frozen=True, slots=True)
class _Session:
    csrf: str
    until_s: float


class Guard:
    """Knows the password, the tokens and the sessions of one server. Any thread may call it.

    Without a password everybody who can reach the server may do everything: the address is this machine's alone then.
    """

    def __init__(self, config: Server, clock: Callable[[], float] = time.monotonic) -> None:
        """Take what the site file says.

        Args:
            config: With the hash itself in ``password_hash``.
            clock: Seconds that grow.
        """
        from itsdangerous import URLSafeSerializer

        self._hash = config.password_hash.get_secret_value() if config.password_hash else None
        self._tokens = {token.name: token for token in config.tokens}
        self._session_s = config.session_hours * 3600
        self._clock = clock
        self._throttle = Throttle()
        self._sign = URLSafeSerializer(secrets.token_bytes(32), salt="session")
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()
        self._verifying = threading.Lock()
        self._local = Identity("this machine", ALL_SCOPES, secrets.token_urlsafe(24))

    @property
    def login_needed(self) -> bool:
        """Whether somebody without a login may do nothing."""
        return self._hash is not None

    def login(self, password: str, address: str) -> tuple[str, float]:
        """Begin a session.

        Args:
            password: As typed.
            address: Of the client.

        Returns:
            What the cookie says, and for how many seconds.

        Raises:
            Refusal: The password is wrong, there were too many wrong ones, or there is none at all.
        """
        if self._hash is None:
            raise Refusal(409, "there is no password here; everybody on this machine may use the page")
        if wait_s := self._throttle.wait_s(address, self._clock()):
            raise Refusal(429, f"too many wrong passwords; try again in {wait_s} s", retry_s=wait_s)
        with self._verifying:  # one at a time: each takes memory and a core
            right = is_password(password, self._hash)
        if not right:
            raise Refusal(401, "that is not the password")
        self._throttle.right(address)
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._forget_old()
            self._sessions[name] = _Session(secrets.token_urlsafe(24), self._clock() + self._session_s)
        return str(self._sign.dumps(name)), self._session_s

    def _forget_old(self) -> None:
        now = self._clock()
        for name in [name for name, session in self._sessions.items() if session.until_s <= now]:
            del self._sessions[name]
        while len(self._sessions) >= _MOST_SESSIONS:
            self._sessions.popitem(last=False)

    def logout(self, who: Identity) -> None:
        """End a session; its cookie is worth nothing any more."""
        with self._lock:
            if who.session is not None:
                self._sessions.pop(who.session, None)

    def identify(self, cookie: str | None, authorization: str | None) -> Identity | None:
        """Who asks.

        Args:
            cookie: The session's cookie, if any.
            authorization: The header of that name, if any.

        Returns:
            ``None`` for somebody who must log in.

        Raises:
            Refusal: A token that is not known: whoever brings one wants to be told.
        """
        if authorization is not None and authorization[: len(_BEARER)].lower() == _BEARER:
            return self._of_token(authorization[len(_BEARER) :].strip())
        if self._hash is None:
            return self._local
        return self._of_cookie(cookie) if cookie else None

    def _of_token(self, given: str) -> Identity:
        found = [token for token in self._tokens.values() if is_token(given, token.hash.get_secret_value())]
        if not found:
            raise Refusal(401, "this token is not known here; it must be one of server.tokens")
        return Identity(f"token {found[0].name}", frozenset(found[0].scopes), None)

    def _of_cookie(self, cookie: str) -> Identity | None:
        from itsdangerous import BadData

        try:
            name = self._sign.loads(cookie)
        except BadData:
            return None
        with self._lock:
            session = self._sessions.get(name) if isinstance(name, str) else None
        if session is None or session.until_s <= self._clock():
            return None
        return Identity("operator", ALL_SCOPES, session.csrf, name)

    def lasts(self, who: Identity) -> bool:
        """Whether somebody who was let in may go on: a session may have ended meanwhile."""
        if who.session is None:
            return True
        with self._lock:
            session = self._sessions.get(who.session)
        return session is not None and session.until_s > self._clock()


def admit(who: Identity | None, scope: Scope, is_change: bool, headers: Mapping[str, str]) -> Identity:
    """Let somebody in, or not.

    Args:
        who: Who asks; ``None`` for somebody who must log in.
        scope: What it takes.
        is_change: Whether something is changed.
        headers: Of the request, with names in lower case.

    Raises:
        Refusal: Not logged in, not allowed, or sent by another site's page.
    """
    if who is None:
        raise Refusal(401, "log in first, with POST /api/login or a token")
    if who.csrf is not None and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise Refusal(403, "a page of another site may not ask this")
    if scope not in who.scopes:
        raise Refusal(403, f"{who.name} may not do this: it takes the scope '{scope}'")
    if is_change and who.csrf is not None:
        _check_csrf(who.csrf, headers)
    return who


def _check_csrf(expected: str, headers: Mapping[str, str]) -> None:
    origin = headers.get("origin")
    if origin is not None and origin.partition("://")[2] != headers.get("host"):
        raise Refusal(403, "a page of another site may not change anything here")
    given = headers.get("x-csrf-token", "")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Refusal(403, "a change needs the header X-CSRF-Token with the value of 'csrf' from /api/session")
