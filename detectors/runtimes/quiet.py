"""Hold back what TensorFlow's and LiteRT's C++ code writes straight to file descriptor 2.

It is about CPU features, missing CUDA drivers and delegates, some of it written before it looks at
``TF_CPP_MIN_LOG_LEVEL``. What a person should read there is one sentence, not thirty lines.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_CHATTER = re.compile(
    rb"[IWE]\d{4} \d\d:|[IWE]0000 |WARNING: All log messages before absl|To enable the following instr|"
    rb"INFO: (Created TensorFlow Lite|Initialized TensorFlow Lite|Applying \d+ TensorFlow Lite)"
)

_DESCRIPTOR_2 = threading.RLock()


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
