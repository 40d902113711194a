"""What ``run`` will do, from the site file: every fault is found before anything starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from config.errors import ConfigError, SightlineError, sentences
from config.faults import YamlPath
from config.loader import Document, load
from config.site import Camera, Mqtt, Server, Site
from config.site import Detector as DetectorConfig
from detectors.labels import check_count, labels_ahead
from detectors.load_export import check_runtime
from detectors.model_files import ResolvedModel, chosen, resolve
from pipelines.jobs import detector_of, publication_of_site
from pipelines.live.labels import check_labels
from pipelines.scenario import CameraPlan, plan_camera
from pipelines.secrets import secret, secrets_in
from pipelines.server_plan import plan_server
from pipelines.sinks.mqtt import Publication
from streams.broker import Broker, TlsFileError, tls_context
from streams.camera_tls import CameraTls, certificates_fault
from streams.errors import SourceError
from streams.look import SCHEMES, is_live, is_network, redacted, split_address
from streams.open_live import live_source
from streams.outbox import foreign_file


@dataclass(frozen=True, slots=True)
class PlannedDetector:
    """A detector of the site file and the model file it will load."""

    name: str
    config: DetectorConfig
    model: ResolvedModel
    named: bool
    labels: tuple[str, ...] | None
    """The labels it will have, where they can be read without loading it."""


@dataclass(frozen=True, slots=True)
class PlannedCamera:
    """A camera of the site file, checked. Two plans that are equal are the same camera: a reload leaves it running.

    Attributes:
        name: Name of the camera.
        config: As written.
        source: Address, device, launch line, or absolute path of a file.
        password: From the environment or its file; never shown.
        tls: What the certificate of a camera over TLS is held against.
        plan: Labels, geometry and rules.
        detectors: The detectors it uses, in order.
        outputs: Folder, size and days of its result files, if any.
        realtime: For a file: whether it is played at its own pace, and frames are dropped as a camera drops them.
        loop: For a file: whether it starts again at its end.
        bin_minutes: Length of the bins in which counts are summed up.
    """

    name: str
    config: Camera
    source: str = field(repr=False)
    password: str = field(repr=False)
    tls: CameraTls
    plan: CameraPlan
    detectors: tuple[PlannedDetector, ...]
    outputs: tuple[Path, float, float] | None
    realtime: bool
    loop: bool
    bin_minutes: float = 15.0

    @property
    def is_file(self) -> bool:
        """Whether a file stands in for the camera."""
        return not is_live(self.source)

    @property
    def shown(self) -> str:
        """The source without a login."""
        return redacted(self.source)

    def same_as(self, other: PlannedCamera) -> bool:
        """Whether a reload may leave this camera as it is."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[Any, ...]:
        rules = tuple((rule.name, rule.config) for rule in self.plan.rules)
        detectors = tuple((detector.name, detector.config, detector.model.sha256) for detector in self.detectors)
        return (
            self.config, self.source, self.password, self.plan.labels, rules, dict(self.plan.lines),
            dict(self.plan.zones), self.plan.timezone, detectors, self.outputs, self.realtime, self.loop,
            self.bin_minutes,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A checked site file."""

    document: Document[Site]
    cameras: dict[str, PlannedCamera]
    detectors: dict[str, PlannedDetector]
    publication: Publication | None
    server: Server | None = None
    """The block of the HTTP server, with what its files say."""

    @property
    def site(self) -> Site:
        """The site file's content."""
        return self.document.value

    @property
    def mqtt(self) -> Mqtt | None:
        """The broker's block, if there is one."""
        return self.site.mqtt

    def secrets(self) -> set[str]:
        """Everything that no line of a log may show."""
        found = {camera.password for camera in self.cameras.values()}
        for camera in self.cameras.values():
            found |= set() if camera.is_file else secrets_in(camera.source)
        if self.publication is not None:
            found.add(self.publication.broker.password)
        if self.server is not None:
            hashes = [token.hash for token in self.server.tokens]
            hashes += [self.server.password_hash] if self.server.password_hash is not None else []
            found |= {value.get_secret_value() for value in hashes}
        return {value for value in found if value}


def plan_site(path: Path, realtime: bool, loop: bool, say: Callable[[str], None], text: str | None = None) -> SitePlan:
    """Read and check a site file for live operation; nothing is opened, connected or loaded.

    Args:
        path: The site file.
        realtime: Files are played at their own pace.
        loop: Files start again at their end.
        say: Told in one line about downloads.
        text: Read in place of what the file holds: what it may hold next.

    Raises:
        ConfigError: Every fault found, one sentence each.
        ModelError: Only models are missing or changed.
    """
    document = load(path, Site, text)
    site = document.value
    faults: list[str] = []
    codes: list[int] = []

    def collect(error: SightlineError, place: YamlPath | None = None) -> None:
        texts = sentences(error)
        faults.extend(texts if place is None else [document.fault(place, text) for text in texts])
        codes.append(error.exit_code)

    detectors: dict[str, PlannedDetector] = {}
    used = dict.fromkeys(name for camera in site.cameras.values() for name in site.detector_names(camera))
    for name in used:
        try:
            detectors[name] = _plan_detector(document, name, say)
        except SightlineError as error:
            collect(error, ("detectors", name))
    cameras: dict[str, PlannedCamera] = {}
    for name in site.cameras:
        try:
            cameras[name] = _plan_camera(document, name, detectors, realtime, loop)
        except ConfigError as error:
            collect(error)
    faults += _wrong_labels(document, cameras.values())
    publication: Publication | None = None
    if site.mqtt is not None:
        try:
            publication = publication_of_site(document, site.mqtt)
            check_tls(document, publication.broker)
        except ConfigError as error:
            collect(error)
        try:
            check_outbox(document, site.mqtt)
        except ConfigError as error:
            collect(error)
        if site.mqtt.home_assistant.enabled and site.mqtt.home_assistant.prefix == site.mqtt.prefix:
            text = f"{site.mqtt.prefix!r} is Home Assistant's own prefix; choose another"
            faults.append(document.fault(("mqtt", "prefix"), text))
    server: Server | None = None
    try:
        server = plan_server(document, site.server) if site.server is not None else None
    except ConfigError as error:
        collect(error)
    if faults:
        order = sorted(dict.fromkeys(faults), key=_line)
        error_type = ConfigError if ConfigError.exit_code in codes or not codes else SightlineError
        raise error_type(*order) if error_type is ConfigError else SightlineError("\n".join(order))
    return SitePlan(document, cameras, detectors, publication, server)


def _wrong_labels(document: Document[Site], cameras: Iterable[PlannedCamera]) -> list[str]:
    """Labels that models do not have, of models whose labels can be read without loading them."""
    faults: list[str] = []
    for camera in cameras:
        known = {one.name: one.labels for one in camera.detectors if one.labels is not None}
        if camera.detectors and len(known) == len(document.value.detector_names(camera.config)):
            try:
                check_labels(document, camera, known)
            except ConfigError as error:
                faults += error.faults
    return faults


def _line(fault: str) -> int:
    """The line a sentence is about, to give faults in file order."""
    for part in fault.split(": ", 1)[0].rsplit(":", 1)[1:]:
        if part.isdigit():
            return int(part)
    return 0


def _plan_detector(document: Document[Site], name: str, say: Callable[[str], None]) -> PlannedDetector:
    config = detector_of(document, name)
    check_runtime(config)
    named = "model" in document.value.detectors[name].model_fields_set
    model = resolve(config.model) if named else chosen(None, say)
    labels = labels_ahead(model)
    if labels is not None:
        check_count(model, len(labels), config.labels)
    return PlannedDetector(name, config, model, named, config.labels or labels)


def _plan_camera(
    document: Document[Site], name: str, detectors: dict[str, PlannedDetector], realtime: bool, loop: bool
) -> PlannedCamera:
    site = document.value
    camera = site.cameras[name]
    where: YamlPath = ("cameras", name)
    faults: list[str] = []
    plan, password, tls, source = CameraPlan(), "", CameraTls(), camera.source
    for step in ("plan", "password", "tls", "source"):
        try:
            if step == "plan":
                plan = plan_camera(document, name)
            elif step == "password":
                password = secret(document, where, camera.password, camera.password_file)
            elif step == "tls":
                tls = tls_of(document, where, camera)
            else:
                source = source_of(document, where, camera)
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(*faults)
    outputs = None
    if site.outputs.jsonl is not None:
        wanted = site.outputs.jsonl
        outputs = (document.resolve(wanted.path) / name, wanted.rotate_mb, wanted.keep_days)
    chosen_detectors = tuple(detectors[key] for key in dict.fromkeys(site.detector_names(camera)) if key in detectors)
    return PlannedCamera(
        name, camera, source, password, tls, plan, chosen_detectors, outputs, realtime, loop, site.outputs.bin_minutes
    )


def tls_of(document: Document[Site], where: YamlPath, camera: Camera) -> CameraTls:
    """What the certificate of a camera over TLS is held against.

    Raises:
        ConfigError: The file of certificates is not there, or holds none.
    """
    if camera.tls.ca is None:
        return CameraTls(camera.tls.verify)
    path = document.resolve(camera.tls.ca)
    if fault := certificates_fault(path):
        raise ConfigError(document.fault((*where, "tls", "ca"), fault))
    return CameraTls(camera.tls.verify, path)


def source_of(document: Document[Site], where: YamlPath, camera: Camera) -> str:
    """A camera's source as it will be opened: an address, or the whole path of a file.

    Raises:
        ConfigError: Nothing can be opened by it.
    """
    source = camera.source
    place = (*where, "source")
    if is_live(source):
        try:
            if is_network(source) and (scheme := split_address(source).scheme.lower()) not in SCHEMES:
                allowed = ", ".join(f"{word}://" for word in SCHEMES)
                raise SourceError(f"{scheme}:// cannot be opened; streams are {allowed}, and a file is its path alone")
            live_source(source, backend=camera.backend)  # nothing is opened yet
        except SourceError as error:
            raise ConfigError(document.fault(place, str(error))) from error
        return source
    path = document.resolve(Path(source)).absolute()
    if not path.is_file():
        raise ConfigError(
            document.fault(place, f"{path} is not a file; streams begin with rtsp://, http(s)://, /dev/video or gst:")
        )
    return str(path)


def check_tls(document: Document[Site], broker: Broker) -> None:
    """Load the files of the TLS settings.

    Raises:
        ConfigError: One of them cannot be loaded; says where it is named.
    """
    try:
        tls_context(broker)
    except TlsFileError as error:
        raise ConfigError(document.fault(("mqtt", "tls", error.key), error.text)) from error


def check_outbox(document: Document[Site], mqtt: Mqtt) -> None:
    """See that the outbox is one, or can be; it is not opened.

    Raises:
        ConfigError: There is a file of another kind.
    """
    path = document.resolve(mqtt.outbox.path)
    try:
        fault = foreign_file(path)
    except (OSError, ValueError) as error:
        fault = f"{path} cannot be read ({getattr(error, 'strerror', None) or error})"
    if fault:
        raise ConfigError(document.fault(("mqtt", "outbox", "path"), f"{fault}; give it another place"))


def live_broker(plan: SitePlan) -> SitePlan:
    """The same plan; its client id is the site's, stable over restarts."""
    if plan.publication is None:
        return plan
    return replace(plan, publication=replace(plan.publication, client_id=f"sightline-{plan.site.site}"))
