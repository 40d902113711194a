"""Import TensorFlow without its chatter.

TensorFlow's C++ code writes about CPU features and missing CUDA drivers straight to file descriptor 2, some of it
before it looks at ``TF_CPP_MIN_LOG_LEVEL``. What a person should read there is one sentence, not thirty lines.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from detectors.errors import RuntimeUnavailableError

_CHATTER = re.compile(
    rb"[IWE]\d{4} \d\d:|[IWE]0000 |WARNING: All log messages before absl|To enable the following instr"
)

_DESCRIPTOR_2 = threading.RLock()


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


@contextmanager
def quiet_stderr() -> Iterator[None]:
    """Hold back what is written to file descriptor 2, then pass on all of it but TensorFlow's chatter."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0":
        yield
        return
    with _DESCRIPTOR_2, tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        kept = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)
            held.seek(0)
            for line in held:
                if not _CHATTER.match(line):
                    os.write(2, line)
