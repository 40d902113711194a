"""From the wishes of the command line to jobs, and the jobs done one after the other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from rich.console import Console

from config.catalogue import catalogue
from config.errors import ConfigError, SightlineError, sentences
from config.loader import Document, load
from config.site import RESERVED_NAMES, Camera, Mqtt, Outputs, Server, Site
from config.site import Detector as DetectorConfig
from detectors.errors import ModelError
from detectors.model_files import DEFAULT_MODEL, chosen
from pipelines.analyze import Job, analyze, sightline_version
from pipelines.file_face import FileFace
from pipelines.fitting import remarks
from pipelines.loaded import LoadedModel, Together
from pipelines.scenario import CameraPlan, plan_camera, plan_scenario
from pipelines.secrets import secret
from pipelines.server_plan import plan_server
from pipelines.serving import Serve, served
from pipelines.sinks.mqtt import Publication
from pipelines.stopping import watching
from pipelines.terminal import busy, progress_bar, summary_table
from streams.errors import SourceError
from streams.frame import slug
from streams.look import is_network, redacted
from streams.mqtt import Broker
from streams.probe import probe
from streams.source import Backend

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Wishes:
    """The arguments of ``analyze``; ``None`` leaves it to the site file or the defaults."""

    videos: list[Path]
    config: Path | None = None
    camera: str | None = None
    scenario: str | None = None
    model: str | None = None
    runtime: str | None = None
    device: str | None = None
    precision: str | None = None
    imgsz: int | None = None
    confidence: float | None = None
    backend: Backend | None = None
    out: Path = Path("results")
    annotate: bool = False
    mqtt: str | None = None
    publish: bool = True
    """Whether the site file's broker is told."""
    start_time: str | None = None
    """When the one video was recorded, ISO 8601; in the site's time zone unless it names its own."""
    serve: bool = False
    """Whether the page is served meanwhile."""
    port: int | None = None
    """TCP port of the page; ``None``: as the site file says."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What all videos of one call have in common."""

    plan: CameraPlan
    detector_name: str
    detector: DetectorConfig
    backend: Backend
    camera: str | None
    publication: Publication | None
    start: float | None
    named: bool
    """Whether anybody named the model; else the best that can be had is taken."""
    bin_minutes: float = Outputs().bin_minutes
    recorded_by: Camera = field(default_factory=lambda: Camera(source="a file"))
    """The camera of the site file that recorded the videos, with the scenario that was asked for."""
    server: Server = field(default_factory=Server)
    """Where the page is served, if it is."""
    beside: Mapping[str, DetectorConfig] = field(default_factory=dict)
    """The camera's further detectors by name; of the arguments the confidence alone is about these, too."""
    document: Document[Site] | None = None
    """The site file, if there is one."""


def prepare(wishes: Wishes) -> Prepared:
    """Join the site file, the scenario and the arguments.

    Raises:
        ConfigError: Every fault found.
    """
    if wishes.camera is not None and wishes.config is None:
        raise ConfigError("--camera names a camera of a site file; give the file with --config")
    refuse_streams(wishes.videos)
    publication = _publication_of_url(wishes.mqtt) if wishes.mqtt is not None else None
    if wishes.config is None:
        plan = plan_scenario(wishes.scenario) if wishes.scenario is not None else CameraPlan()
        detector = _override(DetectorConfig(), wishes)
        named = wishes.model is not None
        start = _start(wishes, plan.timezone)
        server = Server() if wishes.port is None else Server(port=wishes.port)
        return Prepared(
            plan, "main", detector, wishes.backend or "auto", None, publication, start, named,
            recorded_by=Camera(source="a file", scenario=wishes.scenario), server=server,
        )  # fmt: skip
    document = load(wishes.config, Site)
    site = document.value
    name = camera_name(document, wishes.camera)
    camera = site.cameras[name]
    detector_name, *others = dict.fromkeys(site.detector_names(camera))
    if publication is None and site.mqtt is not None and wishes.publish:
        publication = publication_of_site(document, site.mqtt)
    plan = plan_camera(document, name, wishes.scenario)
    return Prepared(
        plan,
        detector_name,
        _override(detector_of(document, detector_name), wishes),
        wishes.backend or camera.backend,
        name,
        publication,
        _start(wishes, plan.timezone),
        wishes.model is not None or "model" in site.detectors[detector_name].model_fields_set,
        site.outputs.bin_minutes,
        camera.model_copy(update={"scenario": wishes.scenario or camera.scenario}),
        _server(document, wishes) if wishes.serve else Server(),
        {other: _override(detector_of(document, other), wishes, ("confidence",)) for other in others},
        document,
    )


def _server(document: Document[Site], wishes: Wishes) -> Server:
    """The site file's server with the page, whatever ``run`` shows there."""
    written = document.value.server or Server()
    port = written.port if wishes.port is None else wishes.port
    return plan_server(document, written.model_copy(update={"dashboard": True, "port": port}))


