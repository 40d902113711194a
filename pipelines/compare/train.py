"""Compare frameworks in training: the same checkpoint fine-tuned on the same pictures, each in a process of its own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from detectors.child import how_it_ended, run_child
from detectors.model_files import ResolvedModel, chosen
from detectors.training.recipe import BATCH, CLIP, FROZEN, MOMENTUM, RATE, SEED
from pipelines.analyze import make_folder, versions
from pipelines.compare.combination import is_installed
from pipelines.compare.compare import listed, sizes
from pipelines.compare.frames import Laid, Size
from pipelines.compare.machine import machine
from pipelines.compare.train_dataset import Dataset, Sample, read_dataset
from pipelines.compare.train_html import train_page
from pipelines.compare.train_report import Row, agreement, as_csv, failed_row, row_of, words
from pipelines.compare.train_split import STRIDE, lay_down_split
from pipelines.compare.train_worker import NEWS, TrainJob
from pipelines.compare.truth import Box, Truth, check_pycocotools, score
from pipelines.compare.worker import read_boxes
from streams.files import write_json_atomic, write_text_atomic

FRAMEWORKS = ("torch", "tensorflow")
EPOCHS = 3


@dataclass(frozen=True, slots=True)
class TrainWishes:
    """The arguments of ``compare --train``.

    Attributes:
        dataset: The YAML of a dataset.
        epochs: How often all pictures are learnt from.
        runtimes: ``torch`` and ``tensorflow``, separated by commas; None: both.
        models: The name or path of one checkpoint; None: the default model.
        imgsz: Side of the network's input in pixels; None: 640.
        device: As in the configuration.
        out: Folder for the results.
    """

    dataset: Path
    epochs: int = EPOCHS
    runtimes: str | None = None
    models: str | None = None
    imgsz: str | None = None
    device: str = "auto"
    out: Path = Path("results/compare")


def train(wishes: TrainWishes, say: Callable[[str], None]) -> dict[str, Any]:
    """Train, and write ``train.json``, ``train.csv`` and ``train.html``.

    Args:
        wishes: The arguments.
        say: Told in one line about each step.

    Returns:
        The content of ``train.json``.

    Raises:
        ConfigError: The arguments or the dataset are wrong.
        SourceError: A picture cannot be read.
        ModelError: The model cannot be had.
        OutputError: A result cannot be written.
    """
    frameworks, imgsz = _frameworks(wishes.runtimes), _size(wishes.imgsz)
    check_pycocotools("--train")
    dataset = read_dataset(wishes.dataset)
    model = _checkpoint(wishes.models, say)
    make_folder(wishes.out)
    with tempfile.TemporaryDirectory(prefix="sightline-train-") as folder:
        school = _School(wishes, dataset, model, imgsz, Path(folder), say)
        rows = school.rows(frameworks)
    trained = {sample.picture.resolve() for sample in dataset.train}
    result = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "dataset": wishes.dataset.name,
        "model": model.name,
        "classes": list(dataset.names),
        "same_classes": school.start.get("same", True),
        "kept_classes": school.start.get("kept"),
        "train_pictures": len(dataset.train),
        "val_pictures": len(dataset.val),
        "val_trained": sum(sample.picture.resolve() in trained for sample in dataset.val),
        "imgsz": imgsz,
        "batch": BATCH,
        "epochs": wishes.epochs,
        "optimiser": f"SGD, rate {RATE:g}, Nesterov's momentum {MOMENTUM:g}, gradients clipped to {CLIP:g}",
        "frozen": f"Frozen: layers 0 to {FROZEN - 1} (YOLOv8's backbone) and batch normalisation, which is folded in",
        "loss": "YOLOv8's on both: Ultralytics' own on torch, written in TensorFlow for tensorflow",
        "seed": SEED,
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
        "agreement": agreement(rows),
    }
    result["words"] = words(result)
    write_json_atomic(wishes.out / "train.json", result)
    write_text_atomic(wishes.out / "train.csv", as_csv(rows))
    write_text_atomic(wishes.out / "train.html", train_page(result))
    return result


def _frameworks(text: str | None) -> list[str]:
    asked = listed(text, "--runtimes") or list(FRAMEWORKS)
    if unknown := [name for name in asked if name not in FRAMEWORKS]:
        raise ConfigError(f"--runtimes: {unknown[0]} does not train; with --train name {' or '.join(FRAMEWORKS)}")
    return [name for name in FRAMEWORKS if name in asked]


def _size(text: str | None) -> int:
    found = sizes(text)
    if len(found) > 1:
        raise ConfigError(f"--imgsz: {text} are several; with --train give one side in pixels")
    return -(-found[0] // STRIDE) * STRIDE


def _checkpoint(text: str | None, say: Callable[[str], None]) -> ResolvedModel:
    names = listed(text, "--models")
    if len(names) > 1:
        raise ConfigError(f"--models: {text} are several; with --train name one checkpoint")
    model = chosen(names[0] if names else None, say)
    if model.family != "yolo" or model.export is not None:
        raise ConfigError(f"--models: {model.name} is no checkpoint that can be trained; name a YOLOv8 .pt")
    return model


class _School:
    """Pictures laid down, and the children that learn from them in turn."""

    def __init__(
        self, wishes: TrainWishes, dataset: Dataset, model: ResolvedModel, imgsz: int, folder: Path,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._wishes, self._dataset, self._imgsz, self._folder, self._say = wishes, dataset, imgsz, folder, say
        self._model = str(model.path.resolve())
        say(f"{dataset.file}: {len(dataset.train)} pictures to learn from, {len(dataset.val)} to be scored on")
        self._sizes: list[Size] = []
        self.start: dict[str, Any] = {}

    def rows(self, frameworks: Sequence[str]) -> list[Row]:
        """Train on each, one after the other; one that cannot is a row with its reason."""
        lay_down_split(self._dataset.train, self._imgsz, self._folder / "train")
        self._sizes = lay_down_split(self._dataset.val, self._imgsz, self._folder / "val")
        self.start = self._child("prepare")  # after the pictures: a damaged one is told without loading a framework
        if "error" in self.start:
            return [failed_row(framework, self.start["error"]) for framework in frameworks]
        truth, laid = _truth(self._dataset.val, self._sizes, self._dataset.names)
        rows = []
        for framework in frameworks:
            if not is_installed(framework):
                reason = f"{framework} is not installed; install it with pip install 'sightline[{framework}]'"
                rows.append(failed_row(framework, reason))
                continue
            self._say(f"{framework}: begins")
            answer = self._child(framework)
            if "error" in answer:
                rows.append(failed_row(framework, answer["error"]))
                continue
            before, after = (
                score(truth, read_boxes(self._folder / f"{name}.npz"), laid) for name in ("before", "after")
            )
            rows.append(row_of(framework, answer, len(self._dataset.train), before, after))
        return rows

    def _child(self, task: str) -> dict[str, Any]:
        """A process of its own; how it ended where it gave no answer."""
        folder = self._folder
        request, answer = folder / "job.json", folder / "answer.json"
        answer.unlink(missing_ok=True)
        job = TrainJob.model_validate(
            {
                "task": task,
                "model": self._model,
                "labels": self._dataset.names,
                "imgsz": self._imgsz,
                "epochs": self._wishes.epochs,
                "device": self._wishes.device,
                "weights": folder / "weights.npz",
                "sizes": self._sizes,
                "answer": answer,
                **{name: folder / name for name in ("train", "val")},
                **{name: folder / f"{name}.npz" for name in ("before", "after")},
            }
        )
        request.write_text(job.model_dump_json(), encoding="utf-8")
        code, said = run_child(
            "-m", "pipelines.compare.train_worker", str(request), on_line=self._hear, scratch=self._folder
        )
        if answer.exists():
            found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            return found
        return {"error": f"its process {how_it_ended(code, said)}"}

    def _hear(self, line: str) -> None:
        if line.startswith(NEWS):
            self._say(line.removeprefix(NEWS))


def _truth(val: Sequence[Sample], sizes: Sequence[Size], names: Sequence[str]) -> tuple[Truth, list[Laid]]:
    """The labels of the pictures to be scored on, as ``pipelines.compare.truth`` takes them."""
    boxes = []
    for sample, (height, width) in zip(val, sizes, strict=True):
        boxes.append(
            tuple(
                Box(names[row[0]], ((x - w / 2) * width, (y - h / 2) * height, w * width, h * height))
                for row in sample.rows
                for x, y, w, h in [row[1:]]
            )
        )
    laid = [Laid(sample.picture.name, size) for sample, size in zip(val, sizes, strict=True)]
    return Truth(tuple(boxes), tuple(names)), laid
