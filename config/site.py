"""The site file: what is watched, with which model, by which rules, and where the results go.

Every key that is not written has the default shown here. Relative paths are relative to the site file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from config.faults import YamlPath
from config.mqtt_text import MAX_PREFIX, MqttSecret, MqttText
from config.paths import folder_fault, is_same, kind_of, read_fault, resolved, write_fault
from config.polygon import going_round_once, with_area, with_corners
from config.quadrilateral import flat_corner, seen_from_one_side
from config.server import Server as Server
from config.strict import FilePath as FilePath
from config.strict import Name as Name
from config.strict import Strict as Strict

Relative = Annotated[float, Field(ge=0, le=1)]
Point = tuple[Relative, Relative]
Metres = tuple[float, float]
FourPoints = tuple[Metres, Metres, Metres, Metres]
Side = Annotated[int, Field(gt=0, le=100_000)]
Pixels = Annotated[int, Field(ge=32, le=4096)]
RuntimeName = Literal["torch", "tensorflow", "litert", "onnxruntime", "openvino", "tensorrt"]
Precision = Literal["fp32", "bf16", "fp16", "int8"]
BackendName = Literal["auto", "opencv", "gstreamer"]

RESERVED_NAMES = frozenset({"available", "events", "stats", "command"})
"""Words of the MQTT tree that no camera may be called."""


class Tls(Strict):
    """Encryption of the broker connection."""

    enabled: bool = Field(False, description="whether to encrypt")
    ca: FilePath | None = Field(None, description="CA certificate file (PEM); default: the system's")
    cert: FilePath | None = Field(None, description="client certificate file (PEM)")
    key: FilePath | None = Field(None, description="client key file (PEM)")


class Outbox(Strict):
    """Where events wait until the broker has confirmed them; totals and switches are kept there, too (``run``)."""

    path: FilePath = Field(Path("var/outbox.sqlite"), description="database file")
    max_mb: int = Field(256, ge=1, description="size limit in megabytes")
    expiry_s: float = Field(3600, gt=0, description="seconds after which a waiting message is dropped")


class DetectionMessages(Strict):
    """The per-frame detection messages."""

    enabled: bool = Field(True, description="whether they are published")
    max_hz: float = Field(10, gt=0, le=1000, description="messages per second and camera at most")


class HomeAssistant(Strict):
    """Home Assistant discovery."""

    enabled: bool = Field(False, description="whether to announce cameras and counters")
    prefix: str = Field(
        "homeassistant",
        pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
        max_length=MAX_PREFIX,
        description="topic that Home Assistant listens to",
    )


class Snapshots(Strict):
    """A JPEG of the best view of each label."""

    enabled: bool = Field(False, description="whether they are published")
    height: int = Field(360, ge=32, le=2160, description="greatest height in pixels")
    quality: int = Field(80, ge=1, le=100, description="of the JPEG, in percent")


class Commands(Strict):
    """What may be asked for over MQTT beside switching cameras."""

    reload: bool = Field(False, description="whether `reload` on the command topic reads the site file again")


class Mqtt(Strict):
    """The MQTT broker and what is published there."""

    host: str = Field(
        "127.0.0.1", pattern=r"^[A-Za-z0-9._:%-]+$", max_length=253, description="name or address of the broker"
    )
    port: int = Field(1883, ge=1, le=65535, description="TCP port")
    prefix: str = Field(
        "sightline",
        pattern=r"^[a-z0-9_-]+(/[a-z0-9_-]+)*$",
        max_length=MAX_PREFIX,
        description="what every topic begins with",
    )
    username: MqttText = Field("", description="empty for none")
    password: MqttSecret = Field(SecretStr(""), description="best from the environment; never shown")
    password_file: FilePath | None = Field(None, description="file whose first line is the password, instead of it")
    protocol: Literal["3.1.1", "5"] = Field("3.1.1", description="version of MQTT; quoted")
    tls: Tls = Tls()
    outbox: Outbox = Outbox()
    detections: DetectionMessages = DetectionMessages()
    snapshots: Snapshots = Snapshots()
    commands: Commands = Commands()
    home_assistant: HomeAssistant = HomeAssistant()


class Detector(Strict):
    """A model on a runtime."""

    model: str = Field("yolov8n", min_length=1, description="name in the catalogue, or a path")
    runtime: RuntimeName = Field("torch", description="framework; the model is exported for it once")
    device: str = Field("auto", description="auto, cpu; cuda or cuda:N; others are in frameworks.md")
    precision: Precision = Field("fp32", description="arithmetic of the network; an error where the device lacks it")
    imgsz: Pixels | tuple[Pixels, Pixels] = Field(640, description="longer side, or [height, width], in pixels")
    confidence: float = Field(0.25, gt=0, lt=1, description="boxes must score above this")
    iou: float = Field(
        0.7, gt=0, le=1, description="a box that overlaps a better one of its class by more than this is dropped (yolo)"
    )
    labels: tuple[str, ...] | None = Field(
        None, min_length=1, description="names of the model's classes, in their order; default: those in its file"
    )
    batch: int = Field(
        4,
        ge=1,
        le=64,
        description="pictures in one forward pass at most, live only; the parts of a tiled one stay together",
    )
    batch_wait_ms: float = Field(
        0, ge=0, le=1000, description="how long a frame waits for those of other cameras, to share a pass; live only"
    )


class Motion(Strict):
    """The motion gate: pictures in which nothing moves cost no inference (``run``)."""

    enabled: bool = Field(False, description="whether to skip frames in which nothing moves")
    min_area: float = Field(
        0.0005, gt=0, lt=1, description="of the picture that must have changed to be motion; smaller is noise"
    )
    hold_s: float = Field(1.0, ge=0, description="media seconds that are still analysed after the last motion")
    recheck_s: float = Field(60, gt=0, description="media seconds without motion after which one frame is analysed")


class Tiles(Strict):
    """Slicing of the picture into overlapping tiles of one size, for small objects."""

    rows: int = Field(ge=1, le=8, description="tiles from top to bottom")
    cols: int = Field(ge=1, le=8, description="tiles from left to right")
    overlap: float = Field(0.2, ge=0, le=0.5, description="of a tile's side, shared with its neighbour")


class Calibration(Strict):
    """Four image points and where they lie on the ground, for speeds and distances."""

    image: tuple[Point, Point, Point, Point] = Field(description="relative points of the picture")
    ground_m: tuple[Metres, Metres, Metres, Metres] = Field(
        description="the same points on the ground, in metres, in the same order, from any origin"
    )

    @field_validator("image", "ground_m")
    @classmethod
    def _is_a_quadrilateral(cls, points: FourPoints) -> FourPoints:
        if corner := flat_corner(points):
            first, second, third = (f"[{x:g}, {y:g}]" for x, y in corner)
            raise ValueError(
                f"the points {first}, {second} and {third} lie on one line, or nearly: from such nothing can be "
                "measured; take the corners of a large rectangle on the ground"
            )
        return points

    @model_validator(mode="after")
    def _is_seen_from_one_side(self) -> Self:
        if not seen_from_one_side(self.image, self.ground_m):
            raise ValueError("no camera sees these ground points so; write the points of both lists in the same order")
        return self


class Tracker(Strict):
    """How boxes of successive frames become one object."""

    activation: float = Field(0.5, gt=0, lt=1, description="score that starts a track")
    sure: float = Field(
        0.3, gt=0, lt=1, description="boxes that score less go on with a track only where they overlap it by half"
    )
    min_iou: float = Field(0.15, gt=0, lt=1, description="overlap that joins a box to a track")
    min_frames: int = Field(2, ge=2, description="frames until a track counts")
    lost_s: float = Field(1.5, gt=0, description="media seconds a track outlives its last box, or one frame")


class RuleSpec(BaseModel):
    """One rule as written; its kind checks the rest."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(min_length=1, description="one of those in scenarios.md; the other keys depend on it")


