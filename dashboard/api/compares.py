"""Comparisons of frameworks that `compare` has written."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from dashboard.compares import CompareError, Found, found_in, report_of, result_of, summary_of
from dashboard.gate import Gate
from dashboard.refusal import Refusal
from dashboard.security import needs

if TYPE_CHECKING:
    from fastapi import APIRouter

_REPORT_HEADERS = {
    "Content-Security-Policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}


class CompareBody(BaseModel):
    """A comparison in the list."""

    id: str
    kind: str = Field(description="compare: of detectors; train: of training")
    folder: str = Field(description="its name")
    at: float = Field(description="when it was written, Unix seconds")
    made: str | None
    videos: list[str]
    rows: int
    failed: int
    cpu: str | None
    fastest: dict[str, Any] | None
    fault: str | None = Field(None, description="why it cannot be read")


class Compares(BaseModel):
    """The comparisons, the newest first."""

    compares: list[CompareBody]


def router(folders: Sequence[Path], gate: Gate) -> "APIRouter":
    """The routes.

    Args:
        folders: Where comparisons lie, or folders with such in them.
        gate: Bounds how many read at the same time.
    """
    from fastapi import APIRouter, Response
    from fastapi.responses import JSONResponse

    routes = APIRouter(prefix="/api/compares", tags=["compares"], dependencies=[needs("read")])
    summaries: dict[tuple[str, float], CompareBody] = {}

    def look_up(key: str) -> Found:
        found = next((one for one in found_in(folders) if one.id == key), None)
        if found is None:
            raise Refusal(404, "there is no such comparison")
        return found

    @routes.get("")
    def compares() -> Compares:
        """What `compare` has written where it writes, and in folders beside that."""
        with gate:
            there = found_in(folders)
            for one in there:
                if (one.id, one.at) not in summaries:
                    summaries[one.id, one.at] = _summary(one)
        for gone in set(summaries) - {(one.id, one.at) for one in there}:
            summaries.pop(gone, None)
        return Compares(compares=[summaries[one.id, one.at] for one in there if (one.id, one.at) in summaries])

    @routes.get(
        "/{key}", response_model=dict[str, Any], responses={404: {"description": "there is no such comparison"}}
    )
    def compare(key: str) -> Response:
        """All figures: the content of compare.json or train.json."""
        try:
            with gate:
                return JSONResponse(result_of(look_up(key)))
        except CompareError as error:
            raise Refusal(404, str(error)) from error

    @routes.get(
        "/{key}/report",
        response_class=Response,
        responses={200: {"content": {"text/html": {}}}, 404: {"description": "there is none"}},
    )
    def report(key: str) -> Response:
        """Its page; nothing in it may run, or ask for anything."""
        try:
            with gate:
                content = report_of(look_up(key))
            return Response(content, media_type="text/html; charset=utf-8", headers=_REPORT_HEADERS)
        except CompareError as error:
            raise Refusal(404, str(error)) from error

    return routes


def _summary(one: Found) -> CompareBody:
    about = {"id": one.id, "kind": one.kind, "folder": one.folder.name, "at": one.at}
    try:
        return CompareBody.model_validate({**about, **summary_of(result_of(one))})
    except CompareError as error:
        empty: dict[str, Any] = {"made": None, "videos": [], "rows": 0, "failed": 0, "cpu": None, "fastest": None}
        return CompareBody.model_validate({**about, **empty, "fault": str(error)})
