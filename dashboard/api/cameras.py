"""Cameras, what they count, and what their rules say."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from dashboard.api.common import CameraName, camera_of
from dashboard.counts import Count, counts_of
from dashboard.security import needs
from pipelines.fitting import rules_off
from pipelines.live.face import CameraFace, SiteFace
from pipelines.messages import CameraStats, StatsPayload
from pipelines.rules import RuleConfig

if TYPE_CHECKING:
    from fastapi import APIRouter


class Place(BaseModel):
    """A line (two points, A and B) or a zone; relative coordinates, 0..1."""

    points: list[tuple[float, float]]


class CameraBody(BaseModel):
    """A camera."""

    name: str
    status: str = Field(description="online, offline, disabled or degraded")
    reason: str | None = Field(description="why it is not online, without a login")
    enabled: bool
    detecting: bool
    size: tuple[int, int] = Field(description="width and height of its pictures; 0, 0 before the first")
    scenario: str | None
    labels: list[str] = Field(description="what is looked for; all that its detectors know unless told otherwise")
    model_labels: list[str] = Field(description="all that its detectors know; empty until they are loaded")
    detectors: list[str]
    lines: dict[str, Place]
    zones: dict[str, Place]
    own_geometry: bool = Field(description="whether lines and zones are the camera's own, not its scenario's")
    calibration: dict[str, Any] | None
    figures: CameraStats | None = Field(description="as in /api/stats; null while the camera is being started")


class Cameras(BaseModel):
    """All cameras, in the order of the site file."""

    cameras: list[CameraBody]


class RuleBody(BaseModel):
    """A rule of a camera."""

    kind: str | None = Field(description="null where it is off and its kind is not known")
    name: str
    labels: list[str] = Field(description="that it looks at; empty: all")
    state: dict[str, Any] | None = Field(description="what it says of itself; null while it is not at work")
    off_reason: str | None = Field(description="why an optional rule is off")


class Rules(BaseModel):
    """The rules of a camera."""

    rules: list[RuleBody]


class Counts(BaseModel):
    """Counters of all cameras."""

    counts: list[Count]


def camera_body(camera: CameraFace, figures: CameraStats | None) -> CameraBody:
    """A camera as the API tells it."""
    calibration = camera.config.calibration
    return CameraBody(
        name=camera.name,
        status=camera.status,
        reason=camera.reason,
        enabled=camera.enabled,
        detecting=camera.detecting,
        size=camera.size,
        scenario=camera.config.scenario,
        labels=list(camera.plan.labels or camera.labels),
        model_labels=list(camera.labels),
        detectors=list(camera.detectors),
        lines={name: Place(points=list(line)) for name, line in camera.plan.lines.items()},
        zones={name: Place(points=list(zone)) for name, zone in camera.plan.zones.items()},
        own_geometry=bool(camera.config.lines or camera.config.zones),
        calibration=calibration.model_dump(mode="json") if calibration is not None else None,
        figures=figures,
    )


def rule_bodies(face: SiteFace, camera: CameraFace) -> list[RuleBody]:
    """The rules of a camera, those that are off at the end."""
    states = face.states(camera.name)
    off = rules_off(camera.plan, camera.labels) if camera.labels else dict(camera.plan.off)
    rules = {rule.name: rule.config for rule in camera.plan.rules}
    names = [*(name for name in rules if name not in off), *off]
    return [
        RuleBody(
            kind=rules[name].kind if name in rules else None,
            name=name,
            labels=_labels_of(rules[name], camera.plan.labels or ()) if name in rules else [],
            state=states.get(name),
            off_reason=off.get(name),
        )
        for name in names
    ]


def _labels_of(rule: RuleConfig, kept: Collection[str]) -> list[str]:
    """What a rule looks at, each once; what the camera keeps where the rule does not say it."""
    return list(dict.fromkeys(label for labels in rule.labels_by_key(tuple(kept)).values() for label in labels))


def router(face: SiteFace) -> "APIRouter":
    """``/api/cameras``, ``/api/counts`` and ``/api/stats``."""
    from fastapi import APIRouter

    routes = APIRouter(prefix="/api", tags=["cameras"], dependencies=[needs("read")])

    @routes.get("/cameras")
    def cameras() -> Cameras:
        """Every camera with its geometry and figures."""
        figures = face.stats().cameras
        return Cameras(cameras=[camera_body(one, figures.get(name)) for name, one in face.cameras().items()])

    @routes.get("/cameras/{name}")
    def camera(name: CameraName) -> CameraBody:
        """One camera."""
        return camera_body(camera_of(face, name), face.stats().cameras.get(name))

    @routes.get("/cameras/{name}/rules")
    def rules(name: CameraName) -> Rules:
        """What each rule of a camera says of itself, and which are off."""
        return Rules(rules=rule_bodies(face, camera_of(face, name)))

    @routes.get("/counts")
    def counts(camera: CameraName | None = None) -> Counts:
        """Every counter as it is published."""
        names = [camera_of(face, camera).name] if camera is not None else list(face.cameras())
        return Counts(counts=[count for name in names for count in counts_of(face, name)])

    @routes.get("/stats")
    def stats() -> StatsPayload:
        """The `stats` message of MQTT, as it would be now."""
        return face.stats()

    return routes