def _line(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 2:
        raise ValueError(f"a line has exactly 2 points, this one has {len(value)}")
    return value


def _with_length(line: tuple[Point, Point]) -> tuple[Point, Point]:
    if line[0] == line[1]:
        raise ValueError("this line starts and ends at the same point")
    return line


def _some_labels(value: Any) -> Any:
    if value == []:
        raise ValueError("no label is named, so nothing would be seen; name some, or leave this key out to keep all")
    return value


def _complete_source(source: str) -> str:
    """Refuse what leads nowhere; whether something is there is seen when it is opened."""
    if source.startswith("gst:") and not source.removeprefix("gst:").strip():
        raise ValueError("the launch line behind 'gst:' is missing; write gst:videotestsrc is-live=true, say")
    try:
        parts = urlsplit(source)
        host = parts.hostname or ""
    except ValueError:  # no address at all; told, without the login in it, by who opens it
        return source
    if parts.scheme in ("rtsp", "rtsps", "http", "https") and "://" in source and not host.strip():
        raise ValueError(f"this address has no host; write {parts.scheme}://host/path")
    return source


Labels = Annotated[tuple[str, ...], BeforeValidator(_some_labels)]
Line = Annotated[tuple[Point, Point], BeforeValidator(_line), AfterValidator(_with_length)]
Polygon = Annotated[
    tuple[Point, ...], BeforeValidator(with_corners), AfterValidator(with_area), AfterValidator(going_round_once)
]


class SourceTls(Strict):
    """Encryption of `rtsps://` and `https://` sources, live only."""

    verify: bool = Field(True, description="whether the certificate must be valid, and for this host")
    ca: FilePath | None = Field(
        None, description="certificates to trust (PEM): the camera's own or its CA's; default: the system's"
    )


class Camera(Strict):
    """One camera, or a file that stands for one."""

    source: Annotated[str, AfterValidator(_complete_source)] = Field(
        min_length=1,
        description="a video file, rtsp(s)://, http(s)://, /dev/videoN, gst:<line>; `analyze` takes its own files",
    )
    enabled: bool = Field(True, description="whether `run` connects to it; MQTT can switch it")
    username: str = Field("", description="login of a live source; empty for none")
    password: SecretStr = Field(SecretStr(""), description="best from the environment; never shown")
    password_file: FilePath | None = Field(None, description="file whose first line is the password, instead of it")
    backend: BackendName = Field(
        "auto", description="what decodes; auto: OpenCV for files and HTTP, GStreamer for cameras where it is installed"
    )
    transport: Literal["tcp", "udp"] = Field("tcp", description="of RTSP, live only")
    latency_ms: int = Field(
        100, ge=0, le=10_000, description="how long RTSP packets may wait for late ones, live only (GStreamer)"
    )
    tls: SourceTls = SourceTls()
    stall_s: float = Field(3, gt=0, le=8, description="seconds without a frame after which it is down, live only")
    detector: Name | Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        None, description="a name under detectors, or several, merged before tracking; default: the first"
    )
    detect_fps: float = Field(10, gt=0, le=1000, description="analysed frames per second at most, live only")
    labels: Labels | None = Field(None, description="labels to keep; default: all")
    min_size: float = Field(0, ge=0, lt=1, description="least box height, relative to the picture's height")
    motion: Motion = Motion()
    tiles: Tiles | None = Field(None, description="slicing for small objects; default: none")
    drawn_on: tuple[Side, Side] | None = Field(
        None, description="width and height of the picture the points belong to; another aspect ratio is an error"
    )
    masks: tuple[Polygon, ...] = Field((), description="polygons; a box whose bottom centre is in one is dropped")
    lines: dict[Name, Line] = Field(default_factory=dict, description="directed lines by name: [[x, y], [x, y]]")
    zones: dict[Name, Polygon] = Field(default_factory=dict, description="polygons by name, 3 to 200 points")
    calibration: Calibration | None = Field(None, description="from the picture to the ground; for metres and km/h")
    tracker: Tracker = Tracker()
    scenario: str | None = Field(None, description="a preset's name, or the path of a scenario file")
    rules: tuple[RuleSpec, ...] = Field((), description="added to the scenario's; one of the same name replaces it")


