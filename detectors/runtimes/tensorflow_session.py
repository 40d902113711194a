"""A TensorFlow session on the device, in the precision and with the threads that were asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors.errors import RuntimeUnavailableError
from detectors.runtimes.quiet import quiet_stderr
from detectors.runtimes.tensorflow_import import import_tensorflow
from detectors.runtimes.threads import cpu_threads

_CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a network is executed.

    Attributes:
        device: ``cpu`` or ``gpu:N``.
        precision: ``fp32`` or ``bf16``.
    """

    device: str
    precision: str


def check(device: str, precision: str) -> None:
    """Refuse a device or precision that is not there, without a network.

    Raises:
        RuntimeUnavailableError: With what is there.
    """
    resolve_placement(device, precision)


def resolve_placement(device: str, precision: str) -> Placement:
    """Turn what was asked for into what this machine has.

    Args:
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N`` (``cuda`` and ``cuda:N`` mean the same).
        precision: ``fp32``; ``bf16`` on a CPU with bf16 instructions.

    Raises:
        RuntimeUnavailableError: The device is not there, or has no fast path for the precision.
    """
    resolved = _resolve_device(device)
    allowed = ["fp32"]
    if resolved == "cpu" and _cpu_computes_bf16():
        allowed.append("bf16")
    if precision not in allowed:
        raise RuntimeUnavailableError(
            f"precision {precision!r} is not available on {resolved} with TensorFlow on this machine; "
            f"available: {', '.join(allowed)}"
        )
    return Placement(resolved, precision)


def _resolve_device(device: str) -> str:
    tf = import_tensorflow()
    with quiet_stderr():
        gpus = [f"gpu:{index}" for index in range(len(tf.config.list_physical_devices("GPU")))]
    wanted = device.lower().replace("cuda", "gpu")
    if wanted == "auto":
        return gpus[0] if gpus else "cpu"
    if wanted == "gpu" and gpus:
        return gpus[0]
    if wanted in ("cpu", *gpus):
        return wanted
    raise RuntimeUnavailableError(
        f"device {device!r} is not available to TensorFlow on this machine; "
        f"available: auto, {', '.join(['cpu', *gpus])}"
    )


def _cpu_computes_bf16() -> bool:
    """Whether this is a CPU with bf16 instructions that oneDNN may use; elsewhere bf16 is emulated and slower."""
    if os.environ.get("TF_ENABLE_ONEDNN_OPTS") == "0" or not _CPU_INFO.is_file():
        return False
    words = set(_CPU_INFO.read_text().split())
    return bool(words & {"avx512_bf16", "amx_bf16"})


def open_session(placement: Placement) -> Any:
    """A session with a graph of its own; nothing it is set to touches other users of TensorFlow in the process."""
    tf1 = import_tensorflow().compat.v1
    options = tf1.ConfigProto(
        allow_soft_placement=True,
        intra_op_parallelism_threads=cpu_threads(),
        inter_op_parallelism_threads=2,  # the box and class branches of a head side by side
        use_per_session_threads=True,
    )
    options.gpu_options.allow_growth = True
    if placement.device == "cpu":
        options.device_count["GPU"] = 0
    if placement.precision == "bf16":
        rewrite = options.graph_options.rewrite_options
        rewrite.auto_mixed_precision_onednn_bfloat16 = type(rewrite).ON
    with quiet_stderr():
        return tf1.Session(graph=tf1.Graph(), config=options)
