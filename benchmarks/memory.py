"""Memory of ``analyze`` over many frames: RSS after 500 frames against RSS at the end.

A video is joined to itself until it is long enough; every output but the annotated video is written.

    python -m benchmarks.memory VIDEO [--frames 5000] [--runtime torch] [--model yolov8n]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

import av
import psutil

from config.site import Detector as DetectorConfig
from detectors.model_files import chosen
from pipelines.analyze import Job, Progress, analyze
from pipelines.loaded import LoadedModel
from pipelines.scenario import CameraPlan

SETTLED = 500


def lengthened(video: Path, frames: int, target: Path) -> Path:
    """Join a video to itself without decoding until it has at least so many frames."""
    written, offset = 0, 0
    with av.open(str(target), "w") as output:
        stream = None
        while written < frames:
            with av.open(str(video)) as source:
                track = source.streams.video[0]
                if stream is None:
                    stream = output.add_stream_from_template(track)
                end = offset
                for packet in source.demux(track):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    end = max(end, packet.pts + (packet.duration or 1))
                    packet.stream = stream
                    output.mux(packet)
                    written += 1
                offset = end
    return target


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--runtime", choices=("torch", "tensorflow"), default="torch")
    parser.add_argument("--model", help="default: yolov8n, or what can be had")
    arguments = parser.parse_args()
    process = psutil.Process()
    samples: dict[int, float] = {}

    def sample(progress: Progress) -> None:
        if progress.frames % SETTLED == 0:
            samples[progress.frames] = process.memory_info().rss / 1e6
            print(
                f"{progress.frames} frames: RSS {samples[progress.frames]:.0f} MB, {progress.fps:.1f} FPS", flush=True
            )

    with tempfile.TemporaryDirectory() as folder:
        video = lengthened(arguments.video, arguments.frames, Path(folder) / "long.mp4")
        found = chosen(arguments.model)
        model = LoadedModel(found, DetectorConfig(model=found.name, runtime=arguments.runtime), print)
        job = Job(video, Path(folder) / "out", "long", CameraPlan())
        summary = analyze(job, model, threading.Event(), sample)
    first, last = samples[SETTLED], process.memory_info().rss / 1e6
    change = 100 * (last / first - 1)
    print(f"\n{summary['frames']} frames on {arguments.runtime}: RSS {first:.0f} MB after {SETTLED} frames,")
    print(f"{last:.0f} MB at the end, {change:+.1f} %")


if __name__ == "__main__":
    main()
