"""Whether a camera that is reached over TLS (``rtsps://``, ``https://``) is the one it says it is."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

from streams.errors import SourceError, UntrustedError
from streams.look import split_address

_PORTS = {"rtsps": 322, "https": 443}
_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class CameraTls:
    """What a camera's certificate is held against.

    Attributes:
        verify: Whether it must be valid, and for this host; without it, anybody in between can show other pictures.
        ca: File with the certificates to trust (PEM); a camera's own, say. ``None``: the system's.
    """

    verify: bool = True
    ca: Path | None = None


TRUSTED = CameraTls()
"""What the system trusts."""


def untrusted(shown: str, reason: str = "") -> UntrustedError:
    """The error for a camera whose certificate is not accepted.

    Args:
        shown: The source as it may be printed, subject of the sentence.
        reason: What is wrong with it, if that is known.
    """
    why = f" ({reason})" if reason else ""
    return UntrustedError(
        f"{shown} shows a certificate that is not trusted{why}; name the camera's certificate, or its CA's, under "
        "'tls: {ca: FILE}', or do without with 'tls: {verify: false}'"
    )


def certificates_fault(path: Path) -> str | None:
    """Why a file holds no certificates to trust, in a sentence; ``None`` where it does."""
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        return f"{path} holds no certificates (PEM)"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror or error})"
    return None


def check_certificate(shown: str, source: str, tls: CameraTls) -> None:
    """Shake hands with a camera for its certificate alone: FFmpeg takes any.

    Args:
        shown: The source as it may be printed.
        source: Its address.
        tls: What is trusted; nothing is done where it need not be, or the address is one without TLS.

    Raises:
        UntrustedError: The certificate is not trusted.
        SourceError: The camera does not answer.
    """
    parts = split_address(source)
    scheme, host = parts.scheme.lower(), parts.hostname or ""
    if not tls.verify or scheme not in _PORTS:
        return
    context = ssl.create_default_context(cafile=tls.ca)
    try:
        with (
            socket.create_connection((host, parts.port or _PORTS[scheme]), _SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=host),
        ):
            pass
    except ssl.SSLCertVerificationError as error:
        raise untrusted(shown, error.verify_message.rstrip(".")) from None
    except OSError as error:
        reason = "does not answer" if isinstance(error, TimeoutError) else "refuses the connection or speaks no TLS"
        raise SourceError(f"{shown} {reason}; check address, network and camera") from error
