"""The files of the page: those that are there when the server starts, by the name under which they are asked for."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

STATIC = Path(__file__).resolve().parent / "static"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".webmanifest": "application/manifest+json",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}
_MOST_BYTES = 2_000_000
_COMPRESSED = ("text/", "image/svg", "application/")
_WITHOUT_PAGE = (
    b"<!doctype html><html lang=en><title>Sightline</title><h1>Sightline</h1>"
    b"<p>The files of the page are not installed. The API is under <a href=/openapi.json>/openapi.json</a>.</html>"
)


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of the page."""

    content: bytes
    zipped: bytes | None
    content_type: str
    etag: str


def has_charts(folder: Path = STATIC) -> bool:
    """Whether npm brought what draws charts (docker/install-web.sh); else the page shows tables."""
    return (folder / "vendor" / "uPlot.iife.min.js").is_file()


def asset(content: bytes, content_type: str) -> Asset:
    """A file of the page as it is sent."""
    zipped = gzip.compress(content, 9, mtime=0) if content_type.startswith(_COMPRESSED) else None
    return Asset(content, zipped, content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


def read_assets(folder: Path) -> dict[str, Asset]:
    """All files of a folder of kinds that a page has, by their path within it; links that lead out of it are left out.

    Args:
        folder: It need not exist.
    """
    found: dict[str, Asset] = {}
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        content_type = _TYPES.get(path.suffix)
        inside = path.resolve().is_relative_to(folder.resolve())
        if content_type and inside and path.is_file() and path.stat().st_size <= _MOST_BYTES:
            found[path.relative_to(folder).as_posix()] = asset(path.read_bytes(), content_type)
    return found


def router(folder: Path = STATIC) -> "APIRouter":
    """``/`` and ``/static/...``. Anybody may read them: there is nothing of the site in them."""
    from fastapi import APIRouter, Request, Response

    assets = read_assets(folder)
    page = assets.get("index.html") or asset(_WITHOUT_PAGE, _TYPES[".html"])
    routes = APIRouter(include_in_schema=False)

    def answer(request: Request, found: Asset) -> Response:
        headers = {"ETag": found.etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        headers["Content-Type"] = found.content_type
        if found.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found.zipped, headers={**headers, "Content-Encoding": "gzip"})
        return Response(found.content, headers=headers)

    @routes.api_route("/", methods=["GET", "HEAD"])
    async def index(request: Request) -> Response:
        return answer(request, page)

    @routes.api_route("/static/{name:path}", methods=["GET", "HEAD"])
    async def static(request: Request, name: str) -> Response:
        found = assets.get(name)
        return Response("not found", 404) if found is None else answer(request, found)

    return routes