def _start(wishes: Wishes, timezone: str) -> float | None:
    """The Unix seconds at which the video was recorded, if somebody said."""
    text = wishes.start_time
    if text is None:
        return None
    if len(wishes.videos) > 1:
        raise ConfigError("--start-time is of one video; analyse the others in calls of their own")
    return moment_of(text, timezone)


def moment_of(text: str, timezone: str) -> float:
    """Unix seconds of a ``--start-time``.

    Args:
        text: ISO 8601.
        timezone: That of times that do not name their own.

    Raises:
        ConfigError: It is no time.
    """
    try:
        moment = datetime.fromisoformat(text)
        local = moment.replace(tzinfo=ZoneInfo(timezone)) if moment.tzinfo is None else moment
        return local.timestamp()
    except (ValueError, OverflowError) as error:
        raise ConfigError(f"--start-time: {text!r} is no time; write it as 2026-11-26T18:00 ({error})") from error


def detector_of(document: Document[Site], name: str) -> DetectorConfig:
    """A detector of the site file; a model path there is relative to the file."""
    detector = document.value.detectors[name]
    if detector.model in catalogue().names:
        return detector
    beside = document.resolve(Path(detector.model))
    return detector.model_copy(update={"model": str(beside)}) if beside.exists() else detector


def camera_name(document: Document[Site], wanted: str | None) -> str:
    """The wanted camera of a site file, or its only one.

    Raises:
        ConfigError: There is no such camera, or the choice is not clear.
    """
    names = list(document.value.cameras)
    if wanted is None and len(names) == 1:
        return names[0]
    if wanted is None:
        raise ConfigError(f"{document.path} has {len(names)} cameras; choose one with --camera: {', '.join(names)}")
    if wanted not in names:
        raise ConfigError(document.fault(("cameras",), f"no camera {wanted!r}; allowed: {', '.join(names)}"))
    return wanted


_ARGUMENTS = ("model", "runtime", "device", "precision", "imgsz", "confidence")


def _override(detector: DetectorConfig, wishes: Wishes, keys: Sequence[str] = _ARGUMENTS) -> DetectorConfig:
    given = {key: value for key in keys if (value := getattr(wishes, key)) is not None}
    try:
        return DetectorConfig.model_validate({**detector.model_dump(exclude_unset=True), **given})
    except ValidationError as error:
        faults = ((str(item["loc"][0]), item["msg"]) for item in error.errors())
        raise ConfigError(*(f"--{key}: {text[0].lower()}{text[1:]}" for key, text in faults)) from error


def refuse_streams(videos: list[Path]) -> None:
    """Refuse addresses, without showing a login in them; ``Path`` makes one slash of two."""
    for video in videos:
        address = str(video).replace(":/", "://", 1)
        if is_network(address) and not video.exists():
            raise ConfigError(f"{redacted(address)} is a stream, not a file; 'analyze' takes video files only")


def _publication_of_url(url: str) -> Publication:
    broker, prefix = Broker.from_url(url)
    return Publication(broker, prefix or "sightline", client_id="sightline-analyze")


def publication_of_site(document: Document[Site], mqtt: Mqtt) -> Publication:
    """How a site file wants results published."""
    tls = mqtt.tls
    ca, cert, key = (document.resolve(path) if path else None for path in (tls.ca, tls.cert, tls.key))
    password = secret(document, ("mqtt",), mqtt.password, mqtt.password_file)
    broker = Broker(mqtt.host, mqtt.port, mqtt.username, password, tls.enabled, ca, cert, key, mqtt.protocol)
    client_id = f"sightline-{document.value.site}-analyze"
    return Publication(broker, mqtt.prefix, client_id, mqtt.detections.enabled, mqtt.detections.max_hz)


def folder_name(video: Path) -> str:
    """Name of a video's output folder: its stem, unless that would lead elsewhere (``...mp4``)."""
    return video.stem if video.stem.strip(".") else "video"


def _topic_name(stem: str) -> str:
    """A video's name as a camera of the topics; words of the MQTT tree get a tail."""
    name = slug(stem)
    return f"{name}-video" if name in RESERVED_NAMES else name


def jobs_of(wishes: Wishes, prepared: Prepared) -> list[Job]:
    """One job per video; videos of the same name get folders of their own."""
    jobs, taken = [], set[str]()
    for video in wishes.videos:
        stem = first = folder_name(video)
        number = 2
        while stem in taken:
            stem, number = f"{first}-{number}", number + 1
        taken.add(stem)
        camera = prepared.camera or _topic_name(stem)
        publication = prepared.publication
        if publication is not None:  # runs over several cameras at once must not end each other's sessions
            publication = replace(publication, client_id=f"{publication.client_id}-{camera}")
        jobs.append(
            Job(
                video, wishes.out / stem, camera, prepared.plan, prepared.detector_name, prepared.backend,
                wishes.annotate, publication, prepared.start, prepared.bin_minutes,
            )
        )  # fmt: skip
    return jobs


