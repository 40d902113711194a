"""A dataset as Ultralytics describes it: a YAML with ``train``, ``val`` and ``names``, and a label file a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from config.errors import ConfigError
from streams.spread import PICTURES

Row = tuple[int, float, float, float, float]
"""Class; centre x, centre y, width and height, relative to the picture."""
_LARGEST = 1_000_000
_FORM = "a YOLO dataset has 'train', 'val' and 'names' (and 'path', where both lie)"


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture and what is to be seen in it.

    Attributes:
        picture: Its file.
        rows: Its objects; none where it has no label file, or an empty one.
    """

    picture: Path
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Dataset:
    """What is trained on, and what is measured on.

    Attributes:
        file: The YAML.
        names: The classes, in order.
        train: Pictures to learn from.
        val: Pictures to be scored on.
    """

    file: Path
    names: tuple[str, ...]
    train: tuple[Sample, ...]
    val: tuple[Sample, ...]


def read_dataset(file: Path) -> Dataset:
    """Read a dataset and all its label files.

    ``train`` and ``val`` are folders of pictures (with those inside of them), ``.txt`` files with a picture in each
    line, or lists of such. The labels of ``…/images/a.jpg`` lie in ``…/labels/a.txt``, those of a picture without an
    ``images`` in its path beside it. Other keys, such as ``test`` and ``download``, are not looked at.

    Args:
        file: The YAML; ``path`` is relative to its folder.

    Raises:
        ConfigError: There is no such dataset; with file, line or key, and the way out.
    """
    content = _content(file)
    names = _names(file, content.get("names"))
    root = file.parent / _word(file, "path", content.get("path", "."))
    splits = {}
    for key in ("train", "val"):
        pictures = _pictures(file, key, content.get(key), root)
        splits[key] = tuple(Sample(picture, _rows(_label_file(picture), len(names), file)) for picture in pictures)
        if not any(sample.rows for sample in splits[key]):
            raise ConfigError(
                f"{file}: '{key}': none of its {len(pictures)} pictures has an object; the labels of {pictures[0]} are "
                f"looked for in {_label_file(pictures[0])}"
            )
    return Dataset(file, names, splits["train"], splits["val"])


def _content(file: Path) -> dict[str, Any]:
    try:
        if file.is_file() and file.stat().st_size > _LARGEST:
            raise ConfigError(f"--train: {file} is larger than 1 MB; that is no description of a dataset")
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"--train: {file} does not exist; name the YAML of a dataset ({_FORM})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise ConfigError(f"--train: {file}{line}: not valid YAML ({problem}); {_FORM}") from error
    except (OSError, ValueError, RecursionError) as error:
        reason = (
            "it is not text" if isinstance(error, UnicodeDecodeError) else getattr(error, "strerror", None) or error
        )
        raise ConfigError(f"--train: {file} cannot be read ({reason}); name the YAML of a dataset") from error
    if not isinstance(content, dict):
        raise ConfigError(f"--train: {file} does not describe a dataset: {_FORM}")
    return content


def _names(file: Path, names: Any) -> tuple[str, ...]:
    """``{0: person, 1: car}`` or ``[person, car]``."""
    if isinstance(names, dict) and sorted(names, key=str) == sorted(range(len(names)), key=str):
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or any(isinstance(name, dict | list | None) for name in names):
        raise ConfigError(f"{file}: 'names' must list the classes, as in names: [person, car], or number them from 0")
    found = tuple(str(name) for name in names)
    if len(set(found)) < len(found):
        twice = next(name for name in found if found.count(name) > 1)
        raise ConfigError(f"{file}: 'names' has {twice!r} twice; give each class a name of its own")
    return found


def _word(file: Path, key: str, value: Any) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ConfigError(f"{file}: '{key}' must be a path, not {value!r:.60}; {_FORM}")
    return value


def _pictures(file: Path, key: str, value: Any, root: Path) -> list[Path]:
    """All pictures of a split, sorted within each folder; each once."""
    if value is None:
        raise ConfigError(f"{file}: '{key}' is missing; {_FORM}")
    found: list[Path] = []
    for entry in value if isinstance(value, list) else [value]:
        place = root / _word(file, key, entry)
        try:
            found += _of_entry(file, key, place)
        except OSError as error:
            raise ConfigError(f"{file}: '{key}': {place} cannot be read ({error.strerror or error})") from error
    pictures = list(dict.fromkeys(found))
    if not pictures:
        raise ConfigError(
            f"{file}: '{key}': no pictures in {root / str(value)}; {', '.join(sorted(PICTURES))} are read"
        )
    return pictures


def _of_entry(file: Path, key: str, place: Path) -> list[Path]:
    if place.is_dir():
        return sorted(path for path in place.rglob("*") if path.suffix.lower() in PICTURES and path.is_file())
    if place.suffix == ".txt" and place.is_file():
        lines = [line.strip() for line in _text(place).splitlines()]
        listed = [place.parent / line for line in lines if line]
        if missing := [path for path in listed if not path.is_file()]:
            raise ConfigError(f"{place}: {missing[0]} does not exist ({len(missing)} of {len(listed)} pictures)")
        return listed
    what = "is neither a folder nor a .txt" if place.exists() else "does not exist"
    raise ConfigError(f"{file}: '{key}': {place} {what}; name a folder of pictures, or a .txt that lists them")


def _label_file(picture: Path) -> Path:
    parts = list(picture.parts)
    for place in range(len(parts) - 2, -1, -1):
        if parts[place] == "images":
            parts[place] = "labels"
            break
    return Path(*parts).with_suffix(".txt")


def _rows(labels: Path, classes: int, file: Path) -> tuple[Row, ...]:
    """The objects of a label file; rows that stand there twice count once."""
    try:
        if not labels.is_file():
            return ()
    except OSError as error:
        raise ConfigError(f"{labels} cannot be read ({error.strerror or error})") from error
    return tuple(dict.fromkeys(_each_row(labels, classes, file)))


def _each_row(labels: Path, classes: int, file: Path) -> Iterator[Row]:
    for number, line in enumerate(_text(labels).splitlines(), 1):
        words = line.split()
        if not words:
            continue
        try:
            class_word, *rest = words
            class_id, (x, y, w, h) = int(class_word), (float(word) for word in rest)
        except ValueError:
            raise _malformed(labels, number, line) from None
        if not 0 <= class_id < classes:
            raise ConfigError(
                f"{labels}, line {number}: class {class_id} is not one of the {classes} in 'names' of {file}, which "
                f"are numbered from 0; correct the number, or name the class there"
            )
        if not (0 <= x <= 1 and 0 <= y <= 1 and 0 < w <= 1 and 0 < h <= 1):
            raise _malformed(labels, number, line)
        yield class_id, x, y, w, h


def _malformed(labels: Path, number: int, line: str) -> ConfigError:
    return ConfigError(
        f"{labels}, line {number}: {line.strip()[:60]!r} is not 'class x y w h' with a whole number and values from 0 "
        "to 1, w and h above 0; correct the line, or take it out"
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise ConfigError(f"{file} cannot be read ({reason})") from error
