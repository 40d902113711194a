"""The site file: what is watched, with which model, by which rules, and where the results go.

Every key that is not written has the default shown here. Relative paths are relative to the site file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
)

from config.faults import YamlPath

Name = Annotated[str, Field(pattern=r"^[a-z0-9_-]+$", max_length=64)]
Relative = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Relative, Relative]
Metres = tuple[float, float]
Pixels = Annotated[int, Field(ge=32, le=4096)]
RuntimeName = Literal["torch", "tensorflow", "litert", "onnxruntime", "openvino", "tensorrt"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
BackendName = Literal["auto", "opencv", "gstreamer"]

RESERVED_NAMES = frozenset({"available", "events", "stats", "command"})
"""Words of the MQTT tree that no camera may be called."""


class Strict(BaseModel):
    """Base of all configuration models: unknown keys are errors and values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        wanted = cls.model_fields[info.field_name].annotation if info.field_name else None
        if isinstance(value, bool) and wanted in (int, float):
            raise ValueError(f"expected a number, not {str(value).lower()}")
        return value


class Tls(Strict):
    """Encryption of the broker connection."""

    enabled: bool = False
    ca: Path | None = Field(None, description="CA certificate file (PEM)")
    cert: Path | None = Field(None, description="client certificate file (PEM)")
    key: Path | None = Field(None, description="client key file (PEM)")


class Outbox(Strict):
    """Where messages wait while the broker is away."""

    path: Path = Path("var/outbox.sqlite")
    max_mb: int = Field(256, ge=1, description="size limit in megabytes")
    expiry_s: float = Field(3600, gt=0, description="seconds after which a waiting message is dropped")


class DetectionMessages(Strict):
    """The per-frame detection messages."""

    enabled: bool = True
    max_hz: float = Field(10, gt=0, le=1000, description="messages per second and camera at most")


class HomeAssistant(Strict):
    """Home Assistant discovery."""

    enabled: bool = False


class Mqtt(Strict):
    """The MQTT broker and what is published there."""

    host: str = "127.0.0.1"
    port: int = Field(1883, ge=1, le=65535)
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$")] = "sightline"
    username: str = ""
    password: SecretStr = SecretStr("")
    tls: Tls = Tls()
    outbox: Outbox = Outbox()
    detections: DetectionMessages = DetectionMessages()
    home_assistant: HomeAssistant = HomeAssistant()


class Detector(Strict):
    """A model on a runtime."""

    model: str = Field("yolov8n", min_length=1, description="name in the catalogue, or a path")
    runtime: RuntimeName = "torch"
    device: str = "auto"
    precision: Precision = "fp32"
    imgsz: Pixels | tuple[Pixels, Pixels] = Field(640, description="longer side, or [height, width], in pixels")
    confidence: float = Field(0.25, gt=0, lt=1)
    iou: float = Field(0.7, gt=0, le=1)


class Motion(Strict):
    """The motion gate."""

    enabled: bool = False


class Tiles(Strict):
    """Slicing of the picture for small objects."""

    rows: int = Field(ge=1, le=16)
    cols: int = Field(ge=1, le=16)
    overlap: float = Field(0.2, ge=0, lt=1)


class Calibration(Strict):
    """Four image points and where they lie on the ground."""

    image: tuple[Point, Point, Point, Point]
    ground_m: tuple[Metres, Metres, Metres, Metres]


class Tracker(Strict):
    """How boxes of successive frames become one object."""

    activation: float = Field(0.4, gt=0, lt=1, description="score that starts a track")
    min_iou: float = Field(0.15, gt=0, lt=1, description="overlap that joins a box to a track")
    min_frames: int = Field(2, ge=1, description="frames until a track counts")
    lost_s: float = Field(1.5, gt=0, description="media seconds a track outlives its last box")