def _check_labels(prepared: Prepared, detectors: Together) -> None:
    """Refuse labels the model does not have; of a stand-in that nobody named, say so rather than blame the file."""
    try:
        prepared.plan.check_labels(detectors.info.model, detectors.labels)
    except ConfigError as error:
        nameless = [name for name, config in prepared.beside.items() if not _is_named(config)]
        nameless += [] if prepared.named else [prepared.detector_name]
        models = [detectors.models[name].detector.model for name in nameless]
        stand_ins = [model for model in models if model != DEFAULT_MODEL]
        if not stand_ins:
            raise
        way = "under 'detectors'" if prepared.beside else "with --model"
        raise ConfigError(
            f"the rules need labels that the stand-in {stand_ins[0]} does not have; it knows only "
            f"{', '.join(detectors.labels)}: put {DEFAULT_MODEL}.pt into a folder named in SIGHTLINE_MODELS, "
            f"or name a model {way}"
        ) from error


def _is_named(config: DetectorConfig) -> bool:
    """Whether the site file names its model."""
    return "model" in config.model_fields_set


@contextmanager
def _told_of(prepared: Prepared, name: str) -> Iterator[None]:
    """What is wrong with a further detector is told with its place in the site file: no argument is about it."""
    try:
        yield
    except SightlineError as error:
        if prepared.document is None:
            raise
        faults = [prepared.document.fault(("detectors", name), text) for text in sentences(error)]
        is_wrong = error.exit_code == ConfigError.exit_code
        raise (ConfigError(*faults) if is_wrong else ModelError("\n".join(faults))) from error


def _readable(video: Path) -> bool:
    try:
        probe(video)
    except SourceError:
        return False
    return True


def run_jobs(
    wishes: Wishes,
    stop: threading.Event,
    out: Console,
    err: Console,
    say: Callable[[str], None],
    serve: Serve | None = None,
) -> int:
    """Do what ``analyze`` was asked for.

    Args:
        wishes: The arguments.
        stop: Set by a signal.
        out: For the table of results.
        err: For progress and errors.
        say: Told in one line about what takes long.
        serve: Starts the page, where one is wanted.

    Returns:
        The exit code: 0 all is done, 1 a video failed, 2 one does not fit the configuration.

    Raises:
        SightlineError: Nothing could be started at all.
    """
    prepared = prepare(wishes)
    jobs = jobs_of(wishes, prepared)
    videos = [(job.camera, job.video) for job in jobs]
    names = (prepared.detector_name, *prepared.beside)
    face = FileFace(videos, prepared.plan, prepared.recorded_by, sightline_version(), names) if wishes.serve else None
    with served(serve, prepared.server, face, stop, say):
        models = _models(prepared, jobs, err, say)
        done: list[tuple[Job, dict[str, Any]]] = []
        faults: dict[str, int] = {}
        for job in jobs:
            if stop.is_set():
                break
            try:
                if models is None:
                    probe(job.video)  # raises what is wrong
                    continue
                with progress_bar(err, job.video.name) as on_progress, watching(stop):
                    beside = {name: models[name] for name in prepared.beside}
                    first = models[prepared.detector_name]
                    done.append((job, analyze(job, first, stop, on_progress, face, beside)))
            except Exception as error:  # whatever it is, it is this video's: the others are done
                log.debug("%s failed", job.video, exc_info=error)
                for fault in sentences(error):
                    if fault not in faults:  # a broker that is down is so for all videos
                        err.print(f"error: {fault}", style="red", markup=False)
                    faults[fault] = error.exit_code if isinstance(error, SightlineError) else 1
        if done:
            out.print(summary_table([summary for _, summary in done]))
            for job, _ in done:
                out.print(str(job.folder), markup=False, soft_wrap=True, highlight=False)
    return max(faults.values(), default=0)


def _models(
    prepared: Prepared, jobs: Sequence[Job], err: Console, say: Callable[[str], None]
) -> Mapping[str, LoadedModel] | None:
    """The models by detector; ``None`` where no video can be read, so that none is downloaded for nothing."""
    if not any(_readable(job.video) for job in jobs):
        return None
    with busy(err, "getting the model ready"):
        found = {prepared.detector_name: chosen(prepared.detector.model if prepared.named else None, say)}
        for name, config in prepared.beside.items():
            with _told_of(prepared, name):
                found[name] = chosen(config.model if _is_named(config) else None, say)
        models = {prepared.detector_name: LoadedModel(found[prepared.detector_name], prepared.detector, say)}
        for name, config in prepared.beside.items():
            with _told_of(prepared, name):
                models[name] = LoadedModel(found[name], config, say)
    detectors = Together(models)
    _check_labels(prepared, detectors)
    for remark in remarks(prepared.plan, detectors.labels):
        log.warning("%s", remark)
    return models
