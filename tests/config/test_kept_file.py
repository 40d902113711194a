"""A site file replaced: whole or not at all, with backups, and back again."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from config import kept_file
from config.kept_file import MOST_BACKUPS, ConflictError, FileError, KeptFile, revision_of


def kept(path: Path, text: str = "one\n") -> KeptFile:
    """A file with text in it; each look at the clock is a second later."""
    path.write_text(text)
    moments = iter(range(1_700_000_000, 1_700_010_000))
    return KeptFile(path, clock=lambda: float(next(moments)))


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_is_replaced_and_what_was_there_is_kept(tmp_path: Path) -> None:
    file = kept(tmp_path / "site.yaml")
    text, revision = file.read()
    assert (text, revision) == ("one\n", revision_of(b"one\n"))
    new = file.replace(revision, "two\n")
    assert file.read() == ("two\n", new)
    (backup,) = file.backups()
    assert file.text_of(backup) == "one\n"
    assert (backup.kind, backup.at) == ("saved", 1_700_000_000.0)
    assert backup.path.parent == tmp_path / "var" / "backups"
    assert everything(tmp_path) == {"site.yaml", str(backup.path.relative_to(tmp_path))}


def test_the_same_text_makes_no_backup(tmp_path: Path) -> None:
    file = kept(tmp_path / "site.yaml")
    assert file.replace(file.read()[1], "one\n") == file.read()[1]
    assert file.backups() == []


def test_mode_and_owner_stay(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    file = kept(path)
    path.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(path, 4321, 1234)
    before = path.stat()
    file.replace(file.read()[1], "two\n")
    after = path.stat()
    assert stat.S_IMODE(after.st_mode) == 0o640
    assert (after.st_uid, after.st_gid) == (before.st_uid, before.st_gid)
    backup = file.backups()[0].path.stat()
    assert (stat.S_IMODE(backup.st_mode), backup.st_uid) == (0o640, before.st_uid)


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "real.yaml"
    real.write_text("one\n")
    link = tmp_path / "site.yaml"
    link.symlink_to(real)
    file = KeptFile(link)
    file.replace(file.read()[1], "two\n")
    assert link.is_symlink()
    assert real.read_text() == "two\n"


def test_a_change_by_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    file = kept(path)
    _, revision = file.read()
    path.write_text("theirs\n")
    with pytest.raises(ConflictError, match="has been changed meanwhile; nothing was written"):
        file.replace(revision, "two\n")
    assert path.read_text() == "theirs\n"
    assert file.backups() == []


def test_a_change_in_the_last_moment_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site.yaml"
    file = kept(path)
    beside = kept_file._beside

    def slow(target: Path, data: bytes, folder: Path | None = None) -> Path:
        made = beside(target, data, folder)
        if folder is None:
            path.write_text("theirs\n")
        return made

    monkeypatch.setattr(kept_file, "_beside", slow)
    with pytest.raises(ConflictError):
        file.replace(file.read()[1], "two\n")
    assert path.read_text() == "theirs\n"
    assert everything(tmp_path) == {"site.yaml"}


@pytest.mark.parametrize("name", ["site.yaml", "site[1].yaml", "si*te?.yaml"])
def test_undo_goes_back_step_by_step_and_loses_nothing(name: str, tmp_path: Path) -> None:
    file = kept(tmp_path / name)
    second = file.replace(file.read()[1], "two\n")
    third = file.replace(second, "three\n")
    assert file.undo(third) == second
    assert file.read()[0] == "two\n"
    first = file.undo(second)
    assert file.read() == ("one\n", first)
    with pytest.raises(ConflictError, match="there is nothing to undo"):
        file.undo(first)
    assert {file.text_of(backup) for backup in file.backups() if backup.kind == "undone"} == {"three\n", "two\n"}


def test_undo_takes_no_change_of_somebody_else_away(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    file = kept(path)
    file.replace(file.read()[1], "two\n")
    path.write_text("theirs\n")
    with pytest.raises(ConflictError, match="changed by somebody else after the last change"):
        file.undo(file.read()[1])
    assert path.read_text() == "theirs\n"


def test_only_some_backups_are_kept(tmp_path: Path) -> None:
    file = kept(tmp_path / "site.yaml")
    revision = file.read()[1]
    for number in range(MOST_BACKUPS + 5):
        revision = file.replace(revision, f"{number}\n")
    assert len(file.backups()) == MOST_BACKUPS
    assert file.text_of(file.backups()[0]) == f"{MOST_BACKUPS + 3}\n"


def test_a_read_only_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    file = kept(path)
    path.chmod(0o444)
    assert file.read_only_reason() == f"{path} is read-only"
    with pytest.raises(FileError, match=r"site\.yaml is read-only; nothing was changed"):
        file.replace(file.read()[1], "two\n")
    assert everything(tmp_path) == {"site.yaml"}


def test_a_full_disk_changes_nothing(small_disk: Path) -> None:
    path = small_disk / "site.yaml"
    file = kept(path)
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 4096)
        except OSError:
            pass
    with pytest.raises(FileError, match=r"cannot be written: the disk is full; free some space; nothing was changed"):
        file.replace(file.read()[1], "two\n" * 2000)
    assert path.read_text() == "one\n"
    assert {name for name in everything(small_disk) if name != "filler"} == {"site.yaml"}
    (small_disk / "filler").unlink()
    file.replace(file.read()[1], "two\n")
    assert path.read_text() == "two\n"


def test_a_file_that_is_mounted_by_itself_is_told(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    other = tmp_path / "other.yaml"
    other.write_text("one\n")
    file = kept(path)
    if subprocess.run(["mount", "--bind", str(other), str(path)], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        with pytest.raises(FileError, match="mounted as a single file; mount the folder it lies in; nothing was"):
            file.replace(file.read()[1], "two\n")
        assert path.read_text() == "one\n"
        assert file.backups() == []
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.yaml: cannot be read \(No such file"):
        KeptFile(tmp_path / "none.yaml").read()
    (tmp_path / "x.yaml").write_bytes(b"a: \xff\n")
    with pytest.raises(FileError, match="not a UTF-8 text file"):
        KeptFile(tmp_path / "x.yaml").read()


def test_a_clock_that_was_ahead_takes_neither_the_undo_nor_the_last_backup(tmp_path: Path) -> None:
    now = [4e9]
    path = tmp_path / "site.yaml"
    path.write_text("a: 0\n")
    file = KeptFile(path, clock=lambda: now[0])
    revision = file.replace(file.read()[1], "a: 1\n")
    now[0] = 1.7e9
    revision = file.replace(revision, "a: 2\n")
    file.undo(revision)
    assert path.read_text() == "a: 1\n"
    now[0] = 4e9
    revision = file.read()[1]
    for number in range(MOST_BACKUPS + 2):
        now[0] += 1
        revision = file.replace(revision, f"a: x{number}\n")
    now[0] = 1.7e9
    before = path.read_text()
    file.replace(revision, "a: last\n")
    assert next(backup.path.read_text() for backup in file.backups() if backup.kind == "saved") == before
