"""Exports in the user's cache: made once for each checksum of the source, target, precision and size."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from detectors.checkpoint import read_checkpoint
from detectors.detector import Image
from detectors.errors import ModelError, RuntimeUnavailableError
from detectors.export.facts import (
    FACTS,
    FORMAT,
    RUNTIMES,
    ExportFacts,
    Target,
    is_export,
    read_facts,
    versions,
    write_facts,
)
from detectors.export.lock import alone
from detectors.folders import cache_dir
from detectors.model_files import ResolvedModel

PRECISIONS: dict[Target, dict[str, str]] = {
    "onnx": {"fp32": "fp32", "fp16": "fp32"},
    "openvino": {"fp32": "fp32", "bf16": "fp32", "fp16": "fp32", "int8": "int8"},
    "litert": {"fp32": "fp32", "fp16": "fp16", "int8": "int8"},
    "saved_model": {"fp32": "fp32", "bf16": "fp32"},
    "tensorrt": {"fp32": "fp32", "fp16": "fp16"},
}
"""For each target: the precisions it can be run in, and the precision of the file that serves them."""

DEFAULT_SIZE = 640


@dataclass(frozen=True, slots=True)
class Wanted:
    """An export to be had.

    Attributes:
        target: The file format.
        precision: That it shall be run in.
        size: (height, width) in pixels and a batch of one, or None: any size and batch.
        frames: Real pictures, (H, W, 3) uint8 BGR, that int8 is calibrated on; None where there are none.
        frames_from: Where they come from, for people.
        imgsz: Into what the frames are fitted where ``size`` is None, as in the configuration.
    """

    target: Target
    precision: str
    size: tuple[int, int] | None = None
    frames: Sequence[Image] | None = None
    frames_from: str | None = None
    imgsz: int | tuple[int, int] = DEFAULT_SIZE


@dataclass(frozen=True, slots=True)
class Export:
    """An export that is there.

    Attributes:
        folder: Its folder.
        facts: What its metadata says.
        made: Whether it was made just now.
    """

    folder: Path
    facts: ExportFacts
    made: bool


def file_precision(target: Target, precision: str) -> str:
    """The precision of the file that is run in ``precision``.

    Raises:
        RuntimeUnavailableError: There is no such file.
    """
    try:
        return PRECISIONS[target][precision]
    except KeyError:
        raise RuntimeUnavailableError(
            f"precision {precision!r} is not available on runtime {RUNTIMES[target]!r} ({target}); "
            f"available: {', '.join(PRECISIONS[target])}"
        ) from None


def folder_name(target: Target, precision: str, size: tuple[int, int] | None) -> str:
    """``onnx-fp32`` or ``litert-int8-384x640``."""
    return f"{target}-{precision}" + (f"-{size[0]}x{size[1]}" if size else "")


def cached_folder(model: ResolvedModel, want: Wanted) -> Path:
    """Where the export of a model is kept."""
    name = folder_name(want.target, file_precision(want.target, want.precision), want.size)
    return cache_dir() / "exports" / f"{model.sha256[:24]}-{name}-{FORMAT}"


def exported(model: ResolvedModel, want: Wanted, say: Callable[[str], None]) -> Export:
    """The export of a checkpoint: from the user's cache, or made once; whoever else is making it is waited for.

    One that was calibrated on other frames than those wanted is made again; without frames any calibration will do.

    Args:
        model: An Ultralytics checkpoint that may be loaded.
        want: What is to be had.
        say: Told in one line about what takes long.

    Raises:
        ModelError: The checkpoint cannot be exported, or the cache not be written.
        RuntimeUnavailableError: A package that is needed is missing, or int8 has no frames.
    """
    found = kept(model, want)
    if found is not None:
        return found
    check_frames(model, want)
    folder = cached_folder(model, want)
    precision = file_precision(want.target, want.precision)
    size = "any size" if want.size is None else f"{want.size[0]}x{want.size[1]}"
    what = f"{model.name} to {want.target} {precision}, {size}"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with alone(
            folder.parent / f".{folder.name}.lock", lambda: say(f"waiting for another process that exports {what}")
        ) as is_alone:
            found = kept(model, want, say)
            if found is not None:
                return found
            say(f"exporting {what} (once; kept in {folder})")
            return Export(folder, _fill(model, want, precision, folder, is_alone), made=True)
    except OSError as error:
        raise ModelError(
            f"the export cannot be written to {folder} ({error.strerror or error}); make room there, or name another "
            "folder in SIGHTLINE_CACHE"
        ) from error


def kept(model: ResolvedModel, want: Wanted, say: Callable[[str], None] = lambda line: None) -> Export | None:
    """The export in the user's cache, if one is there that is whole and what is wanted.

    Args:
        model: The checkpoint.
        want: What is to be had.
        say: Told what is wrong with one that is there.
    """
    folder = cached_folder(model, want)
    if not is_export(folder):
        return None
    try:
        facts = read_facts(folder)
    except ModelError as error:
        say(f"{error}: made again")
        return None
    good = facts.source_sha256 == model.sha256
    if facts.precision == "int8":
        good = good and want.frames_from in (None, facts.calibration)
    return Export(folder, facts, made=False) if good else None


def check_frames(model: ResolvedModel, want: Wanted) -> None:
    """Refuse to make int8 of nothing.

    Raises:
        RuntimeUnavailableError: With what to run.
    """
    if file_precision(want.target, want.precision) == "int8" and not want.frames:
        raise RuntimeUnavailableError(
            f"{model.name} has no int8 export for {want.target} yet, and int8 needs frames to calibrate on: run "
            f"`python app.py export {model.path} --to {want.target} --precision int8 --calibrate VIDEO_OR_FOLDER` once"
        )


def _fill(model: ResolvedModel, want: Wanted, precision: str, folder: Path, is_alone: bool) -> ExportFacts:
    """Make an export beside its place, then put it there; what others left behind who were killed at it goes."""
    prefix = f".{folder.name}."
    for left in folder.parent.glob(f"{prefix}*.new") if is_alone else ():
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=prefix, suffix=".new") as scratch:
        new = Path(scratch) / "new"
        new.mkdir()
        facts = _make(model, want, precision, new)
        if folder.exists():
            os.replace(folder, Path(scratch) / "old")
        os.replace(new, folder)
    return facts


def carry(export: Export, out: Path) -> Path:
    """Copy an export into a folder of the user's, to be taken to another machine; return its folder there.

    Raises:
        ModelError: It cannot be written.
    """
    facts = export.facts
    target = out / f"{facts.source}-{folder_name(facts.target, facts.precision, facts.imgsz)}"
    try:
        if target.exists() and not (target / FACTS).is_file():
            raise ModelError(f"{target} is there and no export of ours; choose another folder with --out")
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(export.folder, target)
    except OSError as error:
        raise ModelError(f"{target} cannot be written ({error.strerror or error}); choose another --out") from error
    return target


def _make(model: ResolvedModel, want: Wanted, precision: str, folder: Path) -> ExportFacts:
    """Write an export's files into an empty folder."""
    from detectors.export.formats import Job, write

    checkpoint = read_checkpoint(model.path)
    outputs = write(Job(checkpoint, model.path, want.target, precision, want.size, want.frames, want.imgsz), folder)
    return write_facts(
        folder,
        ExportFacts(
            format=FORMAT,
            target=want.target,
            precision=precision,
            family="yolo",
            source=model.name,
            source_sha256=model.sha256,
            labels=checkpoint.labels,
            people=model.people,
            stride=checkpoint.stride,
            imgsz=want.size,
            outputs=outputs,
            end2end=checkpoint.end2end,
            calibration=want.frames_from if precision == "int8" else None,
            versions=versions(),
        ),
    )
