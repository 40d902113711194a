"""Totals that begin anew, and say so only when they do."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from pipelines.live import reset
from streams.errors import OutputError
from streams.outbox import Outbox
from tests.support.live import write_site


def kept(folder: Path, cameras: int) -> Path:
    """A site whose outbox is in ``folder``, with a count and an occupancy of each camera."""
    folder.mkdir(exist_ok=True)
    every = {f"cam{number}": {"source": f"rtsp://192.0.2.1/{number}"} for number in range(cameras)}
    path = write_site(folder.parent / "site.yaml", every, mqtt={"outbox": {"path": str(folder / "outbox.sqlite")}})
    with closing(Outbox(folder / "outbox.sqlite", "x")) as outbox:
        outbox.note({f'total/{name}/["counts", "road", "in", "car"]': '{"value": 7}' for name in every})
        outbox.note({f'total/{name}/["occupancy", "all", "car"]': '{"value": 0}' for name in every})
        outbox.note({"open/cam0/1": "{}"})
        assert outbox.commit()
    return path


def notes(folder: Path) -> dict[str, str]:
    with closing(Outbox(folder / "outbox.sqlite", "x")) as outbox:
        return outbox.read_notes("")


def test_counts_of_one_camera_or_all_are_forgotten(tmp_path: Path) -> None:
    path = kept(tmp_path / "state", 3)
    assert reset.reset_totals(path, ["cam1"]) == 1
    assert len(notes(tmp_path / "state")) == 5
    assert reset.reset_totals(path) == 2
    assert notes(tmp_path / "state") == {"open/cam0/1": "{}"}


def test_a_full_disk_is_no_success(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Filling(Outbox):
        def read_notes(self, prefix: str) -> dict[str, str]:
            with pytest.raises(OSError, match="No space"), (small_disk / "fill").open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(512))
            return super().read_notes(prefix)

    path = kept(small_disk, 40)
    before = notes(small_disk)
    with monkeypatch.context() as patch:
        patch.setattr(reset, "Outbox", Filling)
        with pytest.raises(OutputError, match=r"the totals in .*outbox\.sqlite could not be reset.*free some space"):
            reset.reset_totals(path)
    (small_disk / "fill").unlink()
    assert notes(small_disk) == before
