"""The site file: read, checked, changed, taken back; and what it may be made of."""

# no ``from __future__ import annotations``: FastAPI reads the annotations of functions inside of functions

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from config.edit import DetectorChoice, Geometry, with_detector, with_geometry
from config.errors import ConfigError
from config.kept_file import ConflictError, FileError
from config.scenario import scenario_names
from config.site import Precision, RuntimeName
from dashboard.editing import Fault, RefusedError, SiteEditor, StaleError
from dashboard.refusal import Refusal
from dashboard.security import needs
from dashboard.written import WrittenCamera
from pipelines.choices import rule_schemas, scenarios
from pipelines.live.face import CannotBeAsked, SiteFace
from pipelines.logs import Redactor
from pipelines.runtimes import check_precision, runtimes

if TYPE_CHECKING:
    from fastapi import APIRouter
    from fastapi.responses import JSONResponse

MOST_CHARACTERS = 900_000
MOST_PLACES = 200
MOST_POINTS = 500
MOST_RULES = 200
Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="of the file as it was shown: its SHA-256")]
Relative = Annotated[float, Field(ge=0, le=1)]
Metres = Annotated[float, Field(ge=-1e6, le=1e6)]
Point = Annotated[list[Relative], Field(min_length=2, max_length=2)]
GroundPoint = Annotated[list[Metres], Field(min_length=2, max_length=2)]
Points = Annotated[list[Point], Field(max_length=MOST_POINTS)]
PlaceName = Annotated[str, Field(min_length=1, max_length=64)]


class Body(BaseModel):
    """What every change has in common."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    revision: Revision


class TextBody(Body):
    """The whole file."""

    text: str = Field(max_length=MOST_CHARACTERS, description="YAML; placeholders stand for the secrets they stood for")
    shown: Revision | None = Field(
        None, description="revision whose placeholders these are, where that is an older one: changes made while saving"
    )


class CalibrationBody(BaseModel):
    """From the picture to the ground."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    image: list[Point] = Field(min_length=4, max_length=4, description="relative points of the picture")
    ground_m: list[GroundPoint] = Field(min_length=4, max_length=4, description="the same on the ground, in metres")


class GeometryBody(Body):
    """All that is drawn over a camera's picture; what is left out is taken away."""

    lines: dict[PlaceName, Points] = Field(max_length=MOST_PLACES, description="two points by name")
    zones: dict[PlaceName, Points] = Field(max_length=MOST_PLACES, description="three points or more by name")
    calibration: CalibrationBody | None = None
    drawn_on: tuple[int, int] | None = Field(None, description="width and height of the picture; null leaves it")


class ScenarioBody(Body):
    """What a camera looks for."""

    scenario: str | None = Field(max_length=1000, description="a preset's name, the path of a file, or null")
    rules: list[dict[str, Any]] = Field(max_length=MOST_RULES, description="the camera's own, as in the file")


class DetectorBody(Body):
    """What finds the objects of a camera; null leaves what is written."""

    runtime: RuntimeName | None = None
    precision: Precision | None = None
    detector: str | None = Field(None, max_length=64, description="a name under detectors")


class UndoBody(Body):
    """Which state is taken back."""


class FaultBody(BaseModel):
    """What is wrong, and where."""

    path: str | None = Field(description="YAML path")
    line: int | None = Field(description="from 1")
    message: str


class Checked(BaseModel):
    """What came out of a check."""

    ok: bool
    faults: list[FaultBody]


class BackupBody(BaseModel):
    """What the file held before."""

    name: str
    at: float = Field(description="Unix seconds")
    kind: str = Field(description="saved: a change took its place; undone: it was taken back")


class WrittenBody(BaseModel):
    """A camera as it is written in the file, which need not be in force yet."""

    model_config = ConfigDict(from_attributes=True)

    lines: dict[str, list[tuple[float, float]]] = Field(description="relative points; the scenario's without own ones")
    zones: dict[str, list[tuple[float, float]]]
    own_geometry: bool = Field(description="whether lines and zones are the camera's own, not its scenario's")
    calibration: dict[str, list[tuple[float, float]]] | None
    drawn_on: tuple[int, int] | None
    scenario: str | None = Field(description="as written; ${VARIABLES} stay, secrets are placeholders")
    rules: list[dict[str, Any]] = Field(description="the camera's own, as written")


