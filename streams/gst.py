"""GStreamer's doors: loading it late, and copying its buffers fast."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import sys
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.errors import SourceError

_MISSING = (
    "GStreamer is not installed ({reason}); install the extra (pip install 'sightline[gstreamer]') and the system "
    "packages that the README names, or use OpenCV (backend: opencv in a site file, --backend opencv with 'analyze')"
)


@functools.cache
def load_gst() -> Any:
    """Import GStreamer's Python binding and initialise it once.

    Returns:
        The ``Gst`` module; ``GstApp`` and ``GstVideo`` are loaded with it.

    Raises:
        SourceError: It, or its Python binding, is not installed.
    """
    _share_libgcc()
    try:
        import gi

        for name in ("Gst", "GstApp", "GstVideo"):
            gi.require_version(name, "1.0")
        from gi.repository import Gst, GstApp, GstVideo  # noqa: F401 - importing adds the classes' methods
    except (ImportError, ValueError) as error:
        raise SourceError(_MISSING.format(reason=error)) from error
    Gst.init(None)
    missing = [
        name for name in ("decodebin", "videoconvert", "videoflip", "appsink") if not Gst.ElementFactory.find(name)
    ]
    if missing:
        raise plugins_missing(", ".join(missing))
    return Gst


@functools.cache
def camera_needs(source: str) -> str:
    """What GStreamer lacks for cameras, in words; empty where nothing is missing.

    Args:
        source: The element that reads them, ``rtspsrc`` or ``v4l2src``.

    Raises:
        SourceError: GStreamer itself is not installed.
    """
    gst = load_gst()
    names = (source, "rtpbin", "rtph264depay", "h264parse") if source == "rtspsrc" else (source,)
    missing = [name for name in names if not gst.ElementFactory.find(name)]
    decoders = gst.ElementFactory.list_get_elements(gst.ELEMENT_FACTORY_TYPE_DECODER, gst.Rank.MARGINAL)
    h264 = gst.Caps.from_string("video/x-h264")
    if not gst.ElementFactory.list_filter(decoders, h264, gst.PadDirection.SINK, False):
        missing.append("a decoder for H.264")
    return ", ".join(missing)


def plugins_missing(names: str) -> SourceError:
    """The error for plugins that are not installed."""
    return SourceError(_MISSING.format(reason=f"its plugins lack {names}"))


def _share_libgcc() -> None:
    """Let C++ libraries that are loaded after GStreamer unwind exceptions with libgcc.

    GStreamer brings libunwind, which has functions of the same names; a library that gets some from the one and some
    from the other (matplotlib, Triton, TensorFlow) ends the process at its first exception.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # without libgcc there is nothing to mix up
            ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)


def copy_bgr(sample: Any) -> NDArray[np.uint8]:
    """Copy a raw BGR picture out of GStreamer into memory of its own.

    PyGObject's own mapping goes through a Python ``bytes`` and is forty times slower.

    Args:
        sample: A ``Gst.Sample`` of ``video/x-raw,format=BGR``.

    Returns:
        (H, W, 3) uint8, BGR, contiguous.

    Raises:
        SourceError: The buffer is smaller than its format says.
    """
    from gi.repository import GstVideo

    buffer = sample.get_buffer()
    width, height = sample_size(sample)
    meta = GstVideo.buffer_get_video_meta(buffer)
    if meta is not None:
        offset, stride = int(meta.offset[0]), int(meta.stride[0])
    else:
        offset, stride = 0, (width * 3 + 3) // 4 * 4
    length = stride * (height - 1) + width * 3
    rows = np.empty((height, stride), np.uint8)
    copied = _extract()(hash(buffer), offset, rows.ctypes.data, length)
    if copied != length:
        raise SourceError(f"GStreamer gave {copied} bytes for a {width}x{height} picture that needs {length}")
    return np.ascontiguousarray(rows[:, : width * 3]).reshape(height, width, 3)


