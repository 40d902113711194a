"""The demo: the same weights on both frameworks over the same video, with a broker, live FPS and a table."""

from __future__ import annotations

import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from config.errors import sentences
from detectors.model_files import DEFAULT_MODEL, ResolvedModel, best_reachable_yolov8, resolve
from detectors.pull import PullError
from pipelines.analyze import Progress, analyze, make_folder
from pipelines.jobs import Wishes, folder_name, jobs_of, prepare, refuse_streams
from pipelines.loaded import LoadedModel
from pipelines.scene import make_scene
from pipelines.stopping import Stop, watching
from pipelines.terminal import busy, summary_table
from streams.embedded_broker import EmbeddedBroker
from streams.files import write_text_atomic
from streams.frame import slug
from streams.mqtt import Broker
from streams.probe import probe

TENSORFLOW_DETECTOR = "pedestrian-ssdlite"
CAMERA = "demo"
_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Run:
    """One model on one framework."""

    model: ResolvedModel
    runtime: str

    @property
    def title(self) -> str:
        """As shown beside its bar."""
        return f"{self.runtime} · {self.model.name}"


def demo(video: Path | None, mqtt: str | None, folder: Path, stop: threading.Event, out: Console, err: Console) -> int:
    """Run the demo.

    Args:
        video: The user's own video; ``None`` makes a scene from pictures.
        mqtt: URL of a broker; ``None`` starts one inside this process.
        folder: Where results go.
        stop: Set by a signal.
        out: For the table.
        err: For progress.

    Returns:
        How many runs failed.

    Raises:
        SightlineError: Nothing could be started.
    """
    if mqtt is not None:
        Broker.from_url(mqtt)
    if video is not None:
        refuse_streams([video])
        probe(video)
    make_folder(folder)

    def say(line: str) -> None:
        err.print(line, style="dim", markup=False)

    own_video = video is not None
    if video is None:
        say("making a scene from the pictures of the Ultralytics package")
        with busy(err, "drawing"):
            video = make_scene(folder / "scene.mp4")
    with busy(err, "getting the model"):
        best = best_reachable_yolov8(say)
    runs = [Run(best, "torch"), Run(best, "tensorflow")]
    if best.name != DEFAULT_MODEL:
        try:
            runs.append(Run(resolve(TENSORFLOW_DETECTOR, pull=True, say=say), "tensorflow"))
        except PullError as error:
            say(f"going on without {TENSORFLOW_DETECTOR}: {error}")
    with ExitStack() as stack:
        if mqtt is None:
            broker = stack.enter_context(EmbeddedBroker())
            mqtt = f"mqtt://{broker.address}/sightline"
            say(f"MQTT broker started inside this process: {mqtt}")
        wishes = [_wishes(run, folder, video, own_video, mqtt) for run in runs]
        with watching(stop):
            return _run_all(runs, wishes, stop, out, err)


def _wishes(run: Run, folder: Path, video: Path, own_video: bool, mqtt: str) -> Wishes:
    site = _write_site(folder, video, run.model, own_video)
    target = folder / f"{run.runtime}-{run.model.name}"
    return Wishes(
        [video], site, model=run.model.name, runtime=run.runtime, out=target, annotate=True, mqtt=mqtt
    )  # fmt: skip


def _write_site(folder: Path, video: Path, model: ResolvedModel, own_video: bool) -> Path:
    """The site file of the demo: a line and a zone that count people, or everything in a video of one's own."""
    labels = None if own_video else list(model.people)
    zone = [[0.1, 0.2], [0.9, 0.2], [0.9, 0.99], [0.1, 0.99]]
    rules: list[dict[str, Any]] = [
        {"kind": "line_crossing", "line": "middle"},
        {"kind": "zone_count", "zone": "centre"},
        {"kind": "dwell", "zone": "centre", "seconds": 5},
    ]
    for rule in rules:
        rule |= {"labels": list(labels)} if labels else {}
    site = {
        "version": 1,
        "site": "demo",
        "detectors": {"main": {"model": model.name}},
        "cameras": {
            CAMERA: {
                "source": str(video.resolve()),
                "lines": {"middle": [[0.5, 1.0], [0.5, 0.0]]},
                "zones": {"centre": zone},
                "rules": rules,
            }
        },
    }
    path = folder / f"demo-{slug(video.stem)}-{model.name}.yaml"
    write_text_atomic(path, yaml.safe_dump(site, sort_keys=False, default_flow_style=None))
    return path


