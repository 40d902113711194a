from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from detectors.checksum import sha256_of
from detectors.errors import ModelError
from detectors.trust import check_named, trust
from detectors.verify import verify


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("state", "cache", "models"):
        monkeypatch.setenv(f"SIGHTLINE_{name.upper()}", str(tmp_path / name))
    (tmp_path / "models").mkdir()


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "mine.pt"
    path.write_bytes(b"weights")
    return path


def test_first_use_is_recorded_and_said_once(model: Path, tmp_path: Path) -> None:
    said: list[str] = []
    assert check_named(model, said.append) == hashlib.sha256(b"weights").hexdigest()
    check_named(model, said.append)
    assert len(said) == 1 and "first use" in said[0]
    assert list((tmp_path / "state").iterdir()) == [tmp_path / "state" / "trusted.json"]


def test_a_later_change_is_an_error_until_trusted(model: Path) -> None:
    check_named(model, print)
    model.write_bytes(b"other weights")
    for _ in range(2):
        with pytest.raises(ModelError, match=r"has changed since.*models trust"):
            check_named(model, print)
    assert trust(model) == check_named(model, print)


def test_a_file_listed_beside_it_must_match(model: Path, tmp_path: Path) -> None:
    sums = tmp_path / "models" / "SHA256SUMS"
    sums.write_text(f"{'0' * 64}  other.pt\n{sha256_of(model).upper()} *./mine.pt\n")
    said: list[str] = []
    check_named(model, said.append)
    assert not said and not (tmp_path / "state").exists(), "a listed file needs no record"
    model.write_bytes(b"other weights")
    with pytest.raises(ModelError, match="does not match the SHA256SUMS"):
        check_named(model, print)
    with pytest.raises(ModelError, match="correct that line"):
        trust(model)


def test_a_list_wins_over_what_was_recorded(model: Path, tmp_path: Path) -> None:
    check_named(model, print)
    (tmp_path / "models" / "SHA256SUMS").write_text(f"{'0' * 64}  mine.pt\n")
    with pytest.raises(ModelError, match="SHA256SUMS"):
        check_named(model, print)


def test_a_file_reached_through_a_link_is_the_same_file(model: Path, tmp_path: Path) -> None:
    check_named(model, print)
    link = tmp_path / "link.pt"
    link.symlink_to(model)
    said: list[str] = []
    check_named(link, said.append)
    assert not said


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": 1}', "\xff"])
def test_a_damaged_record_is_not_taken_for_an_empty_one(model: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "trusted.json").write_text(text, encoding="latin-1")
    with pytest.raises(ModelError, match=r"trusted\.json"):
        check_named(model, print)


def test_a_state_folder_that_cannot_be_written_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(ModelError, match=r"trusted\.json"):
        check_named(model, print)


def test_records_of_several_files_stand_side_by_side(model: Path, tmp_path: Path) -> None:
    second = model.with_name("second.pb")
    second.write_bytes(b"graph")
    check_named(model, print)
    check_named(second, print)
    records = json.loads((tmp_path / "state" / "trusted.json").read_text())
    assert records == {str(model.resolve()): sha256_of(model), str(second.resolve()): sha256_of(second)}


def test_a_saved_model_is_its_files_and_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.index").write_bytes(b"index")
    before = sha256_of(folder)
    assert before == sha256_of(folder)
    (folder / "variables" / "variables.index").rename(folder / "variables" / "renamed")
    assert sha256_of(folder) != before


def test_verify_says_ok_changed_or_unknown(model: Path, tmp_path: Path) -> None:
    listed, changed, empty = (model.with_name(name) for name in ("listed.pt", "changed.pt", "empty.pt"))
    listed.write_bytes(b"listed")
    changed.write_bytes(b"before")
    (tmp_path / "models" / "SHA256SUMS").write_text(f"{sha256_of(listed)}  listed.pt\n")
    check_named(changed, print)
    changed.write_bytes(b"after")
    empty.touch()
    (tmp_path / "models" / "notes.txt").write_text("not a model")
    cache = tmp_path / "cache" / "models"
    cache.mkdir(parents=True)
    (cache / "yolov8n.pt").write_bytes(b"not it")
    (cache / "stray.pt").write_bytes(b"stray")
    assert [(found.path.name, found.status) for found in verify()] == [
        ("changed.pt", "changed"),
        ("empty.pt", "changed"),
        ("listed.pt", "ok"),
        ("mine.pt", "unknown"),
        ("stray.pt", "unknown"),
        ("yolov8n.pt", "changed"),
    ]


def test_verify_records_nothing(model: Path, tmp_path: Path) -> None:
    verify()
    assert not (tmp_path / "state").exists()
