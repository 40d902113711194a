"""A real RTSP camera with a login (GstRtspServer), in a process of its own: ``python rtsp_server.py USER PASSWORD``."""

from __future__ import annotations

import os
import subprocess
import sys
from types import TracebackType
from typing import Any, Self

import pytest

_LAUNCH = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=10/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=5 ! rtph264pay name=pay0 pt=96 )"
)


class RtspServer:
    """Serves a moving test picture at ``/cam`` on a free port; use it in a ``with`` statement."""

    def __init__(self, user: str, password: str) -> None:
        """Set the login."""
        self._login = (user, password)
        self.port = 0
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, __file__, *self._login]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env={**os.environ, "GST_DEBUG": "0"}
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the server does not start"
        if not line.isdigit():
            self.__exit__(None, None, None)
            pytest.skip(f"GStreamer's RTSP server is not installed ({line})")
        self.port = int(line)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.communicate()


def main(user: str, password: str) -> None:
    """Serve until killed; the first line of stdout is the port, or why there is none."""
    try:
        import gi

        for name in ("Gst", "GstRtspServer"):
            gi.require_version(name, "1.0")
        from gi.repository import GLib, Gst, GstRtspServer
    except (ImportError, ValueError) as error:
        print(f"{error}".replace("\n", " "), flush=True)
        return
    Gst.init(None)
    if not Gst.ElementFactory.find("x264enc"):
        print("no x264enc (gstreamer1.0-plugins-ugly)", flush=True)
        return
    server: Any = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service("0")
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, "viewer")
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(_LAUNCH)
    factory.set_shared(True)
    allowed = GstRtspServer.RTSPPermissions()
    allowed.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, True)
    allowed.add_permission_for_role("viewer", GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, True)
    factory.set_permissions(allowed)
    server.get_mount_points().add_factory("/cam", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