def _run_all(runs: list[Run], wishes: list[Wishes], stop: threading.Event, out: Console, err: Console) -> int:
    columns = (
        TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[fps]}"), TimeRemainingColumn(),
    )  # fmt: skip
    done: list[tuple[Wishes, dict[str, Any]]] = []
    failures: list[str] = []
    with Bars(*columns, console=err, disable=not err.is_terminal) as bars:
        tasks = [bars.add_task(run.title, total=None, fps="waiting") for run in runs]
        for run, wish, task in zip(runs, wishes, tasks, strict=True):
            if stop.is_set():
                break
            outcome = _in_child(wish, stop, lambda progress, task=task: _show(bars, task, progress))  # type: ignore[misc]
            if isinstance(outcome, str):
                failures.append(f"{run.title}: {outcome}")
                bars.update(task, fps="failed")
            else:
                done.append((wish, outcome))
                bars.update(task, completed=outcome["frames"], fps=f"{outcome['fps']:.1f} FPS")
    for failure in failures:
        err.print(f"error: {failure}", style="red", markup=False)
    if done:
        title = "The same video, one run after the other; rows of one model compare frameworks"
        out.print(summary_table([summary for _, summary in done], title))
        for wish, _ in done:
            out.print(
                f"results: {wish.out / folder_name(wish.videos[0])}", markup=False, soft_wrap=True, highlight=False
            )
        line = f"site file to start your own from: {wishes[0].config}"
        out.print(line, markup=False, soft_wrap=True, highlight=False)
    return len(failures)


def _show(bars: Bars, task: TaskID, progress: Progress) -> None:
    bars.update(task, completed=progress.frames, total=progress.frame_count, fps=f"{progress.fps:.1f} FPS")


def _in_child(wishes: Wishes, stop: threading.Event, on_progress: Callable[[Progress], None]) -> dict[str, Any] | str:
    """Run one framework in a process of its own, so that only one is loaded; return the summary or what failed."""
    context = multiprocessing.get_context("spawn")
    channel: Any = context.Queue()
    child = context.Process(target=_child, args=(wishes, channel), name="sightline-run")
    with _signals_held():  # they reach the child once it can take them
        child.start()
    outcome: dict[str, Any] | str | None = None
    while outcome is None:
        if stop.is_set() and child.is_alive():
            child.terminate()
        try:
            kind, value = channel.get(timeout=_POLL_S)
        except queue.Empty:
            if not child.is_alive():
                outcome = f"the process ended with code {child.exitcode} before it was done"
            continue
        if kind == "progress":
            on_progress(value)
        else:
            outcome = value
    child.join()
    return outcome


@contextmanager
def _signals_held() -> Iterator[None]:
    _hold_signals(True)
    try:
        yield
    finally:
        _hold_signals(False)


def _hold_signals(hold: bool) -> None:
    """Let Ctrl-C and SIGTERM wait, or let them through; a process that is started meanwhile inherits it."""
    if hasattr(signal, "pthread_sigmask"):
        how = signal.SIG_BLOCK if hold else signal.SIG_UNBLOCK
        signal.pthread_sigmask(how, {signal.SIGINT, signal.SIGTERM})


def _child(wishes: Wishes, channel: Any) -> None:
    """One run; reports ``("progress", Progress)`` about ten times a second and ``("end", summary or sentence)``."""
    stop = Stop()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells us by SIGTERM
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    _hold_signals(False)
    next_report = 0.0

    def report(progress: Progress) -> None:
        nonlocal next_report
        if time.monotonic() >= next_report:
            next_report = time.monotonic() + 0.1
            channel.put(("progress", progress))

    try:
        prepared = prepare(wishes)
        model = LoadedModel(resolve(prepared.detector.model), prepared.detector, lambda line: None)
        job = replace(jobs_of(wishes, prepared)[0], camera=CAMERA)
        outcome: dict[str, Any] | str = analyze(job, model, stop, report)
    except Exception as error:
        outcome = "; ".join(sentences(error))
    channel.put(("end", outcome))
