"""Which decoder GStreamer takes: hardware first, software where that fails, OpenCV where plugins are missing.

Elements that stand in for hardware are registered in processes of their own: a registration cannot be taken back.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import ROOT

pytestmark = pytest.mark.usefixtures("gstreamer")

HEAD = """
import json, logging, time
logging.basicConfig(format="%(message)s")
from streams import gst_hardware
from streams.errors import SourceError
from streams.gst import load_gst
from streams.open_live import live_source
from tests.support.fake_decoders import elements, register
Gst = load_gst()
LINE = ("gst:videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=20/1 "
        "! x264enc tune=zerolatency key-int-max=5")

def rank(name):
    return int(Gst.ElementFactory.find(name).get_rank())

def connect(wanted=5, seconds=8):
    '''What decoded, and the error, of one connection that shall give so many pictures.'''
    source = live_source(LINE)
    source.open()
    end, count, error = time.monotonic() + seconds, 0, ""
    try:
        while count < wanted and time.monotonic() < end:
            count += source.read(0.2) is not None
    except SourceError as caught:
        error = str(caught)
    used = [name for name in elements(source) if name.endswith("h264dec") and name != "avdec_h264"]
    source.close()
    return used, count >= wanted, error
"""


def run(code: str, **env: str) -> tuple[Any, str]:
    """What a process of its own prints as its last line (JSON), and what it logs."""
    done = subprocess.run(
        [sys.executable, "-c", HEAD + code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=60,
        env={**os.environ, **env},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_hardware_stands_before_software_in_order() -> None:
    found, _ = run("""
names = ["v4l2h265dec", "vah264dec", "nvh264dec", "nvv4l2decoder"]
converters = [gst_hardware.hardware_converter()]
for name in names:
    register(name, "avdec_h264")
for name in ("", "nvvideoconvert", "nvvidconv"):
    if name:
        register(name, "videoconvert")
    gst_hardware.hardware_converter.cache_clear()
    converters.append(gst_hardware.hardware_converter())
gst_hardware.prefer_hardware()
print(json.dumps([sorted([*names, "avdec_h264"], key=rank, reverse=True), converters]))
""")
    order, converters = found
    assert order == ["nvv4l2decoder", "nvh264dec", "vah264dec", "v4l2h265dec", "avdec_h264"]
    assert converters == ["", "", "nvvideoconvert ! video/x-raw ! ", "nvvidconv ! video/x-raw ! "]


def test_hardware_that_is_there_decodes() -> None:
    found, log = run("""
register("vah264dec", "avdec_h264")
print(json.dumps(connect()))
""")
    assert found == [["vah264dec"], True, ""]
    assert log == ""


def test_hardware_that_fails_makes_room_for_what_comes_next() -> None:
    found, log = run("""
faults = {
    "nvh264dec": "identity error-after=1 ! avdec_h264",  # at once
    "vah264dec": "avdec_h264 ! identity error-after=3",  # after pictures
    "v4l2slh264dec": "avdec_h264 ! capssetter replace=true join=false caps=audio/x-raw",  # another one says so
}
for name, inside in faults.items():
    register(name, inside)
print(json.dumps([[*faults], [connect() for _ in range(5)], [rank(name) for name in faults]]))
""")
    names, connections, ranks = found
    assert [used for used, _, _ in connections] == [[name] for name in names] + [[], []]
    assert [enough for _, enough, _ in connections] == [False] * 3 + [True] * 2
    assert [bool(error) for _, _, error in connections] == [True] * 3 + [False] * 2
    assert ranks == [64] * 3  # the last resort
    assert [log.count(f"the hardware decoder {name} fails") for name in names] == [1] * 3


def test_damaged_pictures_are_the_cameras_fault_twice() -> None:
    found, log = run("""
register("vah264dec", "avdec_h264")
gst_hardware.prefer_hardware()
ranks = []
for _ in range(4):
    gst_hardware.decoder_failed("vah264dec", is_stream=True)
    ranks.append(rank("vah264dec"))
print(json.dumps(ranks))
""")
    assert [rank > 256 for rank in found] == [True, True, False, False]
    assert log.count("vah264dec") == 1


# what is not installed

CORE = ("coreelements", "app", "playback", "typefindfunctions", "videoconvertscale", "videofilter")
RTSP = ("rtsp", "rtpmanager", "rtp", "videoparsersbad")


def plugins(folder: Path, *names: str) -> dict[str, str]:
    """Variables that let GStreamer find these plugins only."""
    from streams.gst import load_gst

    registry = load_gst().Registry.get()
    for name in names:
        plugin = registry.find_plugin(name)
        if plugin is None:
            pytest.skip(f"the plugin {name} of GStreamer is not installed")
        (folder / Path(plugin.get_filename()).name).symlink_to(plugin.get_filename())
    return {
        "GST_REGISTRY": str(folder / "registry.bin"),
        "GST_PLUGIN_SYSTEM_PATH_1_0": str(folder),
        "GST_PLUGIN_PATH_1_0": str(folder),
    }


@pytest.mark.parametrize(
    ("more", "rtsp", "missing"),
    [
        ((), "opencv", "rtspsrc, rtpbin, rtph264depay, h264parse, a decoder for H.264"),
        (RTSP, "opencv", "a decoder for H.264"),
        ((*RTSP, "libav"), "gstreamer", ""),
    ],
)
def test_opencv_reads_cameras_where_plugins_are_missing(
    tmp_path: Path, more: tuple[str, ...], rtsp: str, missing: str
) -> None:
    found, log = run(
        """
logging.getLogger().setLevel("INFO")
chosen = [live_source(source).backend for source in ("rtsp://h/x", "rtsp://h/y", "/dev/video0")]
try:
    live_source("rtsp://h/x", backend="gstreamer")
    print(json.dumps([chosen, ""]))
except SourceError as error:
    print(json.dumps([chosen, str(error)]))
""",
        **plugins(tmp_path, *CORE, *more),
    )
    chosen, error = found
    assert chosen == [rtsp, rtsp, "opencv"]  # without v4l2src
    assert log.count("are read with OpenCV") == 1 + bool(missing)
    if missing:
        assert f"its plugins lack {missing}" in error
        assert f"its plugins lack {missing})" in log
    else:
        assert error == ""
