"""What GStreamer reports of a camera, as a sentence without addresses and logins."""

from __future__ import annotations

from streams.errors import LoginRefusedError, SourceError

_RESOURCE = "gst-resource-error-quark"
_STREAM = "gst-stream-error-quark"
_DECODE = 7
_NOT_FOUND, _BUSY, _OPEN_READ, _OPEN_WRITE, _OPEN_READ_WRITE, _READ, _NOT_AUTHORIZED = 3, 4, 5, 6, 7, 9, 15


def source_fault(shown: str, domain: str, code: int, detail: str) -> SourceError:
    """The error for a message of the bus.

    Args:
        shown: The source as it may be printed, subject of the sentence.
        domain: Name of the error's domain.
        code: Its number within the domain.
        detail: GStreamer's own text, which may hold the address; it is read and never shown.

    Returns:
        An error to raise.
    """
    if domain == _RESOURCE and (code == _NOT_AUTHORIZED or "(403)" in detail):  # a camera's "Forbidden" is a READ fault
        return LoginRefusedError(f"{shown} refuses the login; check user name and password")
    return SourceError(f"{shown} {_what(domain, code, detail)}")


def is_read_fault(domain: str, code: int) -> bool:
    """Whether a message says that nothing can be read any more."""
    return domain == _RESOURCE and code == _READ


def is_resource_fault(domain: str) -> bool:
    """Whether a message is about the connection or the device, not about the pictures."""
    return domain == _RESOURCE


def is_damaged(domain: str, code: int) -> bool:
    """Whether a message says that pictures are damaged."""
    return domain == _STREAM and code == _DECODE


def _what(domain: str, code: int, detail: str) -> str:
    is_timeout = "imeout" in detail or "imed out" in detail
    if domain == _RESOURCE and code == _NOT_FOUND:
        return "is not found there; check the path"
    if domain == _RESOURCE and code == _BUSY:
        return "is in use by another program; close that one"
    if domain == _RESOURCE and (is_timeout or "any UDP packets" in detail):
        return "does not answer; check network and camera"
    if domain == _RESOURCE and code in (_OPEN_READ, _OPEN_WRITE, _OPEN_READ_WRITE):
        return "refuses the connection or cannot be reached; check address, network and camera"
    if domain == _RESOURCE and "(503)" in detail:
        return "is busy (503); it may allow no more viewers"
    if domain == _RESOURCE and code == _READ:
        return "breaks off or sends no data; check network and camera"
    if is_damaged(domain, code):
        return "sends pictures that are damaged; check network and camera, and choose H.264 or H.265 in the camera"
    if domain == _STREAM:
        return f"sends what GStreamer cannot decode (error {code}); choose H.264 or H.265 in the camera"
    return f"fails in GStreamer ({domain.removesuffix('-quark')} {code}); check network and camera"
