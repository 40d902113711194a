"""The command ``export``: a model in the formats of other runtimes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from config.errors import ConfigError, SightlineError
from detectors.export.apart import export_apart
from detectors.export.calibration import FRAMES
from detectors.export.facts import Target
from detectors.export.store import DEFAULT_SIZE, Wanted, carry, file_precision, kept
from detectors.model_files import chosen
from pipelines.analyze import make_folder
from streams.spread import spread_pictures

TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, slots=True)
class ExportWishes:
    """The arguments of ``export``.

    Attributes:
        model: A name or path.
        to: Targets, separated by commas.
        precision: That they shall be run in.
        calibrate: A video or folder whose pictures int8 is calibrated on, and every export compared on.
        imgsz: ``H,W`` in pixels for that size alone, one number for the longer side of any size, or None.
        out: Folder that the exports are copied into, or None: they stay in the cache alone.
    """

    model: str
    to: str
    precision: str = "fp32"
    calibrate: Path | None = None
    imgsz: str | None = None
    out: Path | None = None


def export_models(wishes: ExportWishes, say: Callable[[str], None], tell: Callable[[str], None]) -> int:
    """Export a model to each target; one that fails is reported, the others are done.

    Args:
        wishes: The arguments.
        say: Told in one line about what takes long, how near each export is to its source, and what failed.
        tell: Told the folder of each export.

    Returns:
        The exit code: 0 all are there, else the largest of the failures'.

    Raises:
        ConfigError: The arguments are wrong.
        SightlineError: The model or the frames cannot be had, or the folder cannot be made.
    """
    targets = targets_of(wishes.to)
    size, imgsz = size_of(wishes.imgsz)
    for target in targets:
        file_precision(target, wishes.precision)
    if wishes.precision == "int8" and wishes.calibrate is None:
        raise ConfigError("int8 needs frames to calibrate on: add --calibrate with a video or folder of your own")
    if wishes.out is not None:  # an hour of exports is not to end at a file that lies in the way
        make_folder(wishes.out)
    model = chosen(wishes.model, say)
    if model.export is not None or model.path.suffix != ".pt":
        raise ConfigError(f"{model.path} cannot be exported; 'export' takes Ultralytics checkpoints (.pt)")
    frames = spread_pictures(wishes.calibrate, FRAMES) if wishes.calibrate is not None else None
    label = f"{len(frames)} pictures of {wishes.calibrate}" if frames is not None else None
    code = 0
    for target in targets:
        fixed = size if target != "tensorrt" else size or (imgsz, imgsz)
        try:
            want = Wanted(target, wishes.precision, fixed, frames, label, imgsz)
            if (found := kept(model, want)) is not None:
                say(f"{model.name} {target} {found.facts.precision}, {found.facts.size}: kept from before")
            export = export_apart(model, want, say, compare_kept=frames is not None)
            tell(str(carry(export, wishes.out) if wishes.out is not None else export.folder))
        except SightlineError as error:
            say(f"error: {error}")
            code = max(code, error.exit_code)
    return code


def targets_of(words: str) -> tuple[Target, ...]:
    """``onnx,litert`` → the targets, each once.

    Raises:
        ConfigError: An unknown one, or none.
    """
    wanted = [word.strip() for word in words.split(",") if word.strip()]
    unknown = [word for word in wanted if word not in TARGETS]
    if unknown or not wanted:
        raise ConfigError(f"--to: no target {', '.join(unknown) or 'given'}; allowed: {', '.join(TARGETS)}")
    return tuple(target for target in TARGETS if target in wanted)


def size_of(word: str | None) -> tuple[tuple[int, int] | None, int]:
    """``384,640`` → that size alone; ``416`` → any size, with that longer side for the frames.

    Raises:
        ConfigError: It is neither, or not of 32 to 4096 pixels in steps of 32.
    """
    if word is None:
        return None, DEFAULT_SIZE
    if not re.fullmatch(r"\d+(,\d+)?", word):
        raise ConfigError(f"--imgsz: {word!r} is neither a number of pixels nor HEIGHT,WIDTH such as 384,640")
    sides = [int(side) for side in word.split(",")]
    if any(side % 32 or not 32 <= side <= 4096 for side in sides):
        raise ConfigError(f"--imgsz: {word} must be multiples of 32, from 32 to 4096")
    return ((sides[0], sides[1]), max(sides)) if len(sides) == 2 else (None, sides[0])
