"""The command ``truth from-tracks``: from the true way of each object to what happens at lines and in zones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from pipelines.evaluate.box_truth import BoxTruth
from pipelines.evaluate.event_truth import EventTruth, events_csv
from pipelines.evaluate.happening import Happening
from pipelines.evaluate.mot import MOST_FPS
from pipelines.evaluate.replay import happenings, truth_names
from pipelines.evaluate.truth_files import FPS_APART, Reading, read_boxes
from pipelines.fitting import fitted, rules_off
from pipelines.geometry import inside, scale
from pipelines.jobs import camera_name, moment_of
from pipelines.scenario import CameraPlan, plan_camera
from pipelines.values import Track
from streams.files import write_text_atomic
from streams.open import open_source
from streams.reader import FrameReader


@dataclass(frozen=True, slots=True)
class TracksWishes:
    """The arguments of ``truth from-tracks``."""

    tracks: Path
    config: Path
    camera: str | None = None
    scenario: str | None = None
    video: Path | None = None
    fps: float | None = None
    start_time: str | None = None
    """When the video was recorded, ISO 8601; in the site's time zone unless it names its own."""
    out: Path = Path("events.csv")
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Size and times of a video."""

    size: tuple[int, int]
    times: Sequence[float]


def write_events_of_tracks(wishes: TracksWishes, say: Callable[[str], None] = lambda line: None) -> EventTruth:
    """Run a camera's rules over true tracks, and write what they see as an events CSV.

    Optional rules are off where the truth has no object of their labels, as they are with a model that has none.

    Args:
        wishes: The arguments.
        say: Told in one line of each rule that is off.

    Raises:
        ConfigError: Truth, site file or video cannot be read, or do not fit together, or a schedule does not know its
            time.
        OutputError: The CSV cannot be written.
    """
    if wishes.fps is not None and not 0 < wishes.fps <= MOST_FPS:
        raise ConfigError(f"--fps is {wishes.fps:g}; write the frames a second of the annotated video, 25 say")
    document = load(wishes.config, Site)
    name = camera_name(document, wishes.camera)
    plan = plan_camera(document, name, wishes.scenario)
    told = None if wishes.start_time is None else moment_of(wishes.start_time, plan.timezone)
    if not plan.rules:
        raise ConfigError(document.fault(("cameras", name), "the camera has no rules: there is nothing to derive"))
    video = None if wishes.video is None else _clock_of(wishes.video)
    labels = plan.labels or ()
    truth = read_boxes(wishes.tracks, None if video is None else video.size, labels, wishes.reading)
    if not truth.is_tracked:
        raise ConfigError(f"--truth: {truth.file} has boxes without a track; events need to know who is who")
    clock = _clock(truth, video, wishes)
    plan.check_size(str(truth.file), *clock.size)
    for rule in rules_off(plan, truth.labels):
        say(f"rule {rule} is off: {plan.off.get(rule) or f'{truth.file} has no object of its labels'}")
    plan = fitted(plan, truth.labels)
    if not plan.rules:
        raise ConfigError(f"--truth: {truth.file} has no object of a label that a rule of camera {name} looks at")
    start = plan.start_of(wishes.video, told)
    found = events_of_tracks(truth, plan, name, clock.size, clock.times, start)
    write_text_atomic(wishes.out, events_csv(found.happenings, found.watched, found.sought))
    return found


def events_of_tracks(
    truth: BoxTruth,
    plan: CameraPlan,
    camera: str,
    size: tuple[int, int],
    times: Sequence[float],
    start: float | None = None,
) -> EventTruth:
    """What the rules of a camera see in true tracks.

    Labels and masks of the camera hold; its least size does not, for it is a remedy against what is not true.

    Args:
        truth: Objects with tracks.
        plan: The camera, fitted to the labels of the truth.
        camera: Its name.
        size: Width and height of the pictures.
        times: Media time of each frame, seconds.
        start: Unix seconds of the first frame, for schedules.
    """
    rules, names = plan.rule_set(camera, *size, start), truth_names(plan)
    found = [replace(one, name=names[one.rule]) for one in happenings(rules, _frames(truth, plan, size, times), camera)]
    watched = frozenset((rule.config.kind, names[rule.name]) for rule in plan.rules if rule.name in names)
    found.sort(key=lambda one: one.time_s)
    return EventTruth(truth.file, tuple(found), watched, _sought(found, truth.labels, plan.labels))


def _sought(
    found: Sequence[Happening], labels: Sequence[str], kept: Sequence[str] | None
) -> frozenset[tuple[str, str, str]]:
    """The true labels of which nothing happened, where they would not be asked for: at the first place that has one."""
    named = [one for one in found if one.label]
    unseen = set(labels if kept is None else kept) & set(labels) - {one.label for one in named}
    return frozenset((named[0].kind, named[0].name, label) for label in unseen) if named else frozenset()


def _frames(
    truth: BoxTruth, plan: CameraPlan, size: tuple[int, int], times: Sequence[float]
) -> Iterator[tuple[float, list[Track]]]:
    masks = [scale(mask, *size) for mask in plan.masks]
    first_seen: dict[int, float] = {}
    for index, pts_s in enumerate(times):
        if truth.is_sparse and index not in truth.frames:
            continue
        tracks = []
        for box in truth.frames.get(index, ()):
            if box.role != "object" or box.track is None or (plan.labels and box.label not in plan.labels):
                continue
            begun = first_seen.setdefault(box.track, pts_s)
            track = Track(box.track, box.label, box.xyxy, 1.0, begun, pts_s)
            if not any(inside(mask, track.foot) for mask in masks):
                tracks.append(track)
        yield pts_s, tracks


def _clock(truth: BoxTruth, video: _Clock | None, wishes: TracksWishes) -> _Clock:
    """When each frame is, and how large: from the video, or from the truth itself."""
    count = max(truth.frames) + 1
    size = truth.size if video is None else video.size
    fps = wishes.fps or truth.fps
    if size is None or (fps is None and video is None):
        raise ConfigError(
            f"--truth: {truth.file} tells no frame rate and size (it has no seqinfo.ini); name the video with --video"
        )
    if video is None:
        return _Clock(size, [round(index / (fps or 1), 6) for index in range(truth.frame_count or count)])
    if truth.size is not None and truth.size != video.size:
        raise ConfigError(
            f"--truth: {truth.file} is of {truth.size[0]}x{truth.size[1]} pictures, but {wishes.video} is "
            f"{video.size[0]}x{video.size[1]}"
        )
    rate = (len(video.times) - 1) / video.times[-1] if video.times[-1] > 0 else fps
    if count > len(video.times) or (fps and rate and abs(fps / rate - 1) > FPS_APART):
        has = f"{count} frames" + (f" at {fps:g} a second" if fps else "")
        raise ConfigError(
            f"--truth: {truth.file} has {has}, but {wishes.video} has {len(video.times)} at {rate or 0:.2f} a second"
        )
    return video


def _clock_of(video: Path) -> _Clock:
    """Decode a video for its size and the media time of each frame.

    Raises:
        SourceError: It cannot be read.
    """
    with open_source(video, "video") as source, FrameReader(source) as reader:
        times = [frame.pts_s for frame in reader]
        return _Clock((source.info.width, source.info.height), times)
