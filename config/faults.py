"""Say what is wrong in a file: one sentence per fault, with file, line and YAML path."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

YamlPath = tuple[str | int, ...]

_EXPECTED = {
    "bool": "true or false",
    "dict": "keys with values",
    "float": "a number",
    "int": "a whole number",
    "model": "keys with values",
    "path": "a path",
    "string": "text",
    "tuple": "a list",
}
"""What people call the types, by the first word of pydantic's name for a mismatch."""
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}
_LOGIN = re.compile(r"//.*@", re.DOTALL)
_QUERY = re.compile(r"\?.+", re.DOTALL)
SECRET_KEYS = frozenset({"password", "password_hash", "hash", "secret", "session_secret"})
"""What is written behind them is never shown."""


class Filled(NamedTuple):
    """A value that came from the environment; it may be a secret, so no sentence shows it."""

    variables: str
    value: str

    def hide(self, message: str) -> str:
        """The sentence with the variables' names in place of the value."""
        for shown in (repr(self.value), _shown(self.value)):
            message = message.replace(shown, f"the value of {self.variables}")
        return message


FilledIn = Mapping[YamlPath, Filled]
_NONE: FilledIn = MappingProxyType({})


def place(path: Path, lines: Mapping[YamlPath, int], where: YamlPath, message: str, filled: FilledIn = _NONE) -> str:
    """A sentence with the place it is about: file, line and YAML path.

    Args:
        path: The file.
        lines: 1-based line of every YAML path.
        where: What the sentence is about; the line is that of the nearest key that is written.
        message: The sentence.
        filled: The values that came from the environment.
    """
    if where in filled:
        message = filled[where].hide(message)
    start = f"{path}:{line_of(lines, where)}"
    return f"{start}: {dotted(where)}: {message}" if where else f"{start}: {message}"


def line_of(lines: Mapping[YamlPath, int], where: YamlPath) -> int:
    """1-based line of a YAML path, or of the nearest key above it that is written."""
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def dotted(where: YamlPath) -> str:
    """A YAML path as people write it: ``cameras.junction.rules[0].line``."""
    text = ""
    for step in where:
        word = f"[{step}]" if isinstance(step, int) else _without_login(step)
        text += f".{word}" if text and isinstance(step, str) else word
    return text


def explain(
    path: Path,
    lines: Mapping[YamlPath, int],
    prefix: YamlPath,
    error: ValidationError,
    model: type[BaseModel],
    filled: FilledIn = _NONE,
) -> list[str]:
    """Turn a validation error into one sentence per fault, in file order.

    Args:
        path: The file.
        lines: 1-based line of every YAML path.
        prefix: Where in the file the validated part lies.
        error: What pydantic found.
        model: The model that was validated, for the allowed keys.
        filled: The values that came from the environment.
    """
    faults = faults_of(lines, prefix, error, model)
    return [place(path, lines, where, text, filled) for where, text in faults]


def faults_of(
    lines: Mapping[YamlPath, int], prefix: YamlPath, error: ValidationError, model: type[BaseModel]
) -> list[tuple[YamlPath, str]]:
    """The same, each as its YAML path and the sentence without the place."""
    found: dict[YamlPath, list[ErrorDetails]] = {}
    for item in error.errors(include_url=False):
        found.setdefault(_real_path(prefix, item, lines), []).append(item)
    faults: list[tuple[YamlPath, str]] = []
    for where, items in found.items():
        others = [item for item in items if not _is_mismatch(item)]
        below = any(len(other) > len(where) and other[: len(where)] == where for other in found)
        if below and all(item["type"] == "too_short" for item in others):
            continue  # another form of the value fits and has the fault, or wrong items were not counted
        text = _sentence(others[0], where, prefix, model) if others else _mismatch(items, where)
        faults.append((where, text))
    faults.sort(key=lambda fault: line_of(lines, fault[0]))
    return faults


