"""When a recording was made, by its container."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.recorded import recorded_at
from tests.support.videos import encode


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-26T21:30:00Z", 1_795_728_600.0), ("2026-11-26T22:30:00.000000+01:00", 1_795_728_600.0),
        ("1999-12-31T23:59:59Z", None), ("1970-01-01T00:00:00Z", None), (None, None),
    ],
)  # fmt: skip
def test_the_creation_time_is_taken_unless_no_clock_was_set(
    tmp_path: Path, name: str, text: str | None, expected: float | None
) -> None:
    video = encode(tmp_path / name, frames=3, metadata={} if text is None else {"creation_time": text})
    assert recorded_at(video) == expected


def test_what_is_no_video_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("text.mp4", "none.mp4", ""):
        assert recorded_at(tmp_path / name) is None
