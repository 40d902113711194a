"""Load a YAML file into a model, with errors that name file, line and YAML path."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import yaml
from pydantic import BaseModel, ValidationError

from config.errors import ConfigError
from config.faults import Filled, FilledIn, YamlPath, faults_of, line_of, place
from config.paths import resolved

Model = TypeVar("Model", bound=BaseModel)
_QUOTED = re.compile(r" *(['\"]).*\1")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@runtime_checkable
class CrossChecked(Protocol):
    """A model that knows what can be wrong between its keys."""

    def cross_faults(self) -> list[tuple[YamlPath, str]]:
        """Where, and one sentence each."""
        ...


@runtime_checkable
class FileChecked(Protocol):
    """A model that knows what can be wrong with the files it names."""

    def file_faults(self, file: Path) -> list[tuple[YamlPath, str]]:
        """Where, and one sentence each; paths are relative to the folder of ``file``, which names them."""
        ...


MAX_BYTES = 1_000_000
MAX_NODES = 200_000
_TOO_LARGE = f"{{path}}: larger than {MAX_BYTES // 1_000_000} MB; that is not a file written for Sightline"
_NULL = "tag:yaml.org,2002:null"
_EMPTY = "nothing is written behind this key; write a value ({} for a block with its defaults), or leave the key out"


@dataclass(frozen=True, slots=True)
class Document(Generic[Model]):
    """A loaded file.

    Attributes:
        path: The file.
        value: Its content as a model.
        lines: 1-based line of every YAML path.
        filled: The values that came from the environment, by YAML path.
    """

    path: Path
    value: Model
    lines: Mapping[YamlPath, int]
    filled: FilledIn = field(default_factory=dict, repr=False)

    def fault(self, where: YamlPath, message: str) -> str:
        """One sentence that says where in the file something is wrong."""
        return place(self.path, self.lines, where, message, self.filled)

    def resolve(self, path: Path) -> Path:
        """A path of the file, relative to the file's folder."""
        return resolved(self.path, path)


def load(path: Path, model: type[Model], text: str | None = None) -> Document[Model]:
    """Read, substitute ``${VARIABLES}`` and validate.

    ``${NAME}`` must be set in the environment; ``${NAME:-text}`` falls back to ``text`` when it is unset or empty, as
    in a shell.

    Args:
        path: The file.
        model: What it must be.
        text: Read in place of what the file holds: what it may hold next.

    Raises:
        ConfigError: All faults of the file, one sentence each, exit code 2.
    """
    node = _compose(path, _read(path) if text is None else text)
    reader = _Reader()
    data = reader.build(node, ())
    if reader.faults:
        raise ConfigError(*_in_order(path, reader, reader.faults))
    faults: list[tuple[YamlPath, str]] = []
    try:
        value = model.model_validate(data)
    except ValidationError as error:
        faults = faults_of(reader.lines, (), error, model)
    else:
        faults += value.cross_faults() if isinstance(value, CrossChecked) else []
        faults += value.file_faults(path) if isinstance(value, FileChecked) else []
    told = {where for where, _ in faults}
    faults += [(where, _EMPTY) for where in reader.empty if where not in told]
    if faults:  # outside of ``except``: pydantic's own error shows values
        raise ConfigError(*_in_order(path, reader, faults))
    return Document(path, value, reader.lines, reader.filled)


def filled_in(text: str) -> str:
    """A value with what its ``${VARIABLES}`` stand for; those that are not set stay as they are written."""

    def value(match: re.Match[str]) -> str:
        return os.environ.get(match[1]) or (match[2] if match[2] is not None else match[0])

    return _VARIABLE.sub(value, text)


def _in_order(path: Path, reader: _Reader, faults: list[tuple[YamlPath, str]]) -> list[str]:
    ordered = sorted(faults, key=lambda fault: line_of(reader.lines, fault[0]))
    return [place(path, reader.lines, where, text, reader.filled) for where, text in ordered]


