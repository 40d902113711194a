"""Elements of GStreamer under the names of hardware that is not there; for processes of their own."""

from __future__ import annotations

from typing import Any

from streams.gst import load_gst


def register(name: str, inside: str) -> None:
    """Register a decoder of H.264 that does what the elements inside do.

    Args:
        name: Of its factory, as ``vah264dec``.
        inside: A launch line from H.264 to raw pictures; an ``identity error-after=1`` makes it fail.
    """
    gst: Any = load_gst()

    class Fake(gst.Bin):  # type: ignore[misc]
        __gtype_name__ = f"Fake{name}"

        def __init__(self) -> None:
            super().__init__()
            parts = gst.parse_bin_from_description(inside, True)
            self.add(parts)
            for pad in ("sink", "src"):
                self.add_pad(gst.GhostPad.new(pad, parts.get_static_pad(pad)))

    always = gst.PadPresence.ALWAYS
    taken = gst.Caps.from_string("video/x-h264,stream-format=byte-stream,alignment=au")
    given = gst.Caps.from_string("video/x-raw")
    Fake.set_metadata(name, "Codec/Decoder/Video", "It stands in for hardware", "The tests")
    Fake.add_pad_template(gst.PadTemplate.new("sink", gst.PadDirection.SINK, always, taken))
    Fake.add_pad_template(gst.PadTemplate.new("src", gst.PadDirection.SRC, always, given))
    assert gst.Element.register(None, name, 0, Fake)


def elements(source: Any) -> list[str]:
    """Names of the factories in the pipeline of an open ``GStreamerLive``."""
    gst: Any = load_gst()
    found, names = source._pipeline.iterate_recurse(), []
    while True:
        answer, element = found.next()
        if answer != gst.IteratorResult.OK:
            return names
        if element.get_factory() is not None:
            names.append(element.get_factory().get_name())
