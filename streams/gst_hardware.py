"""Hardware decoders of GStreamer: chosen before software where they are there, and given up where they fail."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import defaultdict, deque
from typing import Any

from streams.gst import load_gst

_log = logging.getLogger(__name__)
_HARDWARE = (
    "nvv4l2decoder", "nvh264dec", "nvh265dec", "vah264dec", "vah265dec", "v4l2slh264dec", "v4l2slh265dec",
    "v4l2h264dec", "v4l2h265dec",
)  # fmt: skip
_FAULTS, _WITHIN_S = 3, 600.0
"""Damaged pictures may be the camera's fault: so often in so many seconds they are the decoder's."""

_lock = threading.Lock()
_faults: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=_FAULTS))


@functools.cache
def prefer_hardware() -> None:
    """Let hardware decoders be chosen before software, where their factories exist.

    There was no such hardware where this was written; only machines that have it register the factories.
    """
    gst = load_gst()
    for place, name in enumerate(_HARDWARE):
        factory = gst.ElementFactory.find(name)
        if factory is not None:
            factory.set_rank(int(gst.Rank.PRIMARY) + 100 - place)


@functools.cache
def hardware_converter() -> str:
    """What brings pictures from a Jetson decoder's memory into the machine's, with its ``!``; empty elsewhere."""
    gst = load_gst()
    if gst.ElementFactory.find("nvv4l2decoder") is None:
        return ""
    names = (name for name in ("nvvidconv", "nvvideoconvert") if gst.ElementFactory.find(name))
    name = next(names, "")
    return f"{name} ! video/x-raw ! " if name else ""


def hardware_decoder(element: Any) -> str:
    """The factory of the hardware decoder that an element is, or is inside of; empty where it is none."""
    while element is not None:
        factory = element.get_factory() if hasattr(element, "get_factory") else None
        if factory is not None and factory.get_name() in _HARDWARE:
            return str(factory.get_name())
        element = element.get_parent()
    return ""


def decoder_failed(name: str, is_stream: bool) -> None:
    """Take note that a hardware decoder has failed; from the next connection on another one is chosen.

    It stays the last resort where nothing else can decode. Told once in the log.

    Args:
        name: Its factory.
        is_stream: It gave pictures before and says that the stream is damaged: three times in ten minutes, not once.
    """
    gst, now = load_gst(), time.monotonic()
    with _lock:
        seen = _faults[name]
        seen.append(now)
        if is_stream and (len(seen) < _FAULTS or now - seen[0] > _WITHIN_S):
            return
        factory = gst.ElementFactory.find(name)
        if factory is None or factory.get_rank() <= int(gst.Rank.MARGINAL):
            return
        factory.set_rank(int(gst.Rank.MARGINAL))
    _log.warning(
        "the hardware decoder %s fails; until the process ends, another decoder takes its place where there is one: "
        "check its driver",
        name,
    )
