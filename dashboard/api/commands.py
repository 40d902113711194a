"""What may be switched."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

import logging
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field

from dashboard.api.common import CameraName, camera_of
from dashboard.guard import Identity
from dashboard.security import needs
from pipelines.live.face import SiteFace

if TYPE_CHECKING:
    from fastapi import APIRouter

log = logging.getLogger(__name__)


class Command(BaseModel):
    """A switch of a camera."""

    command: Literal["detect", "enabled"] = Field(description="detection, or the camera itself")
    on: bool


class Asked(BaseModel):
    """It is being done; /api/stream says when it is."""

    asked: Literal[True] = True


def router(face: SiteFace) -> "APIRouter":
    """``/api/cameras/{name}/commands`` and ``/api/reload``."""
    from fastapi import APIRouter

    routes = APIRouter(prefix="/api", tags=["commands"])
    Operator = Annotated[Identity, needs("operate")]
    Engineer = Annotated[Identity, needs("configure")]

    @routes.post("/cameras/{name}/commands", status_code=202)
    def command(name: CameraName, wanted: Command, who: Operator) -> Asked:
        """Switch a camera, as over MQTT; the state is kept over restarts where there is a broker."""
        camera = camera_of(face, name)
        face.command(wanted.command, camera.name, wanted.on)
        log.info("%s switches camera %s: %s %s", who.name, camera.name, wanted.command, "on" if wanted.on else "off")
        return Asked()

    @routes.post("/reload", status_code=202)
    def reload(who: Engineer) -> Asked:
        """Have the site file read again; what did not change goes on."""
        face.command("reload", "", True)
        log.info("%s has the site file read again", who.name)
        return Asked()

    return routes