class JsonlOutput(Strict):
    """Result files of live cameras (``run``)."""

    path: FilePath = Field(Path("var/results"), description="folder")
    rotate_mb: float = Field(100, gt=0, description="size in megabytes after which a new file begins")
    keep_days: float = Field(14, gt=0, description="days after which a file is deleted")


class Outputs(Strict):
    """Where results are written."""

    bin_minutes: float = Field(
        15, ge=0.5, le=1440, description="length of the bins of time in which counts are summed up (`bins.csv`)"
    )
    jsonl: JsonlOutput | None = Field(None, description="without this block `run` writes no result files")


class Log(Strict):
    """What ``run`` says of itself."""

    format: Literal["text", "json"] = Field("text", description="lines for people, or one JSON object a line")
    path: FilePath | None = Field(None, description="file; default: stderr")
    rotate_mb: float = Field(20, gt=0, description="size in megabytes after which a new file begins")
    keep_days: float = Field(14, gt=0, description="days after which an old file is deleted")
    stats_s: float = Field(60, ge=1, description="seconds between two reports of rates and latencies")


class Site(Strict):
    """A whole site file."""

    version: Literal[1] = Field(description="of this format")
    site: Name = Field("site", description="name of the place; part of the MQTT client id")
    timezone: str = Field("UTC", description="of schedules, Europe/Berlin say")
    mqtt: Mqtt | None = Field(None, description="without this block nothing is published")
    detectors: dict[Name, Detector] = Field({"main": Detector()}, min_length=1, description="models by name")
    cameras: dict[Name, Camera] = Field(min_length=1, description="cameras, or files that stand for them, by name")
    outputs: Outputs = Outputs()
    server: Server | None = Field(None, description="the HTTP server")
    log: Log = Log()

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

    def file_faults(self, file: Path) -> list[tuple[YamlPath, str]]:
        """What is wrong with the files it names, as far as that can be seen without opening them.

        Args:
            file: The site file itself, which relative paths are relative to.
        """
        found: list[tuple[YamlPath, str | None]] = []
        for where, path in self._opened_later():
            if path and (kind := kind_of(resolved(file, path))):
                found.append((where, f"{resolved(file, path)} is {kind}; name a file"))
        for name, camera in self.cameras.items():
            if camera.tls.ca is not None:
                found.append((("cameras", name, "tls", "ca"), read_fault(resolved(file, camera.tls.ca))))
        if self.mqtt is not None and self.mqtt.tls.enabled:
            tls = self.mqtt.tls
            files = {"ca": tls.ca, "cert": tls.cert, "key": tls.key}
            found += [(("mqtt", "tls", key), read_fault(resolved(file, path))) for key, path in files.items() if path]
        if self.outputs.jsonl is not None:
            found.append((("outputs", "jsonl", "path"), folder_fault(resolved(file, self.outputs.jsonl.path))))
        return [(where, text) for where, text in (*found, *self._written(file)) if text]

    def _opened_later(self) -> list[tuple[YamlPath, Path | None]]:
        """Files of passwords and of the page: who reads them says whether that goes, but would wait for a pipe."""
        found: list[tuple[YamlPath, Path | None]] = [
            (("cameras", name, "password_file"), camera.password_file) for name, camera in self.cameras.items()
        ]
        if self.mqtt is not None:
            found.append((("mqtt", "password_file"), self.mqtt.password_file))
        if self.server is not None:
            found.append((("server", "password_hash_file"), self.server.password_hash_file))
            if (tls := self.server.tls) is not None:
                found += [(("server", "tls", "certificate"), tls.certificate), (("server", "tls", "key"), tls.key)]
        return found

    def _written(self, file: Path) -> list[tuple[YamlPath, str | None]]:
        """What is wrong with the outbox, the log and the history: each is a file of its own."""
        log = resolved(file, self.log.path) if self.log.path else None
        box = resolved(file, self.mqtt.outbox.path) if self.mqtt else None
        found: list[tuple[YamlPath, str | None]] = []
        if box is not None:
            fault = f"{box} is this file itself; name another" if is_same(box, file) else write_fault(box)
            found.append((("mqtt", "outbox", "path"), fault))
        if log is not None:
            is_taken = "this file itself" if is_same(log, file) else "the outbox" if box and is_same(log, box) else ""
            fault = f"{log} is {is_taken}; name another" if is_taken else write_fault(log, may_be_device=True)
            found.append((("log", "path"), fault))
        if self.server is not None and self.server.dashboard and self.server.history.enabled:
            history = resolved(file, self.server.history.path)
            others = {"this file itself": file, "the outbox": box, "the log": log}
            taken = [word for word, other in others.items() if other is not None and is_same(history, other)]
            fault = f"{history} is {taken[0]}; name another" if taken else write_fault(history)
            found.append((("server", "history", "path"), fault))
        return found

    def detector_names(self, camera: Camera) -> tuple[str, ...]:
        """Names of the detectors a camera uses; the first detector when it names none."""
        if camera.detector is None:
            return (next(iter(self.detectors)),)
        return (camera.detector,) if isinstance(camera.detector, str) else camera.detector
