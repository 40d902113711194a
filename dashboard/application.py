"""The application: which routes there are, and what holds for all of them."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

import logging
from typing import TYPE_CHECKING, Any

from config import site
from dashboard import files, monitoring
from dashboard.api import cameras, commands, compares, events, history, session, stream, system
from dashboard.api import config as configuration
from dashboard.api.common import Fault
from dashboard.backing import Backing
from dashboard.gate import Gate
from dashboard.guard import Guard
from dashboard.middleware import Bodies, Faults, Headers, Names, Patience
from dashboard.news import News
from dashboard.refusal import Refusal
from dashboard.security import is_known
from dashboard.views import Views
from pipelines.analyze import sightline_version
from pipelines.live.face import CannotBeAsked, SiteFace

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)


def application(config: site.Server, face: SiteFace) -> "FastAPI":
    """The page and its API, ``/healthz`` and ``/metrics``; without ``dashboard`` the last two alone.

    Args:
        config: With the hash of the password in it, and paths that are whole.
        face: The site that is shown.

    Raises:
        ImportError: The extra is not installed.
    """
    return _whole(config, face) if config.dashboard else _small(config, face)


def _small(config: site.Server, face: SiteFace) -> "FastAPI":
    from fastapi import FastAPI

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.include_router(monitoring.router(config, face, is_guarded=False))
    return app


def _whole(config: site.Server, face: SiteFace) -> "FastAPI":
    from fastapi import FastAPI

    app = FastAPI(
        title="Sightline",
        version=sightline_version(),
        description="The page of a site and what it is made of. Errors are `{detail, path}`.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={422: {"model": Fault, "description": "something of the request is wrong"}},
    )
    app.state.guard = Guard(config)
    backing = app.state.backing = Backing(config, face)
    app.state.parts = {"history": backing.reader is not None, "charts": files.has_charts()}  # for /api/session
    app.include_router(monitoring.router(config, face, is_guarded=True))
    app.include_router(files.router())
    views, news = app.state.views, app.state.news = Views(face), News(face)
    app.include_router(session.router(face))
    app.include_router(cameras.router(face))
    app.include_router(commands.router(face))
    app.include_router(stream.router(face, views, news))
    app.include_router(configuration.router(face, backing.editor))
    gate = Gate()
    app.include_router(history.router(backing.reader, gate))
    app.include_router(events.router(backing.reader, gate))
    app.include_router(compares.router(backing.compares, gate))
    app.include_router(system.router(face, backing.recorder, backing.tail))
    _answer_errors(app)
    app.add_middleware(Faults)  # what is added first is nearest to the routes
    app.add_middleware(Bodies, is_known=is_known)
    app.add_middleware(Patience)
    app.add_middleware(Names, names=(config.host, *config.names))
    app.add_middleware(Headers)
    return app


def _answer_errors(app: "FastAPI") -> None:
    """Every error is one sentence, in one form."""
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse
    from starlette.exceptions import HTTPException

    def answer(status: int, detail: str, path: str | None = None, headers: Any = None) -> JSONResponse:
        return JSONResponse({"detail": detail, "path": path}, status, headers)

    async def refused(request: Request, error: Refusal) -> JSONResponse:
        headers = {"Retry-After": str(error.retry_s)} if error.retry_s is not None else {}
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return answer(error.status, error.detail, error.path, headers)

    async def not_done(request: Request, error: CannotBeAsked) -> JSONResponse:
        return answer(409, str(error))

    async def of_http(request: Request, error: HTTPException) -> JSONResponse:
        return answer(error.status_code, str(error.detail), headers=error.headers)

    async def wrong(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(422, "; ".join(dict.fromkeys(map(_fault, error.errors()))))

    app.add_exception_handler(Refusal, refused)  # type: ignore[arg-type]
    app.add_exception_handler(CannotBeAsked, not_done)  # type: ignore[arg-type]
    app.add_exception_handler(HTTPException, of_http)  # type: ignore[arg-type]
    app.add_exception_handler(RequestValidationError, wrong)  # type: ignore[arg-type]


def _fault(error: dict[str, Any]) -> str:
    """What is wrong with a request, without the value, which may be a secret."""
    place = ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path"))
    return f"{place}: {error['msg']}" if place else str(error["msg"])