def copy_planes(sample: Any) -> tuple[NDArray[np.uint8], Literal["i420", "nv12"], int, int]:
    """Copy a raw I420 or NV12 picture out of GStreamer into memory of its own, as OpenCV wants it.

    Strides and offsets are honoured, an odd size is filled up to an even one by its last row and column, and full
    range (cameras that send JPEG) is brought to the limited range that conversions expect.

    Args:
        sample: A ``Gst.Sample`` of ``video/x-raw`` with ``format`` I420 or NV12.

    Returns:
        (rows * 3 / 2, columns) uint8 with even rows and columns; the layout; width and height in pixels.

    Raises:
        SourceError: The buffer is smaller than its format says.
    """
    from gi.repository import GstVideo

    caps = sample.get_caps()
    structure = caps.get_structure(0)
    width, height = int(structure.get_value("width")), int(structure.get_value("height"))
    is_i420 = structure.get_string("format") == "I420"
    info, buffer = GstVideo.VideoInfo.new_from_caps(caps), sample.get_buffer()
    meta = GstVideo.buffer_get_video_meta(buffer) or info
    rows, columns = height + height % 2, width + width % 2
    planes = np.empty((rows * 3 // 2, columns), np.uint8)
    chroma = planes[rows:].reshape(-1)
    half = rows // 2, columns // 2
    size = rows * columns // 4
    places = (
        [planes[:rows], chroma[:size].reshape(half), chroma[size:].reshape(half)]
        if is_i420
        else [planes[:rows], chroma.reshape(rows // 2, columns)]
    )
    for number, place in enumerate(places):
        used = (height, width) if number == 0 else place.shape
        _copy_plane(buffer, int(meta.offset[number]), int(meta.stride[number]), place[: used[0], : used[1]])
    planes[height:rows] = planes[height - 1]
    planes[:rows, width:columns] = planes[:rows, width - 1 : width]
    if info.colorimetry.range == GstVideo.VideoColorRange(1):  # 0 to 255; its name in Python begins with a digit
        _limit_range(planes, rows)
    return planes, "i420" if is_i420 else "nv12", width, height


def _copy_plane(buffer: Any, offset: int, stride: int, place: NDArray[np.uint8]) -> None:
    """Copy (rows, columns) of a plane whose rows are ``stride`` bytes apart."""
    rows, columns = place.shape
    length = stride * (rows - 1) + columns
    is_tight = stride == columns and place.flags.c_contiguous
    target = place if is_tight else np.empty((rows, stride), np.uint8)
    copied = _extract()(hash(buffer), offset, target.ctypes.data, length)
    if copied != length:
        raise SourceError(f"GStreamer gave {copied} bytes for a plane of {columns}x{rows} that needs {length}")
    if not is_tight:
        place[:] = target[:, :columns]


def _limit_range(planes: NDArray[np.uint8], rows: int) -> None:
    """Bring full range (0 to 255) to limited range (16 to 235, colour 16 to 240), in place."""
    values = np.arange(256)
    cv2.LUT(planes[:rows], np.rint(16 + values * 219 / 255).astype(np.uint8), planes[:rows])
    cv2.LUT(planes[rows:], np.rint(128 + (values - 128) * 224 / 255).astype(np.uint8), planes[rows:])


def sample_size(sample: Any) -> tuple[int, int]:
    """(width, height) of a ``Gst.Sample`` in pixels."""
    caps = sample.get_caps().get_structure(0)
    return int(caps.get_value("width")), int(caps.get_value("height"))


@functools.cache
def _extract() -> Any:
    """``gst_buffer_extract(buffer, offset, destination, size) -> copied``."""
    name = ctypes.util.find_library("gstreamer-1.0") or "libgstreamer-1.0.so.0"
    extract = ctypes.CDLL(name).gst_buffer_extract
    extract.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
    extract.restype = ctypes.c_size_t
    return extract
