"""Logging in and out, and who one is."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, SecretStr

from config.server import Scope
from dashboard.passwords import MOST_CHARACTERS
from dashboard.refusal import Refusal
from dashboard.security import cookie_name, guard_of, identity, needs
from pipelines.analyze import sightline_version
from pipelines.live.face import SiteFace

if TYPE_CHECKING:
    from fastapi import APIRouter

_OF_A_FILE = "a file is being analysed; its settings are those that it was begun with"


class Session(BaseModel):
    """Who one is, and what is served here."""

    login_needed: bool = Field(description="whether nothing is shown without a login")
    logged_in: bool
    scopes: list[Scope] = Field(description="what one may do: read, operate, configure")
    csrf: str | None = Field(description="for the header X-CSRF-Token of every change; null for tokens")
    site: str | None = Field(description="name of the place; null before a login")
    version: str | None = Field(description="of Sightline; null before a login")
    read_only_reason: str | None = Field(description="why the configuration cannot be changed here")
    dashboard: dict[str, bool] = Field(description="what of the page is there: history, say")


class Login(BaseModel):
    """What a person logs in with."""

    password: SecretStr = Field(max_length=MOST_CHARACTERS)


def router(face: SiteFace) -> "APIRouter":
    """``/api/session``, ``/api/login`` and ``/api/logout``."""
    from fastapi import APIRouter, Request, Response

    routes = APIRouter(prefix="/api", tags=["session"])

    @routes.get("/session")
    async def session(request: Request) -> Session:
        """Who one is; also for those who are not logged in."""
        return _session(request, face)

    @routes.post("/login")
    def login(request: Request, response: Response, said: Login) -> Session:
        """Begin a session: the answer sets its cookie. Too many wrong passwords are answered by 429."""
        guard = guard_of(request)
        if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            raise Refusal(403, "a page of another site may not log in here")
        cookie, seconds = guard.login(said.password.get_secret_value(), request.client.host if request.client else "")
        is_secure = request.url.scheme == "https"
        name = cookie_name(is_secure)
        response.set_cookie(
            name, cookie, max_age=int(seconds), path="/", secure=is_secure, httponly=True, samesite="strict"
        )
        request.cookies[name] = cookie  # the answer says who one is from now on
        return _session(request, face)

    @routes.post("/logout", status_code=204, dependencies=[needs("read")])
    async def logout(request: Request, response: Response) -> None:
        """End the session."""
        who = identity(request)
        if who is not None:
            guard_of(request).logout(who)
        response.delete_cookie(cookie_name(request.url.scheme == "https"), path="/")

    def _session(request: Request, face: SiteFace) -> Session:
        who = identity(request)
        plan = face.plan()
        return Session(
            login_needed=guard_of(request).login_needed,
            logged_in=who is not None,
            scopes=sorted(who.scopes) if who is not None else [],
            csrf=who.csrf if who is not None else None,
            site=(plan.site.site if plan is not None else "analyze") if who is not None else None,
            version=sightline_version() if who is not None else None,
            read_only_reason=_OF_A_FILE if face.site_file is None else None,
            dashboard=dict(request.app.state.parts),
        )

    return routes
