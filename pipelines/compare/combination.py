"""What is compared: models, runtimes, precisions and input sizes, each with each."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

from config.errors import ConfigError
from config.site import Precision, RuntimeName
from detectors.load_export import PACKAGES
from detectors.model_files import ResolvedModel

RUNTIMES: tuple[str, ...] = get_args(RuntimeName)
PRECISIONS: tuple[str, ...] = get_args(Precision)


@dataclass(frozen=True, slots=True)
class Combination:
    """One thing to measure.

    Attributes:
        model: A name or path.
        runtime: What runs it.
        precision: Its arithmetic.
        imgsz: Longer side of the network's input in pixels.
        device: As in the configuration.
        asked: Whether runtime and precision were asked for: then it is a row even where it is not to be had.
    """

    model: str
    runtime: str
    precision: str
    imgsz: int
    device: str = "auto"
    asked: bool = True

    def __str__(self) -> str:
        return f"{self.model} on {self.runtime} {self.precision} at {self.imgsz}"


def word_for(model: ResolvedModel, asked: str | None) -> str:
    """What a child finds the very same model by: the path where it was asked for by its path, else its name.

    Args:
        model: What was found.
        asked: The word by which it was.
    """
    by_path = model.entry is None or (asked is not None and Path(asked).expanduser().exists())
    return str(model.path.resolve()) if by_path else model.name


def is_installed(runtime: str) -> bool:
    """Whether the runtime's package is there; nothing is imported."""
    return find_spec(PACKAGES.get(runtime, runtime)) is not None


def combinations(
    models: Sequence[str], runtimes: Sequence[str], precisions: Sequence[str], sizes: Sequence[int], device: str
) -> list[Combination]:
    """All of them, the same precision on every runtime side by side, fp32 first.

    Args:
        models: Names or paths.
        runtimes: Empty: all that are installed.
        precisions: Empty: all that the runtime has on this machine.
        sizes: Longer sides in pixels.
        device: As in the configuration.

    Raises:
        ConfigError: A runtime or precision that there is not, or no runtime is installed.
    """
    for option, words, allowed in (("--runtimes", runtimes, RUNTIMES), ("--precisions", precisions, PRECISIONS)):
        if unknown := [word for word in words if word not in allowed]:
            raise ConfigError(f"{option}: unknown: {', '.join(unknown)}; allowed: {', '.join(allowed)}")
    chosen = [name for name in RUNTIMES if name in runtimes] or [name for name in RUNTIMES if is_installed(name)]
    if not chosen:
        raise ConfigError("no runtime is installed; install one, for example with pip install 'sightline[litert]'")
    words = [name for name in PRECISIONS if name in precisions] or list(PRECISIONS)
    asked = bool(precisions)
    return [
        Combination(model, runtime, precision, size, device, asked or (bool(runtimes) and precision == "fp32"))
        for model, size, precision, runtime in itertools.product(models, sizes, words, chosen)
    ]
