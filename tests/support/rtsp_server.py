"""A small RTSP camera with a login."""

from __future__ import annotations

from tests.support.camera import Film, RtspCamera


class RtspServer(RtspCamera):
    """Serves a film of 320x240 at 10 fps at ``/cam`` on a free port; use it in a ``with`` statement."""

    def __init__(self, user: str, password: str) -> None:
        """Set the login."""
        super().__init__(Film(width=320, height=240), login=(user, password))
