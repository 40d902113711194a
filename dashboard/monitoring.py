"""``/healthz`` and ``/metrics``."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

from typing import TYPE_CHECKING

from config import site
from dashboard.prometheus import registry
from dashboard.security import guard_of, identity, needs
from pipelines.live.face import SiteFace

if TYPE_CHECKING:
    from fastapi import APIRouter

_NO_STORE = {"Cache-Control": "no-store"}


def router(config: site.Server, face: SiteFace, is_guarded: bool) -> "APIRouter":
    """The two routes.

    Args:
        config: Says whether there are metrics.
        face: The site.
        is_guarded: Whether who is not logged in sees nothing but the state of the process, where a login is needed.
    """
    from fastapi import APIRouter, Request, Response
    from fastapi.responses import JSONResponse
    from prometheus_client.exposition import choose_encoder

    routes = APIRouter(include_in_schema=False)

    @routes.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz(request: Request) -> Response:
        well, said = face.health()
        if is_guarded and guard_of(request).login_needed and identity(request) is None:
            said = {"status": said.get("status")}
        return JSONResponse(said, 200 if well else 503, _NO_STORE)

    if not config.metrics:
        return routes
    numbers = registry(face.stats)

    @routes.api_route("/metrics", methods=["GET", "HEAD"], dependencies=[needs("read")] if is_guarded else [])
    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(numbers), 200, {**_NO_STORE, "Content-Type": content_type})

    return routes