class RuleSpec(BaseModel):
    """One rule as written; its kind checks the rest."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(min_length=1)


def _polygon(value: Any) -> Any:
    if isinstance(value, list) and len(value) < 3:
        raise ValueError(f"a polygon needs at least 3 points, this one has {len(value)}")
    return value


def _with_area(points: tuple[Point, ...]) -> tuple[Point, ...]:
    (x0, y0), (x1, y1) = points[0], next((point for point in points if point != points[0]), points[0])
    if all(abs((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)) < 1e-12 for x, y in points):
        raise ValueError("all points of this polygon lie on one line: it has no inside")
    return points


def _line(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 2:
        raise ValueError(f"a line has exactly 2 points, this one has {len(value)}")
    return value


def _with_length(line: tuple[Point, Point]) -> tuple[Point, Point]:
    if line[0] == line[1]:
        raise ValueError("this line starts and ends at the same point")
    return line


Line = Annotated[tuple[Point, Point], BeforeValidator(_line), AfterValidator(_with_length)]
Polygon = Annotated[tuple[Point, ...], BeforeValidator(_polygon), AfterValidator(_with_area)]


class Camera(Strict):
    """One camera, or a file that stands for one."""

    source: str = Field(min_length=1)
    username: str = ""
    password: SecretStr = SecretStr("")
    backend: BackendName = "auto"
    transport: Literal["tcp", "udp"] = "tcp"
    stall_s: float = Field(3, gt=0)
    detector: Name | Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        None, description="default: the first detector"
    )
    detect_fps: float = Field(10, gt=0, description="analysed frames per second, live sources only")
    labels: tuple[str, ...] | None = Field(None, description="labels to keep; default: all")
    min_size: float = Field(0, ge=0, lt=1, description="least box height, relative to the picture's height")
    motion: Motion = Motion()
    tiles: Tiles | None = None
    drawn_on: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="width and height the geometry was drawn on"
    )
    masks: tuple[Polygon, ...] = ()
    lines: dict[Name, Line] = Field(default_factory=dict)
    zones: dict[Name, Polygon] = Field(default_factory=dict)
    calibration: Calibration | None = None
    tracker: Tracker = Tracker()
    scenario: str | None = None
    rules: tuple[RuleSpec, ...] = ()


class JsonlOutput(Strict):
    """Result files of live cameras."""

    path: Path = Path("var/results")
    rotate_mb: float = Field(100, gt=0)
    keep_days: float = Field(14, gt=0)


class Outputs(Strict):
    """Where results are written."""

    jsonl: JsonlOutput = JsonlOutput()


class Server(Strict):
    """The one HTTP server."""

    host: str = "127.0.0.1"
    port: int = Field(8600, ge=0, le=65535)
    metrics: bool = True
    dashboard: bool = True


class Site(Strict):
    """A whole site file."""

    version: Literal[1]
    site: Name = "site"
    timezone: str = "UTC"
    mqtt: Mqtt | None = None
    detectors: dict[Name, Detector] = Field({"main": Detector()}, min_length=1)
    cameras: dict[Name, Camera] = Field(min_length=1)
    outputs: Outputs = Outputs()
    server: Server | None = None

    @field_validator("timezone")
    @classmethod
    def _timezone_exists(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"unknown time zone {value!r}; use a name such as Europe/Berlin or UTC")
        return value

    def cross_faults(self) -> list[tuple[YamlPath, str]]:
        """What is wrong between the keys: names that collide, detectors that are not there."""
        faults: list[tuple[YamlPath, str]] = []
        for name, camera in self.cameras.items():
            where: YamlPath = ("cameras", name)
            if name in RESERVED_NAMES:
                faults.append((where, f"a camera cannot be called {name!r}: that is a word of the MQTT topics"))
            for kind, places in (("line", camera.lines), ("zone", camera.zones)):
                faults += [
                    ((*where, f"{kind}s", place), f"this {kind} is called like a camera; choose another name")
                    for place in places
                    if place in self.cameras
                ]
            faults += [
                ((*where, "zones", zone), "this zone is called like a line of the camera; choose another name")
                for zone in camera.zones
                if zone in camera.lines
            ]
            faults += [
                ((*where, "detector"), f"unknown detector {detector!r}; allowed: {', '.join(self.detectors)}")
                for detector in self.detector_names(camera)
                if detector not in self.detectors
            ]
        return faults

    def detector_names(self, camera: Camera) -> tuple[str, ...]:
        """Names of the detectors a camera uses; the first detector when it names none."""
        if camera.detector is None:
            return (next(iter(self.detectors)),)
        return (camera.detector,) if isinstance(camera.detector, str) else camera.detector
