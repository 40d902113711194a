"""Training on one framework in a process of its own: ``python -m pipelines.compare.train_worker JOB``; JOB is JSON.

Its answer is a JSON file, too; how far it is, it prints.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel

from detectors.child import end_with_parent
from detectors.detections import Detections
from detectors.errors import ModelError
from detectors.families.yolo import YoloFamily
from detectors.model_files import chosen
from detectors.training.recipe import BATCH, PARTS, Float, Trainer
from pipelines.compare.frames import Size
from pipelines.compare.power import gpu_memory_mb
from pipelines.compare.train_split import Split, fit
from pipelines.compare.truth import SCORE
from pipelines.compare.worker import answer_with, save_boxes
from pipelines.peak_memory import peak_rss_mb

NEWS = "news: "
"""What is printed behind this at the start of a line is for people, while it runs."""


class TrainJob(BaseModel):
    """What to do.

    Attributes:
        task: ``prepare`` writes the arrays that training begins with; the others train on that framework.
        model: A name or path.
        labels: The dataset's classes, in order.
        imgsz: Side of the network's input in pixels.
        epochs: How often all pictures are learnt from.
        device: As in the configuration.
        weights: File of the arrays.
        train: File of the pictures to learn from.
        val: File of the pictures to be scored on.
        sizes: (H, W) of the latter as they were.
        answer: File to write the answer into.
        before: File to write the boxes into that are found in ``val`` before training.
        after: Likewise, after it.
    """

    task: Literal["prepare", "torch", "tensorflow"]
    model: str
    labels: tuple[str, ...]
    imgsz: int
    epochs: int
    device: str
    weights: Path
    train: Path
    val: Path
    sizes: list[Size]
    answer: Path
    before: Path
    after: Path


def prepare_weights(job: TrainJob) -> dict[str, Any]:
    """Write the arrays that training begins with."""
    from detectors.training.prepare import prepare

    return asdict(prepare(chosen(job.model).path, job.labels, job.weights))


def train(job: TrainJob) -> dict[str, Any]:
    """Train, and look for boxes before and after it."""
    begun = time.perf_counter()
    trainer = _trainer(job)
    pictures, val = Split(job.train, job.imgsz), Split(job.val, job.imgsz)
    first = trainer.slope(pictures.batch(pictures.order(0)[:BATCH]))
    start_s = time.perf_counter() - begun
    save_boxes(list(_found(trainer, val, job)), job.before)
    epochs = []
    for epoch in range(job.epochs):
        done = _epoch(trainer, pictures, epoch)
        epochs.append(done)
        print(
            f"{NEWS}{job.task}: epoch {epoch + 1} of {job.epochs}: loss {done['loss']['total']:.4f}, "
            f"{len(pictures) / done['seconds']:.2f} images/s",
            flush=True,
        )
    memory = {"rss_mb": peak_rss_mb(), "gpu_mb": gpu_memory_mb()}
    save_boxes(list(_found(trainer, val, job)), job.after)
    return {
        "device": trainer.device,
        "trained": trainer.trained,
        "first": _told(first.parts) | {"gradient": first.norm},
        "start_s": round(start_s, 3),
        "epochs": epochs,
        **memory,
        "total_s": round(time.perf_counter() - begun, 3),
    }


def _trainer(job: TrainJob) -> Trainer:
    if job.task == "torch":
        from detectors.training.torch_trainer import TorchTrainer

        return TorchTrainer(chosen(job.model).path, job.weights, job.device)
    from detectors.training.tensorflow_trainer import TensorFlowTrainer

    return TensorFlowTrainer(job.weights, job.device)


def _epoch(trainer: Trainer, pictures: Split, epoch: int) -> dict[str, Any]:
    """Learn from each picture once; the mean loss of a picture, and the seconds it took, reading included.

    Raises:
        ModelError: The loss is no number any more.
    """
    order = pictures.order(epoch)
    start = time.perf_counter()
    losses = np.zeros(len(PARTS))
    for place in range(0, len(order), BATCH):
        rows = order[place : place + BATCH]
        losses += trainer.step(pictures.batch(rows)) * len(rows)
    seconds = time.perf_counter() - start
    told = _told(losses / len(order))
    if not math.isfinite(told["total"]):
        raise ModelError(
            f"in epoch {epoch + 1} the loss is no number any more; look for wrong boxes in the labels, and for a model "
            "that was trained on other pictures"
        )
    return {"seconds": round(seconds, 4), "loss": told}


def _told(parts: Float | np.ndarray[Any, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(PARTS, parts, strict=True)} | {"total": float(parts.sum())}


def _found(trainer: Trainer, val: Split, job: TrainJob) -> Iterator[Detections]:
    """All boxes of each picture, however unlikely."""
    family = YoloFamily(job.labels, job.imgsz, SCORE, fixed=True)
    for place in range(0, len(val), BATCH):
        rows = range(place, min(place + BATCH, len(val)))
        boxes = [fit(job.sizes[row], job.imgsz) for row in rows]
        yield from family.postprocess((trainer.predict(val.batch(rows).pictures),), boxes)


def main() -> None:
    """Do the job of the command line."""
    end_with_parent()
    job = TrainJob.model_validate_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    answer_with(lambda: prepare_weights(job) if job.task == "prepare" else train(job), job.answer)


if __name__ == "__main__":
    main()
