"""Videos made for one test, and the backends that can run here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from streams.errors import SourceError
from streams.source import Backend
from tests.support.videos import encode


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Write a small video into the test's folder: ``make_video(name, width=…, frames=…, …)``."""

    def make(name: str, **settings: object) -> Path:
        return encode(tmp_path / name, **settings)  # type: ignore[arg-type]

    return make


@pytest.fixture(params=["opencv", "gstreamer"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that is installed here."""
    name: Backend = request.param
    if name == "gstreamer":
        need_gstreamer()
    return name


@pytest.fixture
def gstreamer() -> None:
    """Skip where GStreamer is not installed."""
    need_gstreamer()


def need_gstreamer() -> None:
    """Skip the test, saying why, where GStreamer is not installed."""
    from streams.gst import load_gst

    try:
        load_gst()
    except SourceError as error:
        pytest.skip(str(error))