def _read(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not a file; give the path of a YAML file")
        if path.exists() and path.stat().st_size > MAX_BYTES:
            raise ConfigError(_TOO_LARGE.format(path=path))
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; check the path or make one with 'init SOURCE'") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a UTF-8 text file ({error.reason} at byte {error.start})") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror or error})") from error


def _compose(path: Path, text: str) -> yaml.Node:
    """The text of a file as a tree of YAML nodes."""
    if len(text) > MAX_BYTES:
        raise ConfigError(_TOO_LARGE.format(path=path))
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise ConfigError(f"{path}{line}: not valid YAML: {_problem(error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply") from error
    if node is None:
        raise ConfigError(f"{path}: the file is empty")
    return node


def _problem(error: Exception) -> str:
    """What the parser says, without names of anchors, aliases and tags: they may be the begin of a password."""
    said = str(getattr(error, "problem", None) or error).split("\n", 1)[0]
    if any(word in said for word in ("alias", "anchor", "tag")):
        return f"{_QUOTED.sub('', said)}; a value that begins with *, & or ! must be in quotes"
    return said


class _Reader:
    """Builds plain data from YAML nodes and remembers the line of every path, and what came from the environment."""

    def __init__(self) -> None:
        self.lines: dict[YamlPath, int] = {}
        self.filled: dict[YamlPath, Filled] = {}
        self.faults: list[tuple[YamlPath, str]] = []
        self.empty: list[YamlPath] = []
        """Keys behind which nothing is written, not even ``null``."""
        self._scalars = yaml.SafeLoader("")
        self._open: set[int] = set()
        self._nodes = 0

    def build(self, node: yaml.Node, where: YamlPath) -> Any:
        self.lines.setdefault(where, node.start_mark.line + 1)
        self._nodes += 1
        if self._nodes > MAX_NODES:
            if self._nodes == MAX_NODES + 1:
                self.faults.append(((), f"its aliases (*) unfold to more than {MAX_NODES} values"))
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, where)
        if id(node) in self._open:
            self.faults.append((where, "this alias (*) stands inside of what it points to"))
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, where)
            return [self.build(item, (*where, index)) for index, item in enumerate(node.value) if self._has_room()]
        finally:
            self._open.discard(id(node))

    def _has_room(self) -> bool:
        return self._nodes <= MAX_NODES

    def _mapping(self, node: yaml.MappingNode, where: YamlPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not self._has_room():
                break
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.append((where, "a key must be a plain word, not a list or keys with values"))
                continue
            key = str(key_node.value)
            below = (*where, key)
            self.lines[below] = key_node.start_mark.line + 1
            if key in result:
                self.faults.append((below, "this key is written twice; keep one"))
            result[key] = self.build(value_node, below)
        return result

    def _scalar(self, node: yaml.ScalarNode, where: YamlPath) -> Any:
        text = node.value
        if names := [f"${{{match[1]}}}" for match in _VARIABLE.finditer(text)]:
            value = _VARIABLE.sub(lambda match: self._variable(match, where), text)
            self.filled[where] = Filled(" and ".join(dict.fromkeys(names)), value)
            return value
        if not text and node.tag == _NULL:
            self.empty.append(where)
        try:
            return self._scalars.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:  # what it says may show a password that begins with !
            is_tag = isinstance(error, yaml.YAMLError)
            why = "a ! in front is a tag of YAML's" if is_tag else "it looks like a date or a number, and is none"
            self.faults.append((where, f"this value cannot be read as YAML: {why}; put it in quotes"))
            return None

    def _variable(self, match: re.Match[str], where: YamlPath) -> str:
        name, default = match.groups()
        value = os.environ.get(name)
        if default is not None:
            return value or str(default)
        if value is None:
            self.faults.append(
                (where, f"the environment variable {name} is not set; set it or write ${{{name}:-default}}")
            )
        return value or ""
