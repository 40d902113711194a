"""The command ``truth from-tracks``: from the true way of each object to what happens at lines and in zones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import ConfigError
from config.loader import load
from config.site import Site
from pipelines.evaluate.box_truth import BoxTruth
from pipelines.evaluate.event_truth import EventTruth, events_csv
from pipelines.evaluate.mot import MOST_FPS
from pipelines.evaluate.replay import happenings, places_of
from pipelines.evaluate.truth_files import FPS_APART, Reading, read_boxes
from pipelines.geometry import inside, scale
from pipelines.jobs import camera_name
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
    out: Path = Path("events.csv")
    reading: Reading = field(default_factory=Reading)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Size and times of a video."""

    size: tuple[int, int]
    times: Sequence[float]


def write_events_of_tracks(wishes: TracksWishes) -> EventTruth:
    """Run a camera's rules over true tracks, and write what they see as an events CSV.

    Raises:
        ConfigError: Truth, site file or video cannot be read, or do not fit together.
        OutputError: The CSV cannot be written.
    """
    if wishes.fps is not None and not 0 < wishes.fps <= MOST_FPS:
        raise ConfigError(f"--fps is {wishes.fps:g}; write the frames a second of the annotated video, 25 say")
    document = load(wishes.config, Site)
    name = camera_name(document, wishes.camera)
    plan = plan_camera(document, name, wishes.scenario)
    if not plan.rules:
        raise ConfigError(document.fault(("cameras", name), "the camera has no rules: there is nothing to derive"))
    video = None if wishes.video is None else _clock_of(wishes.video)
    labels = plan.labels or ()
    truth = read_boxes(wishes.tracks, None if video is None else video.size, labels, wishes.reading)
    if not truth.is_tracked:
        raise ConfigError(f"--truth: {truth.file} has boxes without a track; events need to know who is who")
    clock = _clock(truth, video, wishes)
    plan.check_size(str(truth.file), *clock.size)
    found = events_of_tracks(truth, plan, name, clock.size, clock.times)
    write_text_atomic(wishes.out, events_csv(found.happenings, found.watched))
    return found


def events_of_tracks(
    truth: BoxTruth, plan: CameraPlan, camera: str, size: tuple[int, int], times: Sequence[float]
) -> EventTruth:
    """What the rules of a camera see in true tracks.

    Labels and masks of the camera hold; its least size does not, for it is a remedy against what is not true.

    Args:
        truth: Objects with tracks.
        plan: The camera.
        camera: Its name.
        size: Width and height of the pictures.
        times: Media time of each frame, seconds.
    """
    rules = plan.rule_set(camera, *size)
    found = happenings(rules, _frames(truth, plan, size, times), camera)
    return EventTruth(truth.file, tuple(sorted(found, key=lambda one: one.time_s)), places_of(plan))


def _frames(
    truth: BoxTruth, plan: CameraPlan, size: tuple[int, int], times: Sequence[float]
) -> Iterator[tuple[float, list[Track]]]:
    masks = [scale(mask, *size) for mask in plan.masks]
    first_seen: dict[int, float] = {}
    for index, pts_s in enumerate(times):
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
