"""Fixtures of the pipelines' tests."""

from __future__ import annotations

import pytest

from tests.support.memory_site import Cameras, memory_cameras


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> Cameras:
    """Put cameras made of memory in the place of ``live_source``: name of the host → frames a second."""
    return memory_cameras(monkeypatch)
