"""Check a site file against the world: models, broker, sources."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

from config.errors import ConfigError, SightlineError, sentences
from config.loader import Document, load
from config.site import Camera, Server, Site
from detectors.errors import ModelError
from detectors.export.apart import export_apart
from detectors.load import load_detector
from detectors.model_files import chosen, resolve
from pipelines.fitting import remarks, rules_off
from pipelines.jobs import detector_of, publication_of_site
from pipelines.live.plan import check_outbox, check_tls, source_of, tls_of
from pipelines.merge import MergedLabels
from pipelines.scenario import CameraPlan, plan_camera
from pipelines.secrets import secret
from pipelines.server_plan import plan_server
from streams.errors import SourceError
from streams.live_source import first_shot
from streams.look import is_live, look, redacted
from streams.message import Message
from streams.mqtt import MqttPublisher
from streams.open_live import live_source
from streams.probe import probe

_DETAILS_MS = 5_000

Labels = tuple[str, tuple[str, ...]]
"""A model's name and labels."""


def check_site(path: Path, found: Callable[[str], None], wrong: Callable[[str], None]) -> int:
    """Check everything that ``run`` or ``analyze`` would need, and go on after a fault.

    Args:
        path: The site file.
        found: Told in one line what is right.
        wrong: Told in one sentence what is not.

    Returns:
        The exit code: 0 all is well, 1 something is not there, 2 the configuration is wrong.

    Raises:
        ConfigError: The file cannot be read as a site file at all.
    """
    document = load(path, Site)
    site = document.value
    found(
        f"{path}: site {site.site!r}, {_count(len(site.cameras), 'camera')}, {_count(len(site.detectors), 'detector')}"
    )
    codes = [0]
    told = set[str]()

    def attempt(step: Callable[[], str]) -> None:
        try:
            found(step())
        except SightlineError as error:
            for fault in sentences(error):
                if fault not in told:
                    wrong(fault)
                told.add(fault)
            codes.append(error.exit_code)

    plans: dict[str, CameraPlan] = {}
    known_labels: dict[str, Labels] = {}
    used = {name for camera in site.cameras.values() for name in site.detector_names(camera)}
    for name in site.detectors:
        if name in used:
            attempt(lambda name=name: _check_detector(document, name, known_labels, found))  # type: ignore[misc]
        else:
            found(f"detectors.{name}: not used by any camera")
    for name in site.cameras:
        attempt(lambda name=name: _check_rules(document, name, known_labels, plans))  # type: ignore[misc]
        attempt(lambda name=name: _check_source(document, name, plans.get(name, CameraPlan())))  # type: ignore[misc]
    if site.mqtt is not None:
        attempt(lambda: _check_broker(document))
    if (server := site.server) is not None:
        attempt(lambda: _check_server(document, server))
        attempt(lambda: _check_outbox(document))
    return max(codes)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _check_detector(document: Document[Site], name: str, known: dict[str, Labels], say: Callable[[str], None]) -> str:
    """Load the detector as ``analyze`` would: nothing else proves that model, runtime, device and precision go."""
    config = detector_of(document, name)
    try:
        named = "model" in document.value.detectors[name].model_fields_set
        model = resolve(config.model) if named else chosen(None, say)
        detector = load_detector(model, config, say, export_apart)
    except SightlineError as error:
        places = [document.fault(("detectors", name), text) for text in sentences(error)]
        is_wrong = error.exit_code == ConfigError.exit_code
        raise (ConfigError(*places) if is_wrong else ModelError("\n".join(places))) from error
    known[name] = (detector.model, detector.labels)
    detector.close()
    labels = _count(len(detector.labels), "label")
    runs_on = f"{detector.framework} {detector.precision} {detector.device}"
    return f"detectors.{name}: {model.name} ({model.family}, {labels}) at {model.path}, on {runs_on}"


def _check_rules(
    document: Document[Site],
    name: str,
    known: dict[str, Labels],
    plans: dict[str, CameraPlan],
) -> str:
    plan = plans[name] = plan_camera(document, name)
    wanted = document.value.detector_names(document.value.cameras[name])
    off: Collection[str] = ()
    told: list[str] = []
    if all(detector in known for detector in wanted):  # the labels of several detectors count together
        labels = MergedLabels([known[detector][1] for detector in wanted]).labels
        plan.check_labels("+".join(dict.fromkeys(known[detector][0] for detector in wanted)), labels)
        off, told = rules_off(plan, labels), remarks(plan, labels)
    rules = ", ".join(rule.name for rule in plan.rules if rule.name not in off) or "none"
    return "; ".join([f"cameras.{name}: rules: {rules}", *told])


def _check_source(document: Document[Site], name: str, plan: CameraPlan) -> str:
    """See the source as ``run`` will: through the same backend, with the same settings."""
    where = ("cameras", name)
    camera = document.value.cameras[name]
    password = secret(document, where, camera.password, camera.password_file)
    tls, address = tls_of(document, where, camera), source_of(document, where, camera)
    source = address if is_live(address) else Path(address)
    shown = redacted(address) if is_live(address) else address
    try:
        shot = first_shot(
            live_source(
                source, camera.username, password, camera.backend, camera.transport, camera.latency_ms, tls, False
            )
        )
    except SourceError as error:
        raise SourceError(document.fault((*where, "source"), str(error))) from error
    plan.check_size(shown, shot.width, shot.height)
    size = f"{shot.width}x{shot.height}"
    seen = _seen(camera, password, size) if isinstance(source, str) else _seen_file(source, size)
    return f"cameras.{name}: {shown}: {seen}"


def _seen(camera: Camera, password: str, size: str) -> str:
    """What a camera that works sends, with codec and rate where FFmpeg can tell them."""
    if not camera.source.startswith("gst:"):
        with suppress(SourceError):  # it works: its first picture was seen
            seen = look(camera.source, camera.username, password, _DETAILS_MS)
            return f"{seen.codec} {size}, {seen.fps:.2f} fps"
    return size


def _seen_file(video: Path, size: str) -> str:
    facts = probe(video)
    frames = "unknown" if facts.frame_count is None else str(facts.frame_count)
    return f"{facts.codec} {size}, {facts.fps:.2f} fps, {frames} frames"


def _check_server(document: Document[Site], config: Server) -> str:
    server = plan_server(document, config)
    what = "the page" if server.dashboard else "/healthz"
    login = "with a password" if server.password_hash else "without a login"
    return f"server: {what} on {server.host}:{server.port}, {login}"


def _check_broker(document: Document[Site]) -> str:
    site = document.value
    if site.mqtt is None:
        return "mqtt: not configured"
    publication = publication_of_site(document, site.mqtt)
    check_tls(document, publication.broker)
    will = Message(f"{publication.prefix}/check", b"", qos=0, retain=False)
    MqttPublisher(publication.broker, f"{publication.client_id}-check", will, lambda: ()).start(5).close()
    return f"mqtt: {publication.broker} answers and takes the login; topics begin with {publication.prefix}/"


def _check_outbox(document: Document[Site]) -> str:
    mqtt = document.value.mqtt
    if mqtt is None:
        return "mqtt.outbox: not configured"
    check_outbox(document, mqtt)
    return f"mqtt.outbox: {document.resolve(mqtt.outbox.path)} is an outbox, or can be"
