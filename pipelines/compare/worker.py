"""One combination in a process of its own: ``python -m pipelines.compare.worker JOB``; JOB is a JSON file.

Its answer is a JSON file, too: what libraries print does not get into it.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from config.errors import SightlineError, sentences
from config.site import Detector as DetectorConfig
from detectors.child import end_with_parent
from detectors.detections import Detections
from detectors.detector import Detector, StageTimes
from detectors.errors import RuntimeUnavailableError
from detectors.load import load_detector
from detectors.model_files import ResolvedModel, chosen
from pipelines.compare.frames import Image, read_back
from pipelines.compare.power import EnergyMeter, gpu_memory_mb
from pipelines.peak_memory import peak_rss_mb

STAGES = ("preprocess", "inference", "postprocess", "total")
_WARM_ROUNDS = 3
_PART_S = 60.0
"""The first and the last so many seconds of a sustained run are told apart, or its halves where it is shorter."""


class Job(BaseModel):
    """What to do.

    Attributes:
        task: ``prepare`` exports and loads once; ``measure`` measures; ``find`` writes down what is found, at another
            threshold; ``sustain`` goes round and round for a time.
        model: A name or path.
        settings: Of the detector, as in the site file.
        frames: File with the frames.
        sizes: Their (H, W).
        calibrate: Whose frames int8 is calibrated on where there is no such export.
        batches: Frames per call to measure.
        answer: File to write the answer into.
        boxes: File to write what was found into.
        seconds: How long ``sustain`` lasts.
    """

    task: Literal["prepare", "measure", "find", "sustain"]
    model: str
    settings: dict[str, Any]
    frames: Path
    sizes: list[tuple[int, int]]
    calibrate: Path
    batches: list[int]
    answer: Path
    boxes: Path
    seconds: float = 0.0


def prepare(job: Job) -> dict[str, Any]:
    """Export the model where that is needed, and load it once."""
    from detectors.export.store import Wanted, cached_folder
    from detectors.load_export import TARGETS
    from detectors.tfjs_graph import weight_files

    config = DetectorConfig.model_validate(job.settings)
    model = chosen(job.model)
    said: list[str] = []
    if config.precision == "int8" and model.export is None and model.path.suffix != ".tflite":
        _export_int8(model, config, job.calibrate, said)
    detector = load_detector(model, config, said.append)
    path = model.path
    if model.export is None and model.path.suffix == ".pt" and config.runtime in TARGETS:
        target = TARGETS[config.runtime]
        size = detector.family.imgsz if target == "tensorrt" else None
        path = cached_folder(model, Wanted(target, config.precision, size))
    size_mb = round(sum(map(_bytes, (path, *(weight_files(path) if path.suffix == ".json" else ())))) / 1e6, 1)
    return {"said": said, "size_mb": size_mb, "model": model.name, "labels": list(detector.labels)}


def _export_int8(model: ResolvedModel, config: DetectorConfig, calibrate: Path, said: list[str]) -> None:
    from detectors.export.calibration import FRAMES
    from detectors.export.make import export_model
    from detectors.export.store import Wanted, cached_folder, file_precision
    from detectors.load_export import TARGETS, check_device, check_runtime
    from streams.spread import spread_pictures

    if config.runtime not in TARGETS or model.family != "yolo":
        raise RuntimeUnavailableError(f"precision 'int8' is not available on runtime {config.runtime!r}")
    check_runtime(config)
    check_device(config)
    target = TARGETS[config.runtime]
    file_precision(target, config.precision)
    want = Wanted(target, config.precision, imgsz=config.imgsz)
    if not cached_folder(model, want).is_dir():
        frames = spread_pictures(calibrate, FRAMES)
        label = f"{len(frames)} pictures of {calibrate}"
        export_model(model, Wanted(target, config.precision, None, frames, label, config.imgsz), said.append)


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def measure(job: Job) -> dict[str, Any]:
    """Time every stage, batch by batch; write down what was found."""
    config = DetectorConfig.model_validate(job.settings)
    model = chosen(job.model)
    start = time.perf_counter()
    detector = load_detector(model, config)
    first = next(read_back(job.frames, job.sizes))
    detector.detect([first])
    start_s = time.perf_counter() - start
    answer: dict[str, Any] = {
        "device": detector.device,
        "input": list(detector.family.preprocess([first])[0].shape[1:3]),
        "start_s": round(start_s, 3),
        "batches": {},
    }
    for batch in job.batches:
        answer["batches"][str(batch)] = _timed(detector, job, batch, save=batch == job.batches[0])
        answer["batches"][str(batch)] |= {"rss_mb": peak_rss_mb(), "gpu_mb": gpu_memory_mb()}
    placement = getattr(detector.runtime, "placement", None)  # of some runtimes; the others do not tell
    answer["placement"] = placement() if placement is not None else None
    detector.close()
    return answer


def _timed(detector: Detector[Any], job: Job, batch: int, save: bool) -> dict[str, Any]:
    """Milliseconds of each call, a frame's share; frames of one size go together."""
    firsts = [list(itertools.islice(group, batch)) for _, group in _by_size(job)]
    for images in firsts * _WARM_ROUNDS:
        detector.detect(images)
    spent: dict[str, list[float]] = {stage: [] for stage in STAGES}
    found: list[Detections] = []
    cpu_s, frames = 0.0, 0
    meter = EnergyMeter()
    for _, group in _by_size(job):
        while images := list(itertools.islice(group, batch)):
            if len(images) < batch and frames:
                found += detector.detect(images)  # a rest says nothing of this batch size
                continue
            cpu, start = time.process_time(), time.perf_counter()
            found += detector.detect(images)
            total = (time.perf_counter() - start) * 1e3
            cpu_s += time.process_time() - cpu
            frames += len(images)
            for stage, value in zip(STAGES, (*_stages(detector.last_times), total), strict=True):
                spent[stage].append(round(value / len(images), 4))
    joules = meter.joules()
    if save:
        save_boxes(found, job.boxes)
    energy_j = None if joules is None else joules / len(found)
    return {"ms": spent, "frames": frames, "cpu_s": cpu_s / frames, "energy_j": energy_j}


