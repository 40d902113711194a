"""Import TensorFlow without its chatter."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from typing import Any

from detectors.errors import RuntimeUnavailableError
from detectors.runtimes.quiet import quiet_stderr


def import_tensorflow() -> Any:
    """The ``tensorflow`` module.

    ``TF_CPP_MIN_LOG_LEVEL=0`` in the environment keeps all that TensorFlow writes; otherwise its Python log is
    set to errors alone.

    Raises:
        RuntimeUnavailableError: TensorFlow is not installed, or does not start.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    try:
        _import_triton_first()
        with quiet_stderr():
            import tensorflow as tf
    except ImportError as error:
        reason = str(error).strip().split("\n")[0]
        raise RuntimeUnavailableError(
            f"TensorFlow cannot be imported ({reason}); install it with pip install 'sightline[tensorflow]', "
            "or choose another runtime"
        ) from error
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] != "0":
        tf.get_logger().setLevel("ERROR")
    return tf


def _import_triton_first() -> None:
    """Load Triton, which torch imports when it compiles, before TensorFlow where it is installed.

    Both carry an LLVM; loaded after TensorFlow, Triton's ends the process with a segmentation fault.
    """
    if find_spec("triton") is not None:
        import triton  # noqa: F401