class ConfigBody(BaseModel):
    """The site file."""

    file: str
    revision: str
    text: str = Field(description="secrets are placeholders")
    cameras: dict[str, WrittenBody] | None = Field(description="as written at this revision; null in a wrong file")
    cameras_fault: str | None = Field(description="why they are not known")
    in_force: dict[str, Any] | None = Field(description="all keys as they are used, secrets hidden")
    scenarios: list[str] = Field(description="presets")
    reload_error: str | None = Field(description="why the file is not in force as it is")
    reloads: int = Field(description="that are over since the start, taken over or not")
    read_revision: str | None = Field(description="that the last of them read, or the start; null where nobody knows")
    backups: list[BackupBody]
    can_undo: bool
    read_only_reason: str | None


class Changed(BaseModel):
    """A change is in the file."""

    revision: str
    reloading: bool = Field(description="whether it is being taken over; else at the next start")
    note: str | None = Field(description="why not, if not")
    reloads: int = Field(description="that were over when it was written")
    read_revision: str | None = Field(description="that the last of them had read, or the start")


class RuntimeBody(BaseModel):
    """A runtime."""

    name: str
    installed: bool
    reason: str = Field(description="why it cannot be chosen")
    precisions: list[str]
    devices: list[str]


class ScenarioFactsBody(BaseModel):
    """A preset."""

    name: str
    title: str
    rules: list[dict[str, Any]]
    needs_labels: list[str]
    missing_labels: dict[str, list[str]] = Field(description="what the model of a camera lacks, by camera")


def router(face: SiteFace, editor: SiteEditor | None) -> "APIRouter":
    """The routes; without an editor those of the file answer 409.

    Args:
        face: The site.
        editor: Of its file; ``None`` where there is none to be changed.
    """
    from fastapi import APIRouter

    routes = APIRouter(prefix="/api", tags=["configuration"])
    _read_routes(routes, face, editor)
    _write_routes(routes, face, editor)
    return routes


def _read_routes(routes: "APIRouter", face: SiteFace, editor: SiteEditor | None) -> None:
    @routes.get("/config", dependencies=[needs("read")])
    def config() -> ConfigBody:
        """The file as it is on disk, and what is in force."""
        try:
            shown = _editor(editor).shown()
        except FileError as error:
            raise Refusal(503, str(error)) from error
        reloaded = face.reloaded()
        return ConfigBody(
            file=str(shown.file),
            revision=shown.revision,
            text=shown.text,
            cameras=_written(shown.cameras),
            cameras_fault=shown.cameras_fault,
            in_force=in_force(face),
            scenarios=scenario_names(),
            reload_error=reloaded.error,
            reloads=reloaded.count,
            read_revision=reloaded.revision,
            backups=[BackupBody(name=one.path.name, at=one.at, kind=one.kind) for one in shown.backups],
            can_undo=shown.can_undo,
            read_only_reason=shown.read_only_reason,
        )

    @routes.get("/schema/rules", dependencies=[needs("read")])
    def schema_of_rules() -> dict[str, dict[str, Any]]:
        """The JSON Schema of each kind of rule."""
        return rule_schemas()

    @routes.get("/schema/scenarios", dependencies=[needs("read")])
    def schema_of_scenarios() -> list[ScenarioFactsBody]:
        """The presets, and what the models of the cameras lack for each."""
        labels = {name: camera.labels for name, camera in face.cameras().items()}
        return [ScenarioFactsBody.model_validate(asdict(one)) for one in scenarios(labels)]

    @routes.get("/runtimes", dependencies=[needs("read")])
    def all_runtimes() -> list[RuntimeBody]:
        """The runtimes, and why some cannot be chosen."""
        return [RuntimeBody.model_validate(asdict(one)) for one in runtimes()]