def _real_path(prefix: YamlPath, item: ErrorDetails, lines: Mapping[YamlPath, int]) -> YamlPath:
    """Where a fault lies in the file, without the names of union members that pydantic puts into a location."""
    path = prefix
    for step in item["loc"]:
        if (*path, step) in lines:
            path = (*path, step)
    last = item["loc"][-1] if item["loc"] else None
    if item["type"] == "missing" and isinstance(last, str):
        path = (*path, last)
    return path


def _is_mismatch(item: ErrorDetails) -> bool:
    """Whether a value is of another type than wanted."""
    name = item["type"]
    return name.endswith(("_type", "_parsing", "_from_float")) and name.split("_")[0] in _EXPECTED


def _mismatch(items: Sequence[ErrorDetails], where: YamlPath) -> str:
    wanted = dict.fromkeys(_EXPECTED[item["type"].split("_")[0]] for item in items)
    given = items[0].get("input")
    quotes = "; put it in quotes" if "text" in wanted and isinstance(given, bool | int | float) else ""
    return f"expected {' or '.join(wanted)}{_but_not(given, where)}{quotes}"


def _but_not(given: Any, where: YamlPath) -> str:
    if SECRET_KEYS.intersection(map(str, where)):
        return ""
    if given is None:
        return ", but nothing is written here"
    shown = "a list" if isinstance(given, list) else "keys with values" if isinstance(given, dict) else None
    words = {True: "true", False: "false"}
    return f", not {shown or (words[given] if isinstance(given, bool) else _shown(given))}"


def _shown(given: Any) -> str:
    """A value as a sentence may show it: an address without login and query."""
    return repr(_without_login(given) if isinstance(given, str) else given)


def _without_login(text: str) -> str:
    return _QUERY.sub("?…", _LOGIN.sub("//…@", text))


def _sentence(item: ErrorDetails, where: YamlPath, prefix: YamlPath, model: type[BaseModel]) -> str:
    kind, given, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _allowed_keys(model, where[len(prefix) : -1])
        close = difflib.get_close_matches(str(where[-1]), allowed, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        return f"unknown key{hint}; allowed: {', '.join(allowed)}"
    if kind == "missing":
        last = item["loc"][-1]
        return f"item {last + 1} of this list is missing" if isinstance(last, int) else "this key is required"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    if kind == "literal_error":
        return f"expected {context['expected']}{_but_not(given, where)}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(given)} has characters that are not allowed; use a-z, 0-9, - and _ only"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]:g}{_but_not(given, where)}"
    if kind in ("too_short", "too_long", "string_too_short", "string_too_long"):
        return _length(kind, context, given)
    if kind == "finite_number":
        return f"must be a finite number{_but_not(given, where)}"
    return f"{item['msg'][0].lower()}{item['msg'][1:]}{_but_not(given, where)}"


def _length(kind: str, context: Mapping[str, Any], given: Any) -> str:
    few = kind.endswith("short")
    limit = context["min_length" if few else "max_length"]
    if few and not given:
        return "must not be empty"
    unit = "character" if kind.startswith("string") else "item"
    return f"must have at {'least' if few else 'most'} {limit} {unit}{'' if limit == 1 else 's'}, this has {len(given)}"


def _allowed_keys(model: type[BaseModel], steps: YamlPath) -> list[str]:
    """Keys of the model that lies at a path below ``model``."""
    found: Any = model
    for step in steps:
        found = _below(found, step)
    return sorted({key for part in _members(found) if _is_model(part) for key in part.model_fields})


def _below(annotation: Any, step: str | int) -> Any:
    """The annotation of a field, or of the elements of a mapping or list."""
    for part in _members(annotation):
        if _is_model(part) and step in part.model_fields:
            return part.model_fields[step].annotation
        arguments = [argument for argument in get_args(part) if argument is not Ellipsis]
        if arguments:
            return arguments[-1]
    return annotation


def _members(annotation: Any) -> list[Any]:
    """The members of a union, or the annotation itself."""
    if _is_model(annotation) or not get_args(annotation):
        return [annotation]
    if getattr(annotation, "__origin__", None) in (dict, tuple, list):
        return [annotation]
    return [member for part in get_args(annotation) for member in _members(part)]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
