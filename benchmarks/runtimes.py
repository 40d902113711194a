"""Every runtime end to end beside ``YOLO.track``, and what Sightline costs beyond calling a runtime's own API.

End to end: ``analyze`` in a process of its own against ``YOLO.track`` (as in ``benchmarks.vs_ultralytics``), in turn,
medians. Overhead: in one process, blocks of frames alternate between the library's bare call on a tensor that lies
ready, and our whole ``detect`` (letterbox, the same network, NMS); medians of the blocks, and of what ``detect`` itself
measures around the network (differences of long calls are unsure where the machine is shared). For torch and
TensorFlow the bare call is our own ``Runtime.run``: their networks are built in memory, there is no file to give to
anyone else.

    python -m benchmarks.runtimes VIDEO [--runtimes torch,openvino,openvino:int8] [--frames 300] [--rounds 3]
        [--calibrate VIDEO_OR_FOLDER]

A runtime stands for its fp32, or is followed by another precision. int8 is calibrated on ``--calibrate`` (default: the
video itself) where there is no int8 export yet. How far the boxes agree, ``app.py compare`` says.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.vs_ultralytics import ROOT, Result, measure, medians, settings_of, shortened
from config.site import RuntimeName
from detectors.detector import Tensor
from detectors.export.facts import FILES, Target
from detectors.load_export import TARGETS
from detectors.model_files import chosen
from detectors.runtimes.threads import cpu_threads

RUNTIMES = "torch,tensorflow,onnxruntime,openvino,litert,openvino:int8,litert:int8"
BLOCK, BLOCKS = 10, 12
"""Frames in a block, and blocks of each kind."""


def bare_call(runtime: RuntimeName, file: Path) -> Callable[[Tensor], Any]:
    """The library's own way to execute an export, with as many threads as we take."""
    match runtime:
        case "onnxruntime":
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = cpu_threads()
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            name = session.get_inputs()[0].name
            return lambda batch: session.run(None, {name: batch})
        case "openvino":
            import openvino

            wanted = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            threads = {"INFERENCE_NUM_THREADS": cpu_threads(), "NUM_STREAMS": 1}
            request = openvino.compile_model(file, "CPU", wanted | threads).create_infer_request()
            return lambda batch: request.infer([batch], share_inputs=True)
        case "litert":
            from ai_edge_litert.interpreter import Interpreter

            interpreter = Interpreter(str(file), num_threads=cpu_threads())
            place = interpreter.get_input_details()[0]["index"]
            shape: list[tuple[int, ...]] = []

            def call(batch: Tensor) -> Any:
                if batch.shape not in shape:
                    interpreter.resize_tensor_input(place, batch.shape)
                    interpreter.allocate_tensors()
                    shape[:] = [batch.shape]
                interpreter.set_tensor(place, batch)
                interpreter.invoke()
                return [interpreter.get_tensor(one["index"]) for one in interpreter.get_output_details()]

            return call
    raise ValueError(f"{runtime} has no file to call")


def overhead_child(video: Path, weights: str, spec: str) -> Result:
    """Bare calls and whole detections in turn, in this process."""
    from detectors.export.store import Wanted, cached_folder
    from detectors.load import load_detector
    from streams.spread import spread_pictures

    config = settings_of(spec)
    model = chosen(weights)
    detector = load_detector(model, config)
    images = spread_pictures(video, BLOCK)
    batch, _ = detector.family.preprocess(images[:1])
    bare: Callable[[Tensor], Any] = detector.runtime.run
    if config.runtime in ("onnxruntime", "openvino", "litert"):
        target: Target = TARGETS[config.runtime]
        bare = bare_call(config.runtime, cached_folder(model, Wanted(target, config.precision)) / FILES[target])
    spent: dict[str, list[float]] = {"bare_ms": [], "detect_ms": []}
    around: list[float] = []
    for turn in range(BLOCKS + 1):
        start = time.perf_counter()
        for _ in images:
            bare(batch)
        between = time.perf_counter()
        for image in images:
            detector.detect([image])
            around.append(detector.last_times.preprocess_ms + detector.last_times.postprocess_ms)
        end = time.perf_counter()
        if turn:  # the first warms up
            spent["bare_ms"].append((between - start) * 1e3 / len(images))
            spent["detect_ms"].append((end - between) * 1e3 / len(images))
    found = {name: statistics.median(values) for name, values in spent.items()}
    pairs = zip(spent["detect_ms"], spent["bare_ms"], strict=True)
    overhead_ms = statistics.median(whole - alone for whole, alone in pairs)
    return found | {"overhead_ms": overhead_ms, "around_ms": statistics.median(around)}


def run_overhead(video: Path, weights: Path, spec: str) -> Result:
    """In a process of its own."""
    command = [sys.executable, "-m", "benchmarks.runtimes", "--overhead", str(video), str(weights), spec]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    result: Result = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def export_int8(weights: Path, spec: str, calibrate: Path) -> None:
    """Have the int8 export made, unless it lies in the cache."""
    config = settings_of(spec)
    if config.precision == "int8":
        target = TARGETS[config.runtime]
        command = [sys.executable, "app.py", "export", str(weights), "--to", target, "--precision", "int8"]
        subprocess.run([*command, "--calibrate", str(calibrate)], cwd=ROOT, check=True, capture_output=True)


def main() -> None:
    """Read the arguments and measure."""
    if sys.argv[1:2] == ["--overhead"]:
        print(json.dumps(overhead_child(Path(sys.argv[2]), sys.argv[3], sys.argv[4])))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--runtimes", default=RUNTIMES, help=f"separated by commas; default: {RUNTIMES}")
    parser.add_argument("--model", help="default: yolov8n, or what can be had")
    parser.add_argument("--calibrate", type=Path, help="pictures for int8; default: those of the video")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    specs = arguments.runtimes.split(",")
    weights = chosen(arguments.model).path.resolve()
    whole = arguments.video.resolve()
    for spec in specs:
        export_int8(weights, spec, (arguments.calibrate or whole).resolve())
    print(f"{whole.name}, {weights.name}, {platform.machine()}, {os.cpu_count()} cores", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        video = shortened(whole, arguments.frames, Path(folder))
        middle = medians(measure(video, weights, arguments.rounds, Path(folder), specs))
    rows = {spec: run_overhead(whole, weights, spec) for spec in specs}
    theirs, threads = middle["ultralytics"]["ms"], middle["ultralytics-threads"]["ms"]
    print("\n| end to end | ms a frame | FPS | of YOLO.track as it comes | of YOLO.track with as many threads |")
    print("|---|---|---|---|---|")
    for name, row in middle.items():
        ms = row["ms"]
        print(f"| {name} | {ms:.1f} | {1e3 / ms:.1f} | {theirs / ms:.2f} x | {threads / ms:.2f} x |")
    print("\n| one frame | bare call ms | detect ms | overhead ms | letterbox and NMS ms |\n|---|---|---|---|---|")
    for spec, row in rows.items():
        print(
            f"| {spec} | {row['bare_ms']:.2f} | {row['detect_ms']:.2f} | {row['overhead_ms']:.2f} "
            f"| {row['around_ms']:.2f} |"
        )


if __name__ == "__main__":
    main()
