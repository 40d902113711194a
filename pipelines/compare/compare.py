"""Compare models, runtimes and precisions on the same frames."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from config.errors import ConfigError
from detectors.child import how_it_ended, run_child
from detectors.model_files import chosen
from pipelines.analyze import make_folder, versions
from pipelines.compare.agreement import closeness
from pipelines.compare.combination import Combination, combinations, word_for
from pipelines.compare.counts import Counts, Rules, beside
from pipelines.compare.frames import lay_down
from pipelines.compare.html import page
from pipelines.compare.machine import machine
from pipelines.compare.markdown import as_markdown
from pipelines.compare.recommend import recommendation
from pipelines.compare.rows import CAMERA_FPS, Extras, Row, as_csv, failed_row, rows_of
from pipelines.compare.step import Step
from pipelines.compare.tensorboard import write_events
from pipelines.compare.truth import SCORE, Truth, check_labels, read_truth, score
from pipelines.compare.worker import Job, read_boxes
from pipelines.jobs import Wishes, prepare
from streams.files import write_json_atomic, write_text_atomic

BATCHES = (1, 4)
DEFAULT_SIZE = 640


@dataclass(frozen=True, slots=True)
class CompareWishes:
    """The arguments of ``compare``.

    Attributes:
        videos: Files, or folders of pictures.
        runtimes: Separated by commas; None: all that are installed.
        models: Names or paths, separated by commas; None: the default model.
        precisions: Separated by commas; None: all there are.
        imgsz: Longer sides in pixels, separated by commas.
        device: As in the configuration.
        frames: How many are compared.
        rounds: How often each combination is measured.
        out: Folder for the results.
        config: A site file by whose rules whole videos are counted, too.
        camera: One of its cameras; None: the only one.
        labels: What is to be seen in the pictures, YOLO's or COCO's way; None: nothing is known of it.
        sustained_min: Minutes that each combination runs on end, beside the short rounds.
        start_time: When the one video was recorded, for the schedules of the rules.
    """

    videos: list[Path]
    runtimes: str | None = None
    models: str | None = None
    precisions: str | None = None
    imgsz: str | None = None
    device: str = "auto"
    frames: int = 100
    rounds: int = 3
    out: Path = Path("results/compare")
    config: Path | None = None
    camera: str | None = None
    labels: Path | None = None
    sustained_min: float = 0.0
    start_time: str | None = None


def compare(
    wishes: CompareWishes, say: Callable[[str], None], on_step: Callable[[Step], None] = lambda step: None
) -> dict[str, Any]:
    """Measure, and write ``compare.json``, ``.csv``, ``.md`` and ``.html``, and TensorBoard event files.

    Args:
        wishes: The arguments.
        say: Told in one line what comes out of each step.
        on_step: Called before each step.

    Returns:
        The content of ``compare.json``.

    Raises:
        ConfigError: The arguments are wrong.
        SourceError: A video cannot be read.
        ModelError: A model cannot be had.
        OutputError: A result cannot be written.
    """
    asked: list[str | None] = [*listed(wishes.models, "--models")] or [None]
    names = [word_for(chosen(word, say), word) for word in asked]
    todo = combinations(
        names,
        listed(wishes.runtimes, "--runtimes"),
        listed(wishes.precisions, "--precisions"),
        sizes(wishes.imgsz),
        wishes.device,
    )
    if wishes.config is not None or wishes.camera is not None:  # their faults are told before anything is measured
        asked_for = Wishes(wishes.videos, wishes.config, wishes.camera, publish=False, start_time=wishes.start_time)
        prepared = prepare(asked_for)
        if prepared.beside:
            several = ", ".join((prepared.detector_name, *prepared.beside))
            raise ConfigError(
                f"{wishes.config}: camera {prepared.camera} has several detectors ({several}), and what one runtime "
                "misses another detector may find; name a camera with one detector, or compare without --config"
            )
        for video in wishes.videos:
            prepared.plan.start_of(video, prepared.start)
    if wishes.labels is not None:
        check_labels(wishes.labels)
        if films := [video for video in wishes.videos if video.exists() and not video.is_dir()]:
            raise ConfigError(
                f"--labels: {films[0]} is no folder of pictures; labels belong to pictures by their names"
            )
    make_folder(wishes.out)
    with tempfile.TemporaryDirectory(prefix="sightline-compare-") as folder:
        bench = _Bench(wishes, Path(folder), say, on_step)
        rows = bench.rows(todo)
    result = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "videos": [video.name for video in wishes.videos],
        "frames": bench.frame_count,
        "rounds": wishes.rounds,
        "camera_fps": CAMERA_FPS,
        "reference": bench.reference,
        "nms": "outside the network, the same code for all",
        "machine": machine(),
        "versions": versions(),
        "rows": rows,
        "recommendation": recommendation(rows),
    }
    write_json_atomic(wishes.out / "compare.json", result)
    write_text_atomic(wishes.out / "compare.csv", as_csv(rows))
    write_text_atomic(wishes.out / "compare.md", as_markdown(result))
    write_text_atomic(wishes.out / "compare.html", page(result))
    if not write_events(rows, wishes.out):
        say("no TensorBoard files: tensorboardX is not installed (pip install 'sightline[tensorboard]')")
    return result


class _Bench:
    """Frames laid down, and the children that are sent over them in turn."""

    def __init__(
        self, wishes: CompareWishes, folder: Path, say: Callable[[str], None], on_step: Callable[[Step], None]
    ) -> None:
        self._wishes, self._folder, self._say, self._on_step = wishes, folder, say, on_step
        self._frames = folder / "frames"
        self._laid = lay_down(wishes.videos, wishes.frames, self._frames)
        if wishes.labels is not None:  # what is wrong with them whatever the model's classes are
            read_truth(wishes.labels, self._laid, None)
        self._truth: dict[tuple[str, ...], Truth] = {}
        self.frame_count = len(self._laid)
        self.reference: str | None = None

    def rows(self, todo: Sequence[Combination]) -> list[Row]:
        """Prepare all, measure them in turn, and put them beside each model's reference: the first that ran."""
        ready: list[tuple[Combination, float]] = []
        truths: dict[Combination, Truth] = {}
        failed: dict[Combination, str] = {}
        for combination in self._each("preparing", todo):
            answer = self._child("prepare", combination)
            if "error" not in answer:
                ready.append((combination, answer["size_mb"]))
                if self._wishes.labels is not None:
                    truths[combination] = self._truth_for(self._wishes.labels, tuple(answer["labels"]))
            elif combination.asked or not answer.get("unavailable"):
                failed[combination] = answer["error"]
                self._say(f"{combination}: {answer['error']}")
            for line in answer.get("said", ()):
                self._say(line)
        measured: dict[Combination, list[dict[str, Any]]] = {}
        for turn in range(self._wishes.rounds):
            left = [combination for combination, _ in ready if combination not in failed]
            name = f"round {turn + 1} of {self._wishes.rounds}"
            for combination in self._each(name, left if turn % 2 == 0 else left[::-1]):
                answer = self._child("measure", combination)
                if "error" in answer:
                    failed[combination] = answer["error"]
                    self._say(f"{combination}: {answer['error']}")
                    continue
                measured.setdefault(combination, []).append(answer)
                fps = len(answer["batches"]["1"]["ms"]["total"]) * 1e3 / sum(answer["batches"]["1"]["ms"]["total"])
                self._say(f"{combination}: {fps:.1f} FPS")
        return self._together(todo, dict(ready), measured, failed, truths)

    def _each(self, doing: str, todo: Sequence[Combination]) -> Iterator[Combination]:
        """One after the other, told before it is given."""
        for number, combination in enumerate(todo, 1):
            self._on_step(Step(doing, number, len(todo), combination))
            yield combination

    def _truth_for(self, labels: Path, names: tuple[str, ...]) -> Truth:
        """The labels of the pictures, read once for models that know the same classes."""
        if names not in self._truth:
            self._truth[names] = read_truth(labels, self._laid, names)
        return self._truth[names]

    def _together(
        self,
        todo: Sequence[Combination],
        sizes: dict[Combination, float],
        measured: dict[Combination, list[dict[str, Any]]],
        failed: dict[Combination, str],
        truths: dict[Combination, Truth],
    ) -> list[Row]:
        references: dict[tuple[str, int], Combination] = {}
        ran = [combination for combination in todo if combination in measured and combination not in failed]
        counted = self._counted(ran)
        scored = [one for one in truths if one in ran]
        accuracy = {one: self._accuracy(one, truths[one]) for one in self._each("scoring", scored)}
        minutes = self._wishes.sustained_min
        lasting = self._each(f"running for {minutes:g} minutes", ran if minutes else [])
        sustained = {one: self._sustained(one) for one in lasting}
        rows: list[Row] = []
        for combination in todo:
            if combination in failed:
                rows.append(failed_row(combination, failed[combination]))
            elif combination in measured:
                reference = references.setdefault((combination.model, combination.imgsz), combination)
                near = closeness(read_boxes(self._boxes(reference)), read_boxes(self._boxes(combination)))
                agreement = {"reference": f"{reference.runtime} {reference.precision}", **near.as_dict()}
                counts = beside(counted[reference], counted[combination]) if counted else None
                extras = Extras(counts, accuracy.get(combination), sustained.get(combination))
                rows += rows_of(combination, sizes[combination], measured[combination], agreement, extras)
        if references:
            first = next(iter(references.values()))
            self.reference = f"{first.runtime} {first.precision}"
        return rows

    def _counted(self, todo: Sequence[Combination]) -> dict[Combination, Counts]:
        """What each counts in the whole videos; empty without a site file."""
        wishes = self._wishes
        if wishes.config is None:
            return {}
        rules = Rules(wishes.videos, wishes.config, wishes.camera, wishes.start_time)
        counted = {}
        for number, combination in enumerate(self._each("counting", todo)):
            counts = counted[combination] = rules.count(combination, self._folder / f"counts-{number}")
            if "error" in counts:
                self._say(f"not counted: {combination}: {counts['error']}")
        return counted

    def _accuracy(self, combination: Combination, truth: Truth) -> dict[str, Any] | None:
        """Against the labels; all boxes are looked for, however unlikely."""
        answer = self._child("find", combination, confidence=SCORE)
        if "error" in answer:
            self._say(f"not scored: {combination}: {answer['error']}")
            return None
        return score(truth, read_boxes(self._found), self._laid)

    def _sustained(self, combination: Combination) -> dict[str, Any] | None:
        """Speed over minutes: what heat or a battery leaves of it."""
        answer = self._child("sustain", combination)
        if "error" in answer:
            self._say(f"not sustained: {combination}: {answer['error']}")
            return None
        return answer

    @property
    def _found(self) -> Path:
        return self._folder / "found.npz"

    def _boxes(self, combination: Combination) -> Path:
        name = "-".join(str(part) for part in (combination.runtime, combination.precision, combination.imgsz))
        return self._folder / f"{abs(hash(combination.model))}-{name}.npz"

    def _child(self, task: str, combination: Combination, **more: float) -> dict[str, Any]:
        """A process of its own; how it ended where it gave no answer.

        Args:
            task: Of the worker.
            combination: What shall do it.
            more: Settings of the detector.
        """
        settings = {
            "runtime": combination.runtime,
            "precision": combination.precision,
            "imgsz": combination.imgsz,
            "device": combination.device,
            **more,
        }
        request, answer = self._folder / "job.json", self._folder / "answer.json"
        answer.unlink(missing_ok=True)
        job = Job.model_validate(
            {
                "task": task,
                "model": combination.model,
                "settings": settings,
                "frames": self._frames,
                "sizes": [laid.size for laid in self._laid],
                "calibrate": self._wishes.videos[0].resolve(),
                "batches": BATCHES,
                "answer": answer,
                "boxes": self._boxes(combination) if task == "measure" else self._found,
                "seconds": self._wishes.sustained_min * 60,
            }
        )
        request.write_text(job.model_dump_json(), encoding="utf-8")
        code, words = run_child("-m", "pipelines.compare.worker", str(request), scratch=self._folder)
        if answer.exists():
            found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
            return found
        return {"error": f"its process {how_it_ended(code, words)}"}


def listed(text: str | None, option: str) -> list[str]:
    """``a, b,a`` → the words, each once; none where the option was not given.

    Raises:
        ConfigError: It was given, and names nothing.
    """
    words = list(dict.fromkeys(word.strip() for word in (text or "").split(",") if word.strip()))
    if text is not None and not words:
        raise ConfigError(f"{option}: {text!r} names nothing; write names separated by commas, or leave it out")
    return words


def sizes(text: str | None) -> list[int]:
    """``640,416`` → the numbers.

    Raises:
        ConfigError: One is not a number of pixels from 32 to 4096.
    """
    words = listed(text, "--imgsz") or [str(DEFAULT_SIZE)]
    if bad := [word for word in words if not (word.isdecimal() and 32 <= int(word) <= 4096)]:
        raise ConfigError(f"--imgsz: {bad[0]!r} is not a number of pixels from 32 to 4096")
    return [int(word) for word in words]
