"""End to end against ``YOLO.track``: the same video, weights, input size, threshold and precision (fp32).

Each contestant runs in a process of its own, in turn, for some rounds; medians are printed. The speed is frames after
the first 30 by their wall time. Ultralytics is measured twice: as it comes, and with as many threads as Sightline
uses (it takes one less than there are cores by itself).

    python -m benchmarks.vs_ultralytics VIDEO [--model yolov8n] [--frames 400] [--rounds 3]
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from config.site import Detector as DetectorConfig
from detectors.model_files import chosen
from detectors.runtimes.threads import cpu_threads
from pipelines.metrics import WARM_FRAMES
from streams.open import open_source
from streams.video_writer import VideoWriter

ROOT = Path(__file__).resolve().parent.parent
Result = dict[str, float]


def settings_of(spec: str) -> DetectorConfig:
    """``openvino``, or ``openvino:int8``, as a detector's settings, on the CPU."""
    name, _, precision = spec.partition(":")
    return DetectorConfig.model_validate({"runtime": name, "precision": precision or "fp32", "device": "cpu"})


def ultralytics_child(video: str, weights: str, threads: int) -> Result:
    """``YOLO.track`` over a video; its tracker is ByteTrack, its threshold ours."""
    os.environ["YOLO_AUTOINSTALL"] = "False"
    import torch
    from ultralytics import YOLO

    model = YOLO(weights)
    config = DetectorConfig()
    settings = {"imgsz": config.imgsz, "conf": config.confidence, "iou": config.iou}
    frames, start, forward = 0, 0.0, 0.0
    for result in model.track(video, tracker="bytetrack.yaml", stream=True, verbose=False, **settings):
        frames += 1
        if frames == 1 and threads:
            torch.set_num_threads(threads)
        if frames == WARM_FRAMES:
            start = time.perf_counter()
        elif frames > WARM_FRAMES:
            forward += result.speed["inference"]
    counted = frames - WARM_FRAMES
    return {
        "ms": (time.perf_counter() - start) * 1e3 / counted,
        "forward_ms": forward / counted,
        "threads": torch.get_num_threads(),
    }


def run_ultralytics(video: Path, weights: Path, threads: int) -> Result:
    """Ultralytics in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.vs_ultralytics", "--child", str(video), str(weights), str(threads)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    result: Result = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def run_sightline(video: Path, weights: Path, spec: str, out: Path) -> Result:
    """``analyze`` in a process of its own, with tracker, files and all."""
    config = settings_of(spec)
    command = [sys.executable, "app.py", "analyze", str(video), "--model", str(weights), "--runtime", config.runtime]
    command += ["--precision", config.precision, "--device", config.device, "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    summary: dict[str, Any] = json.loads((out / video.stem / "summary.json").read_text())
    return {"ms": 1e3 / summary["fps"], "forward_ms": summary["ms"]["inference"]["mean"], "threads": cpu_threads()}


def shortened(video: Path, frames: int, folder: Path) -> Path:
    """The first frames of a video, as a file of its own, so that rounds stay short."""
    target = folder / f"{video.stem}-{frames}.mp4"
    with open_source(video, "source") as source:
        info = source.info
        if info.frame_count is not None and info.frame_count <= frames:
            return video
        with VideoWriter(target, info.width, info.height, info.fps) as writer:
            for frame in itertools.islice(source, frames):
                writer.write(frame.image, frame.pts_s)
    return target


def measure(video: Path, weights: Path, rounds: int, folder: Path, specs: Sequence[str]) -> dict[str, list[Result]]:
    """Ultralytics as it comes and with our threads, and ``sightline-<spec>`` for each spec, in turn."""
    names = ["ultralytics", "ultralytics-threads", *(f"sightline-{spec}" for spec in specs)]
    results: dict[str, list[Result]] = {name: [] for name in names}
    for turn in range(rounds):
        for name in names if turn % 2 == 0 else reversed(names):
            if name.startswith("ultralytics"):
                result = run_ultralytics(video, weights, cpu_threads() if name.endswith("threads") else 0)
            else:
                result = run_sightline(video, weights, name.partition("-")[2], folder)
            results[name].append(result)
            print(f"  round {turn + 1} {name}: {result['ms']:.1f} ms a frame", file=sys.stderr, flush=True)
    return results


def medians(results: dict[str, list[Result]]) -> dict[str, Result]:
    """Of each contestant's rounds, figure by figure."""
    return {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in results.items()
    }


def report(results: dict[str, list[Result]]) -> None:
    """Print medians and ratios."""
    middle = medians(results)
    print("\n| contestant | threads | FPS | ms a frame | forward pass ms | glue ms |\n|---|---|---|---|---|---|")
    for name, row in middle.items():
        glue = max(0.0, statistics.median(run["ms"] - run["forward_ms"] for run in results[name]))
        print(
            f"| {name} | {row['threads']:.0f} | {1e3 / row['ms']:.1f} | {row['ms']:.1f} | {row['forward_ms']:.1f} "
            f"| {glue:.1f} |"
        )
    ours = middle["sightline-torch"]["ms"]
    print(f"\nSightline on torch is {middle['ultralytics']['ms'] / ours:.2f} x as fast as YOLO.track as it comes,")
    print(f"{middle['ultralytics-threads']['ms'] / ours:.2f} x as fast as YOLO.track with as many threads;")
    print(f"TensorFlow takes {middle['sightline-tensorflow']['ms'] / ours:.2f} x the time of torch.")


def main() -> None:
    """Read the arguments and measure."""
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(ultralytics_child(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", help="default: yolov8n, or what can be had")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    weights = chosen(arguments.model).path
    with tempfile.TemporaryDirectory() as folder:
        video = shortened(arguments.video.resolve(), arguments.frames, Path(folder))
        print(f"{arguments.video.name}, {weights.name}, {platform.machine()}, {os.cpu_count()} cores", file=sys.stderr)
        report(measure(video, weights.resolve(), arguments.rounds, Path(folder), ("torch", "tensorflow")))


if __name__ == "__main__":
    main()
