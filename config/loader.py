"""Load a YAML file into a model, with errors that name file, line and YAML path."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)
YamlPath = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


@dataclass(frozen=True, slots=True)
class Document(Generic[Model]):
    """A loaded file.

    Attributes:
        path: The file.
        value: Its content as a model.
        lines: 1-based line of every YAML path.
    """

    path: Path
    value: Model
    lines: Mapping[YamlPath, int]

    def fault(self, where: YamlPath, message: str) -> str:
        """One sentence that says where in the file something is wrong."""
        return _fault(self.path, self.lines, where, message)

    def resolve(self, path: Path) -> Path:
        """A path of the file, relative to the file's folder."""
        return self.path.parent / path.expanduser()


def load(path: Path, model: type[Model]) -> Document[Model]:
    """Read, substitute ``${VARIABLES}`` and validate.

    ``${NAME}`` must be set in the environment; ``${NAME:-text}`` falls back to ``text``.

    Raises:
        ConfigError: All faults of the file, one sentence each, exit code 2.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; check the path or make one with 'init SOURCE'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a UTF-8 text file ({error})") from error
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{path}{line}: not valid YAML: {problem}") from error
    if node is None:
        raise ConfigError(f"{path}: the file is empty")
    reader = _Reader()
    data = reader.build(node, ())
    if reader.faults:
        raise ConfigError(*(_fault(path, reader.lines, where, text) for where, text in reader.faults))
    try:
        return Document(path, model.model_validate(data), reader.lines)
    except ValidationError as error:
        raise ConfigError(*explain(path, reader.lines, (), error, model)) from error


def explain(
    path: Path,
    lines: Mapping[YamlPath, int],
    prefix: YamlPath,
    error: ValidationError,
    model: type[BaseModel],
) -> list[str]:
    """Turn a validation error into one sentence per fault, in file order.

    Args:
        path: The file.
        lines: 1-based line of every YAML path.
        prefix: Where in the file the validated part lies.
        error: What pydantic found.
        model: The model that was validated, for the allowed keys.
    """
    faults: dict[YamlPath, str] = {}
    for item in error.errors(include_url=False):
        where = _real_path((*prefix, *item["loc"]), lines)
        faults.setdefault(where, _sentence(item, where, prefix, model))
    ordered = sorted(faults.items(), key=lambda fault: _line_of(lines, fault[0]))
    return [_fault(path, lines, where, text) for where, text in ordered]


class _Reader:
    """Builds plain data from YAML nodes and remembers the line of every path."""

    def __init__(self) -> None:
        self.lines: dict[YamlPath, int] = {}
        self.faults: list[tuple[YamlPath, str]] = []
        self._scalars = yaml.SafeLoader("")

    def build(self, node: yaml.Node, where: YamlPath) -> Any:
        self.lines.setdefault(where, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, where)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*where, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, where)

    def _mapping(self, node: yaml.MappingNode, where: YamlPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            below = (*where, key)
            if key in result:
                self.faults.append((below, "this key is written twice; keep one"))
            self.lines[below] = key_node.start_mark.line + 1
            result[key] = self.build(value_node, below)
        return result

    def _scalar(self, node: yaml.Node, where: YamlPath) -> Any:
        text = node.value
        if not _VARIABLE.search(text):
            return self._scalars.construct_object(node, deep=True)

        def substitute(match: re.Match[str]) -> str:
            name, default = match.groups()
            value = os.environ.get(name, default)
            if value is None:
                self.faults.append(
                    (
                        where,
                        f"the environment variable {name} is not set; set it or write ${{{name}:-default}}",
                    )
                )
            return value or ""

        return _VARIABLE.sub(substitute, text)


def _fault(path: Path, lines: Mapping[YamlPath, int], where: YamlPath, message: str) -> str:
    place = f"{path}:{_line_of(lines, where)}"
    return f"{place}: {dotted(where)}: {message}" if where else f"{place}: {message}"


def _line_of(lines: Mapping[YamlPath, int], where: YamlPath) -> int:
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def _real_path(location: YamlPath, lines: Mapping[YamlPath, int]) -> YamlPath:
    """Drop the names of union members that pydantic puts into a location."""
    path: YamlPath = ()
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if (*path, step) in lines or (last and _looks_like_key(step)):
            path = (*path, step)
    return path


def _looks_like_key(step: str | int) -> bool:
    return isinstance(step, str) and re.fullmatch(r"[A-Za-z0-9_-]+", step) is not None and step not in _TYPE_NAMES


_TYPE_NAMES = frozenset({"int", "float", "str", "bool", "constrained-int", "constrained-str"})


def dotted(where: YamlPath) -> str:
    """A YAML path as people write it: ``cameras.junction.rules[0].line``."""
    text = ""
    for step in where:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def _sentence(item: ErrorDetails, where: YamlPath, prefix: YamlPath, model: type[BaseModel]) -> str:
    kind, given, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _allowed_keys(model, where[len(prefix) : -1])
        close = difflib.get_close_matches(str(where[-1]), allowed, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return f"unknown key{hint}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        return "this key is required"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind == "literal_error":
        return f"{given!r} is not one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"{given!r} has characters that are not allowed; use a-z, 0-9, - and _ only"
    hide = isinstance(given, dict | list) or "password" in where
    shown = "" if hide else f", not {given!r}"
    return f"{item['msg'][0].lower()}{item['msg'][1:]}{shown}"


def _allowed_keys(model: type[BaseModel], steps: YamlPath) -> list[str]:
    """Keys of the model that lies at a path below ``model``."""
    found: Any = model
    for step in steps:
        inner = found.model_fields.get(step) if _is_model(found) else None
        found = inner.annotation if inner else _element(found)
    models = [found] if _is_model(found) else [part for part in _flatten(found) if _is_model(part)]
    return sorted({key for part in models for key in part.model_fields})


def _element(annotation: Any) -> Any:
    for part in _flatten(annotation):
        arguments = [argument for argument in get_args(part) if argument is not Ellipsis]
        if arguments:
            return arguments[-1]
    return annotation


def _flatten(annotation: Any) -> list[Any]:
    """The annotation itself and the members of its unions."""
    if _is_model(annotation) or not get_args(annotation):
        return [annotation]
    origin = getattr(annotation, "__origin__", None)
    if origin in (dict, tuple, list):
        return [annotation]
    return [leaf for part in get_args(annotation) for leaf in _flatten(part)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
