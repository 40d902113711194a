"""OpenVINO: the ONNX form converted, and NNCF for int8."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from detectors.detector import Tensor
from detectors.errors import ModelError, RuntimeUnavailableError

_DECODE = r".*/model\.\d+/(?!(one2one_)?cv\d).*"
"""What stands in the head beside its convolutions: it turns logits into pixels and probabilities."""


def write_openvino(onnx_file: Path, target: Path, batches: Sequence[Tensor] | None) -> None:
    """Write OpenVINO's ``.xml`` and ``.bin``.

    Args:
        onnx_file: Of ``write_onnx``.
        target: The ``.xml`` to write.
        batches: (1, H, W, 3) uint8 BGR, real frames: weights and activations become int8, but the decode of
            the head stays in float, so that pixels do not spoil the range of the scores. None keeps fp32.

    Raises:
        ModelError: It cannot be converted.
        RuntimeUnavailableError: OpenVINO, or NNCF where it is needed, is not installed.
    """
    try:
        import openvino
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"exporting to OpenVINO needs it ({error}); install it with pip install 'sightline[openvino,export]'"
        ) from error
    try:
        model = openvino.convert_model(onnx_file)
        if batches is not None:
            model = _quantized(model, batches)
        openvino.save_model(model, target, compress_to_fp16=False)
    except RuntimeError as error:
        reason = str(error).strip().split("\n")[0][:160]
        raise ModelError(f"{onnx_file} cannot be converted for OpenVINO ({reason})") from error


def import_nncf() -> Any:
    """The ``nncf`` module, without its chatter.

    Raises:
        RuntimeUnavailableError: It is not installed.
    """
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # it misses a GPU
    try:
        import nncf
    except ImportError as error:
        raise RuntimeUnavailableError(
            f"int8 for OpenVINO needs NNCF ({error}); install it with pip install 'sightline[export]'"
        ) from error
    nncf.set_log_level(logging.ERROR)
    return nncf


def _quantized(model: Any, batches: Sequence[Tensor]) -> Any:
    nncf = import_nncf()
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):  # progress bars
        return nncf.quantize(
            model,
            nncf.Dataset(list(batches)),
            preset=nncf.QuantizationPreset.MIXED,  # activations of SiLU are not symmetric
            subset_size=len(batches),
            ignored_scope=nncf.IgnoredScope(patterns=[_last_module(model)]),
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.FIRST_LAYER),
        )


def _last_module(model: Any) -> str:
    """A pattern for the decode in the head, the last of the modules ``/model.N/`` that the names tell of."""
    names = (re.search(r"/model\.(\d+)/", op.get_friendly_name()) for op in model.get_ops())
    numbers = [int(name[1]) for name in names if name]
    if not numbers:
        raise ModelError("the network's operations do not tell where its head is; it cannot be made int8 for OpenVINO")
    return _DECODE.replace(r"\d+", str(max(numbers)), 1)
