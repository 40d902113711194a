"""Charts: what was counted, and how fast the frameworks were, over time."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, Field

from dashboard.csv_text import csv_chunks, iso
from dashboard.gate import Gate
from dashboard.history.cells import RangeError, Steps, steps
from dashboard.history.reader import CountFilter, Reader, SeriesKey, TooLongError, TooMuchError
from dashboard.history.store import HistoryError
from dashboard.refusal import Refusal
from dashboard.security import needs

if TYPE_CHECKING:
    from fastapi import APIRouter

Answer = TypeVar("Answer")
LATEST = 4e9
"""Unix seconds that no request goes beyond: the year 2096."""
VALUES_AT_ONCE = 10_000
"""Of one CSV file: so many are in memory at the same time, whatever is asked for."""
_AGAIN_S = 1.0
_HEAD = ("time", "camera", "head", "place", "direction", "label", "value", "peak")


class Series(BaseModel):
    """A counter over time."""

    camera: str
    head: str = Field(description="counts, totals (what came in each step); occupancy, values (what was there)")
    place: str = Field(description="a line, a zone or a rule")
    direction: str
    label: str
    values: list[float | None] = Field(description="of each step: how many came, or were there on average; null: "
                                       "nobody watched")  # fmt: skip
    peaks: list[float | None] | None = Field(description="the most that were there at once; null where they come")


class Counts(BaseModel):
    """Counters over time."""

    times: list[int] = Field(description="Unix seconds at which each step begins")
    step: int = Field(description="seconds")
    series: list[Series]


class DetectorSeries(BaseModel):
    """A detector over time; null where it had no frames."""

    name: str
    framework: str
    model: str
    precision: str
    device: str
    fps: list[float | None] = Field(description="mean")
    p50: list[float | None] = Field(description="milliseconds of a forward pass, mean of the medians")
    p95: list[float | None] = Field(description="greatest")
    p99: list[float | None] = Field(description="greatest")
    rss_mb: list[float | None] = Field(description="of the whole process")


class Detectors(BaseModel):
    """The frameworks over time."""

    times: list[int]
    step: int
    detectors: list[DetectorSeries]


def router(reader: Reader | None, gate: Gate) -> "APIRouter":
    """The routes; without a reader they answer 404.

    Args:
        reader: Of the history, where one is kept.
        gate: Bounds how many read at the same time.
    """
    from fastapi import APIRouter, Query, Response
    from fastapi.responses import StreamingResponse

    routes = APIRouter(prefix="/api/history", tags=["history"], dependencies=[needs("read")])
    At = Annotated[float | None, Query(ge=0, le=LATEST, allow_inf_nan=False, description="Unix seconds")]
    Step = Annotated[float | None, Query(gt=0, le=LATEST, allow_inf_nan=False, description="seconds")]
    Word = Annotated[str | None, Query(max_length=128)]

    @routes.get("/counts", response_model=Counts)
    def counts(
        camera: Word = None,
        place: Word = None,
        label: Word = None,
        head: Word = None,
        since: At = None,
        until: At = None,
        step: Step = None,
    ) -> Response:
        """Counters over time: the last hour, unless asked otherwise."""
        chart = _chart(since, until, step)
        wanted = CountFilter(camera, place, label, head)

        def body() -> str:  # a million values take long to write: not in the thread that serves everybody
            series = [Series.model_validate(one) for one in reader_of(reader).counts(wanted, chart)]
            return Counts(times=chart.times, step=chart.step, series=series).model_dump_json()

        return Response(asked(body, gate), media_type="application/json")

    @routes.get("/counts.csv", response_class=StreamingResponse, responses={200: {"content": {"text/csv": {}}}})
    def counts_csv(
        camera: Word = None,
        place: Word = None,
        label: Word = None,
        head: Word = None,
        since: At = None,
        until: At = None,
        step: Step = None,
    ) -> StreamingResponse:
        """The same as CSV: a row for each counter and step."""
        chart = _chart(since, until, step)
        wanted = CountFilter(camera, place, label, head)
        known = reader_of(reader)
        series = asked(lambda: known.series(wanted, chart), gate)
        headers = {"Content-Disposition": 'attachment; filename="counts.csv"'}
        pages = _pages(known, series, chart, gate)
        return StreamingResponse(pages, headers=headers, media_type="text/csv; charset=utf-8")

    @routes.get("/detectors")
    def detectors(since: At = None, until: At = None, step: Step = None) -> Detectors:
        """FPS, latencies and memory of each detector over time: the last hour, unless asked otherwise."""
        chart = _chart(since, until, step)
        found = asked(lambda: reader_of(reader).detectors(chart), gate)
        series = [DetectorSeries.model_validate(one) for one in found]
        return Detectors(times=chart.times, step=chart.step, detectors=series)

    return routes


def reader_of(reader: Reader | None) -> Reader:
    """The reader, if there is one.

    Raises:
        Refusal: No history is kept here.
    """
    if reader is None:
        raise Refusal(404, "no history is kept here; switch it on in the site file", "server.history.enabled")
    return reader


def asked(question: Callable[[], Answer], gate: Gate | None = None) -> Answer:
    """What the history answers.

    Args:
        question: What is asked.
        gate: Of questions that may take long.

    Raises:
        Refusal: It cannot, or too many ask.
    """
    try:
        with gate or nullcontext():
            return question()
    except TooLongError as error:
        raise Refusal(503, str(error)) from error
    except HistoryError as error:
        raise Refusal(422 if isinstance(error, TooMuchError) else 503, str(error)) from error


def _chart(since: float | None, until: float | None, step: float | None) -> Steps:
    try:
        return steps(since, until, step, time.time())
    except RangeError as error:
        raise Refusal(422, str(error)) from error


async def _pages(reader: Reader, series: list[SeriesKey], chart: Steps, gate: Gate) -> AsyncIterator[str]:
    """Some counters at a time as CSV, asked for when those before are sent; in the threads that routes have, too."""
    from starlette.concurrency import run_in_threadpool

    yield "".join(csv_chunks(_HEAD, ()))
    step = max(1, VALUES_AT_ONCE // max(1, chart.count))
    for at in range(0, len(series), step):
        found = await patiently(partial(reader.values, series[at : at + step], chart), gate)
        yield await run_in_threadpool(lambda rows: "".join(csv_chunks(None, rows)), _rows(found, chart))


async def patiently(question: Callable[[], Answer], gate: Gate) -> Answer:
    """What the history answers; where too many ask, again and again: what is half sent cannot be refused any more."""
    from starlette.concurrency import run_in_threadpool

    while True:
        try:
            return await run_in_threadpool(asked, question, gate)
        except Refusal as refusal:
            if refusal.retry_s is None:
                raise
        await asyncio.sleep(_AGAIN_S)


def _rows(found: list[dict[str, Any]], chart: Steps) -> Iterator[tuple[Any, ...]]:
    times = [iso(at) for at in chart.times]
    return (
        (
            at, one["camera"], one["head"], one["place"], one["direction"], one["label"], one["values"][number],
            None if one["peaks"] is None else one["peaks"][number],
        )
        for one in found
        for number, at in enumerate(times)
    )  # fmt: skip
