"""The machine, the process, and the last lines of the log."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from dashboard.history.recorder import Recorder
from dashboard.security import needs
from dashboard.system import system
from pipelines.live.face import SiteFace
from pipelines.log_tail import MOST_LINES, LogTail

if TYPE_CHECKING:
    from fastapi import APIRouter


class Memory(BaseModel):
    """In megabytes of 10⁶ bytes."""

    rss_mb: float = Field(description="of the process")
    available_mb: int
    total_mb: int


class Disk(BaseModel):
    """A disk that is written to."""

    holds: list[str] = Field(description="what of ours lies on it")
    free_mb: int
    total_mb: int


class Broker(BaseModel):
    """The MQTT broker."""

    state: str | None = Field(description="connected, away, or why it refuses")
    host: str
    port: int
    prefix: str
    tls: bool


class OutboxBody(BaseModel):
    """What waits for the broker."""

    waiting: int
    dropped: int
    size_mb: float | None


class HistoryBody(BaseModel):
    """What keeps charts and events."""

    fault: str | None = Field(description="why nothing is written at the moment")
    lost: int = Field(description="events that were never written")
    written: int
    size_mb: float | None


class SystemBody(BaseModel):
    """How all is."""

    uptime: float
    version: str
    versions: dict[str, str]
    platform: str
    pid: int
    threads: int
    load: list[float] = Field(description="of a core, over 1, 5 and 15 minutes")
    memory: Memory
    disks: list[Disk]
    broker: Broker | None
    outbox: OutboxBody | None
    history: HistoryBody | None
    queues: dict[str, int]
    restarts: int
    reload_error: str | None = Field(description="why the last reload was not taken over")
    reloads: int = Field(description="that are over since the start, taken over or not")


class LogLineBody(BaseModel):
    """A record of the log, without secrets."""

    id: int
    at: float
    level: str
    logger: str
    message: str
    trace: str


class LogBody(BaseModel):
    """The newest records, the oldest of them first."""

    lines: list[LogLineBody]
    last: int = Field(description="`after` of the next request")


def router(face: SiteFace, recorder: Recorder | None, tail: LogTail) -> "APIRouter":
    """The routes.

    Args:
        face: The site.
        recorder: Keeps its history, if one is kept.
        tail: The last that was logged.
    """
    from fastapi import APIRouter, Query

    routes = APIRouter(prefix="/api", tags=["system"], dependencies=[needs("read")])
    After = Annotated[int, Query(ge=0, le=2**63 - 1, description="only records with a greater id")]
    Limit = Annotated[int, Query(ge=1, le=MOST_LINES)]

    @routes.get("/system", response_model=SystemBody)
    def system_now() -> dict[str, Any]:
        """Broker, outbox, disks, memory, versions."""
        return system(face, recorder)

    @routes.get("/log")
    def log(after: After = 0, limit: Limit = 200) -> LogBody:
        """The last that was logged."""
        lines = tail.after(after, limit)
        last = lines[-1]["id"] if lines else min(after, tail.newest)
        return LogBody(lines=[LogLineBody.model_validate(line) for line in lines], last=last)

    return routes