def _write_routes(routes: "APIRouter", face: SiteFace, editor: SiteEditor | None) -> None:
    from fastapi.responses import JSONResponse

    configure = [needs("configure")]
    wrong: dict[int | str, dict[str, Any]] = {
        404: {"description": "there is no such camera"},
        409: {"description": "the file was changed meanwhile; `changes` says how"},
        422: {"description": "the file would be wrong: `faults` says where; nothing was written"},
        507: {"description": "the file cannot be written; nothing was changed"},
    }

    def changed(change: Callable[[SiteEditor], str]) -> "Changed | JSONResponse":
        try:
            revision = change(_editor(editor))
        except RefusedError as error:
            return JSONResponse(_refused(error), 422)
        except StaleError as error:
            more = {"revision": error.revision, "changes": error.changes}
            return JSONResponse({"detail": str(error), "path": None, **more}, 409)
        except ConflictError as error:
            return JSONResponse({"detail": str(error), "path": None}, 409)
        except FileError as error:
            return JSONResponse({"detail": str(error), "path": None}, 507)
        return _reloaded(face, revision)

    @routes.post("/config/validate", dependencies=configure, responses={409: wrong[409]})
    def validate(body: TextBody) -> Checked:
        """Check a text as `run` would; nothing is written."""
        try:
            faults = _editor(editor).faults(body.revision, body.text, body.shown)
        except (ConflictError, FileError) as error:
            raise Refusal(409, str(error)) from error
        return Checked(ok=not faults, faults=[_body(fault) for fault in faults])

    @routes.put("/config", dependencies=configure, responses=wrong, response_model=Changed)
    def save(body: TextBody) -> Any:
        """Write a text that is right, and have it taken over."""
        return changed(lambda known: known.save(body.revision, body.text, body.shown))

    @routes.post("/config/undo", dependencies=configure, responses=wrong, response_model=Changed)
    def undo(body: UndoBody) -> Any:
        """Take the last change back that was made here."""
        return changed(lambda known: known.undo(body.revision))

    @routes.put("/cameras/{name}/geometry", dependencies=configure, responses=wrong, response_model=Changed)
    def geometry(name: str, body: GeometryBody) -> Any:
        """Replace the lines, zones and calibration of a camera."""
        _known(face, name)
        calibration = body.calibration.model_dump() if body.calibration is not None else None
        wanted = Geometry(body.lines, body.zones, calibration, body.drawn_on)
        return changed(
            lambda known: known.change(body.revision, lambda path, text: with_geometry(path, text, name, wanted))
        )

    @routes.put("/cameras/{name}/scenario", dependencies=configure, responses=wrong, response_model=Changed)
    def scenario(name: str, body: ScenarioBody) -> Any:
        """Replace the scenario and the rules of a camera."""
        _known(face, name)
        return changed(lambda known: known.change_rules(body.revision, name, body.scenario, body.rules))

    @routes.put("/cameras/{name}/detector", dependencies=configure, responses=wrong, response_model=Changed)
    def detector(name: str, body: DetectorBody) -> Any:
        """Switch the runtime, the precision or the detector of a camera; other cameras keep theirs."""
        _known(face, name)
        _check_choice(face, name, body)
        choice = DetectorChoice(body.runtime, body.precision, body.detector)
        return changed(
            lambda known: known.change(body.revision, lambda path, text: with_detector(path, text, name, choice))
        )


def in_force(face: SiteFace) -> dict[str, Any] | None:
    """All keys of the site as they are used, without secrets; ``None`` where no whole site is running."""
    plan = face.plan()
    if plan is None:
        return None
    found: dict[str, Any] = Redactor(plan.secrets()).plain(plan.site.model_dump(mode="json"))
    return found


def _written(cameras: Mapping[str, WrittenCamera] | None) -> dict[str, WrittenBody] | None:
    return {name: WrittenBody.model_validate(one) for name, one in cameras.items()} if cameras is not None else None


def _editor(editor: SiteEditor | None) -> SiteEditor:
    if editor is None:
        raise Refusal(409, "there is no site file here that could be shown or changed")
    return editor


def _known(face: SiteFace, name: str) -> None:
    if name not in face.cameras():
        raise Refusal(404, f"there is no camera {name[:64]!r}")


def _check_choice(face: SiteFace, name: str, body: DetectorBody) -> None:
    """Refuse what its runtime cannot compute in, which would be seen only when the model is loaded."""
    plan = face.plan()
    if plan is None or not (body.runtime or body.precision):
        return
    used = [body.detector] if body.detector is not None else plan.site.detector_names(plan.site.cameras[name])
    for key in used:
        if (config := plan.site.detectors.get(key)) is not None:
            try:
                check_precision(body.runtime or config.runtime, body.precision or config.precision)
            except ConfigError as error:
                raise Refusal(422, str(error), f"detectors.{key}.precision") from error


def _reloaded(face: SiteFace, revision: str) -> Changed:
    before = face.reloaded()  # whatever is over now began before it is asked for
    note = None
    try:
        face.command("reload", "", True)
    except CannotBeAsked as error:
        note = str(error)
    return Changed(
        revision=revision, reloading=note is None, note=note, reloads=before.count, read_revision=before.revision
    )


def _refused(error: RefusedError) -> dict[str, Any]:
    first = error.faults[0]
    faults = [_body(fault).model_dump() for fault in error.faults]
    return {"detail": first.message, "path": first.path, "faults": faults}


def _body(fault: Fault) -> FaultBody:
    return FaultBody(path=fault.path, line=fault.line, message=fault.message)