def find(job: Job) -> dict[str, Any]:
    """Write down what is found, one frame after the other."""
    detector = load_detector(chosen(job.model), DetectorConfig.model_validate(job.settings))
    save_boxes([detector.detect([image])[0] for image in read_back(job.frames, job.sizes)], job.boxes)
    detector.close()
    return {}


def sustain(job: Job) -> dict[str, Any]:
    """Frames a second over a long time: in all, at its beginning and at its end."""
    detector = load_detector(chosen(job.model), DetectorConfig.model_validate(job.settings))
    meter = EnergyMeter()
    ends = array("d")
    start = time.perf_counter()
    while not ends or ends[-1] < job.seconds:
        for image in read_back(job.frames, job.sizes):
            detector.detect([image])
            ends.append(time.perf_counter() - start)
            if len(ends) % 1000 == 0:
                meter.joules()  # before its counters have gone round
    detector.close()
    joules, spent = meter.joules(), ends[-1]
    part = min(_PART_S, spent / 2)
    return {
        "minutes": round(spent / 60, 2),
        "fps": round(len(ends) / spent, 2),
        "first_fps": round(sum(end <= part for end in ends) / part, 2),
        "last_fps": round(sum(end > spent - part for end in ends) / part, 2),
        "watts": None if joules is None else round(joules / spent, 2),
    }


def _by_size(job: Job) -> Iterator[tuple[tuple[int, ...], Iterator[Image]]]:
    """The frames, those of one shape together."""
    return itertools.groupby(read_back(job.frames, job.sizes), key=lambda image: image.shape)


def _stages(times: StageTimes) -> tuple[float, float, float]:
    return times.preprocess_ms, times.inference_ms, times.postprocess_ms


def save_boxes(found: list[Detections], file: Path) -> None:
    """Write down what was found, frame by frame, for ``read_boxes``."""
    np.savez(
        file,
        counts=np.array([len(one) for one in found]),
        labels=np.array(found[0].labels),
        xyxy=np.concatenate([one.xyxy for one in found]),
        score=np.concatenate([one.score for one in found]),
        class_id=np.concatenate([one.class_id for one in found]),
    )


def read_boxes(file: Path) -> list[Detections]:
    """What ``measure`` found, frame by frame."""
    with np.load(file, allow_pickle=False) as saved:
        labels = tuple(str(label) for label in saved["labels"])
        ends = np.cumsum(saved["counts"])
        xyxy, score, class_id = (np.split(saved[key], ends[:-1]) for key in ("xyxy", "score", "class_id"))
        return [Detections(*row, labels) for row in zip(xyxy, score, class_id, strict=True)]


def answer_with(work: Callable[[], dict[str, Any]], file: Path) -> None:
    """Write down what the work gives; a failure is an answer, too."""
    try:
        answer = work()
    except RuntimeUnavailableError as error:
        answer = {"error": " ".join(sentences(error)), "unavailable": True}
    except SightlineError as error:
        answer = {"error": " ".join(sentences(error))}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:400]}
    file.write_text(json.dumps(answer), encoding="utf-8")


def main() -> None:
    """Do the job of the command line."""
    end_with_parent()
    job = Job.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    work = {"prepare": prepare, "measure": measure, "find": find, "sustain": sustain}[job.task]
    answer_with(lambda: work(job), job.answer)


if __name__ == "__main__":
    main()
