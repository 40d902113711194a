"""Which runtimes there are on this machine, and what they can do; nothing of them is imported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from config.errors import ConfigError
from config.site import Detector, Precision, RuntimeName
from detectors.errors import RuntimeUnavailableError
from detectors.export.store import PRECISIONS
from detectors.load_export import TARGETS, check_runtime
from pipelines.compare.combination import is_installed

_ON_NVIDIA = frozenset({"torch", "tensorflow", "tensorrt"})


@dataclass(frozen=True, slots=True)
class RuntimeFacts:
    """A runtime as people choose it.

    Attributes:
        name: As in the configuration.
        installed: Whether its package is there.
        reason: Why it cannot be chosen, and the way out; empty where it can.
        precisions: That it knows; whether a device has them is seen when a model is loaded.
        devices: That it can be told, as far as they are seen without it.
    """

    name: str
    installed: bool
    reason: str
    precisions: tuple[str, ...]
    devices: tuple[str, ...]


def runtimes(dev: Path = Path("/dev")) -> list[RuntimeFacts]:
    """All of them.

    Args:
        dev: Where the devices of the machine lie.
    """
    nvidia = sorted(path.name.removeprefix("nvidia") for path in dev.glob("nvidia[0-9]*"))
    return [_facts(name, nvidia) for name in get_args(RuntimeName)]


def precisions_of(runtime: str) -> tuple[str, ...]:
    """The precisions that a runtime knows."""
    return tuple(PRECISIONS[TARGETS[runtime]]) if runtime in TARGETS else ("fp32", "bf16", "fp16")


def check_precision(runtime: str, precision: str) -> None:
    """Refuse a precision that a runtime does not know on any device.

    Raises:
        ConfigError: With those that it knows.
    """
    known = precisions_of(runtime)
    if precision not in known:
        raise ConfigError(f"runtime {runtime!r} does not compute in {precision}; it knows {', '.join(known)}")


def _facts(name: RuntimeName, nvidia: list[str]) -> RuntimeFacts:
    reason = ""
    try:
        check_runtime(Detector(runtime=name))
        if not is_installed(name):
            reason = f"runtime {name!r} is not installed; install it with pip install 'sightline[{name}]'"
    except RuntimeUnavailableError as error:
        reason = str(error)
    cuda = ("cuda", *(f"cuda:{number}" for number in nvidia)) if nvidia and name in _ON_NVIDIA else ()
    own = () if name == "tensorrt" else ("cpu",)
    return RuntimeFacts(name, not reason, reason, precisions_of(name), ("auto", *own, *cuda))


__all__ = ["Precision", "RuntimeFacts", "check_precision", "precisions_of", "runtimes"]
