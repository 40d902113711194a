"""Sightline's command line: arguments, signals and exit codes; the work is done in the rooms."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console

from config.errors import SightlineError

out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)
stop = threading.Event()

app = typer.Typer(
    name="sightline",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Video analytics: videos and cameras in; tracked objects, counts, events and MQTT messages out.

    Start with [bold]demo[/bold]; then [bold]analyze VIDEO[/bold] with a video of your own.

    Exit codes: 0 done, or stopped by a signal; 1 failed at run time; 2 wrong usage or configuration.""",
)
models_app = typer.Typer(no_args_is_help=True, help="The models: list, download, verify, trust.")
app.add_typer(models_app, name="models")

ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="Name in the catalogue, or a path.")]
RuntimeOption = Annotated[Literal["torch", "tensorflow"] | None, typer.Option(help="Framework that runs the model.")]
DeviceOption = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:N, mps; gpu, gpu:N on TensorFlow.")]
PrecisionOption = Annotated[Literal["fp32", "bf16", "fp16"] | None, typer.Option(help="Arithmetic of the network.")]
ImgszOption = Annotated[int | None, typer.Option(min=32, max=4096, help="Longer side of the network's input, pixels.")]
ConfidenceOption = Annotated[float | None, typer.Option(min=0.01, max=0.99, help="Least score of a box.")]
BackendOption = Annotated[Literal["auto", "opencv", "gstreamer"] | None, typer.Option(help="What decodes the video.")]
OutOption = Annotated[Path, typer.Option("--out", "-o", help="Folder for results; one folder per video inside.")]


def say(line: str) -> None:
    """Print a line for people, beside the results."""
    err.print(line, style="dim", markup=False)


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


@app.command()
def analyze(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO...", help="Video files.")],
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
    mqtt: Annotated[str | None, typer.Option(metavar="URL", help="Publish: mqtt://host:port[/prefix].")] = None,
) -> None:
    """Analyse video files: every frame, through detector, tracker and rules.

    Lines, zones and rules come from the named camera of the site file; without one, from the scenario's own default
    geometry; without either, all labels are detected and tracked and there are no rules.

    Results go to OUT/<video>/: detections.jsonl, events.jsonl, fps.csv, summary.json, and annotated.mp4 if asked for.
    Several videos: a bad one is reported, the others are done.
    """
    from pipelines.jobs import Wishes, run_jobs

    wishes = Wishes(
        videos, config, camera, scenario, model, runtime, device, precision, imgsz, confidence, backend, out_dir,
        annotate, mqtt,
    )  # fmt: skip
    failures = run_jobs(wishes, stop, out, err, say)
    if failures:
        raise typer.Exit(1)


def main() -> NoReturn:
    """Run the command line with signals and exit codes."""

    def request_stop(number: int, frame: Any) -> None:
        if stop.is_set():  # a second signal does not wait
            sys.exit(0)
        stop.set()

    signal.signal(signal.SIGINT, request_stop)
    signal.signal(signal.SIGTERM, request_stop)
    debug = "--debug" in sys.argv
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
        what = f"unexpected {type(error).__name__}: {error}; run again as 'app.py --debug ...' to see where"
        err.print(f"error: {what}", style="red", markup=False)
        sys.exit(1)
    sys.exit(0)


def report(error: SightlineError) -> None:
    """Print an error: one sentence per fault."""
    for fault in getattr(error, "faults", (str(error),)):
        err.print(f"error: {fault}", style="red", markup=False)


if __name__ == "__main__":
    main()
