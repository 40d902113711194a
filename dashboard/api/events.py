"""What rules saw: a list with filters, pictures, and CSV."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from dashboard.api.history import LATEST, asked, patiently, reader_of
from dashboard.csv_text import csv_chunks, iso
from dashboard.gate import Gate
from dashboard.history.reader import MOST_EVENTS, EventFilter, Reader
from dashboard.refusal import Refusal
from dashboard.security import needs

if TYPE_CHECKING:
    from fastapi import APIRouter

MOST_ROWS = 50_000
"""Of one CSV file."""
_LAST_ID = 2**63 - 1
Page = tuple[list[dict[str, Any]], int | None]
Scalar = str | int | float | bool | None


class EventBody(BaseModel):
    """Something a rule saw."""

    id: int
    camera: str
    kind: str
    rule: str
    label: str | None
    track_id: int | None
    at: float = Field(description="Unix seconds")
    pts_s: float = Field(description="media seconds")
    data: dict[str, Scalar]
    thumbnail: bool = Field(description="whether there is a picture")


class Events(BaseModel):
    """A page of events, the newest first."""

    events: list[EventBody]
    next: int | None = Field(description="`before` of the next page")


def router(reader: Reader | None, gate: Gate) -> "APIRouter":
    """The routes; without a reader they answer 404.

    Args:
        reader: Of the history, where one is kept.
        gate: Bounds how many read at the same time.
    """
    from fastapi import APIRouter, Header, Path, Query, Response
    from fastapi.responses import StreamingResponse

    routes = APIRouter(prefix="/api", tags=["events"], dependencies=[needs("read")])
    At = Annotated[float | None, Query(ge=0, le=LATEST, allow_inf_nan=False, description="Unix seconds")]
    Word = Annotated[str | None, Query(max_length=128)]
    Before = Annotated[int | None, Query(ge=1, le=_LAST_ID, description="id of an event: only older ones")]
    Limit = Annotated[int, Query(ge=1, le=MOST_EVENTS)]
    Id = Annotated[int, Path(ge=1, le=_LAST_ID)]
    Known = Annotated[str | None, Header(alias="If-None-Match", max_length=1000)]

    @routes.get("/events")
    def events(
        camera: Word = None,
        kind: Word = None,
        rule: Word = None,
        label: Word = None,
        since: At = None,
        until: At = None,
        before: Before = None,
        limit: Limit = 50,
    ) -> Events:
        """The newest events first; `next` is the `before` of the next page."""
        wanted = EventFilter(camera, kind, rule, label, since, until, before)
        found, more = asked(lambda: reader_of(reader).events(wanted, limit), gate)
        return Events(events=[EventBody.model_validate(one) for one in found], next=more)

    @routes.get("/events.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
    def events_csv(
        camera: Word = None,
        kind: Word = None,
        rule: Word = None,
        label: Word = None,
        since: At = None,
        until: At = None,
    ) -> StreamingResponse:
        """The same as CSV, 50,000 rows at most."""
        wanted = EventFilter(camera, kind, rule, label, since, until)
        known = reader_of(reader)
        first = asked(lambda: known.events(wanted, MOST_EVENTS), gate)
        headers = {"Content-Disposition": 'attachment; filename="events.csv"'}
        pages = _pages(known, wanted, first, gate)
        return StreamingResponse(pages, headers=headers, media_type="text/csv; charset=utf-8")

    @routes.get(
        "/events/{event}/thumbnail",
        response_class=Response,
        responses={
            200: {"content": {"image/jpeg": {}}},
            304: {"description": "it is the one that is known"},
            404: {"description": "there is none"},
        },
    )
    def thumbnail(event: Id, known: Known = None) -> Response:
        """The picture of an event. Another history begins with the same ids, so a kept copy is asked for again."""
        jpeg = asked(lambda: reader_of(reader).thumbnail(event))
        if jpeg is None:
            raise Refusal(404, "there is no picture of this event; only the newest ones are kept")
        tag = f'"{hashlib.sha256(jpeg).hexdigest()[:32]}"'
        headers = {"Cache-Control": "private, no-cache", "ETag": tag}
        if known is not None and tag in known:
            return Response(status_code=304, headers=headers)
        return Response(jpeg, media_type="image/jpeg", headers=headers)

    return routes


async def _pages(reader: Reader, wanted: EventFilter, page: Page, gate: Gate) -> AsyncIterator[str]:
    """Page after page as CSV, each asked for when the one before is sent; in the threads that routes have, too."""
    from starlette.concurrency import run_in_threadpool

    sent = 0
    while True:
        found, before = page
        rows = found[: MOST_ROWS - sent]
        yield await run_in_threadpool(_text, rows, sent == 0)
        sent += len(rows)
        if before is None or sent >= MOST_ROWS:
            return
        page = await patiently(partial(reader.events, replace(wanted, before=before), MOST_EVENTS), gate)


def _text(events: Sequence[dict[str, Any]], has_head: bool) -> str:
    head = ("id", "time", "camera", "kind", "rule", "label", "track_id", "pts_s", "data") if has_head else None
    return "".join(csv_chunks(head, map(_row, events)))


def _row(event: dict[str, Any]) -> tuple[Any, ...]:
    data = json.dumps(event["data"], ensure_ascii=False, separators=(",", ":"))
    keys = ("camera", "kind", "rule", "label", "track_id", "pts_s")
    return (event["id"], iso(event["at"]), *(event[key] for key in keys), data)
