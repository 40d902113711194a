"""GStreamer beside other libraries in one process."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tests.support.cli import ROOT

_CODE = """
import numpy
from streams.gst import load_gst
load_gst()
from matplotlib import ft2font
try:
    ft2font.FT2Font("no such file")
except FileNotFoundError:
    print("raised")
"""


def test_cpp_libraries_loaded_after_gstreamer_can_raise(gstreamer: None) -> None:
    """Exceptions unwound half by libgcc and half by GStreamer's libunwind ended the process."""
    if find_spec("matplotlib") is None:
        pytest.skip("matplotlib, which comes with ultralytics, is not installed")
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, cwd=ROOT, check=False)
    assert (done.returncode, done.stdout) == (0, "raised\n"), done.stderr
